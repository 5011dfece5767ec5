//! `Select`: its operations, what they wait for, and what they hand back.
//!
//! Would catch: a select that waits though a case is ready, or returns though none is; an index that is not of the case that
//! was selected; an operation that was taken by somebody else and is completed none the less; a place in a queue that is
//! left behind by the cases that lost, and swallows a message; a select that cannot be used again.

use std::time::{Duration, Instant};

use crate::crew::{alone, everywhere};
use crate::subject::channel::{
    Receiver, RecvError, Select, SelectTimeoutError, SendError, TryRecvError, TrySelectError, after, bounded,
    never, unbounded,
};
use crate::support::{LIMIT, MOMENT, eventually, ms};

#[test]
fn the_case_that_is_ready_is_selected() {
    alone(|| {
        let channels: Vec<_> = (0..5).map(|_| unbounded::<usize>()).collect();
        let mut select = Select::new();
        let cases: Vec<usize> = channels.iter().map(|(_, receiver)| select.recv(receiver)).collect();
        assert_eq!(cases, [0, 1, 2, 3, 4]);
        for ready in [2, 0, 4, 4, 1, 3] {
            channels[ready].0.send(ready * 10).unwrap();
            let chosen = select.select();
            assert_eq!(chosen.index(), cases[ready]);
            assert_eq!(chosen.recv(&channels[ready].1), Ok(ready * 10));
        }
        assert_eq!(select.try_select().unwrap_err(), TrySelectError);
    });
}

#[test]
fn a_send_is_selected_when_there_is_room() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        let (full, _keep) = bounded(0);
        let mut select = Select::new();
        let to_full = select.send(&full);
        let to_free = select.send(&sender);
        let chosen = select.select();
        assert_eq!(chosen.index(), to_free);
        assert_ne!(chosen.index(), to_full);
        assert_eq!(chosen.send(&sender, 5), Ok(()));
        assert_eq!(select.try_select().unwrap_err(), TrySelectError);
        assert_eq!(receiver.try_recv(), Ok(5));
        // Messages of another type, which is never asked for.
        assert!(full.try_send("nobody takes it").is_err());
    });
}

#[test]
fn an_ended_channel_is_ready_and_says_so() {
    alone(|| {
        let (sender, dropped) = bounded::<i32>(0);
        drop(dropped);
        let (dropped, receiver) = unbounded::<i32>();
        drop(dropped);
        let (_open, waiting) = unbounded::<i32>();
        let mut select = Select::new();
        select.recv(&waiting);
        let ended = select.recv(&receiver);
        let chosen = select.select();
        assert_eq!(chosen.index(), ended);
        assert_eq!(chosen.recv(&receiver), Err(RecvError));
        select.remove(ended);
        let refused = select.send(&sender);
        let chosen = select.try_select().unwrap();
        assert_eq!(chosen.index(), refused);
        assert_eq!(chosen.send(&sender, 3), Err(SendError(3)));
        select.remove(refused);
        assert!(select.try_select().is_err());
    });
}

#[test]
fn messages_left_in_an_ended_channel_come_first() {
    alone(|| {
        for (sender, receiver) in [bounded(2), unbounded()] {
            sender.send(1).unwrap();
            sender.send(2).unwrap();
            drop(sender);
            let mut select = Select::new();
            select.recv(&receiver);
            let outcomes: Vec<_> = (0..4).map(|_| select.select().recv(&receiver)).collect();
            assert_eq!(outcomes, [Ok(1), Ok(2), Err(RecvError), Err(RecvError)]);
        }
    });
}

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
fn timeouts_pass_and_not_early() {
    alone(|| {
        let (sender, _receiver) = bounded::<i32>(0);
        let (_sender, receiver) = unbounded::<i32>();
        let mut select = Select::new();
        select.send(&sender);
        select.recv(&receiver);
        let start = Instant::now();
        assert_eq!(select.select_timeout(ms(8)).unwrap_err(), SelectTimeoutError);
        assert!(start.elapsed() >= ms(8));
        assert_eq!(select.select_deadline(start + ms(20)).unwrap_err(), SelectTimeoutError);
        assert!((ms(20)..LIMIT).contains(&start.elapsed()));
        assert!(select.select_deadline(start).is_err());
        for _ in 0..5_000 {
            assert!(select.select_timeout(Duration::ZERO).is_err());
        }
    });
}

