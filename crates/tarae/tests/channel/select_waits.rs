//! `Select` while it waits, with what others do meanwhile.
//!
//! Would catch: a select that is not woken by a message, room, an end or a partner; an operation that was taken by somebody else and
//! is completed none the less; two cases that happen at once; a place in a queue that is left behind by the cases that lost,
//! or by a select that gave up, and swallows a message.

use std::time::Duration;

use crate::crew::everywhere;
use crate::subject::channel::{
    Receiver, RecvError, Select, SendError, TryRecvError, bounded, never, unbounded,
};
use crate::support::{LIMIT, MOMENT, eventually, ms};

#[test]
fn it_waits_until_a_case_is_ready() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(0), bounded(1), unbounded()] {
            let (_other, silent) = bounded::<i32>(0);
            let selecting = crew.spawn(move || {
                let mut select = Select::new();
                select.recv(&silent);
                let case = select.recv(&receiver);
                let chosen = select.select();
                assert_eq!(chosen.index(), case);
                chosen.recv(&receiver)
            });
            tarae::sleep(ms(8));
            assert!(!selecting.is_finished());
            sender.send(7).unwrap();
            assert_eq!(selecting.join(), Ok(7));
        }
    });
}

#[test]
fn it_waits_until_there_is_room() {
    everywhere(|crew| {
        for capacity in [0, 1, 2] {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|_| sender.send(0).unwrap());
            let selecting = crew.spawn(move || {
                let never = never::<i32>();
                let mut select = Select::new();
                let case = select.send(&sender);
                select.recv(&never);
                let chosen = select.select();
                assert_eq!(chosen.index(), case);
                chosen.send(&sender, 7)
            });
            tarae::sleep(ms(8));
            assert!(!selecting.is_finished());
            assert_eq!(receiver.iter().last(), Some(7));
            assert_eq!(selecting.join(), Ok(()));
        }
    });
}

#[test]
fn an_end_wakes_it() {
    everywhere(|crew| {
        for capacity in [0, 1] {
            let (sender, receiver) = bounded(capacity);
            while sender.try_send(1).is_ok() {}
            let (other_sender, other) = bounded::<i32>(capacity);
            let sending = crew.spawn(move || {
                let mut select = Select::new();
                select.send(&sender);
                select.select().send(&sender, 2)
            });
            let receiving = crew.spawn(move || {
                let mut select = Select::new();
                select.recv(&other);
                select.select().recv(&other)
            });
            tarae::sleep(ms(5));
            drop(receiver);
            drop(other_sender);
            assert_eq!(sending.join(), Err(SendError(2)));
            assert_eq!(receiving.join(), Err(RecvError));
        }
    });
}

#[test]
fn what_becomes_ready_in_time_is_selected() {
    everywhere(|crew| {
        for timeout in [LIMIT, Duration::MAX] {
            let (sender, receiver) = bounded(0);
            let sending = crew.spawn(move || {
                tarae::sleep(ms(5));
                sender.send(1).unwrap();
            });
            let mut select = Select::new();
            select.recv(&receiver);
            assert_eq!(select.select_timeout(timeout).unwrap().recv(&receiver), Ok(1));
            sending.join();
        }
    });
}

#[test]
fn a_select_that_gave_up_leaves_nothing_behind() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(0), bounded(1), unbounded()] {
            let mine = receiver.clone();
            crew.spawn(move || {
                let mut select = Select::new();
                select.recv(&mine);
                assert!(select.select_timeout(ms(2)).is_err());
                assert!(select.try_select().is_err());
                assert!(select.ready_timeout(ms(2)).is_err());
                // Still there, and not in anybody's way.
                let other = mine.clone();
                (select.try_ready().is_err(), other.try_recv().is_err())
            })
            .join();
            let waiting = crew.spawn(move || receiver.recv());
            sender.send(1).unwrap();
            assert_eq!(waiting.join(), Ok(1));
        }
    });
}

