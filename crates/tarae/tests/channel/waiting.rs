//! Waits of every kind of channel, from both sides: whoever can go on does, nobody else, and nobody twice.
//!
//! Would catch: a wake that is lost between the look at the queue and the wait; one wake for two; a wake that goes to one who
//! has given up and is not passed on; a waiter that is forgotten by those who woke the others; an order of those who
//! wait at one sender's expense for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::counted::assert_each_once;
use crate::crew::{Crew, everywhere, join_all};
use crate::subject::channel::{Receiver, Sender, bounded, unbounded};
use crate::support::{MOMENT, eventually, ms};

/// A channel of each kind that can make a receiver wait.
fn channels<T>() -> [(Sender<T>, Receiver<T>); 4] {
    [bounded(0), bounded(1), bounded(3), unbounded()]
}

#[test]
fn one_message_wakes_one_of_many() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            let awake = Arc::new(AtomicUsize::new(0));
            let waiting: Vec<_> = (0..5)
                .map(|_| {
                    let (receiver, awake) = (receiver.clone(), awake.clone());
                    crew.spawn(move || {
                        let message: usize = receiver.recv().unwrap();
                        awake.fetch_add(1, Ordering::SeqCst);
                        message
                    })
                })
                .collect();
            for sent in 0..5 {
                sender.send(sent).unwrap();
                eventually("one is woken", || awake.load(Ordering::SeqCst) == sent + 1);
                tarae::sleep(ms(2));
                assert_eq!(awake.load(Ordering::SeqCst), sent + 1, "one message wakes one");
            }
            assert_each_once(join_all(waiting), 5);
        }
    });
}

#[test]
fn one_place_wakes_one_of_many() {
    everywhere(|crew| {
        for capacity in [0, 1, 3] {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|message| sender.send(message).unwrap());
            let done = Arc::new(AtomicUsize::new(0));
            let waiting: Vec<_> = (capacity..capacity + 5)
                .map(|message| {
                    let (sender, done) = (sender.clone(), done.clone());
                    crew.spawn(move || {
                        sender.send(message).unwrap();
                        done.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect();
            tarae::sleep(ms(2));
            let mut received = Vec::new();
            for taken in 0..5 {
                assert_eq!(done.load(Ordering::SeqCst), taken);
                received.push(receiver.recv().unwrap());
                eventually("one is woken", || done.load(Ordering::SeqCst) == taken + 1);
                tarae::sleep(ms(2));
            }
            received.extend(receiver.try_iter());
            assert_each_once(received, capacity + 5);
            join_all(waiting);
        }
    });
}

#[test]
fn many_messages_at_once_wake_as_many() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(10), unbounded()] {
            let waiting: Vec<_> = (0..10)
                .map(|_| {
                    let receiver: Receiver<usize> = receiver.clone();
                    crew.spawn(move || receiver.recv().unwrap())
                })
                .collect();
            tarae::sleep(ms(5));
            // Nobody gets to run in between, or few do.
            (0..10).for_each(|message| sender.send(message).unwrap());
            assert_each_once(join_all(waiting), 10);
            assert!(receiver.is_empty());
        }
    });
}

#[test]
fn a_wake_for_one_who_gives_up_is_not_lost() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            for round in 0..30 {
                // The timeout of the first passes about when the message comes; the second has all the time.
                let hasty = receiver.clone();
                let hasty = crew.spawn(move || hasty.recv_timeout(ms(1)).ok());
                let patient = receiver.clone();
                let patient = crew.spawn(move || patient.recv().unwrap());
                if round % 2 == 0 {
                    tarae::sleep(ms(1));
                }
                sender.send(1).unwrap();
                let got = hasty.join();
                if got.is_some() {
                    sender.send(1).unwrap();
                }
                assert_eq!(patient.join(), 1);
                assert!(receiver.is_empty());
            }
        }
    });
}

