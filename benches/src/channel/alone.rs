//! The program of one alone, as [`program`](super::program): for those who have channels without a bound of the same kind.

use std::io;
use std::time::Instant;

use super::{bounded, on_workers, unbounded};
use crate::beside::{Run, Setup};
use crate::channel::BATCH;

/// Sends and receives, alone.
pub(in crate::channel) fn alone(setup: Setup, capacity: Option<usize>) -> io::Result<Run> {
    on_workers(setup.workers, move || {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        let start = Instant::now();
        for _ in 0..setup.operations / BATCH {
            (0..BATCH).for_each(|number| sender.send(number).expect("it is received"));
            (0..BATCH).for_each(|number| assert_eq!(receiver.recv(), Ok(number)));
        }
        start.elapsed()
    })
}