#[test]
fn the_cases_that_lost_leave_nothing_behind() {
    everywhere(|crew| {
        let channels: Vec<_> = (0..4).map(|_| bounded::<usize>(0)).collect();
        for round in 0..40 {
            let receivers: Vec<Receiver<usize>> = channels.iter().map(|(_, r)| r.clone()).collect();
            let selecting = crew.spawn(move || {
                let mut select = Select::new();
                receivers.iter().for_each(|receiver| {
                    select.recv(receiver);
                });
                let chosen = select.select();
                let index = chosen.index();
                (index, chosen.recv(&receivers[index]).unwrap())
            });
            let winner = round % 4;
            channels[winner].0.send(round).unwrap();
            assert_eq!(selecting.join(), (winner, round));
            for (sender, receiver) in &channels {
                assert!(sender.try_send(0).is_err(), "nobody waits any more");
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            }
        }
    });
}

#[test]
fn only_one_of_several_cases_happens() {
    everywhere(|crew| {
        let (first, first_receiver) = bounded(1);
        let (second, second_receiver) = bounded(1);
        for round in 0..60 {
            let (a, b) = (first_receiver.clone(), second_receiver.clone());
            let selecting = crew.spawn(move || {
                let mut select = Select::new();
                select.recv(&a);
                select.recv(&b);
                let chosen = select.select();
                match chosen.index() {
                    0 => chosen.recv(&a).unwrap(),
                    _ => chosen.recv(&b).unwrap(),
                }
            });
            let (a, b) = (first.clone(), second.clone());
            let one = crew.spawn(move || a.send(round).unwrap());
            let two = crew.spawn(move || b.send(round).unwrap());
            assert_eq!(selecting.join(), round);
            one.join();
            two.join();
            let left = [first_receiver.try_recv(), second_receiver.try_recv()];
            assert_eq!(left.iter().flatten().count(), 1, "one is left: {left:?}");
        }
    });
}

#[test]
fn one_channel_in_several_cases() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(0), bounded(1), unbounded()] {
            let selecting = crew.spawn(move || {
                let copy = receiver.clone();
                for expected in 0..50 {
                    let mut select = Select::new();
                    let cases = [select.recv(&receiver), select.recv(&receiver), select.recv(&copy)];
                    let chosen = select.select();
                    let case = cases.iter().position(|case| *case == chosen.index()).unwrap();
                    let got = if case == 2 { chosen.recv(&copy) } else { chosen.recv(&receiver) };
                    assert_eq!(got, Ok(expected));
                }
                receiver
            });
            (0..50).for_each(|message| sender.send(message).unwrap());
            assert!(selecting.join().is_empty());
        }
    });
}

#[test]
fn many_cases_are_no_more_than_one() {
    everywhere(|crew| {
        let channels: Vec<_> = (0..200).map(|_| bounded(0)).collect();
        let senders: Vec<_> = channels.iter().map(|(sender, _)| sender.clone()).collect();
        let sending =
            crew.spawn(move || (0..200).rev().for_each(|number| senders[number].send(number).unwrap()));
        for expected in (0..200).rev() {
            let mut select = Select::new();
            channels.iter().for_each(|(_, receiver)| {
                select.recv(receiver);
            });
            let chosen = select.select();
            assert_eq!(chosen.index(), expected);
            assert_eq!(chosen.recv(&channels[expected].1), Ok(expected));
        }
        sending.join();
    });
}

#[test]
fn try_select_meets_who_waits() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let sending = crew.spawn(move || sender.send(3));
        tarae::sleep(MOMENT / 10);
        let mut select = Select::new();
        select.recv(&receiver);
        let mut got = None;
        eventually("somebody waits", || {
            got = select.try_select().ok().map(|chosen| chosen.recv(&receiver));
            got.is_some()
        });
        assert_eq!(got, Some(Ok(3)));
        sending.join().unwrap();
    });
}
