//! Telling about stalls: a `tracing` event at warn level, with target `tarae`, for each; but not more than a reader can
//! take in.

use std::time::{Duration, Instant};

use tarae_task::Coroutine;

/// How many stalls are reported in one [`PERIOD`]. The rest is counted, and told with the next.
const PER_PERIOD: u32 = 10;

const PERIOD: Duration = Duration::from_secs(1);

/// A coroutine that was stuck while others waited.
pub(crate) struct Stall<'a> {
    pub(crate) runtime: &'a str,
    pub(crate) coroutine: &'a Coroutine,
    pub(crate) stuck_for: Duration,
    /// Whether it waited in the kernel, rather than computed.
    pub(crate) waits: bool,
    /// How many coroutines waited for the worker.
    pub(crate) waiting: usize,
}

/// What has been reported lately.
#[derive(Debug)]
pub(crate) struct Reports {
    period: Option<Instant>,
    reported: u32,
    unreported: u64,
}

impl Reports {
    pub(crate) fn new() -> Reports {
        Reports { period: None, reported: 0, unreported: 0 }
    }

    pub(crate) fn stall(&mut self, stall: &Stall<'_>, now: Instant) {
        let Some(unreported) = self.admit(now) else { return };
        tracing::warn!(
            target: "tarae",
            runtime = stall.runtime,
            coroutine = stall.coroutine.id(),
            name = stall.coroutine.name().unwrap_or("<unnamed>"),
            spawned_at = %stall.coroutine.spawned_at(),
            stuck_ms = stall.stuck_for.as_secs_f64() * 1e3,
            waiting = stall.waiting,
            unreported,
            "{}",
            if stall.waits {
                "a coroutine blocks its kernel thread, and its worker went to another one; \
                 tarae::blocking would have done that at once"
            } else {
                "a coroutine computes without a pause, and its worker went to another kernel thread"
            }
        );
    }

    pub(crate) fn at_limit(&mut self, runtime: &str, now: Instant) {
        let Some(unreported) = self.admit(now) else { return };
        tracing::warn!(
            target: "tarae",
            runtime,
            unreported,
            "coroutines wait behind one that is stuck, as the runtime has as many spare threads as it may \
             (Builder::spare_threads_max)"
        );
    }

    /// Says whether there may be one more report now, and how many there were since the last that was made.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.period.is_none_or(|period| now.saturating_duration_since(period) >= PERIOD) {
            self.period = Some(now);
            self.reported = 0;
        }
        if self.reported >= PER_PERIOD {
            self.unreported += 1;
            return None;
        }
        self.reported += 1;
        Some(std::mem::take(&mut self.unreported))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_reader_can_take_in_is_counted_and_told_later() {
        let (mut reports, start) = (Reports::new(), Instant::now());
        for _ in 0..PER_PERIOD {
            assert_eq!(reports.admit(start), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(reports.admit(start), None);
        }
        assert_eq!(reports.admit(start + PERIOD), Some(5));
        assert_eq!(reports.admit(start + PERIOD), Some(0));
    }
}
