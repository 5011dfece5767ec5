//! Timeouts and deadlines of sends and receives.
//!
//! Would catch: a wait that ends before its time, or not at all; a timeout counted anew at each wake; a time in the past or of
//! zero that waits; a message lost on the way back; an end of the channel told as a timeout, or the other way round.

use std::time::{Duration, Instant};

use crate::crew::{alone, everywhere};
use crate::subject::channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded, unbounded};
use crate::support::{LIMIT, MOMENT, ms};

fn full<T: Clone>(message: &T) -> [(Sender<T>, Receiver<T>); 3] {
    [0, 1, 4].map(|capacity| {
        let (sender, receiver) = bounded(capacity);
        (0..capacity).for_each(|_| sender.send(message.clone()).unwrap());
        (sender, receiver)
    })
}

fn empty<T>() -> [(Sender<T>, Receiver<T>); 4] {
    [bounded(0), bounded(1), bounded(4), unbounded()]
}

/// Runs `wait`, and asserts that it took so long at least, and not for ever.
#[track_caller]
fn takes<T>(least: Duration, wait: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let outcome = wait();
    let elapsed = start.elapsed();
    assert!((least..LIMIT).contains(&elapsed), "took {elapsed:?} instead of {least:?}");
    outcome
}

#[test]
fn a_receive_waits_as_long_as_it_was_told() {
    alone(|| {
        for (_sender, receiver) in empty::<i32>() {
            let told = takes(ms(8), || receiver.recv_timeout(ms(8)));
            assert_eq!(told, Err(RecvTimeoutError::Timeout));
            let told = takes(ms(8), || receiver.recv_deadline(Instant::now() + ms(8)));
            assert_eq!(told, Err(RecvTimeoutError::Timeout));
        }
    });
}

#[test]
fn a_send_waits_as_long_as_it_was_told_and_gives_the_message_back() {
    alone(|| {
        for (sender, receiver) in full(&String::from("old")) {
            let told = takes(ms(8), || sender.send_timeout("new".into(), ms(8)));
            assert_eq!(told, Err(SendTimeoutError::Timeout("new".into())));
            let told = takes(ms(8), || sender.send_deadline("newer".into(), Instant::now() + ms(8)));
            assert_eq!(told.unwrap_err().into_inner(), "newer");
            assert!(receiver.try_iter().all(|message| message == "old"));
        }
    });
}

#[test]
fn times_that_have_passed_do_not_wait() {
    alone(|| {
        // A wait of any length, so often, would be over the limit of the test.
        for _ in 0..5_000 {
            for (_sender, receiver) in empty::<i32>() {
                assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
                assert_eq!(receiver.recv_deadline(Instant::now()), Err(RecvTimeoutError::Timeout));
            }
            for (sender, _receiver) in full(&1) {
                assert_eq!(sender.send_timeout(2, Duration::ZERO), Err(SendTimeoutError::Timeout(2)));
                assert_eq!(sender.send_deadline(2, Instant::now()), Err(SendTimeoutError::Timeout(2)));
            }
        }
    });
}

#[test]
fn what_comes_in_time_is_received() {
    everywhere(|crew| {
        for (sender, receiver) in empty() {
            let sending = crew.spawn(move || {
                tarae::sleep(ms(5));
                sender.send(1).unwrap();
                tarae::sleep(ms(5));
                sender.send(2).unwrap();
            });
            assert_eq!(receiver.recv_timeout(LIMIT), Ok(1));
            assert_eq!(receiver.recv_deadline(Instant::now() + LIMIT), Ok(2));
            sending.join();
        }
    });
}

#[test]
fn what_is_taken_in_time_is_sent() {
    everywhere(|crew| {
        for (sender, receiver) in full(&0) {
            let receiving = crew.spawn(move || {
                tarae::sleep(ms(5));
                receiver.iter().filter(|message| *message != 0).collect::<Vec<_>>()
            });
            sender.send_timeout(1, LIMIT).unwrap();
            sender.send_deadline(2, Instant::now() + LIMIT).unwrap();
            drop(sender);
            assert_eq!(receiving.join(), [1, 2]);
        }
    });
}

