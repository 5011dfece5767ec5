//! The runtime: workers, and what they wait on, under one handle.

mod builder;
mod cpus;
mod default;
pub(crate) mod driver;
pub(crate) mod end;

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{Location, resume_unwind};
use std::time::{Duration, Instant};

use tarae_context::StackSize;
use tarae_sched::{Dump, Metrics, Scheduler};
use tarae_task::{Reason, shield, wait_until, with_coroutine};

pub use builder::Builder;
pub(crate) use default::{default_runtime, default_runtime_of};
pub use tarae_sched::LeftBehind;

use crate::thread::JoinHandle;
use driver::Driver;

/// How long a runtime that is dropped waits for its coroutines to end.
const GRACE_ON_DROP: Duration = Duration::from_secs(1);

/// A set of kernel threads that run coroutines.
///
/// Most programs need none of their own: [`tarae::run`](crate::run) and [`tarae::spawn`](crate::spawn) use a default
/// one that starts on first use. A runtime of one's own has a number of workers, a stack size and a name of one's
/// choice, and an end.
///
/// # Shutdown
///
/// Dropping a runtime cancels its coroutines: each unwinds at the wait it is in, or at its next one; destructors run
/// and may wait. What has not ended after one second is left behind, with its stack, and a line on standard error
/// says so. [`shutdown_timeout`](Runtime::shutdown_timeout) chooses the time and returns what was left. A drop is not
/// interrupted, by a cancellation or a deadline; it takes no longer than that second.
///
/// # Examples
///
/// ```
/// let runtime = tarae::Runtime::builder().workers(2).name("shop").build()?;
/// let sum = runtime.run(|| {
///     let handles: Vec<_> = (1..=10).map(|n| tarae::spawn(move || n * n)).collect();
///     handles.into_iter().map(|handle| handle.join().unwrap()).sum::<i32>()
/// });
/// assert_eq!(sum, 385);
/// # std::io::Result::Ok(())
/// ```
pub struct Runtime {
    scheduler: Scheduler<Driver>,
    shut_down: bool,
}

impl Runtime {
    /// Returns a builder with the defaults: as many workers as CPUs may be used, 256 KiB per coroutine.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Runs `f` as a coroutine of this runtime and returns what it returns.
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
    /// With the payload of `f`, if `f` panics; if no coroutine can be made. On a kernel thread, with a list of who waits
    /// for what, if nothing in the process can ever wake any coroutine, or `f`, again. That is told only when it is
    /// certain: when every kernel thread of the process is known to wait.
    #[track_caller]
    pub fn run<F, T>(&self, f: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let spawned_at = Location::caller();
        self.run_to_end(|| self.try_spawn(None, None, spawned_at, f))
    }

    /// Spawns a coroutine on this runtime and joins it, as [`run`](Self::run) does.
    pub(crate) fn run_to_end<T>(&self, spawn: impl FnOnce() -> io::Result<JoinHandle<T>>) -> T {
        match self.scheduler.run_to_end(|| spawn().expect("failed to spawn thread").into_inner()) {
            Ok(outcome) => outcome.unwrap_or_else(|payload| resume_unwind(payload)),
            Err(deadlock) => panic!("{deadlock}"),
        }
    }

