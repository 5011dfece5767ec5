//! Coroutines that are known to wait: what interrupts them finds them there, on however busy a machine.

use std::sync::{Arc, Mutex};

use tarae::Runtime;
use tarae::thread::JoinHandle;
use tarae_task::Coroutine;

use crate::support::eventually;

/// Spawns `f`, beside the caller, and returns when it has parked.
#[track_caller]
pub(crate) fn waiting<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let seen = Seen::default();
    let theirs = seen.clone();
    let handle = tarae::spawn(move || theirs.then(f));
    seen.until_it_waits();
    handle
}

/// The same in a runtime.
#[track_caller]
pub(crate) fn waiting_in<T: Send + 'static>(
    runtime: &Runtime,
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let seen = Seen::default();
    let theirs = seen.clone();
    let handle = runtime.spawn(move || theirs.then(f));
    seen.until_it_waits();
    handle
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Option<Coroutine>>>);

impl Seen {
    fn then<T>(&self, f: impl FnOnce() -> T) -> T {
        *self.0.lock().unwrap() = tarae_task::current();
        f()
    }

    #[track_caller]
    fn until_it_waits(&self) {
        eventually("it waits", || {
            let seen = self.0.lock().unwrap();
            seen.as_ref().is_some_and(|coroutine| coroutine.phase() == "parked")
        });
    }
}
