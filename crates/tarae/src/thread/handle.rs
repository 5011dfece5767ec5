//! Handles to threads, of either kind.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use tarae_task::Coroutine;

/// A handle to a coroutine, or to a kernel thread.
///
/// As [`std::thread::Thread`].
#[derive(Clone)]
pub struct Thread(Kind);

#[derive(Clone)]
enum Kind {
    Coroutine(Coroutine),
    Kernel(std::thread::Thread),
}

/// As std's: a handle shows nothing that a panic could have left half done.
impl UnwindSafe for Thread {}
impl RefUnwindSafe for Thread {}

impl Thread {
    pub(super) fn of_coroutine(coroutine: Coroutine) -> Thread {
        Thread(Kind::Coroutine(coroutine))
    }

    pub(super) fn of_kernel_thread(thread: std::thread::Thread) -> Thread {
        Thread(Kind::Kernel(thread))
    }

    /// Leaves the thread's token, which its [`park`](super::park), or its next one, takes.
    ///
    /// As [`std::thread::Thread::unpark`]. Everything before it is seen after the park that takes the token.
    ///
    /// # Examples
    ///
    /// ```
    /// let parked = tarae::spawn(tarae::thread::park);
    /// parked.thread().unpark();
    /// parked.join().unwrap();
    /// ```
    pub fn unpark(&self) {
        match &self.0 {
            Kind::Coroutine(coroutine) => coroutine.leave_token(),
            Kind::Kernel(thread) => thread.unpark(),
        }
    }

    /// Returns the thread's identifier.
    ///
    /// As [`std::thread::Thread::id`].
    ///
    /// # Examples
    ///
    /// ```
    /// let id = tarae::thread::current().id();
    /// assert_ne!(tarae::spawn(|| tarae::thread::current().id()).join().unwrap(), id);
    /// ```
    pub fn id(&self) -> ThreadId {
        ThreadId(match &self.0 {
            Kind::Coroutine(coroutine) => Id::Coroutine(coroutine.id()),
            Kind::Kernel(thread) => Id::Kernel(thread.id()),
        })
    }

    /// Returns the thread's name, if it was given one.
    ///
    /// As [`std::thread::Thread::name`].
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(tarae::spawn(|| tarae::thread::current().name().is_none()).join().unwrap(), true);
    /// ```
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Coroutine(coroutine) => coroutine.name(),
            Kind::Kernel(thread) => thread.name(),
        }
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Tells threads apart, for as long as the process lives.
///
/// As [`std::thread::ThreadId`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId(Id);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Id {
    Coroutine(u64),
    Kernel(std::thread::ThreadId),
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Id::Coroutine(number) => {
                f.debug_tuple("ThreadId").field(&format_args!("coroutine {number}")).finish()
            }
            Id::Kernel(id) => id.fmt(f),
        }
    }
}
