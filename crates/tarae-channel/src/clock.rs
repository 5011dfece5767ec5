//! What a clock sends: one message at a moment, or one each period. There is no sender and no thread; who receives looks at the
//! time, and waits for it.

use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};

/// A source of moments.
#[derive(Debug)]
pub(crate) enum Clock {
    /// `at` and `after`: one message, the moment itself.
    Once { at: Instant, is_taken: AtomicBool },
    /// `tick`: what was not taken in time is not made up for.
    Periodic { next: Mutex<Instant>, period: Duration },
}

impl Clock {
    pub(crate) fn once(at: Instant) -> Clock {
        Clock::Once { at, is_taken: AtomicBool::new(false) }
    }

    pub(crate) fn periodic(next: Instant, period: Duration) -> Clock {
        Clock::Periodic { next: Mutex::new(next), period }
    }

    /// When the next message will be there; `None` if there will be none.
    pub(crate) fn next(&self) -> Option<Instant> {
        match self {
            // Relaxed: nothing comes with the flag.
            Clock::Once { at, is_taken } => (!is_taken.load(Ordering::Relaxed)).then_some(*at),
            Clock::Periodic { next, .. } => Some(*lock(next)),
        }
    }

    /// Whether there is a message.
    pub(crate) fn is_due(&self) -> bool {
        self.next().is_some_and(|next| Instant::now() >= next)
    }

    /// Takes the message, if there is one, for somebody who wants it `since` then.
    pub(crate) fn take(&self, since: Instant) -> Option<Instant> {
        let now = Instant::now();
        match self {
            Clock::Once { at, is_taken } => {
                (now >= *at && !is_taken.swap(true, Ordering::Relaxed)).then_some(*at)
            }
            Clock::Periodic { next, period } => {
                let mut next = lock(next);
                let taken = *next;
                if now < taken {
                    return None;
                }
                // Who waited for it was in time, however late it was woken: the next one is a period after it.
                let from = taken.max(since);
                // Further than a clock can tell is never: a century stands for it.
                *next =
                    from.checked_add(*period).unwrap_or_else(|| from + Duration::from_secs(3_153_600_000));
                Some(taken)
            }
        }
    }

    /// Returns a message that nobody used. A tick has passed.
    pub(crate) fn put_back(&self) {
        if let Clock::Once { is_taken, .. } = self {
            is_taken.store(false, Ordering::Relaxed);
        }
    }
}

/// Nothing under this lock panics, so poison carries no meaning.
fn lock(next: &Mutex<Instant>) -> MutexGuard<'_, Instant> {
    next.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
