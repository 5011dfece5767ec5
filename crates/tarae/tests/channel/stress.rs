//! Many senders and receivers of one channel, in every way to send and to receive.
//!
//! Would catch: a value that is lost, doubled, or dropped twice, or overtaken by one of its own sender, under any interleaving that
//! many rounds find; a wake that is lost, after which everybody waits; an end that some are not told of.

use crate::counted::{Counted, Ledger, assert_each_once, assert_in_order};
use crate::crew::{Crew, everywhere, join_all};
use crate::subject::channel::{
    Receiver, RecvTimeoutError, Select, Sender, TryRecvError, bounded, select, unbounded,
};
use crate::support::ms;
use crate::support::seed::Random;

const SENDERS: usize = 3;
const RECEIVERS: usize = 3;

fn channels<T>() -> [(Sender<T>, Receiver<T>); 4] {
    [bounded(0), bounded(1), bounded(7), unbounded()]
}

/// How one end sends, or receives.
#[derive(Clone, Copy, Debug)]
enum Way {
    Wait,
    Try,
    Timeout,
    Select,
    SelectTimeout,
    Ready,
    /// Another one each time.
    Any,
}

const WAYS: [Way; 6] = [Way::Wait, Way::Try, Way::Timeout, Way::Select, Way::SelectTimeout, Way::Ready];

impl Way {
    fn now(self, random: &mut Random) -> Way {
        match self {
            Way::Any => WAYS[random.below(WAYS.len() as u64) as usize],
            way => way,
        }
    }
}

/// Sends `value`, however often that takes.
fn send(sender: &Sender<Counted>, value: Counted, way: Way) {
    let mut kept = Some(value);
    while let Some(value) = kept.take() {
        kept = match way {
            Way::Wait | Way::Any => return sender.send(value).unwrap(),
            Way::Try => sender.try_send(value).err().map(|error| error.into_inner()),
            Way::Timeout => sender.send_timeout(value, ms(1)).err().map(|error| error.into_inner()),
            Way::Select => return select! { send(sender, value) -> sent => sent.unwrap() },
            Way::SelectTimeout => {
                let mut select = Select::new();
                select.send(sender);
                match select.select_timeout(ms(1)) {
                    Ok(chosen) => return chosen.send(sender, value).unwrap(),
                    Err(_) => Some(value),
                }
            }
            Way::Ready => {
                let mut select = Select::new();
                select.send(sender);
                select.ready();
                sender.try_send(value).err().map(|error| error.into_inner())
            }
        };
        tarae::yield_now();
    }
}

/// Receives one, however often that takes; none if the channel has ended.
fn receive(receiver: &Receiver<Counted>, way: Way) -> Option<Counted> {
    loop {
        match way {
            Way::Wait | Way::Any => return receiver.recv().ok(),
            Way::Select => return select! { recv(receiver) -> got => got.ok() },
            Way::Timeout => match receiver.recv_timeout(ms(1)) {
                Ok(value) => return Some(value),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            },
            Way::SelectTimeout => select! {
                recv(receiver) -> got => return got.ok(),
                default(ms(1)) => {}
            },
            Way::Try | Way::Ready => {
                if matches!(way, Way::Ready) {
                    let mut select = Select::new();
                    select.recv(receiver);
                    select.ready();
                }
                match receiver.try_recv() {
                    Ok(value) => return Some(value),
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return None,
                }
            }
        }
        tarae::yield_now();
    }
}

/// Each of the senders sends `each` values, the receivers receive until the end.
fn storm(crew: &Crew, ends: (Sender<Counted>, Receiver<Counted>), each: usize, sends: Way, receives: Way) {
    let mut random = Random::from_environment();
    let (sender, receiver) = ends;
    let ledger = Ledger::new(SENDERS * each);
    let sending: Vec<_> = (0..SENDERS)
        .map(|side| {
            let (sender, ledger, mut random) = (sender.clone(), ledger.clone(), random.split());
            crew.spawn(move || {
                for number in side * each..(side + 1) * each {
                    send(&sender, ledger.value(number), sends.now(&mut random));
                }
            })
        })
        .collect();
    drop(sender);
    let receiving: Vec<_> = (0..RECEIVERS)
        .map(|_| {
            let (receiver, mut random) = (receiver.clone(), random.split());
            crew.spawn(move || {
                let next = || receive(&receiver, receives.now(&mut random)).map(|value| value.number());
                std::iter::from_fn(next).collect::<Vec<_>>()
            })
        })
        .collect();
    drop(receiver);
    join_all(sending);
    let received = join_all(receiving);
    for one in &received {
        for side in 0..SENDERS {
            let of_one: Vec<usize> = one.iter().copied().filter(|number| number / each == side).collect();
            assert_in_order(&of_one);
        }
    }
    assert_each_once(received.into_iter().flatten(), SENDERS * each);
    ledger.assert_each_dropped_once();
}

