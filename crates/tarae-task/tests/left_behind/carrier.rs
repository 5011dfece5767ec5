//! What a coroutine can tell of the thread that it is on: its seat, `errno`, and a mark of its own.

use std::cell::Cell;
use std::io;

use tarae_task::with_seat;

use crate::common::Worker;

thread_local! {
    pub(crate) static MARK: Cell<u64> = const { Cell::new(0) };
}

pub(crate) fn seat_here() -> Option<usize> {
    with_seat(|seat: &Worker| std::ptr::from_ref(seat).addr())
}

pub(crate) fn address(seat: &Worker) -> usize {
    std::ptr::from_ref(seat).addr()
}

/// Sets `errno`, to a value that nothing else here sets it to.
pub(crate) fn set_errno() -> Option<i32> {
    let error = std::fs::File::open("/dev/null/below").expect_err("it is no directory");
    error.raw_os_error()
}

pub(crate) fn errno() -> Option<i32> {
    io::Error::last_os_error().raw_os_error()
}
