//! What the tests of the scheduler share: something to wait on, and a deadline.

#![allow(dead_code, reason = "each test file uses a part")]

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tarae_context::StackSize;
use tarae_sched::{Config, Scheduler, Wait};
use tarae_task::{Armed, JoinHandle, Reason, park, waker};

/// The longest that a test may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The least that a worker can wait on: a bell for each, and no events.
#[derive(Debug)]
pub(crate) struct Bells(Vec<(Mutex<bool>, Condvar)>);

impl Bells {
    pub(crate) fn new(workers: usize) -> Bells {
        Bells((0..workers).map(|_| (Mutex::new(false), Condvar::new())).collect())
    }
}

impl Wait for Bells {
    fn wait(&self, worker: usize, timeout: Option<Duration>) {
        let (rung, changed) = &self.0[worker];
        let mut rung = rung.lock().unwrap();
        let until = timeout.map(|timeout| Instant::now() + timeout);
        while !*rung {
            rung = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => changed.wait(rung).unwrap(),
                Some(Duration::ZERO) => break,
                Some(left) => changed.wait_timeout(rung, left).unwrap().0,
            };
        }
        *rung = false;
    }

    fn poll(&self, _worker: usize) {}

    fn arm(&self, _worker: Option<usize>, _at: Instant, _waker: Waker) -> Armed {
        unreachable!("nobody here waits until a moment")
    }

    fn disarm(&self, _armed: Armed) {
        unreachable!("nothing was armed")
    }

    fn close(&self) {}

    fn may_wake(&self) -> bool {
        false
    }

    fn notify(&self, worker: usize) {
        let (rung, changed) = &self.0[worker];
        *rung.lock().unwrap() = true;
        changed.notify_one();
    }
}

pub(crate) fn start(workers: usize) -> Scheduler<Bells> {
    let name = format!("test-{workers}");
    let config = Config { workers, stack_size: StackSize::MIN, name, spare_threads_max: 64 };
    Scheduler::start(config, Bells::new(workers)).expect("a scheduler")
}

#[track_caller]
pub(crate) fn spawn<T: Send + 'static>(
    scheduler: &Scheduler<Bells>,
    job: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    scheduler.spawn(None, None, Location::caller(), job).expect("a coroutine")
}

/// Closes the scheduler and waits until its workers have ended; says whether they did within `patience`.
pub(crate) fn end(scheduler: &Scheduler<Bells>, patience: Duration) -> bool {
    scheduler.close();
    await_end(scheduler, patience)
}

pub(crate) fn await_end(scheduler: &Scheduler<Bells>, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while !scheduler.has_ended(Waker::noop()) {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Runs `f` on a thread of its own; panics if it takes longer than the deadline.
#[track_caller]
pub(crate) fn within<R: Send + 'static>(deadline: Duration, f: impl FnOnce() -> R + Send + 'static) -> R {
    let (send, receive) = channel();
    let thread = thread::spawn(move || {
        let _ = send.send(f());
    });
    match receive.recv_timeout(deadline) {
        Ok(result) => result,
        Err(RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().expect_err("a panic")),
        Err(RecvTimeoutError::Timeout) => panic!("not done within {deadline:?}"),
    }
}

/// Spins until `flag` is set: a coroutine that does not suspend, a thread that does not sleep for long.
pub(crate) fn spin_until(flag: &AtomicBool) {
    while !flag.load(Ordering::Acquire) {
        thread::yield_now();
    }
}

/// A gate that coroutines and threads wait at until it is opened.
#[derive(Default)]
pub(crate) struct Gate {
    open: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    pub(crate) fn new() -> Arc<Gate> {
        Arc::default()
    }

    pub(crate) fn pass(&self) {
        loop {
            let mut waiting = self.waiting.lock().unwrap();
            if self.open.load(Ordering::Relaxed) {
                return;
            }
            waiting.push(waker());
            drop(waiting);
            park(Reason::Other);
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }

    pub(crate) fn open(&self) {
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap();
            self.open.store(true, Ordering::Relaxed);
            std::mem::take(&mut *waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Counts the drops of what it is part of.
pub(crate) struct Counted(pub(crate) Arc<std::sync::atomic::AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that sets a flag.
#[derive(Default)]
pub(crate) struct Flag(pub(crate) AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
