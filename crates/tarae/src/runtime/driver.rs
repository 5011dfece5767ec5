//! What an idle worker waits on: a reactor and a timer store each. The one place that joins the two.
//!
//! A timer is armed in the part of the worker that runs the caller, so only that worker, when it sleeps, need wake for
//! it; a stuck worker's part is polled by the monitor. A coroutine whose thread was left behind arms it anywhere, and tells
//! that worker if it must wake sooner. A timer may be disarmed from anywhere, hence the lock.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use tarae_reactor::{Reactor, wake_all};
use tarae_sched::{Scheduler, Wait};
use tarae_task::{Armed, with_coroutine};
use tarae_timer::{Key, Timers};

use super::default_runtime;
use super::end::End;

/// Later than any timer that a program means: when a driver is closed, whatever is armed until then fires.
const LATER_THAN_ALL: Duration = Duration::from_secs(u32::MAX as u64);

/// How many timers one hold of the lock may move or fire. Bounds how long another thread waits for it.
const TIMERS_PER_LOCK: usize = 256;

/// The parts of all workers.
#[derive(Debug)]
pub(crate) struct Driver {
    parts: Box<[CachePadded<Part>]>,
    /// Where the next timer goes that is armed on no worker.
    elsewhere: AtomicUsize,
    end: Arc<End>,
}

/// What one worker waits on.
#[derive(Debug)]
struct Part {
    reactor: Arc<Reactor>,
    timers: Mutex<Timers<Waker>>,
    /// How many threads have taken timers out, and are waking whoever armed them.
    firing: AtomicUsize,
}

impl Driver {
    /// # Errors
    ///
    /// If a poller cannot be made: `EMFILE`, `ENFILE`, `ENOMEM`.
    pub(crate) fn new(workers: usize) -> io::Result<Driver> {
        let origin = Instant::now();
        let part = || {
            let timers = Mutex::new(Timers::new(origin));
            Ok(CachePadded::new(Part { reactor: Reactor::new()?, timers, firing: AtomicUsize::new(0) }))
        };
        Ok(Driver {
            parts: (0..workers).map(|_| part()).collect::<io::Result<_>>()?,
            elsewhere: AtomicUsize::new(0),
            end: Arc::default(),
        })
    }

    /// The reactor of a worker, or of any.
    pub(crate) fn reactor(&self, worker: Option<usize>) -> &Arc<Reactor> {
        &self.parts[worker.unwrap_or_else(|| self.any())].reactor
    }

    /// The end of the runtime.
    pub(crate) fn end(&self) -> &Arc<End> {
        &self.end
    }

    fn any(&self) -> usize {
        self.elsewhere.fetch_add(1, Ordering::Relaxed) % self.parts.len()
    }
}

impl Wait for Driver {
    fn wait(&self, worker: usize, timeout: Option<Duration>) {
        let part = &self.parts[worker];
        let due = part.timers().next_deadline();
        let due_in = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = [timeout, due_in].into_iter().flatten().min();
        part.survive(part.reactor.poll(timeout).map(drop));
        part.fire();
    }

    fn poll(&self, worker: usize) {
        let part = &self.parts[worker];
        part.survive(part.reactor.try_poll().map(drop));
        part.fire();
    }

    fn arm(&self, worker: Option<usize>, at: Instant, waker: Waker) -> Armed {
        let armed = |part, key: Key| Armed { part, key: key.to_bits() };
        if let Some(worker) = worker {
            return armed(worker, self.parts[worker].timers().insert(at, waker));
        }
        let worker = self.any();
        let (key, is_first) = {
            let mut timers = self.parts[worker].timers();
            let first = timers.next_deadline();
            (timers.insert(at, waker), first.is_none_or(|first| at < first))
        };
        if is_first {
            // It may sleep until a later moment.
            self.notify(worker);
        }
        armed(worker, key)
    }

    fn disarm(&self, armed: Armed) {
        let Some(key) = Key::from_bits(armed.key) else { return };
        let waker = self.parts[armed.part].timers().cancel(key);
        // Dropped after the lock, as it may be the last handle to a coroutine.
        drop(waker);
    }

    fn close(&self) {
        for part in &self.parts {
            part.reactor.close();
            // Nobody will fire them: whoever waits, and is not a coroutine of ours, is to arm another one elsewhere.
            part.fire_until(Instant::now() + LATER_THAN_ALL);
        }
        self.end.come();
    }

    fn may_wake(&self) -> bool {
        self.parts.iter().any(|part| {
            // In this order: a timer that is not stored any more was counted before.
            !part.timers().is_empty() || part.firing.load(Ordering::SeqCst) > 0 || part.reactor.has_waiters()
        })
    }

    fn notify(&self, worker: usize) {
        self.parts[worker].reactor.notify();
    }
}

impl Part {
    /// Wakes those whose time has come.
    fn fire(&self) {
        if self.timers().is_empty() {
            return;
        }
        self.fire_until(Instant::now());
    }

    fn fire_until(&self, now: Instant) {
        let mut fired = Vec::new();
        self.firing.fetch_add(1, Ordering::SeqCst);
        loop {
            let done = self.timers().expire_some(now, TIMERS_PER_LOCK, &mut fired);
            wake_all(&mut fired);
            if done {
                break;
            }
        }
        self.firing.fetch_sub(1, Ordering::SeqCst);
    }

    /// epoll_wait(2) on a descriptor of ours fails for no reason that waiting could mend; if it does, timers must go
    /// on, without spinning.
    fn survive(&self, polled: io::Result<()>) {
        if polled.is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The store stays consistent whatever panics, so poison carries no meaning.
    fn timers(&self) -> MutexGuard<'_, Timers<Waker>> {
        self.timers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Calls `f` with what the workers of the calling coroutine's runtime wait on, and the number of the worker it runs on,
/// if it runs on one; on a kernel thread, with what those of the default runtime wait on. `f` must not park.
///
/// # Errors
///
/// If the default runtime is to be started, and cannot be.
pub(crate) fn with_driver<R>(f: impl FnOnce(&Driver, Option<usize>) -> R) -> io::Result<R> {
    let mut f = Some(f);
    let called = with_coroutine(|current| {
        Scheduler::with_wait_of(current?, |driver, worker| f.take().map(|f| f(driver, worker)))
    });
    match (called.flatten(), f) {
        (Some(result), _) => Ok(result),
        (None, Some(f)) => Ok(f(default_runtime()?.driver(), None)),
        (None, None) => unreachable!("f was called, and its result returned"),
    }
}
