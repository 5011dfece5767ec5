//! Plain kernel threads as waiters: they block where a coroutine parks.
//!
//! Separate from `std::thread::park`, so that a wait inside tarae does not take the token of a program's own `unpark`.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use crate::census::Blocked;

/// A kernel thread's wake flag.
#[derive(Default)]
struct Flag {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    woken: bool,
    /// While it waits without a deadline: with one it goes on by itself.
    blocked: Blocked,
    /// While it waits in std's park.
    in_std: Option<Thread>,
}

impl Flag {
    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let (was, in_std) = {
            let mut state = self.lock();
            state.blocked.clear();
            (std::mem::replace(&mut state.woken, true), state.in_std.take())
        };
        if let Some(thread) = in_std {
            thread.unpark();
        } else if !was {
            self.changed.notify_one();
        }
    }
}

struct Waiter {
    flag: Arc<Flag>,
    waker: Waker,
}

impl Waiter {
    fn new() -> Waiter {
        let flag = Arc::new(Flag::default());
        Waiter { waker: Waker::from(Arc::clone(&flag)), flag }
    }
}

thread_local! {
    static WAITER: Waiter = Waiter::new();
}

/// Calls `f` with the calling kernel thread's waker; while its thread-locals are torn down, with one that nobody
/// waits on, as the wait polls then.
pub(crate) fn with_waker<R>(f: impl FnOnce(&Waker) -> R) -> R {
    let mut f = Some(f);
    let called = WAITER.try_with(|waiter| f.take().map(|f| f(&waiter.waker)));
    match (called, f) {
        (Ok(Some(result)), _) => result,
        (_, Some(f)) => f(Waker::noop()),
        (_, None) => unreachable!("f was called, and its result returned"),
    }
}

/// Blocks until woken or until `deadline`.
pub(crate) fn park(deadline: Option<Instant>) {
    if WAITER.try_with(|waiter| wait(&waiter.flag, deadline)).is_err() {
        std::thread::yield_now();
    }
}

/// Blocks in std's park, which std's unpark ends; until woken, or until `deadline`, too.
pub(crate) fn park_in_std(deadline: Option<Instant>) {
    let begun = WAITER.try_with(|waiter| {
        let mut state = waiter.flag.lock();
        let is_woken = std::mem::replace(&mut state.woken, false);
        if !is_woken {
            state.in_std = Some(std::thread::current());
        }
        !is_woken
    });
    if begun.unwrap_or(true) {
        match deadline {
            None => std::thread::park(),
            Some(deadline) => {
                std::thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
            }
        }
    }
    let _ = WAITER.try_with(|waiter| {
        let mut state = waiter.flag.lock();
        state.in_std = None;
        state.woken = false;
    });
}

fn wait(flag: &Flag, deadline: Option<Instant>) {
    let mut state = flag.lock();
    while !std::mem::replace(&mut state.woken, false) {
        state = match deadline {
            None => {
                state.blocked.set();
                flag.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner())
            }
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return;
                }
                flag.changed.wait_timeout(state, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0
            }
        };
    }
}