#[test]
fn a_case_that_is_ready_counts_even_if_the_time_has_passed() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        for message in 0..3 {
            sender.send(message).unwrap();
            let mut select = Select::new();
            select.recv(&receiver);
            let chosen = match message {
                0 => select.select_timeout(Duration::ZERO),
                1 => select.select_deadline(Instant::now() - ms(5)),
                _ => select.select_timeout(Duration::MAX),
            };
            assert_eq!(chosen.unwrap().recv(&receiver), Ok(message));
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
fn cases_are_removed_and_their_numbers_not_used_again() {
    alone(|| {
        let (sender, receiver) = unbounded();
        let (_other, silent) = unbounded::<i32>();
        let mut select = Select::new();
        assert_eq!(select.recv(&silent), 0);
        assert_eq!(select.recv(&receiver), 1);
        assert_eq!(select.send(&sender), 2);
        select.remove(2);
        assert!(select.try_select().is_err());
        assert_eq!(select.recv(&receiver), 3);
        select.remove(1);
        sender.send(9).unwrap();
        let chosen = select.select();
        assert_eq!(chosen.index(), 3);
        assert_eq!(chosen.recv(&receiver), Ok(9));
        select.remove(0);
        select.remove(3);
        assert_eq!(select.send(&sender), 4);
        select.select().send(&sender, 1).unwrap();
    });
}

#[test]
fn a_clone_is_another_select() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(2);
        let mut select = Select::new();
        let case = select.recv(&receiver);
        let mut clone = select.clone();
        let (_other, silent) = bounded::<i32>(0);
        assert_eq!(clone.recv(&silent), 1);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        let (one, two) = (select.select(), clone.select());
        assert_eq!((one.index(), two.index()), (case, case));
        assert_eq!((one.recv(&receiver), two.recv(&receiver)), (Ok(1), Ok(2)));
        clone.remove(case);
        let sending = crew.spawn(move || sender.send(3));
        assert_eq!(select.select().recv(&receiver), Ok(3));
        assert!(clone.try_select().is_err());
        sending.join().unwrap();
    });
}

#[test]
fn without_cases_nothing_is_ready() {
    alone(|| {
        let mut select = Select::new();
        assert!(select.try_select().is_err() && select.try_ready().is_err());
        let start = Instant::now();
        assert!(select.select_timeout(ms(5)).is_err() && select.ready_timeout(ms(5)).is_err());
        assert!(select.select_deadline(start + ms(15)).is_err());
        assert!(select.ready_deadline(start + ms(20)).is_err());
        assert!((ms(20)..LIMIT).contains(&start.elapsed()));
    });
}

#[test]
fn selects_nest_between_a_selection_and_its_completion() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        let (inner_sender, inner_receiver) = bounded(1);
        let mut outer = Select::new();
        outer.send(&sender);
        let chosen = outer.select();
        let mut inner = Select::new();
        inner.send(&inner_sender);
        inner.select().send(&inner_sender, 1).unwrap();
        let timer = after(ms(2));
        let mut innermost = Select::new();
        innermost.recv(&inner_receiver);
        innermost.recv(&timer);
        assert_eq!(innermost.select().recv(&inner_receiver), Ok(1));
        chosen.send(&sender, 2).unwrap();
        assert_eq!(receiver.recv(), Ok(2));
    });
}

#[test]
fn many_cases_are_no_more_than_one() {
    everywhere(|crew| {
        let channels: Vec<_> = (0..200).map(|_| bounded(0)).collect();
        let senders: Vec<_> = channels.iter().map(|(sender, _)| sender.clone()).collect();
        let sending = crew.spawn(move || (0..200).rev().for_each(|number| senders[number].send(number).unwrap()));
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
