//! Hand-off: a worker goes from the thread that has it to another one, while a coroutine goes on where it is.
//!
//! It happens in three ways: the [monitor](crate::monitor) finds the worker's coroutine stuck; the coroutine says
//! that it may block ([`Scheduler::blocking`]); or it wants the thread for itself ([`Scheduler::lock_thread`]). The right to
//! the worker is its [`Core`], in a `Box`: whoever has it, has the worker.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tarae_task::{ThreadLock, give_up_seat, prepare_thread, rejoin, with_coroutine};

use crate::core::Core;
use crate::scheduler::{Scheduler, Shared};
use crate::threads::Staff;
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
        let Some(shared) = Self::of_caller() else {
            return f();
        };
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
    /// `QuotaExceeded` if the scheduler may have no more threads; `Unsupported` in a coroutine of another kind of
    /// scheduler.
    pub fn lock_thread() -> io::Result<ThreadLock> {
        ThreadLock::new(|| {
            let shared = Self::of_caller().ok_or(io::ErrorKind::Unsupported)?;
            shared.leave_worker()?;
            shared.threads.locked.fetch_add(1, Ordering::Relaxed);
            Ok(Locked(shared))
        })
    }

    /// Counts an operation of the calling coroutine that could have waited and did not, and lets others run if it has had
    /// its turn.
    ///
    /// # Cancellation
    ///
    /// As [`yield_now`](tarae_task::yield_now).
    pub fn be_fair() {
        let spent = tarae_task::with_seat(|core: &Core| core.budget.is_spent());
        if spent == Some(true) {
            tarae_task::yield_now();
        }
    }

    fn of_caller() -> Option<Arc<Shared<W>>> {
        with_coroutine(|current| {
            let schedule = current?.schedule();
            (&**schedule as &dyn Any).downcast_ref::<Shared<W>>()?.this.upgrade()
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
            self.remotes[core.worker].blocking.store(true, Ordering::Relaxed);
            core.has_queued() || !self.injector.is_empty()
        });
        // If nobody waits, the monitor hands the worker over when that changes.
        if others_wait == Some(true) && self.leave_worker().is_err() {
            self.threads.stalls_at_limit.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn end_blocking(&self) {
        let still_here =
            self.with_core(|core| self.remotes[core.worker].blocking.store(false, Ordering::Relaxed));
        if still_here.is_none() {
            rejoin();
        }
    }

    /// Gives the worker of the calling coroutine to another thread, if it still has it.
    fn leave_worker(&self) -> io::Result<()> {
        if self.with_core(|_| ()).is_none() {
            return Ok(());
        }
        if !self.threads.can_replace() {
            let message = "no more threads: the runtime has as many spare ones as it may";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, message));
        }
        if let Some(core) = give_up_seat::<Core>() {
            self.hand_over(core);
        }
        Ok(())
    }

    /// Gives a worker that was taken from a thread to another one.
    pub(crate) fn hand_over(&self, core: Box<Core>) {
        let staff = self.threads.hand_over(core);
        self.staff(staff);
    }

    /// Starts a thread where one is to be started. If it cannot be, the worker stays vacant for now.
    pub(crate) fn staff(&self, staff: Staff) {
        if let Staff::Start(core) = staff
            && let Err((_error, core)) = self.start_thread(core)
        {
            self.threads.could_not_start(core);
        }
    }

    /// Starts a thread that drives a worker. It is counted already.
    pub(crate) fn start_thread(&self, core: Box<Core>) -> Result<(), (io::Error, Box<Core>)> {
        let Some(shared) = self.this.upgrade() else {
            return Err((io::ErrorKind::NotFound.into(), core));
        };
        let number = shared.threads.number();
        let name = format!("{}-{number}", shared.name);
        // In a slot that outlives the attempt: a thread that cannot be started drops its closure.
        let slot = Arc::new(Mutex::new(Some(core)));
        let started = thread::Builder::new().name(name).spawn({
            let slot = Arc::clone(&slot);
            move || {
                let core = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                shared.live(core);
            }
        });
        match started {
            // Detached: shutdown waits for the workers by count, as a thread stuck in a coroutine could not be joined.
            Ok(_) => Ok(()),
            Err(error) => {
                let core = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                Err((error, core.expect("nobody else took it")))
            }
        }
    }

    /// The life of a thread: drives a worker, is left behind, waits for another worker.
    fn live(&self, mut core: Option<Box<Core>>) {
        prepare_thread();
        while let Some(given) = core.take() {
            match drive(self, given) {
                Drove::LeftBehind => core = self.threads.come_back(),
                Drove::Spent => self.threads.end_spent(),
                Drove::ToTheEnd => {
                    self.threads.end_driving();
                    self.worker_ended();
                }
            }
        }
    }
}