#[test]
fn values_arrive_once_and_in_order_when_all_wait() {
    everywhere(|crew| {
        for ends in channels() {
            storm(crew, ends, 1_000, Way::Wait, Way::Wait);
        }
    });
}

#[test]
fn values_arrive_once_and_in_order_when_all_try() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            // Where nothing is kept, two who only try never meet.
            let sends = if sender.capacity() == Some(0) { Way::Wait } else { Way::Try };
            storm(crew, (sender, receiver), 300, sends, Way::Try);
        }
        storm(crew, bounded(0), 300, Way::Try, Way::Wait);
    });
}

#[test]
fn values_arrive_once_and_in_order_with_timeouts() {
    everywhere(|crew| {
        for ends in channels() {
            storm(crew, ends, 300, Way::Timeout, Way::Timeout);
        }
    });
}

#[test]
fn values_arrive_once_and_in_order_through_selects() {
    everywhere(|crew| {
        for ends in channels() {
            storm(crew, ends, 500, Way::Select, Way::Select);
        }
        for ends in channels() {
            storm(crew, ends, 150, Way::SelectTimeout, Way::SelectTimeout);
        }
    });
}

#[test]
fn values_arrive_once_and_in_order_when_ready() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            let receives = if sender.capacity() == Some(0) { Way::Wait } else { Way::Ready };
            storm(crew, (sender, receiver), 200, Way::Ready, receives);
        }
        storm(crew, bounded(0), 200, Way::Wait, Way::Ready);
    });
}

#[test]
fn values_arrive_once_and_in_order_in_every_way_at_once() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            // Where nothing is kept, one side has to wait.
            let sends = if sender.capacity() == Some(0) { Way::Select } else { Way::Any };
            storm(crew, (sender, receiver), 300, sends, Way::Any);
        }
        storm(crew, bounded(0), 300, Way::Any, Way::Wait);
    });
}

/// One sender and one receiver, a new channel for each value.
#[test]
fn a_channel_for_each_value() {
    everywhere(|crew| {
        const ROUNDS: usize = 120;
        let mut random = Random::from_environment();
        let ledger = Ledger::new(ROUNDS);
        for round in 0..ROUNDS {
            let (sender, receiver) = match round % 3 {
                0 => bounded(0),
                1 => bounded(1),
                _ => unbounded(),
            };
            let (sends, receives) = (Way::Any.now(&mut random), Way::Any.now(&mut random));
            // Two that do not wait would not meet.
            let sends = if round % 3 == 0 { Way::Select } else { sends };
            let value = ledger.value(round);
            let sending = crew.spawn(move || send(&sender, value, sends));
            let got = receive(&receiver, receives).expect("one was sent");
            assert_eq!(got.number(), round);
            sending.join();
            assert!(receive(&receiver, receives).is_none());
        }
        ledger.assert_each_dropped_once();
    });
}

/// Senders and receivers come and go; the clones of ends are counted while they are made and dropped.
#[test]
fn ends_come_and_go() {
    everywhere(|crew| {
        for (sender, receiver) in channels() {
            const SIDES: usize = 6;
            const EACH: usize = 60;
            let ledger = Ledger::new(SIDES * EACH);
            let sending: Vec<_> = (0..SIDES)
                .map(|side| {
                    let (sender, ledger) = (sender.clone(), ledger.clone());
                    crew.spawn(move || {
                        let mut sender = sender;
                        for number in side * EACH..(side + 1) * EACH {
                            sender.send(ledger.value(number)).unwrap();
                            sender = Sender::clone(&sender);
                        }
                    })
                })
                .collect();
            drop(sender);
            let receiving: Vec<_> = (0..SIDES)
                .map(|_| {
                    let receiver = receiver.clone();
                    crew.spawn(move || {
                        let mut receiver = receiver;
                        let mut received = Vec::new();
                        while let Ok(value) = receiver.recv() {
                            received.push(value.number());
                            receiver = Receiver::clone(&receiver);
                        }
                        received
                    })
                })
                .collect();
            drop(receiver);
            join_all(sending);
            assert_each_once(join_all(receiving).into_iter().flatten(), SIDES * EACH);
            ledger.assert_each_dropped_once();
        }
    });
}
