//! Who runs a test: kernel threads, coroutines, or both.
//!
//! A test asks for threads and does not care what they are. [`everywhere`] runs it on each kind in turn: first, without a
//! runtime, on kernel threads alone; then with 1, 2 and 8 workers on coroutines alone, and on coroutines and kernel threads
//! that alternate, once with the test itself on a coroutine and once on a kernel thread. While std is the subject there are
//! kernel threads only: its waits know no coroutines.

use std::any::TypeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tarae::Runtime;

use crate::hush;
use crate::subject::sync::Mutex;
use crate::support::{LIMIT, WORKERS, bounded, eventually, runtime};

/// Spawns the threads of a test.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    kind: Kind,
    spawned: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
enum Kind {
    Kernel,
    Coroutines(Arc<Runtime>),
    Mixed(Arc<Runtime>),
}

/// The right to join one of them.
#[derive(Debug)]
pub(crate) enum Handle<T> {
    Kernel(std::thread::JoinHandle<T>),
    Coroutine(tarae::thread::JoinHandle<T>),
}

/// Runs `body` with every kind of threads. Fails if one does not end in time, or leaves a coroutine behind.
#[track_caller]
pub(crate) fn everywhere(body: fn(&Threads)) {
    hush();
    bounded(move || body(&Threads::new(Kind::Kernel)));
    if TypeId::of::<Mutex<()>>() == TypeId::of::<std::sync::Mutex<()>>() {
        return;
    }
    for workers in WORKERS {
        with_runtime(workers, Kind::Coroutines, true, body);
        with_runtime(workers, Kind::Mixed, true, body);
        with_runtime(workers, Kind::Mixed, false, body);
    }
}

#[track_caller]
fn with_runtime(workers: usize, kind: fn(Arc<Runtime>) -> Kind, inside: bool, body: fn(&Threads)) {
    bounded(move || {
        let runtime = Arc::new(runtime(workers));
        let threads = Threads::new(kind(Arc::clone(&runtime)));
        println!("{workers} workers, {threads:?}, the test itself on a coroutine: {inside}");
        if inside {
            runtime.run(move || body(&threads));
        } else {
            body(&threads);
            drop(threads);
        }
        eventually("the threads let go of the runtime", || Arc::strong_count(&runtime) == 1);
        let runtime = Arc::into_inner(runtime).expect("the last one");
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}

impl Threads {
    fn new(kind: Kind) -> Threads {
        Threads { kind, spawned: Arc::default() }
    }

    /// Spawns `f` on the next thread.
    #[track_caller]
    pub(crate) fn spawn<F, T>(&self, f: F) -> Handle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let number = self.spawned.fetch_add(1, Ordering::SeqCst);
        match &self.kind {
            Kind::Coroutines(runtime) => Handle::Coroutine(runtime.spawn(f)),
            Kind::Mixed(runtime) if number.is_multiple_of(2) => Handle::Coroutine(runtime.spawn(f)),
            Kind::Kernel | Kind::Mixed(_) => Handle::Kernel(std::thread::spawn(f)),
        }
    }

    /// Runs `f` with each number below `count`, all at the same time, and returns what they return, in order.
    #[track_caller]
    pub(crate) fn each<T: Send + 'static>(
        &self,
        count: usize,
        f: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> Vec<T> {
        let f = Arc::new(f);
        let handles: Vec<_> = (0..count)
            .map(|number| {
                let f = Arc::clone(&f);
                self.spawn(move || f(number))
            })
            .collect();
        handles.into_iter().map(Handle::join).collect()
    }

    /// Runs `f` on a thread that panics, on purpose.
    #[track_caller]
    pub(crate) fn panics(&self, f: impl FnOnce() + Send + 'static) {
        let outcome = self.spawn(f).outcome();
        assert!(outcome.is_err(), "it panics");
    }
}

impl<T> Handle<T> {
    /// Waits for the thread, and hands on its panic.
    #[track_caller]
    pub(crate) fn join(self) -> T {
        self.outcome().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }

    pub(crate) fn outcome(self) -> std::thread::Result<T> {
        match self {
            // On a coroutine, its worker goes on without it.
            Handle::Kernel(handle) => tarae::blocking(|| handle.join()),
            Handle::Coroutine(handle) => handle.join(),
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Handle::Kernel(handle) => handle.is_finished(),
            Handle::Coroutine(handle) => handle.is_finished(),
        }
    }
}
