//! Poison of std's `Mutex` while one coroutine waits in a destructor during unwinding.
//!
//! A guard notes whether its thread is panicking when it is taken, and poisons if it is panicking when it is dropped
//! and was not before. So a leak of the panic count makes poison of nothing, and nothing of poison.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::moves::{kernel_thread, leave, leave_to};
use super::panicking::{OnDrop, unwind_through};
use super::violated;

pub(crate) const FALSE_POISON: &str = "a lock that was released without a panic is not poisoned";
pub(crate) const MISSED_POISON: &str = "a lock that was released by a panic is poisoned";

/// A guard taken before a neighbour's panic, and dropped, on the same kernel thread, while the neighbour unwinds.
pub(crate) fn neighbour() {
    const HITS: usize = 20;
    let mut hits = 0;
    while hits < HITS {
        hits += usize::from(release_beside_an_unwinding_one());
        // Scenarios count in moves, and this one stays put.
        leave();
    }
}

/// Returns whether the other one was suspended on the kernel thread on which the guard was dropped.
fn release_beside_an_unwinding_one() -> bool {
    let mutex = Mutex::new(0);
    let unwinding = Arc::new(Unwinding::default());
    let waker = tarae::thread::current();
    let other = {
        let unwinding = Arc::clone(&unwinding);
        move || {
            unwind_through(|| {
                unwinding.suspended_on.store(kernel_thread() as usize, Ordering::SeqCst);
                waker.unpark();
                while !unwinding.go_on.load(Ordering::SeqCst) {
                    tarae::thread::park();
                }
            });
        }
    };
    let guard = mutex.lock().expect("not poisoned");
    let other = tarae::spawn(other);
    while unwinding.suspended_on.load(Ordering::SeqCst) == 0 {
        tarae::thread::park();
    }
    drop(guard);
    let hit = unwinding.suspended_on.load(Ordering::SeqCst) == kernel_thread() as usize;
    if mutex.is_poisoned() {
        violated(FALSE_POISON);
    }
    unwinding.go_on.store(true, Ordering::SeqCst);
    other.thread().unpark();
    other.join().expect("it catches its panic");
    hit
}

#[derive(Default)]
struct Unwinding {
    /// The kernel thread on which the destructor suspended, or 0.
    suspended_on: AtomicUsize,
    go_on: AtomicBool,
}

/// A guard dropped by unwinding, after a destructor in the same unwinding has moved to another kernel thread.
pub(crate) fn traveller() {
    for _ in 0..30 {
        let mutex = Mutex::new(0);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _guard = mutex.lock().expect("not poisoned");
            // Declared later, so dropped earlier.
            let _moves = OnDrop(|| leave_to(|_| lock_meanwhile()));
            panic!("on purpose");
        }));
        assert!(unwound.is_err());
        if !mutex.is_poisoned() {
            violated(MISSED_POISON);
        }
    }
}

fn lock_meanwhile() {
    let mutex = Mutex::new(0);
    *mutex.lock().expect("not poisoned") += 1;
    if mutex.is_poisoned() {
        violated(FALSE_POISON);
    }
}