    /// Spawns `f` as a coroutine of this runtime.
    ///
    /// # Panics
    ///
    /// If no coroutine can be made; [`thread::Builder::spawn`](crate::thread::Builder::spawn) returns an error
    /// instead, and spawns on the runtime of its caller.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.try_spawn(None, None, Location::caller(), f).expect("failed to spawn thread")
    }

    pub(crate) fn try_spawn<F, T>(
        &self,
        name: Option<Box<str>>,
        stack_size: Option<StackSize>,
        spawned_at: &'static Location<'static>,
        f: F,
    ) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.scheduler.spawn(name, stack_size, spawned_at, f).map(JoinHandle::new)
    }

    /// Returns what goes on in this runtime, and what has happened so far.
    ///
    /// A few microseconds for each worker; the runtime is not held up.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = tarae::Runtime::builder().workers(2).build()?;
    /// runtime.run(|| tarae::spawn(tarae::yield_now).join().unwrap());
    /// let metrics = runtime.metrics();
    /// assert_eq!((metrics.workers, metrics.spawned), (2, 2));
    /// println!("waited for a worker: {}", metrics.schedule_latency);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.scheduler.metrics()
    }

    /// Returns who waits for what in this runtime, to be printed.
    ///
    /// It tells of each coroutine that waits, or has ever waited, its number, its name, where it was spawned and what it waits
    /// for. The runtime is not held up; with a million coroutines it takes a second or two, and so does the text.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = tarae::Runtime::builder().workers(1).name("shop").build()?;
    /// let sleeper = runtime.spawn(|| tarae::sleep(std::time::Duration::MAX));
    /// runtime.run(|| tarae::sleep(std::time::Duration::from_millis(1)));
    /// let text = runtime.dump().to_string();
    /// assert!(text.starts_with("runtime 'shop', workers: 1"), "{text}");
    /// assert!(text.contains("waits for a moment in time (sleep)"), "{text}");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn dump(&self) -> Dump {
        self.scheduler.dump()
    }

    pub(crate) fn driver(&self) -> &Driver {
        self.scheduler.wait()
    }

    /// Returns how many workers it has.
    pub fn workers(&self) -> usize {
        self.scheduler.workers()
    }

    /// Cancels all coroutines and waits at most `timeout` for them to end.
    ///
    /// Called by a coroutine of this runtime it does not wait, as it would wait for itself: everyone is cancelled, the
    /// caller included, and the workers end when all have ended.
    ///
    /// # Parks
    ///
    /// Until all have ended, `timeout` at most.
    ///
    /// # Cancellation
    ///
    /// Unwinds. The workers end when all have ended, however long that takes, and nothing is said of who does not.
    ///
    /// # Errors
    ///
    /// How many were left behind. Their stacks stay as they are, and are not freed, and nothing on them is dropped: a lock that one
    /// holds stays locked, also to kernel threads and to other runtimes; one that stands in line for a lock or a permit may be given
    /// it, and keeps it; whoever joins one waits for ever.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Result<(), LeftBehind> {
        self.shut_down(timeout)
    }

    fn shut_down(&mut self, timeout: Duration) -> Result<(), LeftBehind> {
        if std::mem::replace(&mut self.shut_down, true) {
            return Ok(());
        }
        let scheduler = &self.scheduler;
        scheduler.close();
        let inside = with_coroutine(|current| current.is_some_and(|current| scheduler.owns(current)));
        if inside {
            return Ok(());
        }
        if self.wait_for_end(timeout) {
            return scheduler.clear();
        }
        /// How long an idle worker takes to notice that it is to stop, at most.
        const NOTICE: Duration = Duration::from_millis(100);
        scheduler.stop();
        self.wait_for_end(NOTICE);
        scheduler.clear()
    }

    fn wait_for_end(&self, timeout: Duration) -> bool {
        let ended = |waker: &_| self.scheduler.has_ended(waker).then_some(());
        wait_until(Reason::Other, Instant::now().checked_add(timeout), ended).is_some()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Whoever is interrupted here would leave a runtime that nobody waits for, and of which nothing is said.
        if let Err(left) = shield(|| self.shut_down(GRACE_ON_DROP)) {
            eprintln!("tarae: runtime '{}': {left}", self.scheduler.name());
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("name", &self.scheduler.name())
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}

/// Whether a payload that came out of a join says that the coroutine was interrupted, and did not panic.
///
/// It was [cancelled](crate::thread::JoinHandle::cancel), by whoever it was, or it has passed a deadline that it had from its
/// spawner. A runtime cancels its coroutines when it shuts down; a [scope](crate::scope) that is interrupted, or in which one has
/// failed ([`try_scope`](crate::try_scope)), cancels its children. Children of a scope inherit its deadline
/// ([`timeout`](crate::timeout)), and each ends at it by itself. The payload does not say which of these it was: whoever opened the
/// scope, or set the deadline, knows.
///
/// # Examples
///
/// ```
/// let runtime = tarae::Runtime::builder().workers(1).build()?;
/// let sleeper = runtime.spawn(|| tarae::sleep(std::time::Duration::from_secs(3600)));
/// drop(runtime);
/// assert!(tarae::is_cancelled(&*sleeper.join().unwrap_err()));
/// # std::io::Result::Ok(())
/// ```
///
/// A panic is none:
///
/// ```
/// let failed = tarae::spawn(|| std::panic::resume_unwind(Box::new("broken"))).join().unwrap_err();
/// assert!(!tarae::is_cancelled(&*failed));
/// ```
pub fn is_cancelled(payload: &(dyn Any + Send)) -> bool {
    payload.is::<tarae_task::Cancelled>()
}
