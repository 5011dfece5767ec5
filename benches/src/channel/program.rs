//! The programs, as they read where a wait looks like a call: compiled once for each contender, with its imports.

use std::io;
use std::time::{Duration, Instant};

use super::{JoinHandle, Receiver, Sender, bounded, on_workers, spawn};
use crate::beside::{Run, Setup};
use crate::channel::{NODES, Pairs, took};

pub(in crate::channel) fn ping_pong(setup: Setup, pairs: Pairs) -> io::Result<Run> {
    let trips = pairs.trips(setup);
    on_workers(setup.workers, move || {
        let start = Instant::now();
        let all: Vec<_> = (0..pairs.count).flat_map(|_| pair(pairs, trips)).collect();
        all.into_iter().for_each(|one| one.join().expect("it does not panic"));
        start.elapsed()
    })
}

fn pair(pairs: Pairs, trips: u64) -> [JoinHandle<()>; 2] {
    let (ping, pinged) = bounded(pairs.capacity);
    let (pong, ponged) = bounded(pairs.capacity);
    let echo = spawn(move || {
        for _ in 0..trips {
            pong.send(receive(&pinged, pairs.limit)).expect("it is received");
        }
    });
    let player = spawn(move || {
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

pub(in crate::channel) fn ring(setup: Setup) -> io::Result<Run> {
    on_workers(setup.workers, move || {
        let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..NODES).map(|_| bounded(1)).unzip();
        let first = senders[0].clone();
        senders.rotate_left(1);
        let all: Vec<_> = receivers
            .into_iter()
            .zip(senders)
            .map(|(inbox, next)| spawn(move || node(&inbox, &next)))
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
