//! A waker that stays while the one behind it changes: what a future leaves where a waker is taken only once.
//!
//! | state | who has the listener's waker |
//! |---|---|
//! | not woken, nobody listens | nobody |
//! | not woken, somebody listens | the relay |
//! | woken | nobody, for good |
//!
//! [`listen`](Relay::listen) and the wake meet under one lock: either the wake finds the waker, or `listen` says that it has
//! been. No waker is cloned, woken or dropped under it, as it may be code of the user's.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Wake, Waker};

/// Passes one wake on, to the waker that listened last.
#[derive(Default)]
pub struct Relay {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    woken: bool,
    listener: Option<Waker>,
}

impl Relay {
    /// Makes one that nobody listens to; `Waker::from` makes its waker.
    pub fn new() -> Arc<Relay> {
        Arc::default()
    }

    /// Has `waker` woken by the wake, in place of the one before; unless it has come: then returns true.
    pub fn listen(&self, waker: &Waker) -> bool {
        {
            let state = self.lock();
            if state.woken {
                return true;
            }
            if state.listener.as_ref().is_some_and(|listener| listener.will_wake(waker)) {
                return false;
            }
        }
        let listener = waker.clone();
        let (woken, unused) = {
            let mut state = self.lock();
            if state.woken { (true, Some(listener)) } else { (false, state.listener.replace(listener)) }
        };
        drop(unused);
        woken
    }

    /// Forgets who listens.
    pub fn leave(&self) {
        let listener = self.lock().listener.take();
        drop(listener);
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let listener = {
            let mut state = self.lock();
            state.woken = true;
            state.listener.take()
        };
        if let Some(listener) = listener {
            listener.wake();
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("woken", &self.lock().woken).finish_non_exhaustive()
    }
}
