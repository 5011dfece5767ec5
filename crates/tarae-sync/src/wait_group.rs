//! A wait group: one waits until all others are done, however many they are.
//!
//! The count of handles is an atomic; whoever takes it to zero then grants those in line their leave. One who enters looks at
//! the count under the line's mutex: either it finds zero, or it stands in line before that grant comes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use tarae_task::Reason;

use crate::queue::{Queue, Standing, Ticket};
use crate::wait::{Wait, wait};

/// Waits until all its clones are dropped, or wait as well.
///
/// As crossbeam's `WaitGroup`: give a clone to everyone who is to be waited for; dropped, it is done.
///
/// # Examples
///
/// ```
/// # mod tarae { pub use tarae_sync as sync; }
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use tarae::sync::WaitGroup;
///
/// static DONE: AtomicU32 = AtomicU32::new(0);
///
/// let group = WaitGroup::new();
/// for _ in 0..4 {
///     let group = group.clone();
///     std::thread::spawn(move || {
///         DONE.fetch_add(1, Ordering::Relaxed);
///         drop(group);
///     });
/// }
/// group.wait();
/// assert_eq!(DONE.load(Ordering::Relaxed), 4);
/// ```
pub struct WaitGroup {
    shared: Arc<Shared>,
}

struct Shared {
    handles: AtomicUsize,
    queue: Queue<()>,
}

impl WaitGroup {
    /// Returns a group of one.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// tarae::sync::WaitGroup::new().wait(); // nobody else has a clone
    /// ```
    #[must_use]
    pub fn new() -> WaitGroup {
        WaitGroup { shared: Arc::new(Shared { handles: AtomicUsize::new(1), queue: Queue::new() }) }
    }

    /// Drops this handle, and waits until all others are dropped.
    ///
    /// # Parks
    ///
    /// Until then.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park. The handle is gone: nobody waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let group = tarae::sync::WaitGroup::new();
    /// let other = group.clone();
    /// std::thread::spawn(move || drop(other));
    /// group.wait();
    /// ```
    pub fn wait(self) {
        let shared = Arc::clone(&self.shared);
        drop(self);
        wait(Reason::Permits, None, Rest { shared: &shared });
    }
}

impl Default for WaitGroup {
    fn default() -> WaitGroup {
        WaitGroup::new()
    }
}

impl Clone for WaitGroup {
    fn clone(&self) -> WaitGroup {
        // Relaxed: this handle keeps the count above zero.
        self.shared.handles.fetch_add(1, Ordering::Relaxed);
        WaitGroup { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        // Release, with the Acquire of `Rest`, and here: what all did is seen by whoever waits.
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            let woken = self.shared.queue.lock().grant_all();
            woken.into_iter().for_each(Waker::wake);
        }
    }
}

/// One who waits for the others.
struct Rest<'a> {
    shared: &'a Shared,
}

impl Wait for Rest<'_> {
    type Ticket = Ticket;

    fn enter(&mut self, waker: &Waker) -> Option<Ticket> {
        let mut line = self.shared.queue.lock();
        let is_done = self.shared.handles.load(Ordering::Acquire) == 0;
        (!is_done).then(|| line.enter((), waker))
    }

    fn look(&mut self, ticket: &mut Option<Ticket>, _: &Waker) -> bool {
        self.shared.queue.lock().take_granted(ticket)
    }

    fn leave(&mut self, ticket: Ticket) -> bool {
        self.shared.queue.lock().leave(ticket) == Standing::Granted
    }

    /// Everyone has got it.
    fn pass_on(&mut self) {}
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup").field("count", &self.shared.handles.load(Ordering::Relaxed)).finish()
    }
}
