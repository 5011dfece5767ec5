//! A barrier: nobody goes on before all are there.
//!
//! Who waits at it stands in line, so the number of those is the line's length. The last one to come does not stand: it
//! grants everyone their leave. One that is interrupted leaves the line, and is counted no more.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use tarae_task::Reason;

use crate::queue::{Queue, Standing, Ticket};
use crate::wait::{Wait, wait};

/// Lets a number of coroutines and kernel threads begin something together.
///
/// As [`std::sync::Barrier`].
///
/// # Examples
///
/// ```
/// # mod tarae { pub use tarae_sync as sync; }
/// use tarae::sync::Barrier;
///
/// let barrier = Barrier::new(3);
/// let leaders = std::thread::scope(|scope| {
///     let threads = [0; 3].map(|_| scope.spawn(|| barrier.wait().is_leader()));
///     threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|&leads| leads).count()
/// });
/// assert_eq!(leaders, 1);
/// ```
pub struct Barrier {
    size: usize,
    /// How many stand in line; changes under its mutex.
    waiting: AtomicUsize,
    queue: Queue<()>,
}

impl std::panic::UnwindSafe for Barrier {}
impl std::panic::RefUnwindSafe for Barrier {}

/// Whether a wait at a [`Barrier`] was the last one.
///
/// As [`std::sync::BarrierWaitResult`], which cannot be made outside of std.
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether it was.
    ///
    /// As [`std::sync::BarrierWaitResult::is_leader`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::Barrier;
    ///
    /// assert!(Barrier::new(1).wait().is_leader());
    /// ```
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl fmt::Debug for BarrierWaitResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWaitResult").field("is_leader", &self.is_leader()).finish()
    }
}

impl Barrier {
    /// Returns a barrier for `n`. With none or one, nobody waits at it.
    ///
    /// As [`std::sync::Barrier::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::Barrier;
    ///
    /// static MEETING: Barrier = Barrier::new(2);
    ///
    /// let other = std::thread::spawn(|| MEETING.wait().is_leader());
    /// assert_ne!(MEETING.wait().is_leader(), other.join().unwrap()); // one of the two
    /// ```
    #[must_use]
    #[inline]
    pub const fn new(n: usize) -> Barrier {
        Barrier { size: n, waiting: AtomicUsize::new(0), queue: Queue::new() }
    }

    /// Waits until all are there; one of them, the last one to come, leads.
    ///
    /// As [`std::sync::Barrier::wait`]. It may be used again.
    ///
    /// # Parks
    ///
    /// Until all are there.
    ///
    /// # Cancellation
    ///
    /// Unwinds, and was not there: the others wait for one more.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::Barrier;
    ///
    /// static LAP: Barrier = Barrier::new(2);
    ///
    /// let other = std::thread::spawn(|| (0..3).for_each(|_| drop(LAP.wait())));
    /// (0..3).for_each(|_| drop(LAP.wait()));
    /// other.join().unwrap();
    /// ```
    pub fn wait(&self) -> BarrierWaitResult {
        let mut leads = false;
        wait(Reason::Barrier, None, Arrival { barrier: self, leads: &mut leads });
        BarrierWaitResult(leads)
    }
}

/// One who waits at it.
struct Arrival<'a> {
    barrier: &'a Barrier,
    leads: &'a mut bool,
}

impl Wait for Arrival<'_> {
    type Ticket = Ticket;

    fn enter(&mut self, waker: &Waker) -> Option<Ticket> {
        let woken = {
            let mut line = self.barrier.queue.lock();
            // Relaxed: under the mutex, here and below.
            let waiting = self.barrier.waiting.load(Ordering::Relaxed) + 1;
            if waiting < self.barrier.size {
                self.barrier.waiting.store(waiting, Ordering::Relaxed);
                return Some(line.enter((), waker));
            }
            self.barrier.waiting.store(0, Ordering::Relaxed);
            line.grant_all()
        };
        *self.leads = true;
        woken.into_iter().for_each(Waker::wake);
        None
    }

    fn look(&mut self, ticket: &mut Option<Ticket>, _: &Waker) -> bool {
        self.barrier.queue.lock().take_granted(ticket)
    }

    fn leave(&mut self, ticket: Ticket) -> bool {
        let mut line = self.barrier.queue.lock();
        let granted = line.leave(ticket) == Standing::Granted;
        if !granted {
            self.barrier.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        granted
    }

    /// It was there, and the others have gone on: that is nobody else's.
    fn pass_on(&mut self) {}
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}
