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
//! | module | what is in it | where it comes from |
//! |---|---|---|
//! | [`thread`] | coroutines: spawn, join, park, sleep, scopes | `std::thread` |
//! | [`sync`] | locks, conditions, barriers, what is made once, `mpsc`, semaphores | `std::sync` |
//! | [`net`] | TCP | `std::net` |
//! | [`channel`] | messages for any number of ends, `select!`, timers, [`oneshot`](channel::oneshot), [`broadcast`](channel::broadcast) | crossbeam-channel |
//! | [`deadline`] | until when a wait may last, and how long that is | |
//! | [`callback`] | a callback as a call, or as an iterator; and serving who passes one | |
//! | [`future`] | a future as a call, a coroutine as a future | |
//! | [`generator`] | functions that return several times | |
//! | [`local`] | values of a coroutine that are dropped with it | `thread_local!` |
//!
//! In the root are the [`Runtime`] and what ends waits: [`timeout`], [`CancelToken`], [`try_scope`], [`JoinSet`], [`shield`].
//!
//! | to | take |
//! |---|---|
//! | do several things at a time, and go on when all are done | [`scope`]; children may borrow |
//! | the same, and stop at the first error | [`try_scope`] |
//! | take results in the order in which they come | [`JoinSet`] |
//! | start something that outlives its parent | [`spawn`] |
//! | wait for no longer than a while | [`timeout`], around anything |
//! | stop something from outside | [`JoinHandle::cancel`](thread::JoinHandle::cancel); [`CancelToken`] for a group |
//! | do something to its end, whatever happens | [`shield`] |
//! | wait for the first of several messages or moments | [`select!`](channel::select!) |
//! | limit how many do something at a time | [`sync::Semaphore`] |
//! | call an API that takes a callback | [`callback::wait`] |
//! | call a future | [`future::block_on`] |
//! | call what blocks its kernel thread | nothing need be done; [`blocking`] does it sooner |
//! | choose the number of workers, the stack size, or the end | [`Runtime`], [`main`](macro@main), [`thread::Builder`] |
//! | see who waits for what | [`Runtime::dump`], [`Runtime::metrics`] |
//!
//! Every call works on a plain kernel thread as well, and blocks that: coroutines and kernel threads share locks, channels and
//! sockets.
//!
//! # Coming from elsewhere
//!
//! - **std**: replace `std::` by `tarae::` in the imports of `thread`, `sync` and `net`. Where tarae must differ, the module says so
//!   under a heading of its own. A library that uses std's mutexes, channels, files or sleeps works as it is: it blocks its kernel
//!   thread, and the other coroutines get another one.
//! - **crossbeam**: `use crossbeam_channel as channel` becomes `use tarae::channel`; its `WaitGroup` is [`sync::WaitGroup`], its
//!   scopes are [`scope`].
//! - **tokio**: leave `async` and `.await` away.
//!
//! | tokio | here |
//! |---|---|
//! | `tokio::spawn` | [`spawn`] |
//! | `JoinHandle::abort` | [`JoinHandle::cancel`](thread::JoinHandle::cancel): at its next wait, and its destructors may wait |
//! | `JoinSet` | [`JoinSet`] |
//! | `join!`, `try_join!` | [`scope`], [`try_scope`] |
//! | `select!` | [`select!`](channel::select!) over messages and moments; [`timeout`], [`CancelToken::run`] around anything |
//! | `time::timeout`, `time::sleep`, `time::interval` | [`timeout`], [`sleep`], [`channel::tick`] |
//! | `sync::mpsc`, `oneshot`, `broadcast`, `Semaphore` | [`channel`], [`channel::oneshot`], [`channel::broadcast`], [`sync::Semaphore`] |
//! | `CancellationToken` (tokio-util) | [`CancelToken`] |
//! | `spawn_blocking`, `block_in_place` | nothing, or [`blocking`] |
//! | a future that stays one | [`future::block_on`]; `tarae-futures` has our sockets under tokio's and hyper's traits |
//!
//! # Cancellation
//!
//! What is cancelled, or out of time, is not stopped where it is, but at its next wait that would park; a wait that has got what it
//! came for returns. One that returns an [`io::Result`](std::io::Result) returns an error, once for each reason; any other, and any after
//! that, unwinds, past the panic hook. Destructors run, and may wait. Each function says under *Cancellation* which of the two it
//! does, and under *Parks* what it waits for.
//!
//! A program that is built with `panic = "abort"` has no unwinding. In it only those waits are interrupted that return an error: a
//! [`timeout`] around a [`sleep`] returns when the sleep is over, and a [`Runtime`] that is dropped waits for it.
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
/// # Cancellation
///
/// Unwinds; `f` is then detached, and goes on.
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
