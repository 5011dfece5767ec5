//! Which operation of a select was chosen: decided once, by one compare-and-swap.
//!
//! A select lists itself in several channels at a time, each with a lock of its own, and one of their partners may have it.
//! They compete here:
//!
//! | state       | who may act on the select          | next                                                    |
//! |-------------|------------------------------------|---------------------------------------------------------|
//! | `OPEN`      | any partner, under a channel's lock | `claim(n)`: chosen; `abort`: by the select itself       |
//! | `n`         | who claimed it, until it unlocks   | final                                                   |
//! | `ABORTED`   | the select alone                   | final                                                   |
//!
//! The race is between two partners, or a partner and a deadline: whoever swaps first has it, and the other one looks for
//! somebody else. What a partner grants, it writes under the lock of the channel under which it claimed; the select takes the
//! same lock before it reads. So the word orders nothing but itself, and `Relaxed` is enough.

use crate::sync::{AtomicUsize, Ordering};

const OPEN: usize = usize::MAX;
const ABORTED: usize = usize::MAX - 1;

/// The one thing that all the places of a select share.
#[derive(Debug)]
pub(crate) struct Record {
    state: AtomicUsize,
}

impl Record {
    pub(crate) fn new() -> Record {
        Record { state: AtomicUsize::new(OPEN) }
    }

    /// Chooses an operation; whether it is this caller who did.
    pub(crate) fn claim(&self, operation: usize) -> bool {
        self.state.compare_exchange(OPEN, operation, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Ends the competition without a winner; returns the winner, if there was one already.
    pub(crate) fn abort(&self) -> Option<usize> {
        match self.state.compare_exchange(OPEN, ABORTED, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) | Err(ABORTED) => None,
            Err(operation) => Some(operation),
        }
    }

    /// Which operation was chosen.
    pub(crate) fn chosen(&self) -> Option<usize> {
        match self.state.load(Ordering::Relaxed) {
            OPEN | ABORTED => None,
            operation => Some(operation),
        }
    }

    /// Whether it can still be claimed.
    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Ordering::Relaxed) == OPEN
    }
}
