//! The deadlock of everything: nobody can run, and nobody is left who could wake anybody.
//!
//! Told to whoever waits in `run`, instead of waiting for ever, and only when it is certain. It is, if at one moment
//!
//! - all workers of all schedulers sleep, no coroutine is queued, and none waits for a stack;
//! - no timer is armed, and nobody waits for a socket;
//! - every kernel thread of the process is one of the workers, or a monitor, or makes stacks, or waits in tarae for a wake
//!   ([`census`]): so none is left that could run code of the program's.
//!
//! Another thread, even one that has nothing to do with tarae, might have a waker: then nothing is said. The kernel says how
//! many threads there are. A signal handler cannot wake anybody, as a wake takes locks.
//!
//! **The error to fear** is a coroutine that is on its way between two of the places that are looked at, as these are
//! looked at one after the other. A timer that fires, or an event that arrives, is counted as being on its way from before
//! it leaves its store until its coroutine is queued ([`Wait::may_wake`]); a thread stops being counted as blocked when it
//! is woken. A worker is asleep until it has queued whom it woke. And so that nothing has gone round behind our back, from
//! a place that was not looked at yet to one that was, the workers' looks at their sockets, the wakes, and the changes of the
//! census are counted before and after: each way round changes one of them.
//!
//! (The source: what Go's runtime does when all goroutines are asleep.)

use std::any::Any;
use std::fmt;
use std::fs;
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::Waker;

use slab::Slab;
use tarae_context::pool::fillers;
use tarae_task::{Coroutine, JoinHandle, census, waker};

use crate::dump;
use crate::scheduler::{Scheduler, Shared};
use crate::wait::Wait;

/// How many coroutines are told of. More would not help, and might be a million.
const TOLD_MAX: usize = 100;

/// Nothing in the process can wake any of the coroutines that wait.
#[derive(Clone, Debug)]
pub struct Deadlock {
    text: Arc<str>,
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Deadlock {}

/// Kernel threads that wait in `run`.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<Slab<Arc<Run>>>);

/// One that waits.
#[derive(Debug)]
struct Run {
    waker: Waker,
    told: OnceLock<Deadlock>,
}

impl Runs {
    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn tell(&self, deadlock: &Deadlock) {
        let runs: Vec<Arc<Run>> = self.lock().iter().map(|(_, run)| Arc::clone(run)).collect();
        for run in runs {
            // Told before: it is on its way.
            let _ = run.told.set(deadlock.clone());
            run.waker.wake_by_ref();
        }
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Slab<Arc<Run>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A place among the runs; left on drop.
struct Listed<'a> {
    runs: &'a Runs,
    key: usize,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        drop(self.runs.lock().remove(self.key));
    }
}

impl<W: Wait> Scheduler<W> {
    /// Joins the coroutine that `spawn` spawns, as `run` does.
    ///
    /// # Errors
    ///
    /// On a kernel thread, a deadlock of everything. The coroutine is left as it is.
    pub fn run_to_end<T>(
        &self,
        spawn: impl FnOnce() -> JoinHandle<T>,
    ) -> Result<Result<T, Box<dyn Any + Send>>, Deadlock> {
        if tarae_task::with_coroutine(|current| current.is_some()) {
            return Ok(spawn().join());
        }
        let run = Arc::new(Run { waker: waker(), told: OnceLock::new() });
        let runs = &self.shared.runs;
        // Before there is anything that could deadlock: a monitor that looks when nobody is listed rests until somebody moves.
        let _listed = Listed { runs, key: runs.lock().insert(Arc::clone(&run)) };
        let handle = spawn();
        handle.join_unless(|| run.told.get().cloned())
    }
}

/// What a look for a deadlock came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is something that may happen, or nobody would be told.
    Alive,
    /// Nothing can happen, but for what kernel threads may do of which nothing is known.
    Unknown,
    /// It was one, and has been told.
    Dead,
}

/// What one scheduler asks of all others of the process.
trait Peer: Send + Sync {
    fn workers(&self) -> usize;

    fn runs(&self) -> &Runs;

    /// Whether anything may happen in this scheduler, or to it from outside of the process.
    fn may_go_on(&self) -> bool;

    /// Changes with each wake, and each time that a worker has slept.
    fn movements(&self) -> (u64, u64);

    /// Those who have parked.
    fn parked(&self) -> Vec<Coroutine>;
}

/// The schedulers that have not ended.
static PEERS: Mutex<Vec<Weak<dyn Peer>>> = Mutex::new(Vec::new());

fn lock_peers() -> MutexGuard<'static, Vec<Weak<dyn Peer>>> {
    PEERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn peers() -> Vec<Arc<dyn Peer>> {
    lock_peers().iter().filter_map(Weak::upgrade).collect()
}

/// A scheduler is about to start its threads.
pub(crate) fn enter<W: Wait>(shared: &Arc<Shared<W>>) {
    let peer: Weak<dyn Peer> = Arc::downgrade(shared) as Weak<dyn Peer>;
    lock_peers().push(peer);
}

/// The threads of a scheduler have ended, or are given up. May be called twice.
pub(crate) fn leave<W: Wait>(shared: &Shared<W>) {
    lock_peers().retain(|peer| !ptr::addr_eq(peer.as_ptr(), shared));
}

/// Looks for a deadlock of everything, and tells of it. A monitor's, when all of its workers sleep.
pub(crate) fn look() -> Verdict {
    let peers = peers();
    if peers.iter().all(|peer| peer.runs().is_empty()) || may_go_on(&peers) {
        return Verdict::Alive;
    }
    let movements = || peers.iter().map(|peer| peer.movements()).collect::<Vec<_>>();
    let (census, before) = (census::take(), movements());
    let threads = fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(usize::MAX);
    // A monitor for each.
    let known = census.blocked + peers.iter().map(|peer| peer.workers() + 1).sum::<usize>() + fillers();
    if threads != known || may_go_on(&peers) || (census::take(), movements()) != (census, before) {
        return Verdict::Unknown;
    }
    let deadlock = describe(&peers.iter().flat_map(|peer| peer.parked()).collect::<Vec<_>>());
    peers.iter().for_each(|peer| peer.runs().tell(&deadlock));
    Verdict::Dead
}

fn may_go_on(peers: &[Arc<dyn Peer>]) -> bool {
    peers.iter().any(|peer| peer.may_go_on())
}

fn describe(waiting: &[Coroutine]) -> Deadlock {
    let waiting = dump::entries(waiting);
    let count = waiting.len();
    let mut text =
        format!("deadlock: nothing in this process can wake any of the coroutines that wait ({count})");
    // Writing to a string does not fail.
    let _ = dump::write_entries(&mut text, &waiting, TOLD_MAX);
    Deadlock { text: text.into() }
}

impl<W: Wait> Peer for Shared<W> {
    fn workers(&self) -> usize {
        self.remotes.len()
    }

    fn runs(&self) -> &Runs {
        &self.runs
    }

    fn may_go_on(&self) -> bool {
        // In the order in which a wake goes: from its store, to a queue, to a worker. The next slot of a worker that sleeps
        // is empty: it has looked, and those whom it wakes before it gets up go to its queue.
        self.wait.may_wake() || self.recheck().is_some() || self.queued() > 0 || !self.idle.all_asleep()
    }

    fn movements(&self) -> (u64, u64) {
        let looks = self.remotes.iter().map(|remote| remote.looks.load(Ordering::SeqCst)).sum();
        (looks, self.counters.read().wakes)
    }

    fn parked(&self) -> Vec<Coroutine> {
        self.registry.list()
    }
}
