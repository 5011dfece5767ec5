//! A scheduler of one queue, with as many threads as a test wants: the least that drives coroutines.

#![allow(dead_code, reason = "each test file uses a part")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tarae_context::{Cache, Pool, StackSize};
use tarae_task::{Attributes, Cause, Coroutine, JoinHandle, Links, Next, Runnable, Schedule};

/// The longest that a test may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    runnables: Mutex<VecDeque<Runnable>>,
    pub(crate) finished: AtomicUsize,
    pub(crate) remembered: AtomicU64,
    pub(crate) forgotten: AtomicU64,
}

impl Schedule for Queue {
    fn schedule(&self, runnable: Runnable, cause: Cause) {
        assert_eq!(cause, Cause::Woken);
        self.push(runnable);
    }

    fn remember(&self, _coroutine: &Coroutine) -> u64 {
        self.remembered.fetch_add(1, Ordering::SeqCst)
    }

    fn forget(&self, key: u64) {
        assert!(key < self.remembered.load(Ordering::SeqCst));
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn pool() -> &'static Pool {
    Pool::of_size(StackSize::MIN)
}

impl Queue {
    pub(crate) fn new() -> Arc<Queue> {
        Arc::default()
    }

    pub(crate) fn push(&self, runnable: Runnable) {
        self.runnables.lock().unwrap().push_back(runnable);
    }

    pub(crate) fn pop(&self) -> Option<Runnable> {
        self.runnables.lock().unwrap().pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.runnables.lock().unwrap().len()
    }

    /// Makes a coroutine that is in no queue yet.
    #[track_caller]
    pub(crate) fn make<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> (Runnable, JoinHandle<T>) {
        pool().promise(1).expect("a slot");
        let attributes = Attributes { name: None, spawned_at: Location::caller(), pool: pool() };
        tarae_task::spawn(Arc::clone(self) as Arc<dyn Schedule>, attributes, job)
    }

    #[track_caller]
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let (runnable, handle) = self.make(job);
        self.push(runnable);
        handle
    }

    /// Runs what is queued, on this thread, until nothing is.
    pub(crate) fn run(self: &Arc<Self>) {
        self.run_straight_on(false);
    }

    /// The same; `straight` goes from one coroutine to the next without coming home.
    pub(crate) fn run_straight_on(self: &Arc<Self>, straight: bool) {
        let cache = RefCell::new(Cache::new(pool()));
        let links = Worker { queue: Arc::clone(self), straight };
        tarae_task::sit(&links, || {
            while let Some(runnable) = self.pop() {
                runnable.run(&cache, &links);
            }
        });
    }

    /// Runs what is queued, on this thread, until `count` coroutines have ended in all.
    pub(crate) fn run_until_finished(self: &Arc<Self>, count: usize, straight: bool) {
        let until = Instant::now() + DEADLINE;
        while self.finished.load(Ordering::SeqCst) < count {
            self.run_straight_on(straight);
            assert!(Instant::now() < until, "not done in time");
            thread::yield_now();
        }
    }
}

/// A worker, and its seat.
pub(crate) struct Worker {
    pub(crate) queue: Arc<Queue>,
    straight: bool,
}

impl Links for Worker {
    fn next(&self, yielded: bool) -> Next {
        match self.straight.then(|| self.queue.pop()) {
            None => Next::Home,
            Some(Some(runnable)) => Next::Run(runnable),
            Some(None) if yielded => Next::Same,
            Some(None) => Next::Home,
        }
    }

    fn requeue(&self, runnable: Runnable) {
        self.queue.push(runnable);
    }

    fn finished(&self) {
        self.queue.finished.fetch_add(1, Ordering::SeqCst);
    }

    fn starved(&self, _runnable: Runnable, error: io::Error) {
        unreachable!("{error}");
    }
}

/// Counts the drops of what it is part of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn counted(&self) -> Counted {
        Counted(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
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
