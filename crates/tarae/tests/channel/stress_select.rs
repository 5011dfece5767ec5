//! Many selects over many channels, with sends and receives, timers and ends between them.
//!
//! Would catch: a value that is lost or doubled where a select wins one case and loses the others; a wake that goes to a case that
//! has lost, and is passed to nobody; a pair that is matched twice; selects on common channels that wait for each
//! other's locks; an end or a timer that is lost among messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::counted::{Counted, Ledger, assert_each_once, assert_in_order};
use crate::crew::{Hand, everywhere, join_all};
use crate::subject::channel::{Receiver, Select, Sender, after, bounded, select, tick, unbounded};
use crate::support::seed::Random;
use crate::support::{LIMIT, ms};

type Ends<T> = (Vec<Sender<T>>, Vec<Receiver<T>>);

/// So many channels of capacities in turn.
fn channels<T>(count: usize) -> Ends<T> {
    let new = |number| match number % 4 {
        0 => bounded(0),
        1 => bounded(1),
        2 => bounded(5),
        _ => unbounded(),
    };
    (0..count).map(new).unzip()
}

/// Receives from whichever has one, until all have ended; says what came, and from which.
fn receive_all(receivers: &[Receiver<Counted>], random: &mut Random) -> Vec<(usize, usize)> {
    let mut received = Vec::new();
    let mut select = Select::new();
    let first = random.below(receivers.len() as u64) as usize;
    // Each begins elsewhere, so that no order is common to all.
    let order: Vec<usize> = (0..receivers.len()).map(|at| (at + first) % receivers.len()).collect();
    order.iter().for_each(|channel| {
        select.recv(&receivers[*channel]);
    });
    let mut open = receivers.len();
    while open > 0 {
        let chosen = match random.below(3) {
            0 => select.select_timeout(ms(1)),
            1 => select.try_select().or_else(|_| select.select_timeout(LIMIT)),
            _ => Ok(select.select()),
        };
        let Ok(chosen) = chosen else { continue };
        let case = chosen.index();
        match chosen.recv(&receivers[order[case]]) {
            Ok(value) => received.push((order[case], value.number())),
            Err(_) => {
                select.remove(case);
                open -= 1;
            }
        }
    }
    received
}

