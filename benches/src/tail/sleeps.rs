//! When each sleep was due and when it returned, written by the tasks and read from outside of the runtime.
//!
//! A sleep has its own two words, so tasks share nothing, and the reader needs no task to end: a sleep that never
//! returned is as plain as one that did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::figures::{Figures, Operation, Window, now};

/// How long each sleep is to last.
pub(super) const NAP: Duration = Duration::from_millis(10);

/// The sleeps of all tasks.
pub(super) struct Sleeps {
    tasks: usize,
    all: Box<[Sleep]>,
}

/// One sleep, in nanoseconds of [`now`]; zero for what has not happened.
#[derive(Default)]
pub(super) struct Sleep {
    due: AtomicU64,
    returned: AtomicU64,
}

/// The sleeps of one task.
pub(super) struct Sleeper {
    sleeps: Arc<Sleeps>,
    task: usize,
}

impl Sleeps {
    pub(super) fn new(tasks: usize, each: usize) -> Arc<Sleeps> {
        Arc::new(Sleeps { tasks, all: (0..tasks * each).map(|_| Sleep::default()).collect() })
    }

    /// One for each task.
    pub(super) fn sleepers(self: &Arc<Self>) -> impl Iterator<Item = Sleeper> {
        (0..self.tasks).map(|task| Sleeper { sleeps: Arc::clone(self), task })
    }

    /// How late the sleeps of this time returned.
    pub(super) fn figures(&self, window: Window) -> Figures {
        window.figures(self.all.iter().filter_map(|sleep| {
            // Relaxed: each word stands alone, and a reader that is a moment behind takes a sleep for late that
            // returned as the window closed.
            let due = sleep.due.load(Ordering::Relaxed);
            let returned = sleep.returned.load(Ordering::Relaxed);
            (due > 0).then(|| Operation { begun: due, ended: (returned > 0).then_some(returned) })
        }))
    }
}

impl Sleeper {
    pub(super) fn sleeps(&self) -> impl Iterator<Item = &Sleep> {
        let each = self.sleeps.all.len() / self.sleeps.tasks;
        self.sleeps.all[self.task * each..][..each].iter()
    }
}

impl Sleep {
    pub(super) fn begin(&self) {
        self.due.store(now() + NAP.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.returned.store(now(), Ordering::Relaxed);
    }
}
