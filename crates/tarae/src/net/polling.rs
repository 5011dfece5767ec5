//! Socket calls that do not wait: a future's, which is told later that it is worth trying again.
//!
//! The same system calls and the same registration as in [`readiness`](super::readiness); only that whoever would have parked
//! leaves its waker, and keeps a [`Place`].
//!
//! | a place is | until |
//! |---|---|
//! | free | a poll returns `Pending` |
//! | in the list of a source | an event takes the waker; the next poll of it leaves and enters anew; it is dropped |
//! | backing off, after an accept for which no descriptor was free | that is over, and the error is told; it is dropped |
//!
//! A future whose socket is always ready would never come back from its poll: after its coroutine's turn it is told that it
//! would block, and is woken at once.
//!
//! The race is between the system call and the listing: an event in between is found by the listing, as in every wait
//! ([`tarae_reactor`]). A future that is dropped drops its place, which leaves the list; if an event has taken the waker just
//! then, whoever it belongs to is woken once for nothing.
//!
//! A place may outlive its socket: it keeps no registration, so the descriptor is closed without one, and whoever is listed is
//! woken then.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

use tarae_reactor::{Listed, Side};
use tarae_sched::Scheduler;

use super::readiness::{Readiness, Tried, attempt};
use crate::future::Sleep;
use crate::runtime::driver::Driver;

/// Where a future waits for one direction of one socket, between two polls; dropping it gives up the wait.
///
/// Each future that polls needs one of its own: so several may poll the same direction, and each is woken. One that reads and
/// writes has two. A place is free again after a poll that was ready, and may be used for another socket then.
///
/// [`TcpStream::poll_read`](super::TcpStream::poll_read) shows one in use.
#[derive(Debug, Default)]
pub struct Place {
    listed: Option<Listed>,
    pub(super) backing_off: Option<Box<BackingOff>>,
}

/// An accept that found no descriptor free, and is not to be tried again at once.
#[derive(Debug)]
pub(super) struct BackingOff {
    pub(super) sleep: Sleep,
    pub(super) error: io::Error,
}

impl Place {
    /// Makes a place that is free.
    pub const fn new() -> Place {
        Place { listed: None, backing_off: None }
    }

    /// Gives up the wait, if there is one.
    pub fn leave(&mut self) {
        *self = Place::new();
    }
}

impl Readiness {
    /// Makes `try_call`; where it would block, has the waker woken when it is worth another try.
    ///
    /// # Errors
    ///
    /// What the call fails with, but for `EAGAIN`; what the registration fails with (`ENOSPC`, `ENOMEM`); and if the runtime
    /// of the calling coroutine has ended.
    pub(super) fn poll<T>(
        &self,
        fd: BorrowedFd<'_>,
        side: Side,
        place: &mut Place,
        cx: &mut Context<'_>,
        mut try_call: impl FnMut() -> Tried<T>,
    ) -> Poll<io::Result<T>> {
        place.leave();
        if Scheduler::<Driver>::is_turn_over() {
            // Here no code of a future's is interrupted: that is for whoever polls, between two polls. `block_on` does; where
            // another one polls again at once, others have run nevertheless.
            tarae_task::rejoin();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.lock().is_none() {
            match try_call() {
                Tried::Done { value, .. } => return Poll::Ready(Ok(value)),
                Tried::Failed(error) => return Poll::Ready(Err(error)),
                Tried::WouldBlock => {}
            }
        }
        loop {
            let source = self.live(fd)?;
            if source.reactor().is_closed() {
                return Poll::Ready(Err(io::Error::other("the runtime has shut down")));
            }
            if let Some(result) = attempt(&source, side, &mut try_call) {
                return Poll::Ready(result);
            }
            place.listed = source.list(side, cx.waker());
            // Checked after listing: whoever closes wakes all who are listed before.
            if place.listed.is_some() && !source.reactor().is_closed() {
                return Poll::Pending;
            }
            place.leave();
        }
    }
}
