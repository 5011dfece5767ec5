//! Stackful coroutines: code that reads as if it blocked, thousands of it at a time on a few kernel threads.
//!
//! A coroutine is a thread without a kernel thread: it owns its stack *and its thread-locals*. While it waits for a
//! socket, a timer or another coroutine, its kernel thread runs others; afterwards it may go on on another one, and to
//! Rust, to the compiler and to libc nothing has changed. So [`spawn`] is a safe function, with std's own signature.
//!
//! ```
//! use std::time::Duration;
//!
//! let greetings: Vec<String> = tarae::run(|| {
//!     let handles: Vec<_> = ["hello", "salut", "안녕"]
//!         .into_iter()
//!         .map(|word| {
//!             tarae::spawn(move || {
//!                 tarae::sleep(Duration::from_millis(10)); // the three sleep at the same time
//!                 format!("{word}, world")
//!             })
//!         })
//!         .collect();
//!     handles.into_iter().map(|handle| handle.join().unwrap()).collect()
//! });
//! assert_eq!(greetings[1], "salut, world");
//! ```
//!
//! # Where to go
//!
//! - [`thread`], [`sync`] and [`net`] have the names and signatures of `std::thread`, `std::sync` and `std::net`; a
//!   program moves by replacing `std::` with `tarae::` in its imports. Where tarae must differ, the module says so.
//! - [`channel`] has crossbeam-channel's; [`scope`], [`timeout`] and [`CancelToken`] say who waits for whom, and how long.
//! - [`callback`] and [`future`] are for code that was written for callbacks, or as a future.
//! - [`Runtime`] is for programs that want to choose the number of workers, the stack size, or the end.
//! - Every call works on a plain kernel thread as well, and blocks that.
//!
//! # Platform
//!
//! Linux with glibc on x86-64; AArch64 is written beside it. Others are refused at compile time.

#![forbid(unsafe_code)]

pub mod callback;
pub mod channel;
pub mod future;
pub mod generator;
pub mod local;
pub mod net;
pub mod sync;
pub mod thread;

#[doc(hidden)]
pub mod __macros;

mod blocking;
mod cancel;
mod runtime;

pub use blocking::{ThreadLock, blocking, lock_thread};
pub use cancel::{
    CancelToken, Cancelled, Elapsed, JoinSet, TryScope, TryScopedJoinHandle, deadline, shield, timeout,
    try_scope,
};
pub use runtime::{Builder, LeftBehind, Runtime, is_cancelled};
pub use tarae_macros::{main, test};
pub use tarae_sched::{CoroutineCounts, Dump, Histogram, Metrics, SlotCounts, ThreadCounts};
pub use thread::{scope, sleep, spawn, yield_now};

/// Runs `f` as a coroutine and returns what it returns; on the default runtime, which starts on first use.
///
/// # Parks
///
/// Until `f` has ended. On a kernel thread, blocks it.
///
/// # Panics
///
/// With the payload of `f`, if `f` panics; if no coroutine can be made; and in a certain deadlock, as
/// [`Runtime::run`] says.
///
/// # Examples
///
/// ```
/// assert_eq!(tarae::run(|| 6 * 7), 42);
/// ```
#[track_caller]
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if tarae_task::with_coroutine(|current| current.is_some()) {
        return spawn(f).join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
    }
    runtime::default_runtime().expect("failed to start the default runtime").run(f)
}
