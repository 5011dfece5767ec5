//! Coroutines with the face of `std::thread`.
//!
//! Names and signatures are std's, and so is what they do; a "thread" here is a coroutine when it was spawned through
//! this module, and the kernel thread otherwise: every call works on both.
//!
//! # Differences from std
//!
//! - A `thread_local!` outlives the coroutine that set it: coroutines use pooled thread identities, as tasks use the
//!   threads of a thread pool. A coroutine may find what an earlier one left. What is to be fresh in every coroutine, and to be
//!   dropped with it, is declared with [`coroutine_local!`](crate::coroutine_local).
//! - The panic hook's `thread '<unnamed>' panicked` has no name, as std gives no way to name a thread that it did not make;
//!   [`current`]`().name()` has it, also in a hook of the program's own.
//! - [`Builder::stack_size`] is rounded up so that the whole slot is a power of two.
//! - When the process ends, coroutines end with it, like detached threads.
//! - What belongs to the kernel thread does not follow a coroutine that moves: signal mask, CPU affinity, namespaces.

mod builder;
mod handle;
mod join;
mod scope;

use std::time::{Duration, Instant};

use tarae_task::{Coroutine, Reason, wait_until, with_coroutine};

pub use builder::Builder;
pub use handle::{Thread, ThreadId};
pub use join::JoinHandle;
pub(crate) use join::heed;
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use std::thread::{AccessError, LocalKey, Result, available_parallelism, panicking};

/// Lets others run. On a kernel thread, as [`std::thread::yield_now`].
///
/// Whoever waits for something parks instead: a loop that yields until it is there keeps a worker busy.
///
/// As [`std::thread::yield_now`].
///
/// # Parks
///
/// Until the coroutines that can run now have had a turn.
///
/// # Cancellation
///
/// Unwinds.
///
/// # Examples
///
/// ```
/// let runtime = tarae::Runtime::builder().workers(1).build()?;
/// runtime.run(|| {
///     let other = tarae::spawn(|| "has had its turn");
///     while !other.is_finished() {
///         tarae::thread::yield_now();
///     }
///     assert_eq!(other.join().unwrap(), "has had its turn");
/// });
/// # std::io::Result::Ok(())
/// ```
#[inline(always)]
pub fn yield_now() {
    tarae_task::yield_now();
}

/// Spawns a coroutine and returns a handle to join it.
///
/// It runs on the runtime of the calling coroutine; called from a kernel thread, on the default runtime, which starts
/// on first use. If the handle is dropped, the coroutine is detached and goes on.
///
/// When it starts is not said, as with threads. A few start in the order in which they were spawned. Where many wait for their
/// first run, the newest start first, and now and then the oldest, so that none starves.
///
/// As [`std::thread::spawn`].
///
/// # Panics
///
/// If no coroutine can be made; [`Builder::spawn`] returns an error instead.
///
/// # Examples
///
/// ```
/// let handle = tarae::thread::spawn(|| 6 * 7);
/// assert_eq!(handle.join().unwrap(), 42);
/// ```
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(f).expect("failed to spawn thread")
}

/// Returns a handle to the calling coroutine, or kernel thread.
///
/// As [`std::thread::current`].
///
/// # Examples
///
/// ```
/// let named = tarae::thread::Builder::new().name("baker".into());
/// let name = named.spawn(|| tarae::thread::current().name().map(str::to_owned))?.join().unwrap();
/// assert_eq!(name.as_deref(), Some("baker"));
/// # std::io::Result::Ok(())
/// ```
pub fn current() -> Thread {
    match tarae_task::current() {
        Some(coroutine) => Thread::of_coroutine(coroutine),
        None => Thread::of_kernel_thread(std::thread::current()),
    }
}

/// Waits until the token of the calling thread is there, and takes it.
///
/// As [`std::thread::park`], which may return without reason; on a coroutine this one does not.
///
/// # Parks
///
/// Until [`Thread::unpark`]. One that came before counts.
///
/// # Cancellation
///
/// Unwinds.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static READY: AtomicBool = AtomicBool::new(false);
///
/// let waiting = tarae::spawn(|| {
///     while !READY.load(Ordering::Acquire) {
///         tarae::thread::park();
///     }
/// });
/// READY.store(true, Ordering::Release);
/// waiting.thread().unpark();
/// waiting.join().unwrap();
/// ```
pub fn park() {
    with_coroutine(|current| match current {
        Some(current) => park_coroutine(current, None),
        None if tarae_task::is_limited() => tarae_task::park_kernel_thread(None),
        None => std::thread::park(),
    });
}

/// As [`park`], for `timeout` at most.
///
/// As [`std::thread::park_timeout`].
///
/// # Parks
///
/// Until [`Thread::unpark`], or that time has passed. It does not say which.
///
/// # Cancellation
///
/// Unwinds.
///
/// # Examples
///
/// ```
/// tarae::thread::park_timeout(std::time::Duration::from_millis(5)); // nobody unparks it
/// ```
pub fn park_timeout(timeout: Duration) {
    with_coroutine(|current| match current {
        // A moment that the clock cannot tell is never.
        Some(current) => park_coroutine(current, Instant::now().checked_add(timeout)),
        None if tarae_task::is_limited() => {
            tarae_task::park_kernel_thread(Instant::now().checked_add(timeout));
        }
        None => std::thread::park_timeout(timeout),
    });
}

fn park_coroutine(current: &Coroutine, deadline: Option<Instant>) {
    // Timed out or not: the caller cannot tell, as in std.
    let _ = wait_until(Reason::Unpark, deadline, |_| current.take_token().then_some(()));
}

/// Waits for `duration` at least.
///
/// As [`std::thread::sleep`]. The resolution is about a millisecond; the sleep is never shorter than asked for.
///
/// # Parks
///
/// For `duration`, and up to about two milliseconds more on an idle runtime.
///
/// # Cancellation
///
/// Unwinds.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// tarae::run(move || tarae::thread::sleep(Duration::from_millis(5)));
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
pub fn sleep(duration: Duration) {
    with_coroutine(|current| match current {
        Some(_) if duration.is_zero() => {}
        None if !tarae_task::is_limited() => std::thread::sleep(duration),
        _ => {
            let deadline = Instant::now().checked_add(duration);
            let _: Option<()> = wait_until(Reason::Sleep, deadline, |_| None);
        }
    });
}

/// Waits until `deadline`, at least. At once, if that has passed.
///
/// As [`sleep`], and as `std::thread::sleep_until`.
///
/// # Parks
///
/// Until then, and up to about two milliseconds more on an idle runtime.
///
/// # Cancellation
///
/// Unwinds.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// for beat in 1..=3 {
///     tarae::thread::sleep_until(start + beat * Duration::from_millis(5));
/// }
/// assert!(start.elapsed() >= Duration::from_millis(15));
/// ```
pub fn sleep_until(deadline: Instant) {
    sleep(deadline.saturating_duration_since(Instant::now()));
}
