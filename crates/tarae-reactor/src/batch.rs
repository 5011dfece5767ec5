//! The wakers of one turn: collected under locks, woken under none.
//!
//! A waker may be code of the program's, and panic. Everybody collected is woken nevertheless: the others' events have
//! been taken from the kernel and will not be told again. And the panic ends here, after the panic hook has told of it:
//! who polls is a worker, or looks after workers, and has nothing to do with whose waker it was.
//!
//! [`Reactor`](crate::Reactor) keeps one emptied batch for its next turn, so that a warm turn allocates
//! nothing. Two threads that wake at the same time (one has released the poll lock, the next has polled)
//! need a second batch; the larger of the two is kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

/// The largest batch that is kept, in wakers. A full turn has 1,024 events of at most two sides each; more
/// than that is many waiters on one side, and rare.
const KEPT_MAX: usize = 4096;

/// Holds an emptied batch between turns.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    spare: Mutex<Vec<Waker>>,
}

impl Batches {
    /// Hands out an empty batch.
    pub(crate) fn take(&self) -> Vec<Waker> {
        std::mem::take(&mut self.spare.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes all of `batch`, in order, keeps its memory, and returns how many they were.
    pub(crate) fn wake_all(&self, mut batch: Vec<Waker>) -> usize {
        let count = batch.len();
        wake_all(&mut batch);
        if batch.capacity() <= KEPT_MAX {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.capacity() < batch.capacity() {
                std::mem::swap(&mut *spare, &mut batch);
            }
        }
        count
    }
}

/// Wakes all of `batch`, in order, and leaves it empty; those that panic have been told of by the panic hook.
pub fn wake_all(batch: &mut Vec<Waker>) {
    let mut rest = batch.drain(..);
    // One catch for the whole batch, but for those with such a waker in it.
    while let Err(payload) = catch_unwind(AssertUnwindSafe(|| rest.by_ref().for_each(Waker::wake))) {
        // It may panic when it is dropped, and so may what comes of that.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Panic;

    impl Wake for Panic {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new(Bomb));
        }
    }

    /// A payload that panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("a payload's panic"));
        }
    }

    #[test]
    fn panicking_wakers_do_not_keep_the_others_asleep_and_do_not_hurt_who_wakes_them() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let counting = || Waker::from(count.clone());
        let panicking = || Waker::from(Arc::new(Panic));
        let batch = vec![counting(), panicking(), counting(), panicking(), panicking(), counting()];
        assert_eq!(Batches::default().wake_all(batch), 6);
        assert_eq!(count.0.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_warm_turn_reuses_its_batch() {
        let batches = Batches::default();
        let mut batch = batches.take();
        batch.resize(100, Waker::noop().clone());
        let memory = batch.as_ptr();
        assert_eq!(batches.wake_all(batch), 100);
        let again = batches.take();
        assert_eq!((again.as_ptr(), again.len()), (memory, 0));
    }

    #[test]
    fn an_outsized_batch_is_not_kept() {
        let batches = Batches::default();
        batches.wake_all(Vec::with_capacity(KEPT_MAX + 1));
        assert_eq!(batches.take().capacity(), 0);
    }
}
