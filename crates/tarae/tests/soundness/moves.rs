//! Moves: how a test forces a coroutine from one kernel thread to another, and a neighbour into its place.
//!
//! ```text
//!  kernel thread K:  leaver ──parks──► neighbour runs ───────────── holds K until the leaver has arrived
//!                                          └─ calls the leaver back
//!  a plain thread:                              └─ unparks it: it goes to the injector
//!  kernel thread L:                                  └─ the leaver goes on
//! ```
//!
//! Nothing is left to chance: the neighbour acts only if it finds itself on K, the leaver's *home*, and K is not free
//! again until the leaver runs elsewhere. A neighbour that another worker has stolen does nothing. The leaver then tries
//! again, after a way home on which it blocks every kernel thread that it comes to and leaves.
//!
//! One leaves at a time, so that there is always a kernel thread to arrive on.
//!
//! The kernel's own name for the kernel thread is asked for in `/proc/thread-self`: it does not depend on any
//! thread-local, so it is right with the identity switch left out, too.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use tarae::thread::Thread;

use super::violated;

/// How long a neighbour waits for its leaver to go on elsewhere. Longer, and nobody will ever take it.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many moves there were in this process.
static MOVES: AtomicUsize = AtomicUsize::new(0);

/// How many neighbours were spawned and have not ended.
static NEIGHBOURS: AtomicUsize = AtomicUsize::new(0);

/// How many moves there were in this process.
pub(crate) fn count() -> usize {
    MOVES.load(Ordering::Relaxed)
}

/// Waits for the end of all neighbours, or until `deadline`. The leavers have ended.
pub(crate) fn wait_for_neighbours(deadline: Instant) {
    while NEIGHBOURS.load(Ordering::SeqCst) > 0 {
        assert!(Instant::now() < deadline, "a neighbour does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The number of the kernel thread that carries the caller.
pub(crate) fn kernel_thread() -> u32 {
    let link = std::fs::read_link("/proc/thread-self").expect("/proc is mounted");
    let number = link.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    number.expect("/proc/thread-self ends in a number")
}

/// Suspends the calling coroutine and goes on on another kernel thread.
pub(crate) fn leave() {
    leave_to(|_| ());
}

/// Suspends the calling coroutine, has `neighbour` run on the kernel thread it left, and goes on on another one when
/// `neighbour` has ended or has [called](Stay::call).
pub(crate) fn leave_to(neighbour: impl FnOnce(&Stay) + Send + 'static) {
    leave_between(|| (), neighbour, || ());
}

/// As [`leave_to`]; `before` is the last thing that the caller does before it is suspended, `after` the first thing that
/// it does when it goes on. They are repeated when the move has to be tried again.
pub(crate) fn leave_between<R>(
    before: impl Fn(),
    neighbour: impl FnOnce(&Stay) + Send + 'static,
    after: impl Fn() -> R,
) -> R {
    let neighbour = Arc::new(Mutex::new(Some(neighbour)));
    // What the caller would leave behind with the identity switch left out, it has left here.
    let home = kernel_thread();
    let _turn = Turn::take();
    loop {
        go_to(home);
        if let Some(result) = try_to_leave(&before, &neighbour, &after) {
            return result;
        }
    }
}

/// The right to leave.
struct Turn;

static TAKEN: AtomicBool = AtomicBool::new(false);

impl Turn {
    fn take() -> Turn {
        while TAKEN.swap(true, Ordering::SeqCst) {
            tarae::yield_now();
        }
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::SeqCst);
    }
}

/// Moves on until it is on this kernel thread. Every other one is blocked once it was tried.
fn go_to(home: u32) {
    let arrived = Arc::new(AtomicBool::new(false));
    while kernel_thread() != home {
        let arrived = Arc::clone(&arrived);
        let block = move |stay: &Stay| {
            stay.see_off();
            wait_for(|| arrived.load(Ordering::SeqCst));
        };
        try_to_leave(&|| (), &Arc::new(Mutex::new(Some(block))), &|| ());
    }
    arrived.store(true, Ordering::SeqCst);
}

/// `None` if the neighbour found itself elsewhere, and did nothing.
fn try_to_leave<N: FnOnce(&Stay) + Send + 'static, R>(
    before: &impl Fn(),
    neighbour: &Arc<Mutex<Option<N>>>,
    after: &impl Fn() -> R,
) -> Option<R> {
    let attempt = Arc::new(Attempt { from: kernel_thread(), phase: AtomicU8::new(WAITING) });
    spawn_neighbour(&attempt, neighbour);
    before();
    while attempt.is(WAITING) {
        tarae::thread::park();
    }
    let result = after();
    if attempt.is(MISPLACED) {
        return None;
    }
    assert_ne!(kernel_thread(), attempt.from, "the neighbour holds this kernel thread");
    attempt.enter(ARRIVED);
    MOVES.fetch_add(1, Ordering::Relaxed);
    Some(result)
}

fn spawn_neighbour<N: FnOnce(&Stay) + Send + 'static>(
    attempt: &Arc<Attempt>,
    neighbour: &Arc<Mutex<Option<N>>>,
) {
    let leaver = tarae::thread::current();
    let (attempt, neighbour) = (Arc::clone(attempt), Arc::clone(neighbour));
    NEIGHBOURS.fetch_add(1, Ordering::SeqCst);
    // The handle is dropped: the leaver is told by the attempt, the stage by the count.
    let _ = tarae::spawn(move || {
        if kernel_thread() == attempt.from {
            let neighbour = neighbour.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
            let stay = Stay { attempt, leaver };
            neighbour.expect("a neighbour acts once")(&stay);
        } else {
            attempt.enter(MISPLACED);
            leaver.unpark();
        }
        NEIGHBOURS.fetch_sub(1, Ordering::SeqCst);
    });
}

const WAITING: u8 = 0;
const MISPLACED: u8 = 1;
const CALLED: u8 = 2;
const ARRIVED: u8 = 3;

/// One try of a move.
struct Attempt {
    /// The kernel thread to leave.
    from: u32,
    phase: AtomicU8,
}

impl Attempt {
    fn is(&self, phase: u8) -> bool {
        self.phase.load(Ordering::SeqCst) == phase
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::SeqCst);
    }
}

/// A neighbour's stay on the kernel thread that the leaver left. When it ends, the leaver has been seen off.
pub(crate) struct Stay {
    attempt: Arc<Attempt>,
    leaver: Thread,
}

impl Stay {
    /// Has the leaver go on. It does so on another kernel thread, as long as the caller does not suspend itself.
    pub(crate) fn call(&self) {
        if self.attempt.is(WAITING) {
            self.attempt.enter(CALLED);
            FERRY.send(self.leaver.clone()).expect("the ferry runs for ever");
        }
    }

    /// Has the leaver go on, and holds the kernel thread until it does.
    pub(crate) fn see_off(&self) {
        self.call();
        wait_for(|| self.attempt.is(ARRIVED));
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.see_off();
    }
}

/// Blocks the kernel thread until a leaver has gone on elsewhere.
fn wait_for(gone_on: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !gone_on() {
        if Instant::now() > deadline {
            violated("a coroutine that was woken goes on on some worker");
        }
        std::thread::sleep(Duration::from_micros(20));
    }
}

/// A plain kernel thread that unparks: what it wakes goes to the injector, for any worker.
static FERRY: LazyLock<Sender<Thread>> = LazyLock::new(|| {
    let (ferry, passengers) = channel::<Thread>();
    std::thread::spawn(move || passengers.into_iter().for_each(|passenger| passenger.unpark()));
    ferry
});