#[test]
fn a_place_for_one_who_gives_up_is_not_lost() {
    everywhere(|crew| {
        for capacity in [0, 1, 3] {
            let (sender, receiver) = bounded(capacity);
            for round in 0..30 {
                while sender.try_send(0).is_ok() {}
                let hasty = sender.clone();
                let hasty = crew.spawn(move || hasty.send_timeout(1, ms(1)).is_ok());
                let patient = sender.clone();
                let patient = crew.spawn(move || patient.send(1).unwrap());
                if round % 2 == 0 {
                    tarae::sleep(ms(1));
                }
                // One who waits can go on: if that was the hasty one, the other needs one more.
                let mut sum = receiver.recv().unwrap();
                if hasty.join() {
                    sum += receiver.recv().unwrap();
                    patient.join();
                    sum += receiver.try_iter().sum::<i32>();
                    assert_eq!(sum, 2);
                } else {
                    patient.join();
                    sum += receiver.try_iter().sum::<i32>();
                    assert_eq!(sum, 1);
                }
            }
        }
    });
}

#[test]
fn nobody_waits_for_ever_while_others_pass() {
    everywhere(|crew| {
        const SENDERS: usize = 4;
        let (sender, receiver) = bounded(1);
        let sending: Vec<_> = (0..SENDERS)
            .map(|number| {
                let sender = sender.clone();
                crew.spawn(move || {
                    let mut sent = 0;
                    while sender.send(number).is_ok() {
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        drop(sender);
        let mut seen = [0; SENDERS];
        // Until each has been served, and as often as it takes for that.
        eventually("each sender is served", || {
            receiver.iter().take(100).for_each(|number| seen[number] += 1);
            seen.iter().all(|count| *count >= 5)
        });
        drop(receiver);
        let sent: Vec<i32> = join_all(sending);
        for (sent, seen) in sent.iter().zip(seen) {
            assert!((seen..=seen + 1).contains(sent), "sent {sent}, seen {seen}");
        }
    });
}

#[test]
fn waits_with_all_the_time_there_is_end_when_they_can() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            let waiting = crew.spawn(move || receiver.recv_timeout(Duration::MAX));
            tarae::sleep(MOMENT);
            assert!(!waiting.is_finished());
            sender.send_timeout(3, Duration::MAX).unwrap();
            assert_eq!(waiting.join(), Ok(3));
        }
        let (sender, receiver) = bounded(1);
        sender.send(1).unwrap();
        let waiting = crew.spawn(move || sender.send_timeout(2, Duration::MAX));
        tarae::sleep(MOMENT);
        assert!(!waiting.is_finished());
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
        waiting.join().unwrap();
    });
}

/// A ring of `size`, around which a token goes `laps` times.
fn ring(crew: &Crew, size: usize, laps: usize, new: fn() -> (Sender<usize>, Receiver<usize>)) {
    let (first, mut receiver) = new();
    let mut hands = Vec::new();
    for _ in 1..size {
        let (next, its_receiver) = new();
        let source = std::mem::replace(&mut receiver, its_receiver);
        hands.push(crew.spawn(move || source.iter().for_each(|token| next.send(token + 1).unwrap())));
    }
    first.send(0).unwrap();
    for lap in 1..=laps {
        let token = receiver.recv().unwrap();
        assert_eq!(token, lap * size - 1);
        if lap < laps {
            first.send(token + 1).unwrap();
        }
    }
    drop(first);
    join_all(hands);
    assert!(receiver.recv().is_err());
}

#[test]
fn a_token_goes_round_a_ring() {
    everywhere(|crew| {
        ring(crew, 10, 50, || bounded(0));
        ring(crew, 10, 50, || bounded(1));
        ring(crew, 10, 50, unbounded);
    });
}

#[test]
fn a_sieve_of_channels_finds_the_primes() {
    everywhere(|crew| {
        let (sender, mut source) = bounded(0);
        // Each ends when whoever it feeds has gone.
        let mut hands = vec![crew.spawn(move || {
            let _ = (2..).try_for_each(|number: u32| sender.send(number));
        })];
        let mut primes = Vec::new();
        for _ in 0..12 {
            let prime = source.recv().unwrap();
            primes.push(prime);
            let (sink, next) = bounded(0);
            let from = std::mem::replace(&mut source, next);
            hands.push(crew.spawn(move || {
                let _ = from.iter().filter(|number| number % prime != 0).try_for_each(|n| sink.send(n));
            }));
        }
        drop(source);
        join_all(hands);
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]);
    });
}
