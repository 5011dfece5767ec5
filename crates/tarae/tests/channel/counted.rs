//! Values that are counted: a value that is lost, doubled or dropped twice shows.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often each of a number of values was dropped.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    drops: Arc<[AtomicUsize]>,
}

impl Ledger {
    pub(crate) fn new(values: usize) -> Ledger {
        Ledger { drops: (0..values).map(|_| AtomicUsize::new(0)).collect() }
    }

    /// The value of this number; each is made once.
    pub(crate) fn value(&self, number: usize) -> Counted {
        // What is freed twice, or never, a sanitizer sees as well.
        Counted { number: Box::new(number), ledger: self.clone() }
    }

    /// How many drops there were in all.
    pub(crate) fn dropped(&self) -> usize {
        self.drops.iter().map(|drops| drops.load(Ordering::SeqCst)).sum()
    }

    #[track_caller]
    pub(crate) fn assert_each_dropped_once(&self) {
        for (number, drops) in self.drops.iter().enumerate() {
            assert_eq!(drops.load(Ordering::SeqCst), 1, "drops of value {number}");
        }
    }
}

/// A value of a [`Ledger`].
pub(crate) struct Counted {
    number: Box<usize>,
    ledger: Ledger,
}

impl Counted {
    pub(crate) fn number(&self) -> usize {
        *self.number
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.ledger.drops[*self.number].fetch_add(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value {}", self.number)
    }
}

/// Asserts that `received` has each number below `count` exactly once.
#[track_caller]
pub(crate) fn assert_each_once(received: impl IntoIterator<Item = usize>, count: usize) {
    let mut times = vec![0_usize; count];
    for number in received {
        times[number] += 1;
    }
    let wrong: Vec<_> = times.iter().enumerate().filter(|(_, times)| **times != 1).take(10).collect();
    assert!(wrong.is_empty(), "not received once (number, times): {wrong:?}");
}

/// Asserts that what one receiver got of one sender rises: first in, first out.
#[track_caller]
pub(crate) fn assert_in_order(received: &[usize]) {
    if let Some(pair) = received.windows(2).find(|pair| pair[0] >= pair[1]) {
        panic!("{} came before {}", pair[0], pair[1]);
    }
}
