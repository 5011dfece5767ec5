//! Wakers and futures to test with.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Counts its wakes.
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) fn new() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    pub(crate) fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Panics when it is woken.
pub(crate) struct Panics;

impl Panics {
    pub(crate) fn waker() -> Waker {
        crate::support::hush();
        Waker::from(Arc::new(Panics))
    }
}

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker's panic, on purpose");
    }
}

/// A future that others make ready.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(AtomicBool, Mutex<Vec<Waker>>)>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Wakes whoever waits, open or not.
    pub(crate) fn wake(&self) {
        let waiting = std::mem::take(&mut *self.0.1.lock().unwrap());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.1.lock().unwrap().len()
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.0.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        self.0.1.lock().unwrap().push(cx.waker().clone());
        if self.0.0.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Says on drop that it was.
pub(crate) struct Dropped(pub(crate) Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
