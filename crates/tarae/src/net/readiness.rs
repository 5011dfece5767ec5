//! Turning "would block" into a park: the loop that every socket call goes through.
//!
//! The system call is tried first. Only when it would block is the socket registered, with the reactor of the worker
//! that the caller runs on, once, for both directions. From then on the reactor's readiness is asked before the call:
//! what is known to block is not tried.
//!
//! A coroutine that never finds its sockets empty would never park: after its turn it lets others run.
//!
//! A reactor serves as long as its runtime runs. A socket that outlives the runtime it was registered with is
//! registered anew by the next coroutine that would wait on it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tarae_reactor::{Side, Source, Wait, WaitKey};
use tarae_sched::Scheduler;
use tarae_task::{Reason, try_wait_until, with_coroutine};

use crate::cancel::{Cancelled, io_error};
use crate::runtime::driver::{Driver, with_driver};

/// A socket's registration, made when it is first needed.
///
/// It must be dropped before the descriptor is closed: put it before the descriptor in a struct.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    source: Mutex<Option<Arc<Source>>>,
}

/// What one try of a system call came to.
pub(super) enum Tried<T> {
    /// It succeeded; with `drained`, it moved less than it could have, so trying again would block.
    Done {
        /// What it returned.
        value: T,
        /// Whether the socket was emptied, or filled.
        drained: bool,
    },
    /// It would block.
    WouldBlock,
    /// It failed.
    Failed(io::Error),
}

impl<T> Tried<T> {
    /// From the result of a call whose success says nothing about readiness.
    pub(super) fn from_result(result: io::Result<T>) -> Tried<T> {
        match result {
            Ok(value) => Tried::Done { value, drained: false },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Tried::WouldBlock,
            Err(error) => Tried::Failed(error),
        }
    }

    /// From the result of a call on a stream that could have moved `most` bytes.
    pub(super) fn moved(result: io::Result<usize>, most: usize) -> Tried<usize> {
        match Tried::from_result(result) {
            // Nothing moved is the end of the stream, which stays readable.
            Tried::Done { value, .. } => Tried::Done { value, drained: value > 0 && value < most },
            other => other,
        }
    }
}

/// Whether the descriptor's file is in non-blocking mode.
pub(super) fn is_nonblocking(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::NONBLOCK))
}

/// Whether the calling code runs in a coroutine, and so must not block its kernel thread.
pub(super) fn on_coroutine() -> bool {
    with_coroutine(|current| current.is_some())
}

impl Readiness {
    /// Repeats `try_call` until it does not block any more, parking the calling coroutine in between.
    ///
    /// # Errors
    ///
    /// What the call fails with, but for `EAGAIN`; `WouldBlock` at the deadline, as std reports a timeout; what the
    /// registration fails with (`ENOSPC`, `ENOMEM`); and when it is interrupted.
    pub(super) fn repeat<T>(
        &self,
        fd: BorrowedFd<'_>,
        side: Side,
        deadline: impl FnOnce() -> Option<Instant>,
        mut try_call: impl FnMut() -> Tried<T>,
    ) -> io::Result<T> {
        // Before the call, as nothing has been moved yet that an unwinding could lose.
        if Scheduler::<Driver>::be_fair() {
            tarae_task::check().map_err(io_error)?;
        }
        let known = self.lock().clone();
        if let Some(source) = &known {
            if let Some(result) = attempt(source, side, &mut try_call) {
                return result;
            }
        } else {
            match try_call() {
                Tried::Done { value, .. } => return Ok(value),
                Tried::Failed(error) => return Err(error),
                Tried::WouldBlock => {}
            }
        }
        let deadline = deadline();
        let reason = if side == Side::Read { Reason::Read } else { Reason::Write };
        loop {
            let source = self.live(fd)?;
            let mut waiting = Waiting { source: &source, key: None };
            let ended = try_wait_until(reason, deadline, |waker| {
                loop {
                    if let Some(result) = attempt(&source, side, &mut try_call) {
                        return Some(Ended::Call(result));
                    }
                    match waiting.list(side, waker) {
                        Listed::Ready => {}
                        // Checked after listing: whoever closes wakes all who are listed before.
                        Listed::Waits if source.reactor().is_closed() => return Some(Ended::Reactor),
                        Listed::Waits => return None,
                    }
                }
            });
            let ended = ended.map_err(io_error)?;
            match ended {
                Some(Ended::Call(result)) => return result,
                Some(Ended::Reactor) => {
                    tarae_task::rejoin();
                    tarae_task::check().map_err(io_error)?;
                    if self.is_over() {
                        // Nobody polls for us any more, and what says so does not interrupt us here: we unwind, or are shielded.
                        return Err(Cancelled.into());
                    }
                }
                // What recv(2) says after SO_RCVTIMEO.
                None => return Err(rustix::io::Errno::AGAIN.into()),
            }
        }
    }

