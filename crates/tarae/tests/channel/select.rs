//! `Select`: its cases, what it says of them, and what it hands back.
//!
//! Would catch: a select that waits though a case is ready, or returns though none is; an index that is not of the case that
//! was selected; a case that is found after it was removed; a timeout that comes early or not at all; a select that cannot
//! be used again, or shares its cases with its clone.

use std::time::{Duration, Instant};

use crate::crew::{alone, everywhere};
use crate::subject::channel::{
    RecvError, Select, SelectTimeoutError, SendError, TrySelectError, after, bounded, unbounded,
};
use crate::support::{LIMIT, ms};

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
