//! Iterators over the messages of a channel.
//!
//! Would catch: an iterator that ends while senders are left, or goes on without any; one that waits where it must not; a
//! message taken ahead and lost when the iterator is dropped; one that is not fused.

use crate::counted::{assert_each_once, assert_in_order};
use crate::crew::{alone, everywhere, join_all};
use crate::subject::channel::{Receiver, Sender, bounded, unbounded};
use crate::support::MOMENT;

fn channels<T>() -> [(Sender<T>, Receiver<T>); 4] {
    [bounded(0), bounded(1), bounded(100), unbounded()]
}

#[test]
fn iter_yields_until_the_last_sender_has_gone() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            let sending: Vec<_> = [0..30, 30..60]
                .into_iter()
                .map(|messages| {
                    let sender = sender.clone();
                    crew.spawn(move || messages.for_each(|message| sender.send(message).unwrap()))
                })
                .collect();
            drop(sender);
            let received: Vec<usize> = receiver.iter().collect();
            let of = |side: usize| received.iter().copied().filter(move |number| number / 30 == side);
            assert_in_order(&of(0).collect::<Vec<_>>());
            assert_in_order(&of(1).collect::<Vec<_>>());
            assert_each_once(received, 60);
            join_all(sending);
        }
    });
}

#[test]
fn iter_waits_for_the_next() {
    everywhere(|crew| {
        let (sender, receiver) = unbounded();
        let summing = crew.spawn(move || receiver.iter().sum::<i32>());
        for message in [1, 2, 3] {
            sender.send(message).unwrap();
            tarae::sleep(MOMENT / 3);
        }
        assert!(!summing.is_finished());
        drop(sender);
        assert_eq!(summing.join(), 6);
    });
}

#[test]
fn an_iterator_takes_no_more_than_it_yields() {
    alone(|| {
        for (sender, receiver) in [bounded(9), unbounded()] {
            (0..9).for_each(|message| sender.send(message).unwrap());
            assert_eq!(receiver.iter().next(), Some(0));
            assert_eq!(receiver.iter().take(2).collect::<Vec<_>>(), [1, 2]);
            assert_eq!((&receiver).into_iter().next(), Some(3));
            assert_eq!(receiver.try_iter().next(), Some(4));
            assert_eq!(receiver.len(), 4);
            let mut owned = receiver.clone().into_iter();
            assert_eq!(owned.next(), Some(5));
            drop(owned);
            assert_eq!(receiver.recv(), Ok(6));
        }
    });
}

#[test]
fn try_iter_takes_what_is_there_and_does_not_wait() {
    alone(|| {
        for (sender, receiver) in [bounded(9), unbounded()] {
            assert_eq!(receiver.try_iter().count(), 0);
            (0..5).for_each(|message| sender.send(message).unwrap());
            assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
            let mut iter = receiver.try_iter();
            assert_eq!(iter.next(), None);
            // It is not fused: it looks anew.
            sender.send(5).unwrap();
            assert_eq!(iter.next(), Some(5));
            drop(sender);
            assert_eq!(iter.next(), None);
        }
    });
}

#[test]
fn try_iter_sees_messages_that_come_while_it_goes() {
    alone(|| {
        let (sender, receiver) = unbounded();
        sender.send(3_u32).unwrap();
        let mut seen = Vec::new();
        for message in receiver.try_iter() {
            seen.push(message);
            if message > 0 {
                sender.send(message - 1).unwrap();
            }
        }
        assert_eq!(seen, [3, 2, 1, 0]);
    });
}

#[test]
fn try_iter_of_a_channel_of_no_capacity_meets_who_waits() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let sending: Vec<_> = (0..5)
            .map(|number| {
                let sender = sender.clone();
                crew.spawn(move || sender.send(number).unwrap())
            })
            .collect();
        let mut received = Vec::new();
        crate::support::eventually("all are met", || {
            received.extend(receiver.try_iter());
            received.len() == 5
        });
        assert_each_once(received, 5);
        join_all(sending);
    });
}

#[test]
fn an_iterator_that_has_ended_stays_ended() {
    alone(|| {
        let (sender, receiver) = bounded(3);
        sender.send(1).unwrap();
        drop(sender);
        let mut iter = receiver.iter();
        assert_eq!([iter.next(), iter.next(), iter.next()], [Some(1), None, None]);
        let mut iter = receiver.into_iter();
        assert_eq!([iter.next(), iter.next()], [None, None]);
    });
}

#[test]
fn a_loop_borrows_or_owns() {
    alone(|| {
        let (sender, receiver) = unbounded();
        (0..4).for_each(|message| sender.send(message).unwrap());
        drop(sender);
        let mut seen = Vec::new();
        for message in &receiver {
            seen.push(message);
            if message == 1 {
                break;
            }
        }
        for message in receiver {
            seen.push(message);
        }
        assert_eq!(seen, [0, 1, 2, 3]);
    });
}

#[test]
fn an_owned_iterator_keeps_the_channel_open() {
    alone(|| {
        let (sender, receiver) = bounded(2);
        let mut messages = receiver.into_iter();
        sender.send(1).unwrap();
        assert_eq!(messages.next(), Some(1));
        sender.send(2).unwrap();
        drop(messages);
        assert!(sender.send(3).is_err());
    });
}

#[test]
fn iterators_of_one_receiver_share_the_messages() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            let receiving: Vec<_> = (0..3)
                .map(|_| {
                    let receiver = receiver.clone();
                    crew.spawn(move || receiver.into_iter().collect::<Vec<usize>>())
                })
                .collect();
            (0..200).for_each(|message| sender.send(message).unwrap());
            drop((sender, receiver));
            let received = join_all(receiving);
            received.iter().for_each(|one| assert_in_order(one));
            assert_each_once(received.into_iter().flatten(), 200);
        }
    });
}

#[test]
fn debug_texts_of_iterators() {
    let (_sender, receiver) = unbounded::<i32>();
    assert_eq!(format!("{:?}", receiver.iter()), "Iter { .. }");
    assert_eq!(format!("{:?}", receiver.try_iter()), "TryIter { .. }");
    assert_eq!(format!("{:?}", receiver.into_iter()), "IntoIter { .. }");
}

#[test]
fn iterators_are_what_they_say() {
    fn fused<I: std::iter::FusedIterator>(_: &I) {}
    fn sent<I: Send>(_: &I) {}
    let (_sender, receiver) = unbounded::<i32>();
    fused(&receiver.iter());
    sent(&receiver.iter());
    sent(&receiver.try_iter());
    let owned = receiver.into_iter();
    fused(&owned);
    sent(&owned);
}
