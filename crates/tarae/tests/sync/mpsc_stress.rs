//! Channels under load: a pipeline, a crowd, and a receiver that is handed round. Each message arrives once.

use std::sync::Arc;
use std::time::Duration;

use crate::subject::sync::Mutex;
use crate::subject::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel, sync_channel};
use crate::subject::thread;
use crate::support::seed::Random;
use crate::threads::{Handle, everywhere};

#[test]
fn a_crowd_sends_to_one_who_receives_in_every_way() {
    everywhere(|threads| {
        const SENDERS: u64 = 8;
        const EACH: u64 = 250;
        let mut random = Random::from_environment();
        let (sender, receiver) = channel();
        let senders: Vec<_> = (0..SENDERS)
            .map(|who| {
                let (sender, mut random) = (sender.clone(), random.split());
                threads.spawn(move || {
                    for number in 0..EACH {
                        sender.send(who * EACH + number).unwrap();
                        if random.below(20) == 0 {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        let mut seen = vec![false; (SENDERS * EACH) as usize];
        loop {
            let message = match random.below(4) {
                0 => match receiver.try_recv() {
                    Ok(message) => message,
                    Err(TryRecvError::Empty) => {
                        thread::yield_now();
                        continue;
                    }
                    Err(TryRecvError::Disconnected) => break,
                },
                1 => match receiver.recv_timeout(Duration::from_micros(random.below(200))) {
                    Ok(message) => message,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
                },
                2 => match receiver.iter().next() {
                    Some(message) => message,
                    None => break,
                },
                _ => match receiver.recv() {
                    Ok(message) => message,
                    Err(_) => break,
                },
            };
            assert!(!std::mem::replace(&mut seen[message as usize], true), "{message} came twice");
        }
        assert!(seen.into_iter().all(|seen| seen), "one is lost");
        senders.into_iter().for_each(Handle::join);
    });
}

#[test]
fn messages_pass_a_pipeline_of_bounded_channels_in_order() {
    everywhere(|threads| {
        let (first, mut last): (_, Receiver<usize>) = sync_channel(0);
        let mut stages = Vec::new();
        for bound in [1, 0, 2, 5, 0, 1] {
            let (sender, receiver) = sync_channel(bound);
            let before = std::mem::replace(&mut last, receiver);
            stages.push(threads.spawn(move || {
                for number in before {
                    sender.send(number + 1).unwrap();
                }
            }));
        }
        stages.push(threads.spawn(move || (0..150).for_each(|number| first.send(number).unwrap())));
        assert!(last.iter().eq(6..156));
        stages.into_iter().for_each(Handle::join);
    });
}

#[test]
fn a_receiver_that_is_handed_round_loses_nothing() {
    everywhere(|threads| {
        let (sender, receiver) = sync_channel(3);
        let receiver = Arc::new(Mutex::new(receiver));
        let sending = threads.spawn(move || (0..200usize).for_each(|number| sender.send(number).unwrap()));
        let received = threads.each(4, move |_| {
            let mut received = Vec::new();
            loop {
                // Whoever has it waits with it.
                let Ok(number) = receiver.lock().unwrap().recv() else { return received };
                received.push(number);
            }
        });
        sending.join();
        let mut all = received.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..200));
    });
}

#[test]
fn many_short_lived_channels_carry_one_message_each() {
    everywhere(|threads| {
        let mut random = Random::from_environment();
        let pairs: Vec<_> = (0..150)
            .map(|number| {
                let early = random.below(2) == 0;
                if random.below(2) == 0 {
                    let (sender, receiver) = channel();
                    let receive = threads.spawn(move || receiver.recv());
                    let send = threads.spawn(move || {
                        if !early {
                            thread::yield_now();
                        }
                        sender.send(number)
                    });
                    (number, send, receive)
                } else {
                    let (sender, receiver) = sync_channel(random.below(2) as usize);
                    let send = threads.spawn(move || sender.send(number));
                    let receive = threads.spawn(move || {
                        if !early {
                            thread::yield_now();
                        }
                        receiver.recv()
                    });
                    (number, send, receive)
                }
            })
            .collect();
        for (number, send, receive) in pairs {
            assert_eq!((send.join(), receive.join()), (Ok(()), Ok(number)));
        }
    });
}

#[test]
fn a_timeout_races_a_send_and_the_message_is_seen_by_one_of_the_two() {
    everywhere(|threads| {
        for bound in [None, Some(0), Some(1)] {
            let (mut timeouts, mut rounds) = (0, 0);
            while rounds < 60 {
                let pause = Duration::from_micros(20 * (rounds % 10));
                let (sending, receiver) = match bound {
                    None => {
                        let (sender, receiver) = channel();
                        let send = move || {
                            thread::sleep(pause);
                            sender.send(1).is_ok()
                        };
                        (threads.spawn(send), receiver)
                    }
                    Some(bound) => {
                        let (sender, receiver) = sync_channel(bound);
                        let send = move || {
                            thread::sleep(pause);
                            sender.send(1).is_ok()
                        };
                        (threads.spawn(send), receiver)
                    }
                };
                let received = match receiver.recv_timeout(Duration::from_micros(100)) {
                    Ok(1) => true,
                    Ok(other) => unreachable!("{other} was never sent"),
                    Err(RecvTimeoutError::Disconnected) => unreachable!("it is sent first"),
                    Err(RecvTimeoutError::Timeout) => {
                        timeouts += 1;
                        // It comes later.
                        receiver.recv() == Ok(1)
                    }
                };
                assert!(received && sending.join());
                rounds += 1;
            }
            println!("{timeouts} of {rounds} timed out first");
        }
    });
}
