//! Values that count themselves: each is dropped exactly once, or the test fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Makes values, and knows how many of them live.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

/// One of them. A second drop would be counted.
#[derive(Debug)]
pub(crate) struct Counted {
    count: Count,
    pub(crate) number: usize,
}

impl Count {
    pub(crate) fn value(&self) -> Counted {
        let number = self.0.made.fetch_add(1, Ordering::SeqCst);
        Counted { count: self.clone(), number }
    }

    pub(crate) fn made(&self) -> usize {
        self.0.made.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.load(Ordering::SeqCst)
    }

    /// Asserts that `made` were made and all of them were dropped, each once.
    #[track_caller]
    pub(crate) fn all_dropped(&self, made: usize) {
        assert_eq!((self.made(), self.dropped()), (made, made), "made, dropped");
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}
