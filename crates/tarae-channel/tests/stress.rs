//! Kernel threads at all ends, for a moment: nothing is lost, nothing comes twice, and each sender's messages keep their order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tarae_channel::{Receiver, Select, Sender, bounded, select, unbounded};

const LIMIT: Duration = Duration::from_secs(60);

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    /// From `TARAE_SEED`, or from the clock; printed, so that a failure shows it.
    fn from_environment() -> Random {
        let given =
            std::env::var("TARAE_SEED").ok().map(|text| text.parse().expect("TARAE_SEED is a number"));
        let seed = given.unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
        });
        println!("TARAE_SEED={seed}");
        Random(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % bound
    }
}

#[track_caller]
fn in_time(body: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(body);
    let deadline = Instant::now() + LIMIT;
    while !thread.is_finished() {
        assert!(Instant::now() < deadline, "not done after {LIMIT:?}");
        thread::sleep(Duration::from_millis(1));
    }
    thread.join().unwrap();
}

/// Which sender, and which of its messages to this channel.
type Message = (usize, usize);

const SENDERS: usize = 4;
const RECEIVERS: usize = 4;
const EACH: usize = 3_000;

/// Sends the next message to one of the channels; whether it could.
fn send(random: &mut Random, senders: &[Sender<Message>], own: usize, next: &mut [usize]) -> bool {
    let channel = random.below(senders.len() as u64) as usize;
    let message = (own, next[channel]);
    let wait = Duration::from_micros(random.below(50));
    let sent = match random.below(5) {
        0 => senders[channel].try_send(message).is_ok().then_some(channel),
        1 => senders[channel].send_timeout(message, wait).is_ok().then_some(channel),
        2 => select! {
            send(senders[0], (own, next[0])) -> sent => sent.is_ok().then_some(0),
            send(senders[1], (own, next[1])) -> sent => sent.is_ok().then_some(1),
            default(wait) => None,
        },
        3 => {
            let mut select = Select::new();
            for sender in senders {
                select.send(sender);
            }
            let selected = select.select();
            let index = selected.index();
            selected.send(&senders[index], (own, next[index])).is_ok().then_some(index)
        }
        _ => senders[channel].send(message).is_ok().then_some(channel),
    };
    if let Some(channel) = sent {
        next[channel] += 1;
    }
    sent.is_some()
}

/// Receives from the channels: what, and from which. `None` when nothing is left for good.
fn receive(random: &mut Random, receivers: &[Receiver<Message>]) -> Option<Vec<(usize, Message)>> {
    let wait = Duration::from_micros(random.below(50));
    let received = match random.below(4) {
        0 => select! {
            recv(receivers[0]) -> message => message.ok().map(|message| (0, message)),
            recv(receivers[1]) -> message => message.ok().map(|message| (1, message)),
            default => None,
        },
        1 => {
            let mut select = Select::new();
            for receiver in receivers {
                select.recv(receiver);
            }
            let selected = select.select();
            let index = selected.index();
            selected.recv(&receivers[index]).ok().map(|message| (index, message))
        }
        2 => {
            let channel = random.below(receivers.len() as u64) as usize;
            receivers[channel].try_recv().ok().map(|message| (channel, message))
        }
        // To wait for one alone without a limit would be to wait for ever, if the others serve who is left.
        _ => {
            let looks: Vec<_> = receivers.iter().map(|receiver| receiver.recv_timeout(wait)).collect();
            if looks.iter().all(|look| look.is_err_and(|error| error.is_disconnected())) {
                return None;
            }
            let found = looks.into_iter().enumerate();
            return Some(found.filter_map(|(channel, look)| Some((channel, look.ok()?))).collect());
        }
    };
    Some(received.into_iter().collect())
}

fn storm(capacities: [Option<usize>; 2], seed: u64) {
    let pairs = capacities.map(|capacity| capacity.map_or_else(unbounded, bounded));
    let senders: Vec<_> = pairs.iter().map(|pair| pair.0.clone()).collect();
    let receivers: Vec<_> = pairs.iter().map(|pair| pair.1.clone()).collect();
    drop(pairs);
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for own in 0..SENDERS {
            let senders = senders.clone();
            scope.spawn(move || {
                let mut random = Random(seed.wrapping_add(own as u64));
                let mut next = vec![0; senders.len()];
                let mut sent = 0;
                while sent < EACH {
                    sent += usize::from(send(&mut random, &senders, own, &mut next));
                }
            });
        }
        drop(senders);
        for own in 0..RECEIVERS {
            let (receivers, count) = (receivers.clone(), &count);
            scope.spawn(move || {
                let mut random = Random(seed.wrapping_add(1000 + own as u64));
                let mut last: HashMap<(usize, usize), usize> = HashMap::new();
                while let Some(received) = receive(&mut random, &receivers) {
                    for (channel, (sender, number)) in received {
                        count.fetch_add(1, Ordering::Relaxed);
                        let before = last.insert((channel, sender), number);
                        assert!(before.is_none_or(|before| before < number), "out of order");
                    }
                }
            });
        }
        drop(receivers);
    });
    assert_eq!(count.load(Ordering::Relaxed), SENDERS * EACH);
}

#[test]
fn nothing_is_lost_or_out_of_order_among_many_threads() {
    let mut random = Random::from_environment();
    for capacities in [[Some(0), Some(0)], [Some(1), Some(0)], [Some(5), Some(2)], [None, Some(1)]] {
        let seed = random.below(u64::MAX);
        in_time(move || storm(capacities, seed));
    }
}

/// Two selects, each of which could meet the other on either of two channels, in opposite orders.
#[test]
fn selects_that_face_each_other_meet() {
    in_time(|| {
        let ((s1, r1), (s2, r2)) = (bounded(0), bounded(0));
        const ROUNDS: usize = 5_000;
        let (s1_there, r2_there) = (s1.clone(), r2.clone());
        let other = thread::spawn(move || {
            for n in 0..ROUNDS {
                select! {
                    send(s1_there, n) -> sent => sent.unwrap(),
                    recv(r2_there) -> got => assert_eq!(got, Ok(n)),
                }
            }
        });
        for n in 0..ROUNDS {
            select! {
                send(s2, n) -> sent => sent.unwrap(),
                recv(r1) -> got => assert_eq!(got, Ok(n)),
            }
        }
        other.join().unwrap();
        drop((s1, r2));
    });
}