    /// Whether the caller's own runtime has ended, so that nobody polls for it.
    fn is_over(&self) -> bool {
        with_driver(|driver, worker| driver.reactor(worker).is_closed()).unwrap_or(true)
    }

    /// Returns a registration with a reactor that is polled.
    pub(super) fn live(&self, fd: BorrowedFd<'_>) -> io::Result<Arc<Source>> {
        let mut slot = self.lock();
        if let Some(source) = &*slot
            && !source.reactor().is_closed()
        {
            return Ok(Arc::clone(source));
        }
        let registered = with_driver(|driver, worker| driver.reactor(worker).register(fd));
        let source = Arc::new(registered??);
        let before = slot.replace(Arc::clone(&source));
        drop(slot);
        // Dropped after the lock: it wakes whoever still waits on it.
        drop(before);
        Ok(source)
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Arc<Source>>> {
        self.source.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Why a wait ended.
enum Ended<T> {
    /// The call did not block.
    Call(io::Result<T>),
    /// The reactor's runtime has ended: the socket is to be registered with another.
    Reactor,
}

/// Tries the call if it is not known to block.
pub(super) fn attempt<T>(
    source: &Source,
    side: Side,
    try_call: &mut impl FnMut() -> Tried<T>,
) -> Option<io::Result<T>> {
    let seen = source.readiness(side);
    if !seen.is_ready() {
        return None;
    }
    match try_call() {
        Tried::Done { value, drained } => {
            if drained {
                source.drained(side, seen);
            }
            Some(Ok(value))
        }
        Tried::WouldBlock => {
            source.clear(side, seen);
            None
        }
        Tried::Failed(error) => Some(Err(error)),
    }
}

/// A place in a source's list of waiters; left on drop, also when a wait unwinds.
struct Waiting<'a> {
    source: &'a Source,
    key: Option<WaitKey>,
}

#[derive(PartialEq, Eq)]
enum Listed {
    Waits,
    Ready,
}

impl Waiting<'_> {
    fn list(&mut self, side: Side, waker: &Waker) -> Listed {
        self.leave();
        match self.source.wait(side, waker) {
            Wait::Ready => Listed::Ready,
            Wait::Pending(key) => {
                self.key = Some(key);
                Listed::Waits
            }
        }
    }

    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            self.source.cancel(key);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Repeats `try_call`, which does not block, on a kernel thread whose waits have a deadline.
///
/// # Errors
///
/// As [`Readiness::repeat`]. A token that is cancelled while it waits does not end the wait: poll(2) does not know of it.
pub(super) fn repeat_blocking<T>(
    fd: BorrowedFd<'_>,
    side: Side,
    own_deadline: Option<Instant>,
    mut try_call: impl FnMut() -> Tried<T>,
) -> io::Result<T> {
    loop {
        match try_call() {
            Tried::Done { value, .. } => return Ok(value),
            Tried::Failed(error) => return Err(error),
            Tried::WouldBlock => {}
        }
        tarae_task::check().map_err(io_error)?;
        let deadline = tarae_task::deadline_of_wait(own_deadline);
        if !block(fd, side, deadline)? && deadline == own_deadline {
            return Err(rustix::io::Errno::AGAIN.into());
        }
    }
}

/// Blocks the calling kernel thread until the descriptor is ready, or until `deadline`. Returns whether it is ready.
pub(super) fn block(fd: BorrowedFd<'_>, side: Side, deadline: Option<Instant>) -> io::Result<bool> {
    let events = if side == Side::Read { PollFlags::IN } else { PollFlags::OUT };
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        match poll(&mut [PollFd::new(&fd.as_fd(), events)], timeout.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
