//! Messages on tarae: coroutines, and its bounded channels.

use std::io;
use std::time::{Duration, Instant};

use super::{BATCH, NODES, Pairs, took};
use crate::beside::{Run, Setup, runtimes};
use crate::subject::channel::{Receiver, Sender, bounded, unbounded};

pub(super) fn ping_pong(setup: Setup, pairs: Pairs) -> io::Result<Run> {
    let trips = pairs.trips(setup);
    runtimes::tarae(setup.workers, move || {
        let start = Instant::now();
        let all: Vec<_> = (0..pairs.count).flat_map(|_| pair(pairs, trips)).collect();
        all.into_iter().for_each(|one| one.join().expect("it does not panic"));
        start.elapsed()
    })
}

fn pair(pairs: Pairs, trips: u64) -> [tarae::thread::JoinHandle<()>; 2] {
    let (ping, pinged) = bounded(pairs.capacity);
    let (pong, ponged) = bounded(pairs.capacity);
    let echo = tarae::spawn(move || {
        for _ in 0..trips {
            pong.send(receive(&pinged, pairs.limit)).expect("it is received");
        }
    });
    let player = tarae::spawn(move || {
        for trip in 0..trips {
            ping.send(trip).expect("it is received");
            assert_eq!(receive(&ponged, pairs.limit), trip);
        }
    });
    [echo, player]
}

fn receive(from: &Receiver<u64>, limit: Option<Duration>) -> u64 {
    match limit {
        None => from.recv().expect("it is sent"),
        Some(limit) => from.recv_timeout(limit).expect("it is sent in time"),
    }
}

pub(super) fn ring(setup: Setup) -> io::Result<Run> {
    runtimes::tarae(setup.workers, move || {
        let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..NODES).map(|_| bounded(1)).unzip();
        let first = senders[0].clone();
        senders.rotate_left(1);
        let all: Vec<_> = receivers
            .into_iter()
            .zip(senders)
            .map(|(inbox, next)| tarae::spawn(move || node(&inbox, &next)))
            .collect();
        let start = Instant::now();
        first.send(setup.operations).expect("it is received");
        drop(first);
        took(start, all.into_iter().map(|one| one.join().expect("it does not panic")))
    })
}

/// Sends on the hops that are left; the last one ends the row of nodes, each of which ends the next.
fn node(inbox: &Receiver<u64>, next: &Sender<u64>) -> Option<Instant> {
    while let Ok(left) = inbox.recv() {
        if left == 0 {
            return Some(Instant::now());
        }
        next.send(left - 1).expect("it is received");
    }
    None
}

/// Sends and receives, alone.
pub(super) fn alone(setup: Setup, capacity: Option<usize>) -> io::Result<Run> {
    runtimes::tarae(setup.workers, move || {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        let start = Instant::now();
        for _ in 0..setup.operations / BATCH {
            (0..BATCH).for_each(|number| sender.send(number).expect("it is received"));
            (0..BATCH).for_each(|number| assert_eq!(receiver.recv(), Ok(number)));
        }
        start.elapsed()
    })
}
