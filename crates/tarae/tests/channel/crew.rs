//! Who runs a test: kernel threads, coroutines, or both in turn.
//!
//! A test is a `fn(&Crew)`, and [`everywhere`] runs it in each [`Setting`]. It spawns with [`Crew::spawn`], and may pass
//! the crew on, so that who is spawned spawns as well. Whatever it spawns it joins: a setting ends with nothing left behind.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once, Weak};
use std::thread;

use tarae::Runtime;

use crate::subject::ON_COROUTINES;
use crate::support::{LIMIT, WORKERS, bounded, runtime, text_of};

/// Where a test and those that it spawns run.
#[derive(Clone, Copy, Debug)]
enum Setting {
    /// On kernel threads.
    Kernel,
    /// On coroutines of a runtime with this many workers.
    Coroutines(usize),
    /// The test on a coroutine; those that it spawns on a kernel thread, on a coroutine, and so on in turn.
    MixedFromCoroutine(usize),
    /// The test on a kernel thread; those that it spawns on a coroutine, on a kernel thread, and so on in turn.
    MixedFromKernel(usize),
}

/// Runs `body` in each setting, one after the other.
#[track_caller]
pub(crate) fn everywhere(body: fn(&Crew)) {
    in_setting(Setting::Kernel, body);
    if ON_COROUTINES {
        for workers in WORKERS {
            in_setting(Setting::Coroutines(workers), body);
            in_setting(Setting::MixedFromCoroutine(workers), body);
            in_setting(Setting::MixedFromKernel(workers), body);
        }
    }
}

/// Runs `body`, which spawns nobody, on a kernel thread and on a coroutine.
#[track_caller]
pub(crate) fn alone(body: fn()) {
    bounded(body);
    if ON_COROUTINES {
        crate::support::on_workers(body);
    }
}

#[track_caller]
fn in_setting(setting: Setting, body: fn(&Crew)) {
    // Shown if the test fails.
    println!("setting: {setting:?}");
    bounded(move || {
        let (workers, first) = match setting {
            Setting::Kernel => return body(&Crew::new(Spawns::Kernel, None, 0)),
            Setting::Coroutines(workers) => (workers, None),
            Setting::MixedFromCoroutine(workers) => (workers, Some(0)),
            Setting::MixedFromKernel(workers) => (workers, Some(1)),
        };
        let runtime = Arc::new(runtime(workers));
        let spawns = if first.is_some() { Spawns::Mixed } else { Spawns::Coroutines };
        let crew = Crew::new(spawns, Some(&runtime), first.unwrap_or(0));
        match setting {
            Setting::MixedFromKernel(_) => body(&crew),
            _ => runtime.run(move || body(&crew)),
        }
        let runtime = Arc::into_inner(runtime).expect("everyone was joined");
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}

/// Who can be spawned in a setting.
#[derive(Clone, Debug)]
pub(crate) struct Crew {
    spawns: Spawns,
    runtime: Option<Weak<Runtime>>,
    /// How many were spawned.
    turn: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug)]
enum Spawns {
    Kernel,
    Coroutines,
    Mixed,
}

impl Crew {
    fn new(spawns: Spawns, runtime: Option<&Arc<Runtime>>, turn: usize) -> Crew {
        Crew { spawns, runtime: runtime.map(Arc::downgrade), turn: Arc::new(AtomicUsize::new(turn)) }
    }

    /// Spawns the next of this setting.
    #[track_caller]
    pub(crate) fn spawn<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Hand<T> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let on_coroutine = match self.spawns {
            Spawns::Kernel => false,
            Spawns::Coroutines => true,
            Spawns::Mixed => turn % 2 == 1,
        };
        if !on_coroutine {
            return Hand::Kernel(thread::spawn(job));
        }
        let runtime = self.runtime.as_ref().and_then(Weak::upgrade).expect("a runtime while a test runs");
        Hand::Coroutine(runtime.spawn(job))
    }
}

/// One who was spawned.
#[derive(Debug)]
#[must_use = "a test joins whom it spawns"]
pub(crate) enum Hand<T> {
    Kernel(thread::JoinHandle<T>),
    Coroutine(tarae::thread::JoinHandle<T>),
}

impl<T> Hand<T> {
    /// Waits for its end, and panics as it did. A kernel thread is waited for by looking, so that no worker is blocked.
    pub(crate) fn join(self) -> T {
        let result = match self {
            Hand::Kernel(handle) => {
                crate::support::eventually("a kernel thread ends", || handle.is_finished());
                handle.join()
            }
            Hand::Coroutine(handle) => handle.join(),
        };
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }

    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Hand::Kernel(handle) => handle.is_finished(),
            Hand::Coroutine(handle) => handle.is_finished(),
        }
    }
}

/// Joins them all, in order.
pub(crate) fn join_all<T>(hands: impl IntoIterator<Item = Hand<T>>) -> Vec<T> {
    // All are spawned before the first is waited for.
    let hands: Vec<Hand<T>> = hands.into_iter().collect();
    hands.into_iter().map(Hand::join).collect()
}

/// Runs `body`, which panics, and returns the text of its panic. The panic hook says nothing of it.
#[track_caller]
pub(crate) fn panic_of<T>(body: impl FnOnce() -> T) -> String {
    match quietly(body) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => text_of(&*payload).to_owned(),
    }
}

/// Runs `body`, which may panic. The panic hook says nothing of it.
pub(crate) fn quietly<T>(body: impl FnOnce() -> T) -> thread::Result<T> {
    thread_local! {
        static EXPECTED: Cell<bool> = const { Cell::new(false) };
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                loud(info);
            }
        }));
    });
    EXPECTED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    EXPECTED.set(false);
    outcome
}
