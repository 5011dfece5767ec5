//! Selects that meet on channels of no capacity: both sides offer several cases, and one of them happens for both.
//!
//! Would catch: a pair that agrees on different cases; a select that meets itself; one that is met twice, or whose partner has
//! chosen somebody else and waits for ever; a message that is taken before it is made; a pair that gives up on both sides,
//! or on one.

use crate::counted::{Ledger, assert_each_once};
use crate::crew::{Crew, Hand, alone, everywhere, join_all};
use crate::subject::channel::{Receiver, Select, Sender, bounded, select};
use crate::support::{LIMIT, ms};

#[test]
fn a_select_does_not_meet_itself() {
    alone(|| {
        let (sender, receiver) = bounded(0);
        for _ in 0..100 {
            select! {
                send(sender, 1) -> _ => panic!("to nobody"),
                recv(receiver) -> _ => panic!("from nobody"),
                default => {}
            }
        }
        select! {
            recv(receiver) -> _ => panic!("from nobody"),
            send(sender, 1) -> _ => panic!("to nobody"),
            default(ms(10)) => {}
        }
        let mut select = Select::new();
        select.send(&sender);
        select.recv(&receiver);
        assert!(select.select_timeout(ms(5)).is_err());
        assert!(select.try_select().is_err());
        assert!(select.try_ready().is_err());
    });
}

#[test]
fn a_select_does_not_meet_itself_but_does_meet_others() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let (from, to) = (sender.clone(), receiver.clone());
        let both = crew.spawn(move || {
            let mut balance = 0;
            for _ in 0..200 {
                select! {
                    send(from, 1) -> sent => { sent.unwrap(); balance += 1 }
                    recv(to) -> got => balance -= got.unwrap(),
                }
            }
            balance
        });
        let mut balance = 0;
        for round in 0..200 {
            if round % 2 == 0 {
                sender.send(1).unwrap();
                balance += 1;
            } else {
                balance -= receiver.recv().unwrap();
            }
        }
        assert_eq!(balance + both.join(), 0);
    });
}

/// Two selects beside each other, each of which sends or receives on one channel: they are matched in pairs.
fn matched(
    crew: &Crew,
    count: usize,
    exchange: fn(&Sender<usize>, &Receiver<usize>, usize) -> Option<usize>,
) {
    let (sender, receiver) = bounded(0);
    let hands = (0..count).map(|number| {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        crew.spawn(move || exchange(&sender, &receiver, number))
    });
    let got = join_all(hands.collect::<Vec<_>>());
    // Half of them sent, the other half got it.
    assert_eq!(got.iter().flatten().count(), count / 2);
    let senders: Vec<usize> = (0..count).filter(|number| got[*number].is_none()).collect();
    let mut sent: Vec<usize> = got.iter().flatten().copied().collect();
    sent.sort();
    assert_eq!(sent, senders, "everyone sent or received, nobody both");
    assert!(receiver.try_recv().is_err());
}

#[test]
fn pairs_match() {
    everywhere(|crew| {
        for _ in 0..5 {
            matched(crew, 12, |sender, receiver, number| {
                select! {
                    send(sender, number) -> sent => { sent.unwrap(); None }
                    recv(receiver) -> got => Some(got.unwrap()),
                }
            });
        }
    });
}

#[test]
fn pairs_match_where_some_select_and_some_do_not() {
    everywhere(|crew| {
        for _ in 0..5 {
            let (sender, receiver) = bounded(0);
            let hands = (0..12).map(|number| {
                let (sender, receiver) = (sender.clone(), receiver.clone());
                crew.spawn(move || match number % 6 {
                    0 => {
                        sender.send(number).unwrap();
                        None
                    }
                    1 => Some(receiver.recv().unwrap()),
                    _ => {
                        let mut select = Select::new();
                        let sending = select.send(&sender);
                        select.recv(&receiver);
                        let chosen = select.select();
                        if chosen.index() == sending {
                            chosen.send(&sender, number).unwrap();
                            None
                        } else {
                            Some(chosen.recv(&receiver).unwrap())
                        }
                    }
                })
            });
            let hands: Vec<_> = hands.collect();
            // Where those that select have met each other, two that only send can be left, or two that only receive.
            let (mut sent, mut received) = (Vec::new(), Vec::new());
            while !hands.iter().all(Hand::is_finished) {
                if hands.iter().enumerate().all(|(number, hand)| number % 6 < 2 || hand.is_finished()) {
                    received.extend(receiver.try_recv());
                    sent.extend(sender.try_send(12).map(|()| 12));
                }
                tarae::sleep(ms(1));
            }
            for (number, got) in join_all(hands).into_iter().enumerate() {
                match got {
                    None => sent.push(number),
                    Some(message) => received.push(message),
                }
            }
            sent.sort();
            received.sort();
            assert_eq!(received, sent, "everyone sent or received, nobody both");
            assert!(receiver.try_recv().is_err());
        }
    });
}

#[test]
fn of_an_odd_number_one_is_left() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let hands: Vec<_> = (0..7)
            .map(|number| {
                let (sender, receiver) = (sender.clone(), receiver.clone());
                crew.spawn(move || {
                    select! {
                        send(sender, number) -> sent => sent.unwrap(),
                        recv(receiver) -> got => assert!(got.unwrap() < 8),
                    }
                })
            })
            .collect();
        // The one that is left has offered both.
        sender.send(7).unwrap();
        join_all(hands);
        assert!(sender.try_send(8).is_err() && receiver.try_recv().is_err());
    });
}

