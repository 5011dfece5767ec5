//! Instants to ticks and back, rounded so that no timer is ever early.
//!
//! A deadline is rounded up to the grid of ticks, the present is rounded down. So `ceil(deadline) <=
//! floor(now)` implies `deadline <= now`, and is implied by `deadline + RESOLUTION <= now`: never early, and
//! at most one tick late.
//!
//! A tick is 2^20 ns and not 1 ms, because both conversions then are shifts. 64 bits of nanoseconds reach
//! 584 years; past that all deadlines round to [`NEVER`], a tick that no present reaches.
//!
//! [`Timers`](crate::Timers) is the only caller; below it, time is a number.

use std::time::{Duration, Instant};

/// The number of [`RESOLUTION`]s since the origin.
pub(crate) type Tick = u64;

/// The length of a tick, and so the longest that a timer may be late: 2^20 ns, about 1.05 ms.
///
/// No finer than the poller that waits for the timers, whose own step is a millisecond (epoll_wait(2)).
pub const RESOLUTION: Duration = Duration::from_nanos(1 << TICK_BITS);

/// The tick of every deadline that 64 bits of nanoseconds cannot express; one more than any present.
pub(crate) const NEVER: Tick = 1 << (u64::BITS - TICK_BITS);

const TICK_BITS: u32 = 20;

/// The grid of ticks, laid so that tick 0 is the origin.
#[derive(Clone, Copy)]
pub(crate) struct Grid {
    origin: Instant,
}

impl Grid {
    pub(crate) const fn new(origin: Instant) -> Self {
        Self { origin }
    }

    /// Returns the first tick that is not before `deadline`; 0 if that is before the origin.
    pub(crate) fn ceil(self, deadline: Instant) -> Tick {
        let nanos = self.nanos(deadline);
        let below = nanos & ((1 << TICK_BITS) - 1);
        (nanos >> TICK_BITS) + Tick::from(below != 0)
    }

    /// Returns the last tick that is not after `now`; 0 if that is before the origin.
    pub(crate) fn floor(self, now: Instant) -> Tick {
        self.nanos(now) >> TICK_BITS
    }

    /// Returns the moment of `tick`, or `None` if [`Instant`] cannot express it.
    pub(crate) fn instant(self, tick: Tick) -> Option<Instant> {
        let since_origin = match tick.checked_mul(1 << TICK_BITS) {
            Some(nanos) => Duration::from_nanos(nanos),
            None => Duration::from_nanos(u64::MAX),
        };
        self.origin.checked_add(since_origin)
    }

    fn nanos(self, instant: Instant) -> u64 {
        let since_origin = instant.saturating_duration_since(self.origin);
        since_origin
            .as_secs()
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(since_origin.subsec_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANO: Duration = Duration::from_nanos(1);

    #[test]
    fn a_deadline_is_rounded_up_and_the_present_down() {
        let origin = Instant::now();
        let grid = Grid::new(origin);
        let third = origin + 3 * RESOLUTION;
        assert_eq!((grid.ceil(third - NANO), grid.floor(third - NANO)), (3, 2));
        assert_eq!((grid.ceil(third), grid.floor(third)), (3, 3));
        assert_eq!((grid.ceil(third + NANO), grid.floor(third + NANO)), (4, 3));
        assert_eq!(grid.instant(3), Some(third));
    }

    #[test]
    fn all_before_the_origin_is_tick_zero() {
        let origin = Instant::now() + Duration::from_secs(1);
        let grid = Grid::new(origin);
        assert_eq!((grid.ceil(origin - NANO), grid.floor(origin - NANO)), (0, 0));
    }

    #[test]
    fn no_present_reaches_the_tick_of_never() {
        let origin = Instant::now();
        let grid = Grid::new(origin);
        for beyond in [Duration::from_nanos(u64::MAX), Duration::from_secs(1 << 40)] {
            assert_eq!(grid.ceil(origin + beyond), NEVER);
            assert_eq!(grid.floor(origin + beyond), NEVER - 1);
        }
        assert_eq!(grid.instant(NEVER), Some(origin + Duration::from_nanos(u64::MAX)));
    }
}
