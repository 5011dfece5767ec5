//! Stamps: when a coroutine was queued, and how many it stands for, in one word.
//!
//! Few are stamped. Their words lie in the coroutine, whoever comes to run it.

use std::time::{Duration, Instant};

use crate::histogram::Recorder;

/// How many of a stamp's bits say for how many coroutines it stands.
const WEIGHT_BITS: u32 = 12;

/// The unit of time in a stamp: what a look at the clock costs, and small enough that a stamp lasts nine years.
const UNIT: Duration = Duration::from_nanos(64);

/// The clock of a scheduler.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn new() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// A stamp of the present that stands for `weight` coroutines.
    pub(crate) fn stamp(&self, weight: u64) -> u64 {
        let weight = weight.clamp(1, (1 << WEIGHT_BITS) - 1);
        self.now() << WEIGHT_BITS | weight
    }

    /// Records how long ago a stamp was made.
    #[cold]
    pub(crate) fn record(&self, stamp: u64, into: &Recorder) {
        let units = self.now().saturating_sub(stamp >> WEIGHT_BITS);
        into.record(
            Duration::from_nanos(units.saturating_mul(UNIT.as_nanos() as u64)),
            stamp & ((1 << WEIGHT_BITS) - 1),
        );
    }

    fn now(&self) -> u64 {
        (self.origin.elapsed().as_nanos() / UNIT.as_nanos()) as u64
    }
}
