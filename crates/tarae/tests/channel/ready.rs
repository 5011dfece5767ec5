//! `Select::ready` and its family: they say what could be done, and do not do it.
//!
//! Would catch: a case that is ready and not seen, or seen and used up; a wait that is not woken by a message, room, an end or
//! a partner; a watcher that takes the wake of one who would use it, and is not followed by another wake.

use std::time::{Duration, Instant};

use crate::counted::assert_each_once;
use crate::crew::{alone, everywhere, join_all};
use crate::subject::channel::{
    ReadyTimeoutError, Select, Sender, TryReadyError, TryRecvError, after, bounded, unbounded,
};
use crate::support::{LIMIT, ms};

#[test]
fn it_says_which_is_ready_and_takes_nothing() {
    alone(|| {
        for (sender, receiver) in [bounded(1), unbounded()] {
            let (_other, silent) = unbounded::<i32>();
            let mut select = Select::new();
            select.recv(&silent);
            let case = select.recv(&receiver);
            assert_eq!(select.try_ready(), Err(TryReadyError));
            sender.send(1).unwrap();
            for _ in 0..3 {
                assert_eq!(select.try_ready(), Ok(case));
                assert_eq!(select.ready(), case);
                assert_eq!(select.ready_timeout(Duration::ZERO), Ok(case));
                assert_eq!(select.ready_timeout(Duration::MAX), Ok(case));
                assert_eq!(select.ready_deadline(Instant::now() - ms(5)), Ok(case));
            }
            assert_eq!(receiver.recv(), Ok(1));
            assert_eq!(select.try_ready(), Err(TryReadyError));
        }
    });
}

#[test]
fn room_and_ends_are_ready() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        let mut select = Select::new();
        let case = select.send(&sender);
        assert_eq!(select.try_ready(), Ok(case));
        sender.send(1).unwrap();
        assert_eq!(select.try_ready(), Err(TryReadyError));
        drop(receiver);
        assert_eq!(select.ready(), case);
        let (sender, receiver) = bounded::<i32>(0);
        let mut select = Select::new();
        let case = select.recv(&receiver);
        assert_eq!(select.try_ready(), Err(TryReadyError));
        drop(sender);
        assert_eq!(select.ready(), case);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn timeouts_pass_and_not_early() {
    alone(|| {
        let (sender, receiver) = bounded::<i32>(0);
        let mut select = Select::new();
        select.recv(&receiver);
        let mut sending = Select::new();
        sending.send(&sender);
        let start = Instant::now();
        assert_eq!(select.ready_timeout(ms(5)), Err(ReadyTimeoutError));
        assert!(start.elapsed() >= ms(5));
        assert_eq!(sending.ready_timeout(ms(5)), Err(ReadyTimeoutError));
        assert_eq!(select.ready_deadline(start + ms(20)), Err(ReadyTimeoutError));
        assert!((ms(20)..LIMIT).contains(&start.elapsed()));
        assert_eq!(select.ready_deadline(start), Err(ReadyTimeoutError));
    });
}

#[test]
fn a_message_wakes_who_watches() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(0), bounded(1), unbounded()] {
            let watching = crew.spawn(move || {
                let timer = after(LIMIT);
                let mut select = Select::new();
                select.recv(&timer);
                let case = select.recv(&receiver);
                loop {
                    assert_eq!(select.ready(), case);
                    match receiver.try_recv() {
                        // It may be ready for no reason, or for one that has passed.
                        Err(TryRecvError::Empty) => {}
                        got => return got,
                    }
                }
            });
            tarae::sleep(ms(5));
            assert!(!watching.is_finished());
            sender.send(4).unwrap();
            assert_eq!(watching.join(), Ok(4));
        }
    });
}

#[test]
fn room_wakes_who_watches() {
    everywhere(|crew| {
        for capacity in [0, 1, 3] {
            let (sender, receiver) = bounded(capacity);
            while sender.try_send(0).is_ok() {}
            let watching = crew.spawn(move || {
                let mut select = Select::new();
                let case = select.send(&sender);
                loop {
                    assert_eq!(select.ready(), case);
                    if sender.try_send(9).is_ok() {
                        return;
                    }
                }
            });
            tarae::sleep(ms(5));
            assert!(!watching.is_finished());
            assert_eq!(receiver.iter().last(), Some(9));
            watching.join();
        }
    });
}

