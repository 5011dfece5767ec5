//! The end of a channel: when the last of one side has gone.
//!
//! Would catch: an end with the first clone that is dropped, or with none; a message that was sent before the end and is not
//! received; one who waits and is not told, on either side, or only one of many; a message that is kept or lost when its
//! send fails; an end that is told to a select only after something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::counted::Ledger;
use crate::crew::{alone, everywhere, join_all};
use crate::subject::channel::{
    Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, bounded, unbounded,
};
use crate::support::{MOMENT, ms};

fn channels<T>() -> [(Sender<T>, Receiver<T>); 4] {
    [bounded(0), bounded(1), bounded(8), unbounded()]
}

#[test]
fn a_send_to_nobody_gives_the_message_back() {
    alone(|| {
        for (sender, receiver) in channels() {
            drop(receiver);
            assert_eq!(sender.send("a"), Err(SendError("a")));
            assert_eq!(sender.try_send("b"), Err(TrySendError::Disconnected("b")));
            assert_eq!(sender.send_timeout("c", ms(1)).unwrap_err().into_inner(), "c");
            // And so it stays.
            assert_eq!(sender.send("d"), Err(SendError("d")));
            assert_eq!(sender.clone().send("e"), Err(SendError("e")));
        }
    });
}

#[test]
fn a_receive_from_nobody_says_so() {
    alone(|| {
        for (sender, receiver) in channels::<i32>() {
            drop(sender);
            for _ in 0..2 {
                assert_eq!(receiver.recv(), Err(RecvError));
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
                assert!(receiver.recv_timeout(ms(1)).unwrap_err().is_disconnected());
                assert_eq!(receiver.clone().recv(), Err(RecvError));
            }
        }
    });
}

#[test]
fn what_was_sent_before_the_end_is_received() {
    alone(|| {
        for (sender, receiver) in [bounded(3), unbounded()] {
            (1..=3).for_each(|message| sender.send(message).unwrap());
            drop(sender);
            assert_eq!(receiver.len(), 3);
            assert_eq!(receiver.try_recv(), Ok(1));
            assert_eq!(receiver.recv_timeout(ms(1)), Ok(2));
            assert_eq!(receiver.recv(), Ok(3));
            assert_eq!(receiver.recv(), Err(RecvError));
        }
    });
}

#[test]
fn a_full_channel_that_ends_is_no_longer_full_but_ended() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        sender.send(1).unwrap();
        assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
        drop(receiver);
        assert_eq!(sender.try_send(2), Err(TrySendError::Disconnected(2)));
    });
}

#[test]
fn what_is_left_when_the_last_receiver_goes_is_dropped() {
    alone(|| {
        for (sender, receiver) in [bounded(5), unbounded()] {
            let ledger = Ledger::new(5);
            (0..5).for_each(|number| sender.send(ledger.value(number)).unwrap());
            let other = receiver.clone();
            drop(receiver);
            assert_eq!(ledger.dropped(), 0);
            drop(other);
            // At once if it is unbounded: what is there has no limit. Bounded, with the last sender at the latest.
            if sender.capacity().is_none() {
                ledger.assert_each_dropped_once();
            }
            drop(sender);
            ledger.assert_each_dropped_once();
        }
    });
}

#[test]
fn the_last_clone_ends_it() {
    alone(|| {
        for (sender, receiver) in channels::<i32>() {
            let senders: Vec<_> = (0..10).map(|_| sender.clone()).collect();
            drop(sender);
            for clone in senders {
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                drop(clone);
            }
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        }
        for (sender, receiver) in channels::<i32>() {
            let receivers: Vec<_> = (0..10).map(|_| receiver.clone()).collect();
            drop(receiver);
            for clone in receivers {
                assert!(!matches!(sender.try_send(1), Err(TrySendError::Disconnected(_))));
                drop(clone);
            }
            assert_eq!(sender.try_send(1), Err(TrySendError::Disconnected(1)));
        }
    });
}

