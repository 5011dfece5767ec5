//! An `Rc` of a `thread_local!`, held across suspensions that move to another kernel thread.
//!
//! A count that two kernel threads change at the same time, without atomics, comes out wrong, and the value is freed
//! under somebody. That it does not come to this, because nobody else ever sees the `Rc`, is what is checked.

use std::cell::Cell;
use std::rc::Rc;

use super::moves::{Stay, leave_to};
use super::violated;

pub(crate) const PROMISE: &str = "an Rc that never left its thread is counted by one coroutine";

thread_local! {
    static SHARED: Rc<Cell<u64>> = Rc::new(Cell::new(0));
}

pub(crate) fn scenario() {
    let handles: Vec<_> = (0..3).map(|_| tarae::spawn(|| (0..20).for_each(|_| hold()))).collect();
    handles.into_iter().for_each(|handle| handle.join().expect("nobody panics"));
}

fn hold() {
    let mine = SHARED.with(Rc::clone);
    check(&mine, 2);
    leave_to(count_meanwhile);
    count(&mine);
    check(&mine, 2);
    if !SHARED.with(|shared| Rc::ptr_eq(shared, &mine)) {
        violated(PROMISE);
    }
}

/// The neighbour: finds an `Rc` that nobody else holds, and counts while the other one counts.
fn count_meanwhile(stay: &Stay) {
    SHARED.with(|shared| {
        check(shared, 1);
        stay.see_off();
        count(shared);
        check(shared, 1);
    });
}

fn count(shared: &Rc<Cell<u64>>) {
    for _ in 0..1000 {
        let another = Rc::clone(shared);
        another.set(another.get() + 1);
    }
}

fn check(shared: &Rc<Cell<u64>>, count: usize) {
    if Rc::strong_count(shared) != count {
        violated(PROMISE);
    }
}