#[test]
fn an_end_during_the_wait_is_told_as_such() {
    everywhere(|crew| {
        for (sender, receiver) in empty::<i32>() {
            let ending = crew.spawn(move || {
                tarae::sleep(ms(5));
                drop(sender);
            });
            assert_eq!(receiver.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
            ending.join();
        }
        for (sender, receiver) in full(&1) {
            let ending = crew.spawn(move || {
                tarae::sleep(ms(5));
                drop(receiver);
            });
            assert_eq!(sender.send_timeout(2, LIMIT), Err(SendTimeoutError::Disconnected(2)));
            ending.join();
        }
    });
}

#[test]
fn an_end_before_the_wait_is_told_even_if_the_time_has_passed() {
    alone(|| {
        for (sender, receiver) in empty::<i32>() {
            drop(sender);
            assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Disconnected));
            assert_eq!(receiver.recv_deadline(Instant::now() - ms(9)), Err(RecvTimeoutError::Disconnected));
        }
        for (sender, receiver) in full(&1) {
            drop(receiver);
            assert_eq!(sender.send_timeout(2, Duration::ZERO), Err(SendTimeoutError::Disconnected(2)));
            let past = Instant::now() - ms(9);
            assert_eq!(sender.send_deadline(3, past), Err(SendTimeoutError::Disconnected(3)));
        }
    });
}

#[test]
fn a_timeout_counts_from_its_call_and_not_from_the_last_wake() {
    everywhere(|crew| {
        let (sender, receiver) = bounded::<u32>(1);
        // Others are fed all the time: the one with the timeout is woken in vain, again and again, or served.
        let others: Vec<_> = (0..2)
            .map(|_| {
                let receiver = receiver.clone();
                crew.spawn(move || receiver.iter().count())
            })
            .collect();
        let feeding = crew.spawn(move || {
            let start = Instant::now();
            while start.elapsed() < 4 * MOMENT {
                sender.send(1).unwrap();
                tarae::yield_now();
            }
        });
        let mut told = Ok(0);
        let start = Instant::now();
        while told.is_ok() && start.elapsed() < 2 * MOMENT {
            let call = Instant::now();
            told = receiver.recv_timeout(MOMENT);
            assert!(told.is_ok() || call.elapsed() >= MOMENT, "{told:?} after {:?}", call.elapsed());
        }
        feeding.join();
        drop(receiver);
        others.into_iter().for_each(|other| {
            other.join();
        });
    });
}

#[test]
fn many_timeouts_at_once_each_keep_their_time() {
    everywhere(|crew| {
        let (_sender, receiver) = bounded::<()>(1);
        let waiting: Vec<_> = (1..=20)
            .map(|number| {
                let receiver = receiver.clone();
                crew.spawn(move || takes(ms(number), || receiver.recv_timeout(ms(number))))
            })
            .collect();
        for hand in waiting {
            assert_eq!(hand.join(), Err(RecvTimeoutError::Timeout));
        }
    });
}

#[test]
fn two_with_timeouts_lose_nothing() {
    everywhere(|crew| {
        const MESSAGES: i32 = 60;
        for (sender, receiver) in [bounded(0), bounded(2)] {
            let sending = crew.spawn(move || {
                for message in 0..MESSAGES {
                    if message % 10 == 0 {
                        tarae::sleep(ms(2));
                    }
                    let mut kept = message;
                    while let Err(error) = sender.send_timeout(kept, ms(1)) {
                        assert!(error.is_timeout());
                        kept = error.into_inner();
                    }
                }
            });
            for expected in 0..MESSAGES {
                if expected % 7 == 0 {
                    tarae::sleep(ms(2));
                }
                let message = loop {
                    match receiver.recv_timeout(ms(1)) {
                        Ok(message) => break message,
                        Err(error) => assert!(error.is_timeout()),
                    }
                };
                assert_eq!(message, expected);
            }
            sending.join();
        }
    });
}
