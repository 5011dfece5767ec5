//! `oneshot` and `broadcast`: what tokio documents of its own is the specification, as crossbeam-channel has neither.
//!
//! Taken part in only when the subject is `tarae::channel` (see `main`).
//!
//! Would catch: a message that is lost, doubled or dropped twice between a send and a receiver that goes; a wake that is lost; a
//! receiver that waits for ever for a sender that has gone; a broadcast that skips a receiver, counts a lag wrong, keeps what
//! all have seen, lets a slow receiver hold up the sender, or reorders.

use std::time::{Duration, Instant};

use crate::counted::{Ledger, assert_in_order};
use crate::crew::{alone, everywhere, join_all};
use crate::subject::channel::{RecvTimeoutError, TryRecvError, broadcast, oneshot};
use crate::support::{LIMIT, MOMENT, ms};

#[test]
fn oneshot_carries_one_message() {
    alone(|| {
        let (sender, receiver) = oneshot::channel();
        sender.send(5).unwrap();
        assert_eq!(receiver.recv(), Ok(5));
        let (sender, mut receiver) = oneshot::channel();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        sender.send(6).unwrap();
        assert_eq!(receiver.try_recv(), Ok(6));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn oneshot_receive_waits_for_the_send() {
    everywhere(|crew| {
        let (sender, receiver) = oneshot::channel();
        let receiving = crew.spawn(move || receiver.recv());
        tarae::sleep(ms(5));
        assert!(!receiving.is_finished());
        sender.send("now").unwrap();
        assert_eq!(receiving.join(), Ok("now"));
    });
}

#[test]
fn oneshot_send_to_nobody_gives_the_message_back() {
    alone(|| {
        let (sender, receiver) = oneshot::channel();
        drop(receiver);
        assert_eq!(sender.send(String::from("back")), Err(String::from("back")));
    });
}

#[test]
fn oneshot_without_a_sender_ends() {
    everywhere(|crew| {
        let (sender, receiver) = oneshot::channel::<i32>();
        let receiving = crew.spawn(move || receiver.recv().is_err());
        tarae::sleep(ms(5));
        drop(sender);
        assert!(receiving.join());
        let (sender, mut receiver) = oneshot::channel::<i32>();
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receiver.recv_timeout(ms(1)), Err(RecvTimeoutError::Disconnected));
    });
}

#[test]
fn oneshot_timeouts_pass_and_leave_the_message_to_come() {
    everywhere(|crew| {
        let (sender, mut receiver) = oneshot::channel();
        let start = Instant::now();
        assert_eq!(receiver.recv_timeout(ms(8)), Err(RecvTimeoutError::Timeout));
        assert!((ms(8)..LIMIT).contains(&start.elapsed()));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        let sending = crew.spawn(move || {
            tarae::sleep(ms(4));
            sender.send(1)
        });
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(1));
        sending.join().unwrap();
    });
}

#[test]
fn oneshot_values_are_dropped_once_whoever_goes_first() {
    everywhere(|crew| {
        const ROUNDS: usize = 120;
        let ledger = Ledger::new(ROUNDS);
        for round in 0..ROUNDS {
            let (sender, mut receiver) = oneshot::channel();
            let value = ledger.value(round);
            let sending = crew.spawn(move || sender.send(value).err().map(|back| back.number()));
            let receiving = crew.spawn(move || match round % 4 {
                0 => receiver.recv().ok().map(|value| value.number()),
                1 => receiver.try_recv().ok().map(|value| value.number()),
                2 => receiver.recv_timeout(ms(1)).ok().map(|value| value.number()),
                _ => {
                    drop(receiver);
                    None
                }
            });
            let (back, got) = (sending.join(), receiving.join());
            assert!(back.is_none() || got.is_none(), "both have it");
            assert!(back.or(got).is_none_or(|number| number == round));
            if round % 4 == 0 {
                assert_eq!(got, Some(round));
            }
        }
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn oneshot_thousands_of_replies() {
    everywhere(|crew| {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..1_000).map(|_| oneshot::channel()).unzip();
        let sending = crew.spawn(move || {
            for (number, sender) in senders.into_iter().enumerate() {
                sender.send(number).unwrap();
            }
        });
        for (number, receiver) in receivers.into_iter().enumerate() {
            assert_eq!(receiver.recv(), Ok(number));
        }
        sending.join();
    });
}

#[test]
fn broadcast_gives_each_receiver_each_message_from_its_subscription_on() {
    alone(|| {
        let (sender, mut first) = broadcast::channel(8);
        assert_eq!(sender.send(1), Ok(1));
        let mut second = sender.subscribe();
        assert_eq!(sender.send(2), Ok(2));
        assert_eq!(sender.clone().send(3), Ok(2));
        assert_eq!([first.recv(), first.recv(), first.recv()], [Ok(1), Ok(2), Ok(3)]);
        assert_eq!([second.recv(), second.recv()], [Ok(2), Ok(3)]);
        drop(first);
        assert_eq!(sender.send(4), Ok(1));
        drop(sender);
        assert_eq!([second.recv(), second.recv()], [Ok(4), Err(broadcast::RecvError::Closed)]);
        assert_eq!(second.recv(), Err(broadcast::RecvError::Closed));
    });
}

#[test]
fn broadcast_to_nobody_gives_the_message_back_until_somebody_subscribes() {
    alone(|| {
        let (sender, receiver) = broadcast::channel(2);
        drop(receiver);
        assert!(matches!(sender.send(7), Err(broadcast::SendError(7))));
        let mut receiver = sender.subscribe();
        assert_eq!(sender.send(8), Ok(1));
        assert_eq!(receiver.recv(), Ok(8));
    });
}

#[test]
fn broadcast_tells_who_lags_how_many_were_missed() {
    alone(|| {
        for (capacity, sent) in [(1, 5_u64), (2, 3), (4, 4), (4, 9), (3, 100)] {
            let (sender, mut receiver) = broadcast::channel(capacity);
            let mut prompt = sender.subscribe();
            for number in 0..sent {
                sender.send(number).unwrap();
                assert_eq!(prompt.recv(), Ok(number));
            }
            // tokio rounds the capacity up to a power of two.
            let mut next = 0;
            if let Err(broadcast::RecvError::Lagged(missed)) = receiver.recv() {
                assert!(missed >= 1 && missed <= sent - capacity as u64, "{missed} of {sent}");
                next = missed;
            } else {
                assert!(sent <= capacity as u64);
                next += 1;
            }
            drop(sender);
            (next..sent).for_each(|number| assert_eq!(receiver.recv(), Ok(number)));
            assert_eq!(receiver.recv(), Err(broadcast::RecvError::Closed));
        }
    });
}

#[test]
fn broadcast_wakes_all_who_wait() {
    everywhere(|crew| {
        let (sender, first) = broadcast::channel(4);
        let mut receivers = vec![first];
        receivers.extend((0..4).map(|_| sender.subscribe()));
        let receiving = receivers
            .into_iter()
            .map(|mut receiver| crew.spawn(move || (receiver.recv(), receiver.recv(), receiver.recv())));
        let receiving: Vec<_> = receiving.collect();
        tarae::sleep(ms(5));
        sender.send(1).unwrap();
        tarae::sleep(ms(5));
        assert!(receiving.iter().all(|hand| !hand.is_finished()));
        sender.send(2).unwrap();
        drop(sender);
        let expected = (Ok(1), Ok(2), Err(broadcast::RecvError::Closed));
        assert_eq!(join_all(receiving), [expected; 5]);
    });
}

#[test]
fn broadcast_never_holds_up_the_sender() {
    everywhere(|crew| {
        let (sender, mut slow) = broadcast::channel(2);
        let sending = crew.spawn(move || {
            (0..10_000).for_each(|number| assert_eq!(sender.send(number), Ok(1)));
            sender
        });
        let sender = sending.join();
        assert_eq!(slow.recv(), Err(broadcast::RecvError::Lagged(9_998)));
        assert_eq!((slow.recv(), slow.recv()), (Ok(9_998), Ok(9_999)));
        drop(sender);
        assert_eq!(slow.recv(), Err(broadcast::RecvError::Closed));
    });
}

#[test]
fn broadcast_receivers_see_the_same_order_and_count_what_they_miss() {
    everywhere(|crew| {
        const SENDERS: usize = 2;
        const EACH: usize = 500;
        let (sender, first) = broadcast::channel(16);
        let mut receivers = vec![first];
        receivers.extend((0..2).map(|_| sender.subscribe()));
        let receiving: Vec<_> = receivers
            .into_iter()
            .map(|mut receiver| {
                crew.spawn(move || {
                    let (mut received, mut missed) = (Vec::new(), 0);
                    loop {
                        match receiver.recv() {
                            Ok(number) => received.push(number),
                            Err(broadcast::RecvError::Lagged(count)) => missed += count,
                            Err(broadcast::RecvError::Closed) => return (received, missed),
                        }
                    }
                })
            })
            .collect();
        let sending: Vec<_> = (0..SENDERS)
            .map(|side| {
                let sender = sender.clone();
                crew.spawn(move || {
                    for number in side * EACH..(side + 1) * EACH {
                        sender.send(number).unwrap();
                        if number % 8 == 0 {
                            tarae::yield_now();
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        join_all(sending);
        for (received, missed) in join_all(receiving) {
            assert_eq!(received.len() as u64 + missed, (SENDERS * EACH) as u64);
            for side in 0..SENDERS {
                let of_one = received.iter().copied().filter(|number| number / EACH == side);
                assert_in_order(&of_one.collect::<Vec<_>>());
            }
        }
    });
}

#[test]
fn broadcast_drops_what_all_have_seen_or_nobody_can() {
    #[derive(Clone)]
    struct Shared(
        #[allow(dead_code, reason = "its drop is counted")] std::sync::Arc<crate::counted::Counted>,
    );
    alone(|| {
        let ledger = Ledger::new(6);
        let value = |number| Shared(std::sync::Arc::new(ledger.value(number)));
        let (sender, mut receiver) = broadcast::channel(2);
        let mut other = sender.subscribe();
        for number in 0..5 {
            assert!(sender.send(value(number)).is_ok());
        }
        assert_eq!(ledger.dropped(), 3, "overwritten");
        let got = [receiver.recv().is_err(), receiver.recv().is_ok(), receiver.recv().is_ok()];
        assert_eq!(got, [true; 3]);
        assert!(other.recv().is_err() && other.recv().is_ok() && other.recv().is_ok());
        assert_eq!(ledger.dropped(), 5, "seen by all");
        assert!(sender.send(value(5)).is_ok());
        drop((receiver, other, sender));
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn broadcast_of_no_capacity_panics() {
    alone(|| {
        crate::crew::panic_of(|| broadcast::channel::<i32>(0));
    });
}

#[test]
fn broadcast_waits_with_nothing_to_receive() {
    everywhere(|crew| {
        let (sender, mut receiver) = broadcast::channel::<i32>(1);
        let receiving = crew.spawn(move || receiver.recv());
        tarae::sleep(MOMENT);
        assert!(!receiving.is_finished());
        drop(sender);
        assert_eq!(receiving.join(), Err(broadcast::RecvError::Closed));
    });
}
