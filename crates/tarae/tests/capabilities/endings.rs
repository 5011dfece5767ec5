//! Ends of the process that a coroutine brings about, each in a child process.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::{DEADLINE, child, moved};

#[test]
fn it_exits() {
    assert_eq!(ended("endings::it_exits", || std::process::exit(7)).code(), Some(7));
}

#[test]
fn it_aborts() {
    assert_eq!(ended("endings::it_aborts", || std::process::abort()).signal(), Some(libc::SIGABRT));
}

#[test]
fn it_raises_a_signal() {
    let raise = || {
        // SAFETY: No preconditions.
        unsafe { libc::raise(libc::SIGTERM) };
    };
    assert_eq!(ended("endings::it_raises_a_signal", raise).signal(), Some(libc::SIGTERM));
}

#[test]
fn it_sends_itself_a_signal_by_pthread_kill() {
    let kill = || {
        // SAFETY: No preconditions.
        let me = unsafe { libc::pthread_self() };
        // SAFETY: The calling thread is alive.
        unsafe { libc::pthread_kill(me, libc::SIGUSR1) };
    };
    let test = "endings::it_sends_itself_a_signal_by_pthread_kill";
    assert_eq!(ended(test, kill).signal(), Some(libc::SIGUSR1));
}

#[test]
fn its_second_panic_while_unwinding_aborts() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("the second");
        }
    }
    let panic_twice = || {
        let _panics = Panics;
        panic!("the first");
    };
    let test = "endings::its_second_panic_while_unwinding_aborts";
    assert_eq!(ended(test, panic_twice).signal(), Some(libc::SIGABRT));
}

/// In the child, ends the process by `end`, on a coroutine that has moved; in the parent, returns how the child ended.
#[track_caller]
fn ended(test: &str, end: fn()) -> ExitStatus {
    if child::role().is_some() {
        moved(end);
        println!("still here");
        std::process::exit(0);
    }
    let outcome = child::run(test, "end", &[], DEADLINE);
    outcome.status.unwrap_or_else(|| panic!("the child did not end: {outcome:?}"))
}
