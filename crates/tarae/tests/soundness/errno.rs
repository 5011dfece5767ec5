//! `errno` across a move: the error of a coroutine's last call is still the last error when it goes on.

use std::fs::File;
use std::io::{Error, ErrorKind};

use super::moves::{Stay, leave_between};
use super::violated;

pub(crate) const PROMISE: &str = "errno tells of the last call of the coroutine that asks";

pub(crate) fn scenario() {
    let handles: Vec<_> = (0..3).map(|_| tarae::spawn(|| (0..20).for_each(|_| keep()))).collect();
    handles.into_iter().for_each(|handle| handle.join().expect("nobody panics"));
}

fn keep() {
    let neighbour = |stay: &Stay| {
        not_a_directory();
        check(last(), ErrorKind::NotADirectory);
        stay.see_off();
        check(leave_between(not_a_directory, |_| not_found(), last), ErrorKind::NotADirectory);
    };
    check(leave_between(not_found, neighbour, last), ErrorKind::NotFound);
}

fn check(actual: ErrorKind, expected: ErrorKind) {
    if actual != expected {
        violated(PROMISE);
    }
}

fn last() -> ErrorKind {
    Error::last_os_error().kind()
}

/// Leaves `ENOENT`.
fn not_found() {
    File::open("/nonexistent").expect_err("no such file");
}

/// Leaves `ENOTDIR`.
fn not_a_directory() {
    File::open("/dev/null/file").expect_err("/dev/null is not a directory");
}
