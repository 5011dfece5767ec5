//! The desks at which identities are made: two in the process.
//!
//! A newborn is a kernel thread, for as long as it lives. With as many desks as this there are never more than two of
//! them, however fast coroutines become more.

use std::sync::{Mutex, MutexGuard};

static DESKS: [Mutex<()>; 2] = [const { Mutex::new(()) }; 2];

/// The right to make identities, until it is dropped.
#[derive(Debug)]
pub struct Desk {
    _guard: MutexGuard<'static, ()>,
}

impl Desk {
    /// Takes a desk, waiting for one if need be.
    pub fn take() -> Desk {
        Desk::try_take().unwrap_or_else(|| {
            // Nothing is guarded that a panic could break.
            let guard = DESKS[1].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            Desk { _guard: guard }
        })
    }

    /// Takes a desk if one is free.
    pub fn try_take() -> Option<Desk> {
        DESKS.iter().find_map(|desk| desk.try_lock().ok()).map(|guard| Desk { _guard: guard })
    }
}
