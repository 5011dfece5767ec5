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

    /// In place: they are written word by word, and to move them at once would wait for that.
    #[inline]
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.first.take() {
            waker.wake();
            // Those after the first.
            if !self.more.is_empty() {
                self.more.drain(..).for_each(Waker::wake);
            }
        }
    }
}
