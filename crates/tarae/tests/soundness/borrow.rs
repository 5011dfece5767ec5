//! A `RefCell` borrow of a `thread_local!`, held across suspensions that move to another kernel thread.

use std::cell::RefCell;

use super::moves::{Stay, leave, leave_to};
use super::violated;

pub(crate) const PROMISE: &str = "a RefCell of a thread-local is borrowed by one coroutine";

thread_local! {
    static CELL: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn scenario() {
    let handles: Vec<_> = (0..3).map(|_| tarae::spawn(|| (0..20).for_each(hold))).collect();
    handles.into_iter().for_each(|handle| handle.join().expect("nobody panics"));
}

fn hold(number: u64) {
    CELL.with(|cell| {
        let Ok(mut borrowed) = cell.try_borrow_mut() else { violated(PROMISE) };
        borrowed.clear();
        borrowed.extend([number; 100]);
        leave_to(borrow_meanwhile);
        borrowed.extend([number; 100]);
        leave();
        if *borrowed != [number; 200] {
            violated(PROMISE);
        }
        // The same cell is reached by the way through the thread-local, wherever the coroutine is now.
        if CELL.with(|cell| cell.try_borrow().is_ok()) {
            violated(PROMISE);
        }
    });
}

/// The neighbour: borrows the cell itself, writes, and gives it back.
fn borrow_meanwhile(stay: &Stay) {
    CELL.with(|cell| {
        let Ok(mut borrowed) = cell.try_borrow_mut() else { violated(PROMISE) };
        stay.see_off();
        borrowed.clear();
        borrowed.shrink_to_fit();
    });
}
