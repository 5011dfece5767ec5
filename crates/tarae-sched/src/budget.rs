//! What a coroutine does with its turn: how often it could have waited and did not, and whether it said that it may block.
//!
//! A coroutine that finds every socket ready would run for ever, while others wait. So whatever could have waited and
//! did not is counted, and every few times the clock is read. Both are of one run, and one store forgets both at the next.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a coroutine may go on without waiting, before it lets others run.
const TURN: Duration = Duration::from_micros(200);

/// How many operations share one look at the clock. Each is a system call, as a rule, and costs ten times as much.
const OPERATIONS_PER_LOOK: u32 = 8;

/// Set in a turn's word while its coroutine is in `blocking`. The rest counts operations.
const BLOCKING: u32 = 1 << 31;

/// The part that the monitor sees. All is relaxed: advice.
///
/// # Invariants
///
/// Written by whoever has the worker's seat.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU32);

/// When the clock was first read for the operations of the present run.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    since: Cell<Option<Instant>>,
}

impl Turn {
    /// Another run begins.
    #[inline]
    pub(crate) fn begin_run(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The coroutine says that it may block, or that it will not any more.
    pub(crate) fn set_blocking(&self, blocking: bool) {
        let operations = self.0.load(Ordering::Relaxed) & !BLOCKING;
        self.0.store(if blocking { operations | BLOCKING } else { operations }, Ordering::Relaxed);
    }

    /// Whether what runs has said that it may block.
    pub(crate) fn is_blocking(&self) -> bool {
        self.0.load(Ordering::Relaxed) & BLOCKING != 0
    }

    /// Counts an operation, and returns how many there were in this run.
    fn count(&self) -> u32 {
        let before = self.0.load(Ordering::Relaxed);
        let operations = (before & !BLOCKING) % (BLOCKING - 1) + 1;
        self.0.store(before & BLOCKING | operations, Ordering::Relaxed);
        operations
    }
}

impl Budget {
    /// Counts an operation that did not have to wait, and says whether the turn is over.
    pub(crate) fn is_spent(&self, turn: &Turn) -> bool {
        self.is_spent_at(turn, Instant::now)
    }

    fn is_spent_at(&self, turn: &Turn, now: impl FnOnce() -> Instant) -> bool {
        let operations = turn.count();
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
    fn turn_of(budget: &Budget, turn: &Turn, operation: Duration) -> Duration {
        let start = Instant::now();
        let passed = (1..).map(|done| operation * done);
        passed.into_iter().find(|passed| budget.is_spent_at(turn, || start + *passed)).expect("an end")
    }

    #[test]
    fn a_turn_of_short_operations_ends_after_about_the_limit() {
        let operation = Duration::from_micros(1);
        let took = turn_of(&Budget::default(), &Turn::default(), operation);
        assert!(took >= TURN && took <= TURN + operation * 2 * OPERATIONS_PER_LOOK, "{took:?}");
    }

    #[test]
    fn long_operations_are_counted_in_few_looks() {
        let operation = Duration::from_millis(1);
        let took = turn_of(&Budget::default(), &Turn::default(), operation);
        assert!(took <= operation * 2 * OPERATIONS_PER_LOOK);
    }

    #[test]
    fn another_run_has_a_turn_of_its_own() {
        let (budget, turn) = (Budget::default(), Turn::default());
        let operation = Duration::from_micros(1);
        turn_of(&budget, &turn, operation);
        turn.begin_run();
        assert!(turn_of(&budget, &turn, operation) >= TURN);
    }

    #[test]
    fn a_mark_survives_operations_and_not_the_run() {
        let (budget, turn) = (Budget::default(), Turn::default());
        turn.set_blocking(true);
        turn_of(&budget, &turn, Duration::from_micros(1));
        assert!(turn.is_blocking());
        turn.set_blocking(false);
        assert!(!turn.is_blocking());
        turn.set_blocking(true);
        turn.begin_run();
        assert!(!turn.is_blocking());
    }

    #[test]
    fn a_count_that_is_full_begins_again_and_leaves_the_mark() {
        let turn = Turn(AtomicU32::new(BLOCKING | (BLOCKING - 1)));
        assert_eq!(turn.count(), 1);
        assert!(turn.is_blocking());
    }
}