#[test]
fn an_end_wakes_who_watches() {
    everywhere(|crew| {
        for capacity in [0, 2] {
            let (sender, receiver) = bounded(capacity);
            while sender.try_send(1).is_ok() {}
            let (other_sender, other) = bounded::<i32>(capacity);
            let watching_room = crew.spawn(move || {
                let mut select = Select::new();
                select.send(&sender);
                select.ready()
            });
            let watching_messages = crew.spawn(move || {
                let mut select = Select::new();
                select.recv(&other);
                select.ready_timeout(LIMIT)
            });
            tarae::sleep(ms(5));
            drop(receiver);
            drop(other_sender);
            assert_eq!(watching_room.join(), 0);
            assert_eq!(watching_messages.join(), Ok(0));
        }
    });
}

#[test]
fn everyone_who_watches_is_woken() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(1), unbounded()] {
            let watching: Vec<_> = (0..5)
                .map(|_| {
                    let receiver = receiver.clone();
                    crew.spawn(move || {
                        let mut select = Select::new();
                        select.recv(&receiver);
                        select.ready()
                    })
                })
                .collect();
            tarae::sleep(ms(3));
            // It stays, as nobody takes it.
            sender.send(1).unwrap();
            assert_eq!(join_all(watching), [0; 5]);
            assert_eq!(receiver.len(), 1);
        }
    });
}

#[test]
fn who_watches_and_does_nothing_takes_no_wake_from_who_waits() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(0), bounded(1), unbounded()] {
            for _ in 0..30 {
                let watched = receiver.clone();
                let watching = crew.spawn(move || {
                    let mut select = Select::new();
                    select.recv(&watched);
                    let _ = select.ready_timeout(ms(2));
                });
                let waited = receiver.clone();
                let waiting = crew.spawn(move || waited.recv());
                sender.send(1).unwrap();
                assert_eq!(waiting.join(), Ok(1));
                watching.join();
            }
        }
    });
}

/// Tries whenever the only case is ready, until it is done.
fn until_done(select: &mut Select<'_>, case: usize, mut attempt: impl FnMut() -> bool) {
    loop {
        assert_eq!(select.ready(), case);
        if attempt() {
            return;
        }
    }
}

#[test]
fn a_partner_in_a_queue_is_ready() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let other = sender.clone();
        let sending = crew.spawn(move || other.send(1));
        let mut select = Select::new();
        let case = select.recv(&receiver);
        // What is ready may be so no longer, and is asked for again.
        until_done(&mut select, case, || {
            receiver.try_recv().ok().inspect(|got| assert_eq!(*got, 1)).is_some()
        });
        sending.join().unwrap();
        let receiving = crew.spawn(move || receiver.recv());
        let mut select = Select::new();
        let case = select.send(&sender);
        until_done(&mut select, case, || sender.try_send(2).is_ok());
        assert_eq!(receiving.join(), Ok(2));
    });
}

#[test]
fn many_who_watch_and_try_share_the_messages() {
    everywhere(|crew| {
        const MESSAGES: usize = 400;
        for (sender, receiver) in [bounded(0), bounded(2), unbounded()] {
            let receiving: Vec<_> = (0..3)
                .map(|_| {
                    let receiver = receiver.clone();
                    crew.spawn(move || {
                        let mut received = Vec::new();
                        let mut select = Select::new();
                        select.recv(&receiver);
                        loop {
                            select.ready();
                            match receiver.try_recv() {
                                Ok(message) => received.push(message),
                                Err(TryRecvError::Empty) => {}
                                Err(TryRecvError::Disconnected) => return received,
                            }
                        }
                    })
                })
                .collect();
            (0..MESSAGES).for_each(|message| sender.send(message).unwrap());
            drop(sender);
            assert_each_once(join_all(receiving).into_iter().flatten(), MESSAGES);
        }
    });
}

#[test]
fn of_several_that_are_ready_each_is_said_in_turn() {
    alone(|| {
        let channels: Vec<_> = (0..4).map(|_| bounded(1)).collect();
        channels.iter().for_each(|(sender, _): &(Sender<()>, _)| sender.send(()).unwrap());
        let (mut hits, mut select) = ([0; 4], Select::new());
        channels.iter().for_each(|(_, receiver)| {
            select.recv(receiver);
        });
        for round in 0..2_000 {
            let case = if round % 2 == 0 { select.ready() } else { select.try_ready().unwrap() };
            hits[case] += 1;
        }
        assert!(hits.iter().all(|count| *count > 200), "{hits:?}");
    });
}
