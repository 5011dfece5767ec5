//! Messages between two, between a hundred pairs, and around a ring, on tarae's channels and their peers.
//!
//! A contender is a file: [`on_tarae`], [`on_may`], [`on_crossbeam`], [`on_std`], [`on_tokio`].
//!
//! - Ping-pong: one sends a number, the other sends it back. A round trip is an operation: two messages. Where a receive
//!   has a timeout, both ends have one, of an hour.
//! - Ring: a thousand nodes, each with its channel; one message goes round. A hop is an operation.
//! - Alone: one sends ten messages and receives them, again and again; nobody waits. A message is an operation.

mod on_crossbeam;
mod on_may;
mod on_std;
mod on_tarae;
mod on_tokio;

use std::time::{Duration, Instant};

use crate::beside::runtimes::HOUR;
use crate::beside::{Bench, Setup};

/// Pairs that play ping-pong.
#[derive(Clone, Copy, Debug)]
struct Pairs {
    count: u64,
    capacity: usize,
    /// How long a receive waits, if it has a limit.
    limit: Option<Duration>,
}

impl Pairs {
    /// How many round trips each pair makes.
    fn trips(&self, setup: Setup) -> u64 {
        setup.operations / self.count
    }
}

/// The nodes of the ring.
const NODES: usize = 1_000;

/// How many messages one alone sends before it receives them.
const BATCH: u64 = 10;

/// The benches.
///
/// Aims with one worker (two): a round trip over a channel of capacity 0 or 1 in 250 (300) ns, with a timeout 420 (500), of a
/// hundred pairs 110 (150); a hop of the ring 130 (180). A message of one alone as crossbeam's: 17.
pub fn benches() -> Vec<Bench> {
    let pairs = |count, capacity, limit| Pairs { count, capacity, limit };
    vec![
        ping_pong("channel/ping_pong/cap0", pairs(1, 0, None), [250.0, 300.0]),
        ping_pong("channel/ping_pong/cap1", pairs(1, 1, None), [250.0, 300.0]),
        ping_pong("channel/ping_pong/100_pairs", pairs(100, 1, None), [110.0, 150.0]),
        ping_pong("channel/ping_pong_timeout/cap0", pairs(1, 0, Some(HOUR)), [420.0, 500.0]),
        ping_pong("channel/ping_pong_timeout/cap1", pairs(1, 1, Some(HOUR)), [420.0, 500.0]),
        ring(),
        alone("channel/alone/bounded", Some(BATCH as usize)),
        alone("channel/alone/unbounded", None),
    ]
}

fn ping_pong(name: &'static str, pairs: Pairs, aims: [f64; 2]) -> Bench {
    let mut bench =
        Bench::new(name, 100_000, "a full channel, more senders or receivers than one; spawning is in it")
            .each("a round trip", aims)
            .contender("tarae", move |setup| on_tarae::ping_pong(setup, pairs))
            .contender("may", move |setup| on_may::ping_pong(setup, pairs))
            .thinned("crossbeam", 20, move |setup| on_crossbeam::ping_pong(setup, pairs))
            .thinned("std", 20, move |setup| on_std::ping_pong(setup, pairs))
            .contender("tokio", move |setup| on_tokio::ping_pong(setup, pairs))
            .note(
                &["crossbeam", "std"],
                "kernel threads, as many CPUs as workers, a twentieth of the operations",
            )
            .note(&["may"], "its channels have no bound");
    if pairs.capacity == 0 {
        bench = bench.note(&["tokio"], "the least that its channels hold is one message");
    }
    bench
}

fn ring() -> Bench {
    Bench::new(
        "channel/ring/1000",
        200_000,
        "more than one message at a time; on the first lap each node starts",
    )
    .each("a hop", [130.0, 180.0])
    .contender("tarae", on_tarae::ring)
    .contender("may", on_may::ring)
    .thinned("crossbeam", 20, on_crossbeam::ring)
    .thinned("std", 20, on_std::ring)
    .contender("tokio", on_tokio::ring)
    .note(&["crossbeam", "std"], "kernel threads, as many CPUs as workers, a twentieth of the operations")
    .note(&["may"], "its channels have no bound; the others' hold one message")
}

fn alone(name: &'static str, capacity: Option<usize>) -> Bench {
    Bench::new(name, 1_000_000, "waiting, and others at the channel")
        .each("a message", [17.0, 17.0])
        .contender("tarae", move |setup| on_tarae::alone(setup, capacity))
        .contender("crossbeam", move |setup| on_crossbeam::alone(setup, capacity))
        .note(&["crossbeam"], "on a kernel thread")
}

/// The time from the start to the end of the ring's message, which one of the nodes has seen.
fn took(start: Instant, ends: impl Iterator<Item = Option<Instant>>) -> Duration {
    // All are asked: each node must have ended before the next run.
    let end = ends.fold(None, Option::or).expect("a node sees the end");
    end.duration_since(start)
}
