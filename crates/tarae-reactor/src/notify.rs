//! The notify protocol: whether a poll may sleep, and who must ring the bell to end it.
//!
//! The bell is an eventfd, a system call of about a microsecond; this file keeps it silent unless
//! somebody hears it. One atomic, three phases:
//!
//! | phase      | who polls                                   | what is owed                        |
//! |------------|---------------------------------------------|-------------------------------------|
//! | `Awake`    | nobody, or a poll that has its events       | nothing                             |
//! | `Asleep`   | one thread, in epoll_wait or about to enter | a ring, from the next notifier      |
//! | `Notified` | as before the notify                        | a return, from that or the next poll |
//!
//! | from       | `begin_poll`          | `notify`             | `end_poll` |
//! |------------|-----------------------|----------------------|------------|
//! | `Awake`    | `Asleep`: may sleep   | `Notified`: silence  | –          |
//! | `Asleep`   | –                     | `Notified`: **ring** | `Awake`    |
//! | `Notified` | `Notified`: must not  | `Notified`: silence  | `Awake`    |
//!
//! # Why no notification is lost
//!
//! All transitions are read-modify-writes of one word, so they have one order. A notify ordered
//! before `begin_poll` leaves `Notified`, and the poll must not sleep. One ordered after it, and before
//! `end_poll`, finds `Asleep` and rings, or finds `Notified`, and then an earlier one rings (at once, or
//! when its thread runs again). A ring before epoll_wait is kept by the eventfd, a ring during it ends it. A
//! notify ordered after `end_poll` belongs to the next poll.
//!
//! What the notifier wrote before `notify` is visible after `end_poll`: its `Release` swap is in the
//! modification order before the `Acquire` swap of `end_poll`, and only swaps lie between them, so the
//! release sequence reaches it. A plain store in `end_poll` would read nothing and so see nothing.
//!
//! # What it does not promise
//!
//! A ring may come late, when the poll has ended for another reason; the next poll then returns early and
//! finds nothing. Polls may return early at any time.
//!
//! [`Reactor`](crate::Reactor) is the only caller, and calls `begin_poll` and `end_poll` under its poll
//! lock, so there is at most one sleeper. Model: `notify` in `tarae-models`.

use crate::sync::{AtomicU8, Ordering};

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const NOTIFIED: u8 = 2;

/// Whether a reactor's poller sleeps, and whether it has been told to return.
#[derive(Debug)]
pub(crate) struct Notify {
    phase: AtomicU8,
}

/// What a notifier must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Somebody sleeps, or is about to: ring the bell.
    Ring,
    /// Nobody sleeps, or the bell is being rung already.
    Silence,
}

/// What a poll may do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// Sleep as long as the caller wants.
    May,
    /// Look for events, but return at once.
    MustNot,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Notify { phase: AtomicU8::new(AWAKE) }
    }

    /// Makes the current poll, or the next one if there is none, return.
    pub(crate) fn notify(&self) -> Order {
        // Release: pairs with the Acquire of `end_poll`, and hands over what the caller has published.
        match self.phase.swap(NOTIFIED, Ordering::Release) {
            ASLEEP => Order::Ring,
            _ => Order::Silence,
        }
    }

    /// Announces that the caller is about to sleep, unless it has been notified.
    pub(crate) fn begin_poll(&self) -> Sleep {
        // Relaxed: nothing is read on the strength of this; `end_poll` follows in either case.
        match self.phase.compare_exchange(AWAKE, ASLEEP, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Sleep::May,
            Err(_) => Sleep::MustNot,
        }
    }

    /// Takes the notifications of this poll: after it, the caller sees what their senders had published.
    pub(crate) fn end_poll(&self) {
        // Acquire: pairs with the Release of `notify`.
        self.phase.swap(AWAKE, Ordering::Acquire);
    }
}
