//! Shutdown: cancel everyone, wait a while, leave what will not stop.
//!
//! 1. `closing` is set. Whatever a worker is about to run, it cancels first; whoever has parked is cancelled and woken
//!    through the registry; whoever parks later is cancelled as it enters.
//! 2. When nobody is alive, the workers end by themselves.
//! 3. When the grace period ends before that, the workers are told to stop. Jobs that never started are dropped,
//!    their joiners get `Cancelled`. Coroutines that have started are left behind, with their stacks: live frames are
//!    never freed under anybody.

use std::fmt;
use std::sync::atomic::Ordering;
use std::task::Waker;

use tarae_task::Runnable;

use crate::deadlock;
use crate::queue::until_certain;
use crate::scheduler::{Scheduler, Shared};
use crate::wait::Wait;

/// How far a shutdown has come.
pub(crate) struct Ending {
    /// Workers whose thread has not ended.
    pub(crate) working: usize,
    /// Set when the grace period is over.
    stop: bool,
    waiters: Vec<Waker>,
}

impl Ending {
    pub(crate) fn new(workers: usize) -> Ending {
        Ending { working: workers, stop: false, waiters: Vec::new() }
    }
}

/// A shutdown ran out of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// How many coroutines were left behind, with their stacks.
    pub coroutines: u64,
    /// How many worker threads were still running one.
    pub threads: usize,
}

impl fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} coroutines did not stop in time and were left behind", self.coroutines)?;
        if self.threads > 0 {
            write!(f, ", {} of them running", self.threads)?;
        }
        Ok(())
    }
}

impl std::error::Error for LeftBehind {}

impl<W: Wait> Scheduler<W> {
    /// Cancels everyone and lets the workers end when nobody is left. Returns at once.
    pub fn close(&self) {
        let shared = &self.shared;
        shared.closing.store(true, Ordering::SeqCst);
        shared.registry.close();
        shared.notify_all();
    }

    /// Whether all workers have ended; if not, `waker` is woken when they have.
    pub fn has_ended(&self, waker: &Waker) -> bool {
        let mut ending = self.shared.ending();
        if ending.working > 0 && !ending.waiters.iter().any(|waiter| waiter.will_wake(waker)) {
            ending.waiters.push(waker.clone());
        }
        ending.working == 0
    }

    /// Makes the workers end as soon as each has finished its present run.
    pub fn stop(&self) {
        let shared = &self.shared;
        shared.closing.store(true, Ordering::SeqCst);
        shared.ending().stop = true;
        shared.notify_all();
    }

    /// Drops what never started and tells what was left behind. After the workers have ended, or will not.
    pub fn clear(&self) -> Result<(), LeftBehind> {
        let shared = &self.shared;
        shared.wait.close();
        std::iter::from_fn(|| until_certain(|| shared.injector.steal()))
            .for_each(|runnable| shared.abandon(runnable));
        // What is queued behind a coroutine that does not stop.
        for remote in &shared.remotes {
            std::iter::from_fn(|| remote.take_any()).for_each(|runnable| shared.abandon(runnable));
            remote.steal_next().into_iter().for_each(|runnable| shared.abandon(runnable));
        }
        let starved = std::mem::take(&mut *shared.starved());
        starved.into_iter().for_each(|runnable| shared.abandon(runnable));
        shared.retire();
        let coroutines = shared.counters.read().alive();
        let (working, left_behind) = (shared.ending().working, shared.threads.counts().left_behind);
        if coroutines == 0 && working == 0 {
            // A thread that was left behind, and whose coroutine has ended, is on its way out.
            return Ok(());
        }
        // Of the threads that have not come back some may be on their way, too.
        let running = usize::try_from(coroutines).map_or(working, |most| most.max(working));
        Err(LeftBehind { coroutines, threads: (working + left_behind).min(running) })
    }
}

impl<W: Wait> Shared<W> {
    /// Drops a coroutine that nobody will run any more. Its job, if it has not started; live frames are left.
    pub(crate) fn abandon(&self, runnable: Runnable) {
        if !runnable.has_started() {
            self.counters.count(None, |set| &set.finished);
        }
        drop(runnable);
    }

    /// Whether the grace period of a shutdown is over.
    pub(crate) fn must_stop(&self) -> bool {
        self.is_closing() && self.ending().stop
    }

    /// Whether nobody is left in a shutdown, so that the calling worker's thread may end.
    pub(crate) fn may_end(&self) -> bool {
        if !self.is_closing() {
            return false;
        }
        let ended = self.counters.read().alive() == 0;
        if ended {
            self.notify_all();
        }
        ended
    }

    pub(crate) fn worker_ended(&self) {
        let waiters = {
            let mut ending = self.ending();
            ending.working -= 1;
            if ending.working > 0 {
                return;
            }
            std::mem::take(&mut ending.waiters)
        };
        self.retire();
        self.wait.close();
        waiters.into_iter().for_each(Waker::wake);
    }

    /// Ends what is left of its threads, and what looks after them: its workers have ended, or are given up. May be called
    /// twice.
    fn retire(&self) {
        self.threads.close();
        self.idle.end();
        deadlock::leave(self);
    }

    fn notify_all(&self) {
        (0..self.remotes.len()).for_each(|worker| self.wait.notify(worker));
    }
}
