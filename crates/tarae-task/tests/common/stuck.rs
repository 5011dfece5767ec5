//! A kernel thread whose coroutine is stuck, until the test lets it go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{DEADLINE, Drops, Drove, Queue, Worker, pool, wait_until, within};
use tarae_task::{JoinHandle, Watch, current, with_seat};

/// Where a coroutine holds its kernel thread fast.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    entered: AtomicBool,
    open: AtomicBool,
}

impl Gate {
    pub(crate) fn new() -> Arc<Gate> {
        Arc::default()
    }

    /// Spins until the gate is opened.
    pub(crate) fn spin(&self) {
        self.hold_fast(std::hint::spin_loop);
    }

    /// Sleeps in the kernel until the gate is opened.
    pub(crate) fn sleep(&self) {
        self.hold_fast(|| thread::sleep(Duration::from_micros(200)));
    }

    fn hold_fast(&self, wait: impl Fn()) {
        self.entered.store(true, Ordering::Release);
        while !self.open.load(Ordering::Acquire) {
            wait();
        }
    }

    /// Waits until somebody is held fast.
    #[track_caller]
    pub(crate) fn await_entry(&self) {
        wait_until(|| self.entered.load(Ordering::Acquire));
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }
}

/// A thread that sits on a seat of its own, and runs one coroutine, which is held fast at the gate.
pub(crate) struct Stuck<T> {
    pub(crate) queue: Arc<Queue>,
    /// Of the seat.
    pub(crate) drops: Drops,
    pub(crate) watch: Watch<Worker>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) handle: JoinHandle<T>,
    pub(crate) thread: thread::JoinHandle<Drove>,
}

/// Makes one. The job must come to the gate that it is given, and is held fast when this returns.
#[track_caller]
pub(crate) fn stuck<T: Send + 'static>(job: impl FnOnce(&Gate) -> T + Send + 'static) -> Stuck<T> {
    let (queue, drops, gate) = (Queue::new(), Drops::default(), Gate::new());
    let handle = queue.spawn({
        let gate = Arc::clone(&gate);
        move || job(&gate)
    });
    let (send, receive) = channel();
    let thread = thread::spawn({
        let (queue, seat) = (Arc::clone(&queue), queue.counted_seat(&drops));
        move || {
            let me = thread::current().id();
            let drove = queue.drive(seat, false, |watch| send.send(watch).expect("the test listens"));
            assert_eq!(thread::current().id(), me);
            assert!(current().is_none() && with_seat(|_: &Worker| ()).is_none());
            drove
        }
    });
    let watch = receive.recv().expect("the thread sits");
    gate.await_entry();
    Stuck { queue, drops, watch, gate, handle, thread }
}

impl<T> Stuck<T> {
    /// Takes the seat away from the thread.
    #[track_caller]
    pub(crate) fn take(&self) -> Box<Worker> {
        let (seat, coroutine) = self.watch.take().expect("its coroutine is outside");
        assert!(coroutine == *self.handle.coroutine());
        seat
    }

    /// Opens the gate, and returns how the thread ended, with the handle of its coroutine.
    pub(crate) fn go_on(self) -> (Drove, JoinHandle<T>) {
        self.gate.open();
        (self.thread.join().expect("the thread does not panic"), self.handle)
    }
}

/// A thread that drives a queue until it is stopped.
pub(crate) struct Driver {
    stopped: Arc<AtomicBool>,
    thread: thread::JoinHandle<Drove>,
}

impl Driver {
    pub(crate) fn start(queue: &Arc<Queue>, seat: Box<Worker>) -> Driver {
        let stopped = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (queue, stopped) = (Arc::clone(queue), Arc::clone(&stopped));
            move || queue.drive_while(seat, false, |_| (), || !stopped.load(Ordering::Acquire))
        });
        Driver { stopped, thread }
    }

    #[track_caller]
    pub(crate) fn stop(self) {
        self.stopped.store(true, Ordering::Release);
        assert_eq!(self.thread.join().expect("it does not panic"), Drove::Idle);
    }
}

/// Runs a test with no other beside it, within the deadline, and looks whether all contexts and promises went back to
/// their pool.
#[track_caller]
pub(crate) fn alone(test: impl FnOnce() + Send + 'static) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    within(DEADLINE, test);
    wait_until(|| {
        let (made, shelved) = pool().counts();
        made == shelved && format!("{:?}", pool()).contains("promised: 0,")
    });
}
