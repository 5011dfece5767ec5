//! Scopes of `scoped-tls` that interleave: A enters, B enters, A leaves, B leaves.
//!
//! The crate's `unsafe` relies on what runs inside a scope being nested in it, which holds on a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scoped_tls::scoped_thread_local;

use super::moves::{Stay, leave, leave_to};
use super::violated;

pub(crate) const PROMISE: &str = "a coroutine is in the scope that it entered, and in no other";

scoped_thread_local!(static SCOPE: u64);

pub(crate) fn scenario() {
    for round in 0..25 {
        first(2 * round);
    }
}

fn first(mine: u64) {
    check(None);
    let left = Arc::new(AtomicBool::new(false));
    SCOPE.set(&mine, || {
        let left = Arc::clone(&left);
        leave_to(move |stay| second(mine + 1, stay, &left));
        check(Some(mine));
        leave();
        check(Some(mine));
    });
    check(None);
    left.store(true, Ordering::SeqCst);
}

/// The neighbour: enters while the first is inside, leaves after it has left.
fn second(mine: u64, stay: &Stay, first_left: &AtomicBool) {
    check(None);
    SCOPE.set(&mine, || {
        stay.see_off();
        while !first_left.load(Ordering::SeqCst) {
            check(Some(mine));
            tarae::yield_now();
        }
        check(Some(mine));
    });
    check(None);
}

fn check(expected: Option<u64>) {
    let actual = SCOPE.is_set().then(|| SCOPE.with(|number| *number));
    if actual != expected {
        violated(PROMISE);
    }
}
