//! A scheduler of one queue, with as many threads as a test wants: the least that drives coroutines.

#![allow(dead_code, reason = "each test file uses a part")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use tarae_context::errno::KeepErrno;
use tarae_context::{Cache, Pool, StackSize};
use tarae_task::{
    Attributes, Cause, Coroutine, JoinHandle, Links, Next, Place, Ran, Reason, Runnable, Schedule, Watch,
    give_up_seat, park, sit, waker, with_seat,
};

pub(crate) mod crew;
pub(crate) mod random;
pub(crate) mod stuck;

/// The longest that a test may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    runnables: Mutex<VecDeque<Runnable>>,
    pub(crate) finished: AtomicUsize,
    pub(crate) remembered: AtomicU64,
    pub(crate) forgotten: AtomicU64,
    /// What was told by threads that had no seat.
    pub(crate) adrift: Adrift,
    /// Is woken as soon as somebody is about to park.
    pub(crate) woken_at_parking: Mutex<Option<Coroutine>>,
    /// Counts who is about to park.
    pub(crate) parks: AtomicUsize,
    /// Is cancelled when so many have been about to park.
    pub(crate) cancelled_at_park: Mutex<Option<(usize, Coroutine)>>,
    /// What is said to threads that were left behind.
    pub(crate) stopped: AtomicBool,
    /// Whether to do, where a coroutine is requeued, what is not allowed there.
    pub(crate) give_up_at_requeue: AtomicBool,
}

/// How often a thread without a seat said what.
#[derive(Debug, Default)]
pub(crate) struct Adrift {
    pub(crate) requeued: AtomicUsize,
    pub(crate) parking: AtomicUsize,
    pub(crate) finished: AtomicUsize,
    pub(crate) scheduled: AtomicUsize,
}

impl Adrift {
    /// How many were requeued, were about to park, have finished, and were scheduled.
    pub(crate) fn counts(&self) -> [usize; 4] {
        [&self.requeued, &self.parking, &self.finished, &self.scheduled]
            .map(|count| count.load(Ordering::SeqCst))
    }
}

impl Schedule for Queue {
    fn schedule(&self, runnable: Runnable, cause: Cause) {
        assert_eq!(cause, Cause::Woken);
        if with_seat(|_: &Worker| ()).is_none() {
            self.adrift.scheduled.fetch_add(1, Ordering::SeqCst);
        }
        self.push(runnable);
    }

    fn remember(&self, _coroutine: &Coroutine) -> u64 {
        self.remembered.fetch_add(1, Ordering::SeqCst)
    }

    fn forget(&self, key: u64) {
        assert!(key < self.remembered.load(Ordering::SeqCst));
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    fn arm(&self, _at: std::time::Instant, _waker: std::task::Waker) -> tarae_task::Armed {
        unreachable!("nobody here waits until a moment")
    }

    fn disarm(&self, _armed: tarae_task::Armed) {
        unreachable!("nothing was armed")
    }
}

pub(crate) fn pool() -> &'static Pool {
    Pool::of_size(StackSize::MIN)
}

/// How a stretch of driving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drove {
    /// There was nothing more to do.
    Idle,
    LeftBehind,
    Spent,
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

    /// Makes a seat that nobody sits on.
    pub(crate) fn seat(self: &Arc<Self>) -> Box<Worker> {
        self.counted_seat(&Drops::default())
    }

    /// As above; its drop is counted.
    pub(crate) fn counted_seat(self: &Arc<Self>, drops: &Drops) -> Box<Worker> {
        let cache = RefCell::new(Cache::new(pool()));
        Box::new(Worker { queue: Arc::clone(self), cache, _counted: drops.counted() })
    }

    pub(crate) fn links(self: &Arc<Self>, straight: bool) -> Straight {
        Straight { queue: Arc::clone(self), straight }
    }

    /// Runs what is queued, on this thread, until nothing is.
    pub(crate) fn run(self: &Arc<Self>) {
        self.run_straight_on(false);
    }

    /// The same; `straight` goes from one coroutine to the next without coming home.
    pub(crate) fn run_straight_on(self: &Arc<Self>, straight: bool) {
        assert_eq!(self.drive(self.seat(), straight, |_| ()), Drove::Idle);
    }

    /// Runs what is queued, on this thread, until nothing is or until it is left behind. Sits on `seat`, and tells how that
    /// can be watched.
    pub(crate) fn drive(
        self: &Arc<Self>,
        seat: Box<Worker>,
        straight: bool,
        tell: impl FnOnce(Watch<Worker>),
    ) -> Drove {
        self.drive_while(seat, straight, tell, || false)
    }

    /// As above; does not end for having nothing to do while `wanted`.
    pub(crate) fn drive_while(
        self: &Arc<Self>,
        seat: Box<Worker>,
        straight: bool,
        tell: impl FnOnce(Watch<Worker>),
        wanted: impl Fn() -> bool,
    ) -> Drove {
        let links = self.links(straight);
        sit(seat, |place, watch| {
            tell(watch);
            self.drive_at(place, &links, wanted)
        })
    }

    fn drive_at(&self, mut place: Place<'_, Worker>, links: &Straight, wanted: impl Fn() -> bool) -> Drove {
        loop {
            let Some(runnable) = self.pop() else {
                if !wanted() {
                    return Drove::Idle;
                }
                thread::yield_now();
                continue;
            };
            match runnable.run(place, links) {
                Ran::Home(home) => place = home,
                Ran::LeftBehind => return Drove::LeftBehind,
                Ran::Spent => return Drove::Spent,
            }
        }
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

/// A worker's seat.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) queue: Arc<Queue>,
    cache: RefCell<Cache>,
    _counted: Counted,
}

