//! When a busy worker is to look at the clock, at its sockets and timers, and at the injector: often enough, as far as
//! the last runs predict. And which of its runs are measured: a few.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::core::{Core, Remote};

/// How long a busy worker goes at most before it looks at its sockets, its timers and the injector.
const POLL_EVERY: Duration = Duration::from_micros(200);

/// How many coroutines run at most between two looks at the clock, which cost about as much as a switch.
const TICKS_MAX: u32 = 64;

/// One run in this many is measured at least, if runs are short: two more looks at the clock then cost less than a
/// hundredth of the runs.
const RUNS_PER_SAMPLE: usize = 2048;

/// # Invariants
///
/// `begun` is set from the start of a run that is measured to its end, and then `ticks_left` is 1.
pub(crate) struct Pace {
    /// Coroutines to run until something is to be done: until the run ends that is being measured, or until the next look; 0
    /// until that look has been taken.
    ticks_left: Cell<u32>,
    /// Those from the end of the run that is being measured to the next look.
    ticks_after: Cell<u32>,
    ticks: u32,
    clock: Instant,
    /// The number of the run at which the last sample was taken.
    sampled: usize,
    /// When the run began that is being measured.
    begun: Cell<Option<Instant>>,
    /// How many runs that one stands for.
    stands_for: Cell<u64>,
}

impl Pace {
    pub(crate) fn new() -> Pace {
        let now = Instant::now();
        Pace {
            ticks_left: Cell::new(1),
            ticks_after: Cell::new(0),
            ticks: 1,
            clock: now,
            sampled: 0,
            begun: Cell::new(None),
            stands_for: Cell::new(1),
        }
    }

    /// Counts a coroutine that is about to run, unless it is time for a look.
    #[inline]
    pub(crate) fn look_is_due(&self, remote: &Remote) -> bool {
        let left = self.ticks_left.get().saturating_sub(1);
        self.ticks_left.set(left);
        left == 0 && self.end_of_ticks(remote)
    }

    #[cold]
    fn end_of_ticks(&self, remote: &Remote) -> bool {
        let Some(begun) = self.begun.take() else { return true };
        remote.run_slice.record(begun.elapsed(), self.stands_for.replace(1));
        let left = self.ticks_after.get();
        if left == 0 {
            return true;
        }
        if self.ticks == 1 {
            // The next one as well, where each is worth it.
            self.ticks_after.set(left - 1);
            self.ticks_left.set(1);
            self.begun.set(Some(Instant::now()));
        } else {
            self.ticks_left.set(left);
        }
        false
    }

    /// Notes the time and says whether it is time to poll.
    pub(crate) fn looked(&mut self, now: Instant, core: &Core) -> bool {
        let per_tick = (now - self.clock) / self.ticks;
        let aim = POLL_EVERY / 2;
        let fit = aim.as_nanos() / per_tick.as_nanos().max(1);
        self.ticks = u32::try_from(fit).unwrap_or(TICKS_MAX).clamp(1, TICKS_MAX);
        // One more than the coroutines to run: the count ends at 0.
        self.ticks_left.set(self.ticks + 1);
        self.clock = now;
        let due = now - core.polled.get() >= POLL_EVERY;
        if due {
            core.polled.set(now);
            core.stamping.begin();
        }
        due
    }

    /// When the clock was last looked at between two runs. For a run that was long, about its beginning.
    pub(crate) fn last_look(&self) -> Instant {
        self.clock
    }

    /// Starts anew after a sleep, which has polled.
    pub(crate) fn slept(&mut self, core: &Core) {
        core.stamping.begin();
        core.polled.set(Instant::now());
        *self = Pace { sampled: self.sampled, ..Pace::new() };
    }

    /// The worker begins to run one coroutine after the other, the `run`-th first: measures that one, if it is time.
    pub(crate) fn begin_stretch(&mut self, run: usize) {
        let runs = run.wrapping_sub(self.sampled);
        // Where few runs fit between two looks, each is worth a look at the clock.
        if runs >= RUNS_PER_SAMPLE || self.ticks == 1 {
            self.sampled = run;
            self.stands_for.set(runs.max(1) as u64);
            // It is the next one, and ends with the next tick.
            self.ticks_after.set(self.ticks_left.replace(1).saturating_sub(1));
            self.begun.set(Some(Instant::now()));
        }
    }
}
