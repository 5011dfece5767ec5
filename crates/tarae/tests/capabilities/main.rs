//! Capabilities: what a coroutine may do that a thread may do, after it has moved between kernel threads.
//!
//! A coroutine is a thread to Rust and to libc, so the answer should be: everything. Each test here runs as a coroutine
//! that was started on one kernel thread and goes on on another ([`moved`]), and most move again in the middle.
//!
//! # Known limits, not tested
//!
//! - **`setuid`, `setgid`, `setgroups` and their like hang** when a coroutine calls them: glibc tells every thread in its
//!   list to make the same system call and waits for the answers, and no kernel thread answers for an identity. Change
//!   them before the first coroutine starts.
//! - **`pthread_getattr_np(pthread_self())` returns `ESRCH`** in a coroutine, as do the calls that ask the kernel about
//!   the thread by the tid that glibc has noted, such as `pthread_setaffinity_np` and `pthread_setschedparam`: that tid
//!   is an identity's, which the kernel does not know.
//! - What belongs to the kernel thread does not follow the coroutine: signal mask, affinity, namespaces.

mod endings;
mod libraries;
mod locals;
mod panics;
mod processes;
mod threads;

#[path = "../soundness/child.rs"]
mod child;
#[path = "../soundness/moves.rs"]
#[allow(dead_code, reason = "the soundness tests count moves and neighbours, these do not")]
mod moves;

use std::panic::resume_unwind;
use std::sync::mpsc::channel;
use std::time::Duration;

use tarae::Runtime;

/// Ample for anything that is not lost, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs `body` as a coroutine that has moved to another kernel thread than it was started on.
#[track_caller]
fn moved<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    std::thread::spawn(move || {
        let runtime = Runtime::builder().workers(4).name("moved").build().expect("a runtime");
        let body = move || {
            let started_on = moves::kernel_thread();
            moves::leave();
            assert_ne!(moves::kernel_thread(), started_on);
            body()
        };
        let outcome = runtime.spawn(body).join();
        runtime.shutdown_timeout(DEADLINE).expect("everyone ends");
        // Nobody receives when the test has given up.
        let _ = done.send(outcome);
    });
    let outcome = result.recv_timeout(DEADLINE).expect("done within the deadline");
    outcome.unwrap_or_else(|payload| resume_unwind(payload))
}

/// Ends the process: [`moves`] could not move. (The name is that of the soundness tests, whose promises break so.)
fn violated(promise: &str) -> ! {
    eprintln!("violated: {promise}");
    std::process::exit(3)
}
