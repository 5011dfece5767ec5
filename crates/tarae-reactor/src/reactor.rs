//! The reactor: one epoll instance, who polls it, and how its events reach the waiters.
//!
//! Any thread may poll; one does at a time, the one that holds the *turn* (the mio poll and its buffer of
//! events). A turn: take events from the kernel, mark the sides and collect their waiters under the table's
//! lock, release everything, wake. Locks are taken in the order turn, table, side, and no waker is cloned,
//! woken or dropped under any of them.
//!
//! Neighbours: [`notify`](crate::notify) decides whether a poll may sleep, [`table`](crate::table) finds the
//! descriptor of a token, [`side`](crate::side) is where events and waiters meet,
//! [`batch`](crate::batch) wakes.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Waker;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry};

use crate::batch::{Batches, wake_all};
use crate::notify::{Notify, Order, Sleep};
use crate::source::{Side, Source};
use crate::table::{BELL, Descriptor, SOURCES_MAX, Table, hangup_for};

/// The most events taken from the kernel in one turn. Enough that the system call is a small part of each
/// event's cost; 12 KiB; and a bound on how long a turn keeps the table (tens of microseconds). What did not
/// fit comes with the next turn, and the kernel lets the others go first.
const EVENTS_MAX: usize = 1024;

/// Waits for descriptors to become ready, and wakes those who wait for them.
///
/// See the [crate's front page](crate) for how the parts work together.
pub struct Reactor {
    turn: Mutex<Turn>,
    /// A second handle on the epoll instance: registrations must not wait for a turn to end.
    registry: Registry,
    bell: mio::Waker,
    notify: Notify,
    table: Mutex<Table>,
    batches: Batches,
    /// Set before the sources are swept in `close`, and read by waiters after they are listed; the lock of the side
    /// between the two orders them.
    closed: AtomicBool,
    /// How many polls have taken waiters out of their lists, and are waking them.
    waking: AtomicUsize,
}

/// The right to poll.
#[derive(Debug)]
struct Turn {
    poll: Poll,
    events: Events,
}

impl Reactor {
    /// Makes a reactor without sources.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE` or `ENOMEM`: a reactor needs three descriptors (epoll twice, and an eventfd).
    pub fn new() -> io::Result<Arc<Reactor>> {
        Reactor::with_limit(SOURCES_MAX)
    }

