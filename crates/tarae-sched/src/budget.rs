//! What a coroutine has used of its turn: for those that never have to wait.
//!
//! A coroutine that finds every socket ready would run for ever, while others wait. So whatever could have waited and
//! did not is counted, and every few times the clock is read.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a coroutine may go on without waiting, before it lets others run.
const TURN: Duration = Duration::from_micros(200);

/// How many operations share one look at the clock. Each is a system call, as a rule, and costs ten times as much.
const OPERATIONS_PER_LOOK: u32 = 8;

/// The budget of the coroutine that runs.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    operations: Cell<u32>,
    /// When the clock was first read in this run.
    since: Cell<Option<Instant>>,
}

impl Budget {
    /// Another run begins.
    #[inline]
    pub(crate) fn begin_run(&self) {
        self.operations.set(0);
    }

    /// Counts an operation that did not have to wait, and says whether the turn is over.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_spent_at(Instant::now)
    }

    fn is_spent_at(&self, now: impl FnOnce() -> Instant) -> bool {
        let operations = self.operations.get() + 1;
        self.operations.set(operations);
        if !operations.is_multiple_of(OPERATIONS_PER_LOOK) {
            return false;
        }
        let now = now();
        if operations == OPERATIONS_PER_LOOK {
            self.since.set(Some(now));
        }
        self.since.get().is_some_and(|since| now.saturating_duration_since(since) >= TURN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs operations of this length until the turn is over, and returns how long that was.
    fn turn_of(budget: &Budget, operation: Duration) -> Duration {
        let start = Instant::now();
        (1..)
            .map(|done| operation * done)
            .find(|passed| budget.is_spent_at(|| start + *passed))
            .expect("an end")
    }

    #[test]
    fn a_turn_of_short_operations_ends_after_about_the_limit() {
        let operation = Duration::from_micros(1);
        let turn = turn_of(&Budget::default(), operation);
        assert!(turn >= TURN && turn <= TURN + operation * 2 * OPERATIONS_PER_LOOK, "{turn:?}");
    }

    #[test]
    fn long_operations_are_counted_in_few_looks() {
        let operation = Duration::from_millis(1);
        assert!(turn_of(&Budget::default(), operation) <= operation * 2 * OPERATIONS_PER_LOOK);
    }

    #[test]
    fn another_run_has_a_turn_of_its_own() {
        let budget = Budget::default();
        let operation = Duration::from_micros(1);
        turn_of(&budget, operation);
        budget.begin_run();
        assert!(turn_of(&budget, operation) >= TURN);
    }
}
