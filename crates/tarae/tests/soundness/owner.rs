//! A lock that knows its owner, held across a move and dropped on another kernel thread than it was taken on.
//!
//! The lock of standard output is the one in std that may be taken again by the thread that has it. (A std `Mutex` has
//! no owner on Linux; what follows the coroutine there is the poison: [`poison`](super::poison).)

use std::io::stdout;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::moves::{kernel_thread, leave, leave_to};
use super::violated;

pub(crate) const SHUT_OUT: &str = "a lock shuts out whoever takes its owner's place";
pub(crate) const KNOWN: &str = "a lock knows its owner after a move";

/// A neighbour on the kernel thread that the owner left must wait for the lock.
pub(crate) fn neighbour() {
    for _ in 0..25 {
        let entered = Arc::new(AtomicBool::new(false));
        let taken_on = kernel_thread();
        let guard = stdout().lock();
        leave_to({
            let entered = Arc::clone(&entered);
            move |stay| {
                stay.call();
                // Blocks this kernel thread, one of several, until the owner drops its guard on another one.
                let _guard = stdout().lock();
                entered.store(true, Ordering::SeqCst);
            }
        });
        assert_ne!(taken_on, kernel_thread());
        // A neighbour that the lock lets in needs a moment for it.
        tarae::sleep(Duration::from_millis(2));
        if entered.load(Ordering::SeqCst) {
            violated(SHUT_OUT);
        }
        drop(guard);
        while !entered.load(Ordering::SeqCst) {
            tarae::yield_now();
        }
    }
}

/// The owner takes the lock again after a move, and is let in.
pub(crate) fn traveller() {
    /// A lock that does not know its owner makes it wait for itself.
    const PATIENCE: Duration = Duration::from_secs(5);
    for _ in 0..25 {
        let taken_on = kernel_thread();
        let guard = stdout().lock();
        leave();
        assert_ne!(taken_on, kernel_thread());
        let (again, let_in) = channel::<()>();
        std::thread::spawn(move || {
            if let_in.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                violated(KNOWN);
            }
        });
        let guard_again = stdout().lock();
        drop(again);
        drop((guard_again, guard));
    }
}
