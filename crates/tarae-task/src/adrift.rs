//! Threads without a seat: what becomes of a coroutine whose worker was taken away under it, and of one that is locked
//! to its kernel thread.
//!
//! A thread that was left behind carries one coroutine, and nothing else. When that one yields or is woken, it goes to the
//! scheduler like a coroutine from elsewhere, and the thread is free. When it has ended, its context goes back to the
//! pool. Only when the scheduler has stopped does it stay where it is.
//!
//! One that is *locked* to the thread stays: where it parks, the kernel thread waits at its [`Mailbox`], and whoever
//! wakes it puts its [`Runnable`] there and in no queue.
//!
//! ```text
//!  lock: seat given up ─► adrift, locked ──park──► waits at the mailbox ──wake──► adrift, locked
//!                              └──────unlock───► adrift ──yield──► the scheduler
//! ```

use std::any::Any;
use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use tarae_context::Suspended;

use crate::census::Blocked;
use crate::here::with_current;
use crate::park::{SIGNAL_PARK, SIGNAL_YIELD, rejoin};
use crate::run::{Ran, park};
use crate::runnable::{Links, Runnable};

/// A thread without a seat, at home: it wears its own identity.
pub(crate) struct Adrift<'a, L> {
    pub(crate) links: &'a L,
}

impl<L: Links> Adrift<'_, L> {
    /// Goes on with a coroutine that came back, until it lets go of the thread.
    #[inline(never)]
    pub(crate) fn go_on<'p>(&self, mut ran: Runnable, mut suspended: Suspended) -> Ran<'p, L::Seat> {
        loop {
            let mailbox = ran.mailbox().cloned();
            // After a shutdown that left it behind there is no worker to come back to: it goes on here, cancelled like
            // everyone.
            let stays =
                mailbox.is_some() || suspended == Suspended::With(SIGNAL_YIELD) && self.links.has_stopped();
            if !stays {
                self.let_go(ran, suspended);
                return Ran::LeftBehind;
            }
            match (suspended, &mailbox) {
                (Suspended::With(SIGNAL_PARK), Some(mailbox)) => ran = self.await_wake(mailbox, ran),
                (Suspended::With(_), None) => ran.cancel(),
                (Suspended::With(_), Some(_)) => std::thread::yield_now(),
                (Suspended::Ended, _) => {
                    // SAFETY: The field belongs to whoever has the `Runnable`.
                    unsafe { *ran.header().mailbox.get() = None };
                    self.let_go(ran, suspended);
                    return Ran::Spent;
                }
            }
            ran.header().state.begin_run();
            suspended = ran.context().resume();
        }
    }

    fn let_go(&self, ran: Runnable, suspended: Suspended) {
        match suspended {
            Suspended::With(SIGNAL_YIELD) => self.links.requeue(None, ran),
            Suspended::With(SIGNAL_PARK) => {
                if let Some(again) = park(self.links, None, ran) {
                    self.links.requeue(None, again);
                }
            }
            Suspended::With(signal) => unreachable!("signal {signal}"),
            Suspended::Ended => {
                ran.complete();
                let pool = ran.header().attributes.pool;
                pool.give(ran.take_context());
                pool.forgo(1);
                ran.forget();
                self.links.finished(None);
            }
        }
    }

    fn await_wake(&self, mailbox: &Mailbox, ran: Runnable) -> Runnable {
        park(self.links, None, ran).unwrap_or_else(|| mailbox.wait())
    }
}

/// Where the kernel thread of a locked coroutine waits for its turn.
#[derive(Debug)]
pub(crate) struct Mailbox {
    contents: Mutex<Contents>,
    delivered: Condvar,
    /// The scheduler's; dropped at the end of the lock.
    _token: Box<dyn Any + Send + Sync>,
}

#[derive(Debug, Default)]
struct Contents {
    runnable: Option<Runnable>,
    blocked: Blocked,
}

impl Mailbox {
    fn new(token: Box<dyn Any + Send + Sync>) -> Mailbox {
        Mailbox { contents: Mutex::default(), delivered: Condvar::new(), _token: token }
    }

    /// Gives the thread its coroutine back.
    pub(crate) fn deliver(&self, runnable: Runnable) {
        let before = {
            let mut contents = self.lock();
            contents.blocked.clear();
            contents.runnable.replace(runnable)
        };
        debug_assert!(before.is_none(), "there is one `Runnable` for a coroutine");
        self.delivered.notify_one();
    }

    fn wait(&self) -> Runnable {
        let mut contents = self.lock();
        loop {
            if let Some(runnable) = contents.runnable.take() {
                return runnable;
            }
            contents.blocked.set();
            contents = self.delivered.wait(contents).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Keeps a coroutine on its kernel thread while it lives, and others off that thread.
///
/// Leaking it is safe: the coroutine stays locked until it has ended, and then its kernel thread ends too.
#[derive(Debug)]
pub struct ThreadLock {
    /// The coroutine that is locked, by its number; `None` on a kernel thread.
    owner: Option<u64>,
    /// It belongs to the coroutine that made it.
    _not_send: PhantomData<*const ()>,
}

impl ThreadLock {
    /// Locks the calling coroutine to its kernel thread. On a plain kernel thread there is nothing to do.
    ///
    /// `give_up_seat` is called if the coroutine is not locked yet: it has the worker's seat given to another thread, if
    /// the calling one still has it ([`give_up_seat`](crate::give_up_seat)). What it returns is dropped when the lock ends.
    ///
    /// # Errors
    ///
    /// That of `give_up_seat`. The coroutine is not locked then.
    pub fn new<T: Any + Send + Sync>(give_up_seat: impl FnOnce() -> io::Result<T>) -> io::Result<ThreadLock> {
        let owner = with_current(|header| -> io::Result<Option<u64>> {
            let Some(header) = header else { return Ok(None) };
            let coroutine = header.coroutine();
            if header.locks.get() == 0 {
                let token = give_up_seat()?;
                if header.remembered.get().is_none() {
                    // One that is locked may never park, nor come by a worker: it must be found to be cancelled.
                    header.remembered.set(Some(header.schedule.remember(&coroutine)));
                }
                // SAFETY: The field belongs to whoever owns the stack: to the coroutine itself, while it runs. Nobody
                // else looks at it until it suspends itself.
                unsafe { *header.mailbox.get() = Some(Arc::new(Mailbox::new(Box::new(token)))) };
            }
            header.locks.set(header.locks.get() + 1);
            Ok(Some(coroutine.id()))
        })?;
        Ok(ThreadLock { owner, _not_send: PhantomData })
    }
}

/// Whether the calling coroutine is locked to its kernel thread.
pub fn is_locked() -> bool {
    with_current(|header| header.is_some_and(|header| header.locks.get() > 0))
}

impl Drop for ThreadLock {
    fn drop(&mut self) {
        let unlocked = with_current(|header| {
            let Some(header) = header else { return false };
            // One that was left in a thread-local outlives its coroutine, and may meet another one here.
            if self.owner != Some(header.coroutine().id()) {
                return false;
            }
            header.locks.set(header.locks.get() - 1);
            let unlocked = header.locks.get() == 0;
            if unlocked {
                // SAFETY: As in `new`.
                unsafe { *header.mailbox.get() = None };
            }
            unlocked
        });
        if unlocked {
            rejoin();
        }
    }
}