#[test]
fn everyone_who_waits_to_receive_is_told() {
    everywhere(|crew| {
        for (sender, receiver) in channels::<i32>() {
            let waiting: Vec<_> = (0..6)
                .map(|_| {
                    let receiver = receiver.clone();
                    crew.spawn(move || receiver.recv())
                })
                .collect();
            let other = sender.clone();
            drop(sender);
            tarae::sleep(ms(5));
            assert!(waiting.iter().all(|hand| !hand.is_finished()));
            drop(other);
            assert_eq!(join_all(waiting), [Err(RecvError); 6]);
        }
    });
}

#[test]
fn everyone_who_waits_to_send_is_told_and_has_the_message_back() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(0), bounded(1)] {
            let ledger = Ledger::new(7);
            let _ = sender.try_send(ledger.value(6));
            let waiting: Vec<_> = (0..6)
                .map(|number| {
                    let (sender, value) = (sender.clone(), ledger.value(number));
                    crew.spawn(move || sender.send(value).unwrap_err().into_inner().number())
                })
                .collect();
            let other = receiver.clone();
            drop(receiver);
            tarae::sleep(ms(5));
            assert!(waiting.iter().all(|hand| !hand.is_finished()));
            drop(other);
            assert_eq!(join_all(waiting), [0, 1, 2, 3, 4, 5]);
            drop(sender);
            ledger.assert_each_dropped_once();
        }
    });
}

#[test]
fn a_sender_that_waits_is_served_after_the_other_senders_have_gone() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(1);
        sender.send(1).unwrap();
        let other = sender.clone();
        let sending = crew.spawn(move || {
            sender.send(2).unwrap();
            drop(sender);
        });
        drop(other);
        tarae::sleep(MOMENT);
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.recv(), Ok(2));
        assert_eq!(receiver.recv(), Err(RecvError));
        sending.join();
    });
}

#[test]
fn an_end_races_with_sends_and_each_message_is_received_or_given_back() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            const MESSAGES: usize = 300;
            let ledger = Ledger::new(2 * MESSAGES);
            let sending: Vec<_> = (0..2)
                .map(|side| {
                    let (sender, ledger) = (sender.clone(), ledger.clone());
                    crew.spawn(move || {
                        let mine = side * MESSAGES..(side + 1) * MESSAGES;
                        let mine_too = |number| number / MESSAGES == side;
                        let back = mine.map(|number| sender.send(ledger.value(number)));
                        back.filter_map(Result::err).filter(|error| mine_too(error.0.number())).count()
                    })
                })
                .collect();
            let received = receiver.iter().take(50).count();
            assert_eq!(received, 50);
            drop(receiver);
            let back: usize = join_all(sending).into_iter().sum();
            assert!(back <= 2 * MESSAGES - 50);
            assert!(ledger.dropped() >= back + 50);
            drop(sender);
            ledger.assert_each_dropped_once();
        }
    });
}

#[test]
fn both_sides_may_go_at_once() {
    everywhere(|crew| {
        for round in 0..60 {
            let (sender, receiver) = match round % 3 {
                0 => bounded(0),
                1 => bounded(2),
                _ => unbounded(),
            };
            let ledger = Ledger::new(1);
            let value = ledger.value(0);
            let sending = crew.spawn(move || {
                let _ = sender.try_send(value);
                drop(sender);
            });
            let receiving = crew.spawn(move || drop(receiver));
            sending.join();
            receiving.join();
            ledger.assert_each_dropped_once();
        }
    });
}

#[test]
fn a_channel_without_anybody_is_freed() {
    everywhere(|crew| {
        struct Told(Arc<AtomicUsize>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let freed = Arc::new(AtomicUsize::new(0));
        for (sender, receiver) in [bounded(2), unbounded()] {
            sender.send(Told(freed.clone())).unwrap();
            let sending = crew.spawn(move || drop(sender));
            crew.spawn(move || drop(receiver)).join();
            sending.join();
        }
        assert_eq!(freed.load(Ordering::SeqCst), 2);
    });
}