    fn with_limit(limit: usize) -> io::Result<Arc<Reactor>> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let bell = mio::Waker::new(&registry, BELL)?;
        Ok(Arc::new(Reactor {
            turn: Mutex::new(Turn { poll, events: Events::with_capacity(EVENTS_MAX) }),
            registry,
            bell,
            notify: Notify::new(),
            table: Mutex::new(Table::new(limit)),
            batches: Batches::default(),
            closed: AtomicBool::new(false),
            waking: AtomicUsize::new(0),
        }))
    }

    /// Registers a descriptor for both sides, edge-triggered, once for its life.
    ///
    /// The descriptor must outlive the [`Source`]; see there. It need not be non-blocking, if the system calls
    /// are (`MSG_DONTWAIT`). Register a TCP socket after its connect has been started: before, the kernel
    /// calls it hung up (which is harmless if the first *would block* is followed by
    /// [`clear`](Source::clear)). Registering a descriptor twice with one reactor is an error; a duplicate of
    /// it (`dup`) may have a registration of its own.
    ///
    /// # Errors
    /// Those of epoll_ctl(2): `EPERM` for a regular file or directory (which never block), `EEXIST`, `ENOMEM`,
    /// `ENOSPC` at `fs.epoll.max_user_watches`. [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) if this
    /// reactor has 2²⁴ − 1 sources. Nothing is registered then.
    pub fn register(self: &Arc<Self>, fd: impl AsFd) -> io::Result<Source> {
        let fd = fd.as_fd().as_raw_fd();
        // The table first: an event may come before epoll_ctl returns.
        let descriptor = lock(&self.table).insert(fd)?;
        let sides = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        if let Err(error) = self.registry.register(&mut SourceFd(&fd), descriptor.token, sides) {
            lock(&self.table).remove(descriptor.token);
            return Err(error);
        }
        Ok(Source::new(self.clone(), descriptor))
    }

    pub(crate) fn deregister(&self, descriptor: &Descriptor) {
        // Fails if the descriptor was closed before its source was dropped, against the rule. The registration
        // is gone then, or lives on with a duplicate, under a token that finds nobody.
        let _ = self.registry.deregister(&mut SourceFd(&descriptor.fd));
        let removed = lock(&self.table).remove(descriptor.token);
        drop(removed);
        let mut woken = Vec::new();
        descriptor.side(Side::Read).event(true, &mut woken);
        descriptor.side(Side::Write).event(true, &mut woken);
        wake_all(&mut woken);
    }

    /// Waits until an event arrives, the reactor is [notified](Reactor::notify) or `timeout` has passed, wakes
    /// the waiters concerned, and returns how many they were. One that panics is told of by the panic hook, and by nobody
    /// else.
    ///
    /// May return early, with nothing done: after a signal, or when a notification meant for an earlier poll
    /// arrives late. The timeout is rounded up to milliseconds, the unit of epoll_wait(2).
    ///
    /// If another thread is polling, this one waits for it first, and `timeout` starts only then. Use
    /// [`try_poll`](Reactor::try_poll) to help a reactor that has a poller of its own.
    ///
    /// This blocks the *kernel thread*; it is what an idle worker does, not a coroutine.
    ///
    /// # Errors
    /// Those of epoll_wait(2) but `EINTR`. None is known to happen to a descriptor of our own.
    pub fn poll(&self, timeout: Option<Duration>) -> io::Result<usize> {
        let mut turn = lock(&self.turn);
        let timeout = match self.notify.begin_poll() {
            Sleep::May => timeout,
            Sleep::MustNot => Some(Duration::ZERO),
        };
        let taken = turn.take_events(timeout);
        self.notify.end_poll();
        taken?;
        Ok(self.dispatch(turn))
    }

    /// Dispatches the events that are there, without waiting; `None` if another thread is polling, for then
    /// that one dispatches.
    ///
    /// Leaves a notification for the next [`poll`](Reactor::poll) in place.
    ///
    /// # Errors
    /// As [`poll`](Reactor::poll).
    pub fn try_poll(&self) -> io::Result<Option<usize>> {
        let mut turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        turn.take_events(Some(Duration::ZERO))?;
        Ok(Some(self.dispatch(turn)))
    }

    /// Makes the current [`poll`](Reactor::poll) return, or the next one if nobody polls now.
    ///
    /// What was written before this call is visible to that poller when its poll has returned. Notifications are
    /// coalesced: a system call is made only if a poller sleeps and this is the first to reach it.
    ///
    /// # Panics
    /// If writing to the reactor's eventfd fails. It is ours, it is open and non-blocking, and mio resets its
    /// counter before it overflows; so only a system call filter can make it fail, and then a sleeping
    /// worker could not be woken: silence would be worse.
    pub fn notify(&self) {
        if self.notify.notify() == Order::Ring
            && let Err(error) = self.bell.wake()
        {
            unreachable!("the reactor's eventfd refused a write: {error}");
        }
    }

    /// Says that nobody will poll any more, and wakes every waiter of every source, so that they register elsewhere.
    ///
    /// A waiter that asks [`is_closed`](Reactor::is_closed) *after* it was listed is either woken by this, or told.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let mut woken = Vec::new();
        for descriptor in lock(&self.table).iter() {
            for side in [Side::Read, Side::Write] {
                descriptor.side(side).event(false, &mut woken);
            }
        }
        wake_all(&mut woken);
    }

    /// Whether [`close`](Reactor::close) was called.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Returns the number of sources registered now.
    pub fn registered(&self) -> usize {
        lock(&self.table).len()
    }

    /// Whether anybody waits for a source, or is being woken by a poll.
    pub fn has_waiters(&self) -> bool {
        let listed = lock(&self.table).iter().any(|descriptor| {
            [Side::Read, Side::Write].into_iter().any(|side| descriptor.side(side).has_waiters())
        });
        // In this order: who is not listed any more was counted before. SeqCst: so that it is an order.
        listed || self.waking.load(Ordering::SeqCst) > 0
    }

    /// Marks the sides that `turn`'s events are for, ends the turn, wakes their waiters.
    fn dispatch(&self, turn: MutexGuard<'_, Turn>) -> usize {
        if turn.events.is_empty() {
            return 0;
        }
        /// Counts down also if something panics.
        struct Waking<'a>(&'a AtomicUsize);
        impl Drop for Waking<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.waking.fetch_add(1, Ordering::SeqCst);
        let _waking = Waking(&self.waking);
        let mut woken = self.batches.take();
        self.mark(&turn.events, &mut woken);
        drop(turn);
        self.batches.wake_all(woken)
    }

    fn mark(&self, events: &Events, woken: &mut Vec<Waker>) {
        let table = lock(&self.table);
        for event in events {
            // The bell's token is in no table: it has done its work by ending the wait.
            let Some(descriptor) = table.find(event.token()) else { continue };
            if event.is_priority() {
                descriptor.urgent.store(true, Ordering::Relaxed);
            }
            for side in [Side::Read, Side::Write] {
                if let Some(hangup) = hangup_for(event, side) {
                    descriptor.side(side).event(hangup, woken);
                }
            }
        }
    }
}

impl Turn {
    fn take_events(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            // A signal: a turn without events (mio has emptied the buffer).
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }
}

/// Nothing panics while one of these is held, so none is ever found poisoned; were it so, what it guards
/// would be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("registered", &self.registered())
            .field("notify", &self.notify)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_full_reactor_refuses_and_recovers() {
        let reactor = Reactor::with_limit(1).unwrap();
        let (left, right) = UnixStream::pair().unwrap();
        let source = reactor.register(&left).unwrap();
        assert_eq!(reactor.register(&right).unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
        drop(source);
        reactor.register(&right).unwrap();
    }
}
