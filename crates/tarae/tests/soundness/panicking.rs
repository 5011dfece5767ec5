//! `std::thread::panicking()` while one coroutine waits in a destructor during unwinding.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::panicking;

use super::moves::{leave, leave_to};
use super::violated;

pub(crate) const NEIGHBOUR: &str = "a neighbour of an unwinding coroutine is not panicking";
pub(crate) const TRAVELLER: &str = "an unwinding coroutine is panicking on every kernel thread";

/// Calls a function when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Panics, and calls `while_unwinding` in a destructor.
pub(crate) fn unwind_through(while_unwinding: impl FnMut()) {
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _on_drop = OnDrop(while_unwinding);
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
}

pub(crate) fn neighbour() {
    for _ in 0..30 {
        unwind_through(|| {
            leave_to(|stay| {
                check(false, NEIGHBOUR);
                stay.see_off();
                // A neighbour may panic for itself, and be done with it, while the other one unwinds.
                unwind_through(leave);
                check(false, NEIGHBOUR);
            });
        });
    }
}

pub(crate) fn traveller() {
    for _ in 0..15 {
        check(false, TRAVELLER);
        unwind_through(|| {
            check(true, TRAVELLER);
            leave();
            check(true, TRAVELLER);
            leave();
            check(true, TRAVELLER);
        });
        check(false, TRAVELLER);
    }
}

fn check(expected: bool, promise: &str) {
    if panicking() != expected {
        violated(promise);
    }
}