#[test]
fn selects_share_what_plain_sends_bring() {
    everywhere(|crew| {
        const CHANNELS: usize = 4;
        const EACH: usize = 250;
        let mut random = Random::from_environment();
        let ledger = Ledger::new(CHANNELS * EACH);
        let (senders, receivers) = channels(CHANNELS);
        let receiving: Vec<_> = (0..3)
            .map(|_| {
                let (receivers, mut random) = (receivers.clone(), random.split());
                crew.spawn(move || receive_all(&receivers, &mut random))
            })
            .collect();
        let sending = senders.into_iter().enumerate().map(|(channel, sender)| {
            let ledger = ledger.clone();
            crew.spawn(move || {
                let mine = channel * EACH..(channel + 1) * EACH;
                mine.for_each(|number| sender.send(ledger.value(number)).unwrap());
            })
        });
        join_all(sending.collect::<Vec<_>>());
        drop(receivers);
        let received = join_all(receiving);
        for one in &received {
            for channel in 0..CHANNELS {
                let of_one = one.iter().filter(|(from, _)| *from == channel).map(|(_, number)| *number);
                assert_in_order(&of_one.collect::<Vec<_>>());
            }
        }
        assert!(received.iter().flatten().all(|(channel, number)| number / EACH == *channel));
        assert_each_once(received.into_iter().flatten().map(|(_, number)| number), CHANNELS * EACH);
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn plain_receives_share_what_selects_send() {
    everywhere(|crew| {
        const SENDERS: usize = 3;
        const EACH: usize = 300;
        let ledger = Ledger::new(SENDERS * EACH);
        let (senders, receivers) = channels(4);
        let sending: Vec<_> = (0..SENDERS)
            .map(|side| {
                let (senders, ledger) = (senders.clone(), ledger.clone());
                crew.spawn(move || {
                    for number in side * EACH..(side + 1) * EACH {
                        let mut select = Select::new();
                        senders.iter().for_each(|sender| {
                            select.send(sender);
                        });
                        let chosen = select.select();
                        let case = chosen.index();
                        chosen.send(&senders[case], ledger.value(number)).unwrap();
                    }
                })
            })
            .collect();
        drop(senders);
        let receiving = receivers.into_iter().map(|receiver| {
            crew.spawn(move || receiver.iter().map(|value| value.number()).collect::<Vec<_>>())
        });
        let receiving: Vec<Hand<Vec<usize>>> = receiving.collect();
        join_all(sending);
        let received = join_all(receiving);
        for one in &received {
            for side in 0..SENDERS {
                let of_one = one.iter().copied().filter(|number| number / EACH == side);
                assert_in_order(&of_one.collect::<Vec<_>>());
            }
        }
        assert_each_once(received.into_iter().flatten(), SENDERS * EACH);
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn selects_on_both_sides_of_common_channels() {
    everywhere(|crew| {
        const SENDERS: usize = 3;
        const EACH: usize = 200;
        let mut random = Random::from_environment();
        let ledger = Ledger::new(SENDERS * EACH);
        let (senders, receivers) = channels(5);
        let sending: Vec<_> = (0..SENDERS)
            .map(|side| {
                let (senders, ledger, mut random) = (senders.clone(), ledger.clone(), random.split());
                crew.spawn(move || {
                    for number in side * EACH..(side + 1) * EACH {
                        let first = random.below(5) as usize;
                        let three: Vec<&Sender<_>> = (0..3).map(|at| &senders[(first + at) % 5]).collect();
                        let mut select = Select::new();
                        three.iter().for_each(|sender| {
                            select.send(sender);
                        });
                        let chosen = loop {
                            match select.select_timeout(ms(random.below(3))) {
                                Ok(chosen) => break chosen,
                                Err(_) => tarae::yield_now(),
                            }
                        };
                        let case = chosen.index();
                        chosen.send(three[case], ledger.value(number)).unwrap();
                    }
                })
            })
            .collect();
        drop(senders);
        let receiving: Vec<_> = (0..3)
            .map(|_| {
                let (receivers, mut random) = (receivers.clone(), random.split());
                crew.spawn(move || receive_all(&receivers, &mut random))
            })
            .collect();
        drop(receivers);
        join_all(sending);
        let received = join_all(receiving).into_iter().flatten().map(|(_, number)| number);
        assert_each_once(received.collect::<Vec<_>>(), SENDERS * EACH);
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn a_select_that_sends_and_receives_in_both_directions() {
    everywhere(|crew| {
        // A chain in which each passes on what it has, while it takes what comes.
        const VALUES: usize = 400;
        const STAGES: usize = 4;
        let ledger = Ledger::new(VALUES);
        let (first, mut source) = bounded::<Counted>(0);
        let mut stages = Vec::new();
        for stage in 0..STAGES {
            let (sink, next) = if stage % 2 == 0 { bounded(0) } else { bounded(2) };
            let from = std::mem::replace(&mut source, next);
            stages.push(crew.spawn(move || {
                let mut held = std::collections::VecDeque::<Counted>::new();
                let mut open = true;
                while open || !held.is_empty() {
                    let (idle, waiting) = (crate::subject::channel::never(), held.is_empty());
                    let inbox = if open && held.len() < 8 { &from } else { &idle };
                    if waiting {
                        match inbox.recv() {
                            Ok(value) => held.push_back(value),
                            Err(_) => open = false,
                        }
                        continue;
                    }
                    select! {
                        recv(inbox) -> got => match got {
                            Ok(value) => held.push_back(value),
                            Err(_) => open = false,
                        },
                        send(sink, held.pop_front().unwrap()) -> sent => sent.unwrap(),
                    }
                }
            }));
        }
        let values = ledger.clone();
        let feeding =
            crew.spawn(move || (0..VALUES).for_each(|number| first.send(values.value(number)).unwrap()));
        let received: Vec<usize> = source.iter().map(|value| value.number()).collect();
        feeding.join();
        join_all(stages);
        assert_in_order(&received);
        assert_eq!(received.len(), VALUES);
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn ends_during_selects_are_told_to_all() {
    everywhere(|crew| {
        for round in 0..20 {
            let (senders, receivers): Ends<usize> = channels(4);
            let selecting: Vec<_> = (0..3)
                .map(|_| {
                    let receivers = receivers.clone();
                    crew.spawn(move || {
                        let mut select = Select::new();
                        receivers.iter().for_each(|receiver| {
                            select.recv(receiver);
                        });
                        for _ in 0..4 {
                            let chosen = select.select();
                            let case = chosen.index();
                            chosen.recv(&receivers[case]).unwrap_err();
                            select.remove(case);
                        }
                        select.try_select().is_err()
                    })
                })
                .collect();
            let ending = senders.into_iter().enumerate().map(|(number, sender)| {
                crew.spawn(move || {
                    if (number + round) % 2 == 0 {
                        tarae::yield_now();
                    }
                    drop(sender);
                })
            });
            join_all(ending.collect::<Vec<_>>());
            assert!(join_all(selecting).into_iter().all(|told| told));
        }
    });
}

#[test]
fn timers_do_not_swallow_messages() {
    everywhere(|crew| {
        const MESSAGES: usize = 200;
        for (sender, receiver) in [bounded(0), bounded(1), unbounded()] {
            let ticks = Arc::new(AtomicUsize::new(0));
            let receiving: Vec<_> = (0..2)
                .map(|_| {
                    let (receiver, ticks) = (receiver.clone(), ticks.clone());
                    crew.spawn(move || {
                        let ticker = tick(ms(1));
                        let mut received = Vec::new();
                        loop {
                            let timer = after(ms(received.len() as u64 % 3));
                            select! {
                                recv(ticker) -> told => { told.unwrap(); ticks.fetch_add(1, Ordering::SeqCst); }
                                recv(timer) -> told => { told.unwrap(); ticks.fetch_add(1, Ordering::SeqCst); }
                                recv(receiver) -> got => match got {
                                    Ok(message) => received.push(message),
                                    Err(_) => return received,
                                }
                            }
                        }
                    })
                })
                .collect();
            for message in 0..MESSAGES {
                if message % 25 == 0 {
                    tarae::sleep(ms(2));
                }
                sender.send(message).unwrap();
            }
            drop(sender);
            let received = join_all(receiving);
            received.iter().for_each(|one| assert_in_order(one));
            assert_each_once(received.into_iter().flatten(), MESSAGES);
            assert!(ticks.load(Ordering::SeqCst) > 0);
        }
    });
}