/// What a worker does between two coroutines.
#[derive(Debug)]
pub(crate) struct Straight {
    queue: Arc<Queue>,
    straight: bool,
}

impl Links for Straight {
    type Seat = Worker;

    fn cache<'s>(&self, seat: &'s Worker) -> &'s RefCell<Cache> {
        &seat.cache
    }

    fn next(&self, _seat: &Worker, yielded: bool) -> Next {
        // Here and below a coroutine's identity may be worn, and a lock that is contended sets `errno`.
        let _errno = KeepErrno::new();
        match self.straight.then(|| self.queue.pop()) {
            None => Next::Home,
            Some(Some(runnable)) => Next::Run(runnable),
            Some(None) if yielded => Next::Same,
            Some(None) => Next::Home,
        }
    }

    fn requeue(&self, seat: Option<&Worker>, runnable: Runnable) {
        let _errno = KeepErrno::new();
        self.note(seat, &self.queue.adrift.requeued);
        if self.queue.give_up_at_requeue.load(Ordering::SeqCst) {
            drop(give_up_seat::<Worker>());
        }
        self.queue.push(runnable);
    }

    fn has_stopped(&self) -> bool {
        self.queue.stopped.load(Ordering::SeqCst)
    }

    fn parking(&self, seat: Option<&Worker>) {
        let _errno = KeepErrno::new();
        self.note(seat, &self.queue.adrift.parking);
        let woken = self.queue.woken_at_parking.lock().unwrap().take();
        woken.iter().for_each(Coroutine::wake);
        let parks = self.queue.parks.fetch_add(1, Ordering::SeqCst);
        let mut cancelled = self.queue.cancelled_at_park.lock().unwrap();
        if let Some((_, cancelled)) = cancelled.take_if(|(at, _)| *at == parks) {
            cancelled.cancel();
        }
    }

    fn finished(&self, seat: Option<&Worker>) {
        self.note(seat, &self.queue.adrift.finished);
        self.queue.finished.fetch_add(1, Ordering::SeqCst);
    }

    fn starved(&self, _seat: &Worker, _runnable: Runnable, error: io::Error) {
        unreachable!("{error}");
    }
}

impl Straight {
    /// A seat that is passed is the one to be had here otherwise, and where none is passed, there is none. In a coroutine
    /// that itself runs others, that is the seat of its own worker, which is another one.
    fn note(&self, seat: Option<&Worker>, adrift: &AtomicUsize) {
        let here = with_seat(|here: &Worker| {
            Arc::ptr_eq(&here.queue, &self.queue).then(|| std::ptr::from_ref(here).addr())
        });
        let passed = seat.map(|seat| std::ptr::from_ref(seat).addr());
        assert!(here.flatten().is_none_or(|here| passed == Some(here)));
        if seat.is_none() {
            adrift.fetch_add(1, Ordering::SeqCst);
        }
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

/// A cell that is filled and emptied by two sides, each waiting for the other.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<(Option<u64>, Vec<Waker>)>);

impl Mailbox {
    fn wait_for<R>(&self, mut attempt: impl FnMut(&mut Option<u64>) -> Option<R>) -> R {
        loop {
            let mut inner = self.0.lock().unwrap();
            if let Some(result) = attempt(&mut inner.0) {
                let waiting = std::mem::take(&mut inner.1);
                drop(inner);
                waiting.into_iter().for_each(Waker::wake);
                return result;
            }
            inner.1.push(waker());
            drop(inner);
            park(Reason::Other);
        }
    }

    pub(crate) fn send(&self, message: u64) {
        self.wait_for(|cell| cell.is_none().then(|| *cell = Some(message)));
    }

    pub(crate) fn receive(&self) -> u64 {
        self.wait_for(Option::take)
    }
}

/// Waits, on a kernel thread or holding one fast, until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < until, "not so in time");
        thread::sleep(Duration::from_micros(50));
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
