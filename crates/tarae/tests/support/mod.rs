//! What the test programs share: deadlines, child processes, quiet panics, seeds, and what /proc says.
//!
//! Each program takes what it needs of it.
#![allow(dead_code, reason = "every test program has its own copy, and none uses all of it")]

pub(crate) mod child;
pub(crate) mod proc;
pub(crate) mod seed;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Once, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tarae::Runtime;

/// Ample for anything that is not lost, also on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Long enough for others to get where they are to wait, and to see that something does *not* happen.
pub(crate) const MOMENT: Duration = Duration::from_millis(30);

/// How many workers a test runs with, when that may matter.
pub(crate) const WORKERS: [usize; 3] = [1, 2, 8];

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Runs `body` on a kernel thread of its own, and fails if it has not ended within [`LIMIT`].
#[track_caller]
pub(crate) fn bounded<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    within(LIMIT, body)
}

/// As [`bounded`], with a limit of the caller's choice.
#[track_caller]
pub(crate) fn within<T: Send + 'static>(limit: Duration, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(catch_unwind(AssertUnwindSafe(body))));
    match result.recv_timeout(limit) {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("not done after {limit:?}"),
    }
}

/// A runtime with this many workers.
#[track_caller]
pub(crate) fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).name("test").build().expect("a runtime")
}

/// Runs `body` as a coroutine of a runtime of 1, 2 and 8 workers in turn. Each ends with nothing left behind.
#[track_caller]
pub(crate) fn on_workers(body: fn()) {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            runtime.run(body);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}

/// Runs `body` on a kernel thread, with a runtime of 1, 2 and 8 workers in turn.
#[track_caller]
pub(crate) fn with_runtimes(body: fn(&Runtime)) {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            body(&runtime);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}

/// Waits until `condition` holds; on a coroutine it parks meanwhile, on a kernel thread it blocks.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        tarae::sleep(ms(1));
    }
}

/// Keeps the kernel thread busy without suspending, as a loop of arithmetic would, while `condition` holds.
#[track_caller]
pub(crate) fn spin_while(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while condition() {
        assert!(Instant::now() < deadline, "spun for {LIMIT:?}");
        std::hint::spin_loop();
    }
}

/// Panics with a message that [`hush`] keeps off standard error.
pub(crate) fn panic_on_purpose() -> ! {
    hush();
    panic!("{ON_PURPOSE}")
}

pub(crate) const ON_PURPOSE: &str = "a panic on purpose";

/// Silences the panic hook for panics that say they are on purpose, for scopes that pass them on, and for payloads that are no
/// text.
pub(crate) fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let quiet = info
                .payload_as_str()
                .is_none_or(|text| text.contains("on purpose") || text == "a scoped thread panicked");
            if !quiet {
                loud(info);
            }
        }));
    });
}

/// The text of a panic's payload.
pub(crate) fn text_of(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("(a payload that is no text)")
}
