//! A registered descriptor, as its owner holds it.
//!
//! A source knows its descriptor's number but does not own it. The rule: **drop the source before closing
//! the descriptor** (declare it above the descriptor in a struct: fields are dropped in order). A source
//! that outlives its descriptor is not unsafe, but its number may be another's by then, and what it ends is
//! that one's registration: the other descriptor hears no more events.
//!
//! [`Reactor::register`](Reactor::register) makes sources; [`SideState`](crate::side::SideState) is the
//! protocol behind all of the methods.

use std::fmt;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use crate::reactor::Reactor;
use crate::side::{Readiness, Ticket};
use crate::table::Descriptor;

/// One of the two directions of a descriptor, each with a readiness and waiters of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Receiving, accepting.
    Read,
    /// Sending, connecting.
    Write,
}

/// What [`Source::wait`] found.
#[must_use = "a waiter that parks when told `Ready` may never be woken"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The side is ready, and nobody waits: try the system call again.
    Ready,
    /// The waiter is listed: park, then [`cancel`](Source::cancel) the key and try again.
    Pending(WaitKey),
}

/// Names one waiter of one source, until an event takes it or [`Source::cancel`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitKey {
    side: Side,
    ticket: Ticket,
}

/// A waiter's place in the list of a source; dropping it takes the waiter off, as [`Source::cancel`] does.
///
/// It may outlive the source, and keeps no registration: the end of the source wakes who is listed.
#[must_use = "the waiter is taken off the list when this is dropped"]
pub struct Listed {
    descriptor: Arc<Descriptor>,
    key: WaitKey,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.descriptor.side(self.key.side).cancel(self.key.ticket);
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed")
            .field("fd", &self.descriptor.fd)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The registration of a descriptor with a [`Reactor`]; dropping it ends the registration.
///
/// Drop it before closing the descriptor. Otherwise, if the number has been given to another descriptor of
/// the same reactor, that one's registration is ended instead of this one's; nothing worse.
///
/// A fresh source is ready on both sides, so that the system call is tried first. The [crate's front
/// page](crate) shows the loop around it.
pub struct Source {
    reactor: Arc<Reactor>,
    descriptor: Arc<Descriptor>,
}

impl Source {
    pub(crate) fn new(reactor: Arc<Reactor>, descriptor: Arc<Descriptor>) -> Self {
        Source { reactor, descriptor }
    }

    /// Returns what is known of `side` now. One atomic load; to be called before the system call.
    pub fn readiness(&self, side: Side) -> Readiness {
        self.descriptor.side(side).readiness()
    }

    /// Forgets the readiness that was `seen` before a system call that would have blocked (`EAGAIN`,
    /// `EINPROGRESS`, `EALREADY`).
    ///
    /// Nothing happens if an event has arrived since: then the call is worth another try, and
    /// [`wait`](Source::wait) says so.
    pub fn clear(&self, side: Side, seen: Readiness) {
        self.descriptor.side(side).clear(seen);
    }

    /// Forgets the readiness that was `seen` before a system call that moved less than it could have: the
    /// buffer was emptied, or filled, and trying again would block (epoll(7), question 9).
    ///
    /// As [`clear`](Source::clear), except that a hang-up is kept, because it is still to be read. It saves
    /// the system call that would find `EAGAIN`, and is never needed.
    ///
    /// Nothing happens once urgent data has come, as reads stop at its mark.
    ///
    /// Only for byte streams, and not where a short read has other causes: a datagram's end, a Unix stream whose
    /// peer passes descriptors or credentials (a read stops at each message that carries them).
    pub fn drained(&self, side: Side, seen: Readiness) {
        if !self.descriptor.urgent.load(Ordering::Relaxed) {
            self.descriptor.side(side).drained(seen);
        }
    }

    /// Lists `waker` to be woken by the next event on `side`, unless the side is ready now.
    ///
    /// An event takes all waiters of its side from the list and wakes each. There may be several; the first
    /// needs no allocation. A waiter that was woken by something else, or has given up, must
    /// [`cancel`](Source::cancel), or it stays listed until the next event.
    ///
    /// Does not block; parking is up to the caller.
    pub fn wait(&self, side: Side, waker: &Waker) -> Wait {
        match self.descriptor.side(side).wait(waker) {
            None => Wait::Ready,
            Some(ticket) => Wait::Pending(WaitKey { side, ticket }),
        }
    }

    /// As [`wait`](Source::wait), for a waiter that may outlive the source; `None` if the side is ready now.
    pub fn list(&self, side: Side, waker: &Waker) -> Option<Listed> {
        let ticket = self.descriptor.side(side).wait(waker)?;
        Some(Listed { descriptor: Arc::clone(&self.descriptor), key: WaitKey { side, ticket } })
    }

    /// Takes a waiter of this source off the list, and returns whether it was still there.
    ///
    /// False means that an event has taken it: its waker has been woken or is about to be. Cancelling twice is
    /// harmless. The key of another source is not detected, and may cancel somebody else.
    pub fn cancel(&self, key: WaitKey) -> bool {
        self.descriptor.side(key.side).cancel(key.ticket)
    }

    /// Returns the reactor whose events reach this source.
    pub fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }

    /// Returns the number of the registered descriptor. It is not owned, and it says nothing about whether
    /// the descriptor is open.
    pub fn raw_fd(&self) -> RawFd {
        self.descriptor.fd
    }
}

/// Ends the registration and wakes whoever still waits: an early wake is a lap of the caller's loop, a
/// missing one is a hang.
impl Drop for Source {
    fn drop(&mut self) {
        self.reactor.deregister(&self.descriptor);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("fd", &self.descriptor.fd)
            .field("read", self.descriptor.side(Side::Read))
            .field("write", self.descriptor.side(Side::Write))
            .finish_non_exhaustive()
    }
}
