//! A plain `thread_local!` counter in a loop that moves: the compiler may keep its address in a register.

use std::cell::Cell;

use super::moves::leave_to;
use super::violated;

pub(crate) const PROMISE: &str = "a coroutine's counter counts what that coroutine did";

thread_local! {
    static COUNTER: Cell<u64> = const { Cell::new(0) };
}

pub(crate) fn scenario() {
    let handles: Vec<_> = (0..3).map(|_| tarae::spawn(count)).collect();
    handles.into_iter().for_each(|handle| handle.join().expect("a counter does not panic"));
}

fn count() {
    const ROUNDS: u64 = 50;
    // Identities are pooled: an earlier coroutine may have left its count.
    COUNTER.set(0);
    for _ in 0..ROUNDS {
        COUNTER.set(COUNTER.get() + 1);
        leave_to(|_| COUNTER.set(COUNTER.get() + 1_000_000));
    }
    if COUNTER.get() != ROUNDS {
        violated(PROMISE);
    }
}
