//! Who is to be woken, after the lock is released.

use std::task::Waker;

/// Collected under a channel's lock, woken outside: nearly always none or one.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakes {
    #[inline]
    pub(crate) fn push(&mut self, waker: Option<Waker>) {
        if self.first.is_none() {
            self.first = waker;
        } else {
            self.more.extend(waker);
        }
    }

    #[inline]
    pub(crate) fn wake(self) {
        // The first is none only if there are no more.
        if let Some(waker) = self.first {
            waker.wake();
            self.more.into_iter().for_each(Waker::wake);
        }
    }
}