#[test]
fn two_selects_agree_on_one_of_many_channels() {
    everywhere(|crew| {
        const ROUNDS: usize = 150;
        let channels: Vec<(Sender<usize>, Receiver<usize>)> = (0..4).map(|_| bounded(0)).collect();
        let senders: Vec<_> = channels.iter().map(|(sender, _)| sender.clone()).collect();
        let receivers: Vec<_> = channels.iter().map(|(_, receiver)| receiver.clone()).collect();
        let sending = crew.spawn(move || {
            (0..ROUNDS)
                .map(|round| {
                    let mut select = Select::new();
                    senders.iter().for_each(|sender| {
                        select.send(sender);
                    });
                    let chosen = select.select();
                    let case = chosen.index();
                    chosen.send(&senders[case], round).unwrap();
                    case
                })
                .collect::<Vec<_>>()
        });
        let receiving = crew.spawn(move || {
            (0..ROUNDS)
                .map(|round| {
                    let mut select = Select::new();
                    // In another order.
                    receivers.iter().rev().for_each(|receiver| {
                        select.recv(receiver);
                    });
                    let chosen = select.select();
                    let channel = 3 - chosen.index();
                    assert_eq!(chosen.recv(&receivers[channel]), Ok(round));
                    channel
                })
                .collect::<Vec<_>>()
        });
        assert_eq!(sending.join(), receiving.join());
    });
}

#[test]
fn crossed_selects_do_not_deadlock() {
    everywhere(|crew| {
        // One offers to send on a and to receive on b, the other the opposite: either will do, but the same for both.
        const ROUNDS: u32 = 200;
        let (to_a, from_a) = bounded(0);
        let (to_b, from_b) = bounded(0);
        let (there, here) = (to_b.clone(), from_a.clone());
        let other = crew.spawn(move || {
            let mut sent = 0;
            for round in 0..ROUNDS {
                select! {
                    send(there, round) -> result => { result.unwrap(); sent += 1 }
                    recv(here) -> got => assert_eq!(got, Ok(round)),
                }
            }
            sent
        });
        let mut sent = 0;
        for round in 0..ROUNDS {
            select! {
                recv(from_b) -> got => assert_eq!(got, Ok(round)),
                send(to_a, round) -> result => { result.unwrap(); sent += 1 }
            }
        }
        assert_eq!(sent + other.join(), ROUNDS);
    });
}

#[test]
fn selects_that_time_out_on_both_sides_lose_nothing() {
    everywhere(|crew| {
        const VALUES: usize = 60;
        let ledger = Ledger::new(VALUES);
        let (sender, receiver) = bounded(0);
        let (other, silent) = bounded::<()>(0);
        let values = ledger.clone();
        let sending = crew.spawn(move || {
            let (mut sent, mut kept) = (Vec::new(), None);
            for number in 0..VALUES {
                kept = Some(values.value(number));
                select! {
                    send(sender, kept.take().unwrap()) -> result => { result.unwrap(); sent.push(number) }
                    recv(silent) -> _ => break,
                    default(ms(number as u64 % 2)) => drop(kept.take()),
                }
            }
            drop(kept);
            sent
        });
        let receiving = crew.spawn(move || {
            let mut received = Vec::new();
            loop {
                select! {
                    recv(receiver) -> got => match got {
                        Ok(value) => received.push(value.number()),
                        Err(_) => return received,
                    },
                    default(ms(received.len() as u64 % 2)) => tarae::yield_now(),
                }
            }
        });
        assert_eq!(sending.join(), receiving.join());
        ledger.assert_each_dropped_once();
        drop(other);
    });
}

#[test]
fn a_partner_that_was_chosen_by_another_is_not_waited_for() {
    everywhere(|crew| {
        // One select is offered by two at once, on two channels: one of them is met, the other goes on waiting.
        for round in 0..60 {
            let (a, from_a) = bounded(0);
            let (b, from_b) = bounded(0);
            let first = crew.spawn(move || a.send_timeout(round, LIMIT).is_ok());
            let second = crew.spawn(move || b.send_timeout(round, LIMIT).is_ok());
            let got = select! {
                recv(from_a) -> got => (got.ok(), 'a'),
                recv(from_b) -> got => (got.ok(), 'b'),
            };
            assert_eq!(got.0, Some(round));
            drop((from_a, from_b));
            let met = (first.join(), second.join());
            assert_eq!(met, (got.1 == 'a', got.1 == 'b'));
        }
    });
}

fn never_made() {
    unreachable!("nobody takes it");
}

#[test]
fn a_value_is_made_when_its_case_is_chosen() {
    everywhere(|crew| {
        let ledger = Ledger::new(20);
        let (sender, receiver) = bounded(0);
        let values = ledger.clone();
        let sending = crew.spawn(move || {
            let (other, _keep) = bounded(0);
            for number in 0..20 {
                select! {
                    send(other, never_made()) -> _ => {}
                    send(sender, values.value(number)) -> sent => sent.unwrap(),
                }
            }
        });
        assert_each_once(receiver.iter().map(|value| value.number()), 20);
        sending.join();
        ledger.assert_each_dropped_once();
    });
}
