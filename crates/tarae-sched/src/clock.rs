//! Stamps: when a coroutine was queued, and how many it stands for, in one word.
//!
//! Few are stamped. Their words lie in the coroutine, whoever comes to run it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::histogram::Recorder;

/// How many of a stamp's bits say for how many coroutines it stands.
const WEIGHT_BITS: u32 = 12;

/// The unit of time in a stamp: what a look at the clock costs, and small enough that a stamp lasts nine years.
const UNIT: Duration = Duration::from_nanos(64);

/// The most coroutines that one stamp stands for.
const PER_STAMP: u32 = 64;

/// Chooses who is stamped: after a look around the first, the third, the seventh and so on, so that few are enough to be
/// seen; later one in [`PER_STAMP`].
#[derive(Debug)]
pub(crate) struct Stamping {
    /// How many have been queued since the last stamp.
    since: Cell<u32>,
    /// At how many there is the next.
    at: Cell<u32>,
}

impl Stamping {
    pub(crate) fn new() -> Stamping {
        Stamping { since: Cell::new(0), at: Cell::new(1) }
    }

    /// The worker has looked around.
    pub(crate) fn begin(&self) {
        self.at.set(self.since.get() + 1);
    }

    /// Counts one that is queued; if it is to be stamped, returns how many it stands for.
    #[inline]
    pub(crate) fn count(&self) -> Option<u64> {
        let since = self.since.get() + 1;
        self.since.set(since);
        (since >= self.at.get()).then(|| {
            self.since.set(0);
            self.at.set((self.at.get() * 2).min(PER_STAMP));
            since.into()
        })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Who of so many that are queued one after the other is stamped, and with what weight.
    fn stamped(stamping: &Stamping, queued: u32) -> Vec<(u32, u64)> {
        (1..=queued).filter_map(|number| Some((number, stamping.count()?))).collect()
    }

    #[test]
    fn the_first_after_a_look_are_stamped_more_often_than_the_later() {
        let stamping = Stamping::new();
        let first = [(1, 1), (3, 2), (7, 4), (15, 8), (31, 16), (63, 32), (127, 64), (191, 64)];
        assert_eq!(stamped(&stamping, 200), first);
        stamping.begin();
        // It stands for those before the look, too.
        assert_eq!(stamped(&stamping, 4)[0], (1, 10));
    }

    #[test]
    fn a_stamp_says_how_long_ago_it_was_and_for_how_many() {
        let (clock, recorder) = (Clock::new(), Recorder::new());
        let stamp = clock.stamp(7);
        std::thread::sleep(Duration::from_millis(2));
        clock.record(stamp, &recorder);
        let recorded = recorder.snapshot();
        assert_eq!(recorded.count(), 7);
        assert!(recorded.max() >= Duration::from_micros(1_990), "{recorded:?}");
    }
}
