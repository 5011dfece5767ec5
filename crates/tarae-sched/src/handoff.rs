//! Hand-off: a worker goes from the thread that has it to another one, while a coroutine goes on where it is.
//!
//! It happens in three ways: the [monitor](crate::monitor) finds the worker's coroutine stuck; the coroutine says
//! that it may block ([`Scheduler::blocking`]); or it wants the thread for itself ([`Scheduler::lock_thread`]). The right to
//! the worker is its [`Core`], in a `Box`: whoever has it, has the worker.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use tarae_task::{ThreadLock, give_up_seat, prepare_thread, rejoin, with_coroutine};

use crate::core::Core;
use crate::scheduler::{Scheduler, Shared};
use crate::threads::{Reserved, Spare};
use crate::wait::Wait;
use crate::worker::{Drove, drive};

thread_local! {
    /// How many [`blocking`](Scheduler::blocking) the calling coroutine is in. A coroutine's own, as thread-locals are.
    static BLOCKING: Cell<u32> = const { Cell::new(0) };
}

impl<W: Wait> Scheduler<W> {
    /// Calls `f`, which may block the kernel thread: its worker goes to another thread, at once if others wait for it,
    /// or as soon as they do. Outside of a coroutine, and inside another `blocking`, it just calls `f`.
    pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
        /// Comes back to a worker, also when `f` unwinds.
        struct Back<'a, W: Wait>(&'a Shared<W>);
        impl<W: Wait> Drop for Back<'_, W> {
            fn drop(&mut self) {
                BLOCKING.set(BLOCKING.get() - 1);
                if BLOCKING.get() == 0 {
                    self.0.end_blocking();
                }
            }
        }
        let shared = Self::with_shared_of_caller(|shared| shared.this.upgrade()).flatten();
        let Some(shared) = shared else { return f() };
        if BLOCKING.replace(BLOCKING.get() + 1) == 0 {
            shared.begin_blocking();
        }
        let _back = Back(&*shared);
        f()
    }

    /// Locks the calling coroutine to its kernel thread, and hands the worker to another one. On a plain kernel thread
    /// there is nothing to do.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded` if the scheduler may have no more threads; what the system says if it gives none; `Unsupported` in a coroutine of another kind of
    /// scheduler.
    pub fn lock_thread() -> io::Result<ThreadLock> {
        ThreadLock::new(|| {
            let shared = Self::with_shared_of_caller(|shared| shared.this.upgrade()).flatten();
            let shared = shared.ok_or(io::ErrorKind::Unsupported)?;
            shared.leave_worker()?;
            shared.threads.locked.fetch_add(1, Ordering::Relaxed);
            Ok(Locked(shared))
        })
    }

    /// Counts an operation of the calling coroutine that could have waited and did not, and lets others run if it has had
    /// its turn, or goes back to a worker if it has none: one that never waits would never come back. Returns whether it did.
    ///
    /// # Cancellation
    ///
    /// Does not unwind. Who is told that it let others run looks whether it was interrupted.
    pub fn be_fair() -> bool {
        let over = Self::is_turn_over();
        if over {
            tarae_task::rejoin();
        }
        over
    }

    /// Counts an operation that did not have to wait, and says whether the calling coroutine has gone on for so long that it
    /// is to let others run.
    pub fn is_turn_over() -> bool {
        let spent = Self::with_shared_of_caller(|shared| {
            shared.with_core(|core| core.budget.is_spent(&shared.remotes[core.worker].turn))
        });
        match spent {
            // Not a coroutine, or not one of ours.
            None => false,
            Some(None) => BLOCKING.get() == 0 && !tarae_task::is_locked(),
            Some(Some(spent)) => spent,
        }
    }

    fn with_shared_of_caller<R>(f: impl FnOnce(&Shared<W>) -> R) -> Option<R> {
        with_coroutine(|current| {
            let schedule = current?.schedule();
            Some(f((&**schedule as &dyn Any).downcast_ref::<Shared<W>>()?))
        })
    }
}

/// Counts a thread that a coroutine is locked to, while it lives.
struct Locked<W>(Arc<Shared<W>>);

impl<W> Drop for Locked<W> {
    fn drop(&mut self) {
        self.0.threads.locked.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<W: Wait> Shared<W> {
    fn begin_blocking(&self) {
        let others_wait = self.with_core(|core| {
            let remote = &self.remotes[core.worker];
            remote.turn.set_blocking(true);
            core.has_queued(remote) || !self.injector.is_empty()
        });
        // If nobody waits, the monitor hands the worker over when that changes.
        if others_wait == Some(true) && self.leave_worker().is_err() {
            self.threads.stalls_at_limit.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn end_blocking(&self) {
        let still_here = self.with_core(|core| self.remotes[core.worker].turn.set_blocking(false));
        if still_here.is_none() {
            rejoin();
        }
    }

    /// Gives the worker of the calling coroutine to another thread, if it still has it.
    ///
    /// # Errors
    ///
    /// If no thread can be had. The coroutine keeps its worker.
    fn leave_worker(&self) -> io::Result<()> {
        if self.with_core(|_| ()).is_none() {
            return Ok(());
        }
        self.hand_off(|| give_up_seat::<Core>().map(|core| (core, ()))).map(drop)
    }

    /// Hands over the worker that `take` takes from its thread, unless that takes none.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded` if there may be no more threads; what the system says if it gives none. Nothing is taken then.
    pub(crate) fn hand_off<R>(&self, take: impl FnOnce() -> Option<(Box<Core>, R)>) -> io::Result<Option<R>> {
        let spare = match self.threads.reserve() {
            Some(Reserved::Waiting(spare)) => spare,
            Some(Reserved::New(spare)) => {
                self.start_thread(&spare).inspect_err(|_| self.threads.could_not_start())?;
                spare
            }
            None => {
                let message = "no more threads: the runtime has as many spare ones as it may";
                return Err(io::Error::new(io::ErrorKind::QuotaExceeded, message));
            }
        };
        let Some((core, taken)) = take() else {
            self.threads.unreserve(spare);
            return Ok(None);
        };
        self.threads.hand_over(&spare, core);
        Ok(Some(taken))
    }

    /// Starts a thread that waits for a worker. It is counted already.
    pub(crate) fn start_thread(&self, spare: &Arc<Spare>) -> io::Result<()> {
        let shared = self.this.upgrade().ok_or(io::ErrorKind::NotFound)?;
        let name = format!("{}-{}", shared.name, shared.threads.number());
        let spare = Arc::clone(spare);
        // Detached: shutdown waits for the workers by count, as a thread stuck in a coroutine could not be joined.
        thread::Builder::new().name(name).spawn(move || shared.live(spare))?;
        Ok(())
    }

    /// The life of a thread: waits for a worker, drives it, is left behind, waits for another.
    fn live(&self, mut spare: Arc<Spare>) {
        prepare_thread();
        while let Some(core) = self.threads.await_worker(&spare) {
            match drive(self, core) {
                Drove::LeftBehind => match self.threads.come_back() {
                    Some(again) => spare = again,
                    None => return,
                },
                Drove::Spent => return self.threads.end_spent(),
                Drove::ToTheEnd(left) => {
                    // Here, and not on the seat: destructors of the program's run.
                    left.into_iter().for_each(|runnable| self.abandon(runnable));
                    self.threads.end_driving();
                    return self.worker_ended();
                }
            }
        }
    }
}
