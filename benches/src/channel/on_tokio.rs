//! Messages on tokio: tasks, and its bounded channels of one receiver, which hold at least one message.

use std::io;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::{NODES, Pairs, took};
use crate::beside::{Run, Setup, runtimes};

pub(super) fn ping_pong(setup: Setup, pairs: Pairs) -> io::Result<Run> {
    let trips = pairs.trips(setup);
    runtimes::tokio(setup.workers, move || async move {
        let start = Instant::now();
        let all: Vec<_> = (0..pairs.count).flat_map(|_| pair(pairs, trips)).collect();
        for one in all {
            one.await.expect("it does not panic");
        }
        start.elapsed()
    })
}

fn pair(pairs: Pairs, trips: u64) -> [JoinHandle<()>; 2] {
    let (ping, mut pinged) = channel(pairs.capacity.max(1));
    let (pong, mut ponged) = channel(pairs.capacity.max(1));
    let echo = tokio::spawn(async move {
        for _ in 0..trips {
            pong.send(receive(&mut pinged, pairs.limit).await).await.expect("it is received");
        }
    });
    let player = tokio::spawn(async move {
        for trip in 0..trips {
            ping.send(trip).await.expect("it is received");
            assert_eq!(receive(&mut ponged, pairs.limit).await, trip);
        }
    });
    [echo, player]
}

async fn receive(from: &mut Receiver<u64>, limit: Option<Duration>) -> u64 {
    match limit {
        None => from.recv().await.expect("it is sent"),
        Some(limit) => {
            let received = tokio::time::timeout(limit, from.recv()).await;
            received.expect("it is sent in time").expect("it is sent")
        }
    }
}

pub(super) fn ring(setup: Setup) -> io::Result<Run> {
    runtimes::tokio(setup.workers, move || async move {
        let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..NODES).map(|_| channel(1)).unzip();
        let first = senders[0].clone();
        senders.rotate_left(1);
        let all: Vec<_> =
            receivers.into_iter().zip(senders).map(|(inbox, next)| tokio::spawn(node(inbox, next))).collect();
        let start = Instant::now();
        first.send(setup.operations).await.expect("it is received");
        drop(first);
        let mut ends = Vec::with_capacity(NODES);
        for one in all {
            ends.push(one.await.expect("it does not panic"));
        }
        took(start, ends.into_iter())
    })
}

/// Sends on the hops that are left; the last one ends the row of nodes, each of which ends the next.
async fn node(mut inbox: Receiver<u64>, next: Sender<u64>) -> Option<Instant> {
    while let Some(left) = inbox.recv().await {
        if left == 0 {
            return Some(Instant::now());
        }
        next.send(left - 1).await.expect("it is received");
    }
    None
}
