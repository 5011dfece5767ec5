//! Spawning and scheduling: the scheduler as the layers above and the coroutines below see it.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use crossbeam_deque::Injector;
use crossbeam_utils::CachePadded;
use tarae_context::identity::layout::Layout;
use tarae_context::{Pool, StackSize};
use tarae_task::{Armed, Attributes, Cause, Coroutine, JoinHandle, Runnable, Schedule, with_seat};

use crate::clock::Clock;
use crate::core::{Core, Remote};
use crate::counters::{All, count};
use crate::deadlock::{self, Runs};
use crate::idle::{Idle, WORKERS_MAX};
use crate::monitor;
use crate::registry::Registry;
use crate::shutdown::Ending;
use crate::threads::Threads;
use crate::wait::Wait;

/// How a scheduler is to be built.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many workers there are.
    pub workers: usize,
    /// The size of a coroutine's slot, where a spawn does not say otherwise.
    pub stack_size: StackSize,
    /// The worker threads are called this, and a number.
    pub name: String,
    /// How many threads there may be beyond one for each worker, for coroutines that are stuck.
    pub spare_threads_max: usize,
}

impl Config {
    /// The most workers that a scheduler may have.
    pub const WORKERS_MAX: usize = WORKERS_MAX;

    /// # Errors
    ///
    /// `InvalidInput` if the number of workers is out of range.
    pub fn check(&self) -> io::Result<()> {
        if (1..=WORKERS_MAX).contains(&self.workers) {
            return Ok(());
        }
        let message = format!("a runtime has 1 to {WORKERS_MAX} workers, not {}", self.workers);
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

/// A scheduler with its workers running. A handle: clones are the same scheduler.
#[derive(Debug)]
pub struct Scheduler<W: Wait> {
    pub(crate) shared: Arc<Shared<W>>,
}

/// What all workers of a scheduler, and all its coroutines, share.
pub(crate) struct Shared<W> {
    /// Itself, for the threads it starts.
    pub(crate) this: Weak<Shared<W>>,
    /// A number that no other scheduler has; cores carry it too.
    number: usize,
    pub(crate) name: String,
    pub(crate) wait: W,
    pub(crate) pool: &'static Pool,
    pub(crate) injector: Injector<Runnable>,
    /// How many coroutines have been injected.
    pub(crate) injected: AtomicU64,
    pub(crate) remotes: Box<[CachePadded<Remote>]>,
    pub(crate) idle: CachePadded<Idle>,
    pub(crate) counters: All,
    pub(crate) clock: Clock,
    pub(crate) threads: Threads,
    pub(crate) registry: Registry,
    /// Coroutines that could not start for want of a context. Counted beside, so that workers need not lock to see
    /// that there is none.
    pub(crate) starved: Mutex<Vec<Runnable>>,
    pub(crate) starved_count: AtomicUsize,
    /// Set once: whatever runs from now on is cancelled first.
    pub(crate) closing: AtomicBool,
    pub(crate) ending: Mutex<Ending>,
    pub(crate) runs: Runs,
}

impl<W: Wait> Scheduler<W> {
    /// Starts a scheduler with its worker threads.
    ///
    /// # Errors
    ///
    /// If this C library is not understood, the number of workers is 0 or above 1,024, or a thread cannot be started;
    /// then those that were started end again.
    pub fn start(config: Config, wait: W) -> io::Result<Scheduler<W>> {
        config.check()?;
        Layout::of_this_process()?;
        let pool = Pool::of_size(config.stack_size);
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (cores, remotes): (Vec<Box<Core>>, Vec<CachePadded<Remote>>) = (0..config.workers)
            .map(|worker| Core::new(number, worker, pool))
            .map(|(core, remote)| (core, CachePadded::new(remote)))
            .unzip();
        let shared = Arc::new_cyclic(|this| Shared {
            this: Weak::clone(this),
            number,
            name: config.name,
            wait,
            pool,
            injector: Injector::new(),
            injected: AtomicU64::new(0),
            remotes: remotes.into(),
            idle: CachePadded::new(Idle::new(config.workers)),
            counters: All::new(config.workers),
            clock: Clock::new(),
            threads: Threads::new(config.workers, config.spare_threads_max),
            registry: Registry::new(config.workers + 1),
            starved: Mutex::new(Vec::new()),
            starved_count: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            ending: Mutex::new(Ending::new(config.workers)),
            runs: Runs::default(),
        });
        deadlock::enter(&shared);
        let scheduler = Scheduler { shared };
        scheduler.start_threads(cores)?;
        Ok(scheduler)
    }

    #[expect(clippy::vec_box, reason = "the box is the right to a worker, and goes on as it is")]
    fn start_threads(&self, cores: Vec<Box<Core>>) -> io::Result<()> {
        let shared = &self.shared;
        let mut cores = cores.into_iter();
        let started = monitor::start(shared).and_then(|()| {
            cores.by_ref().try_for_each(|core| {
                let failed = shared.start_thread(&Threads::first(core));
                failed.inspect_err(|_| shared.ending().working -= 1)
            })
        });
        if started.is_err() {
            // Those that were not tried.
            shared.ending().working -= cores.len();
            self.stop();
            shared.idle.end();
            deadlock::leave(shared);
        }
        started
    }

    /// Spawns a coroutine.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when no stack can be reserved for it, `EAGAIN` while no thread identity can be made. The job is
    /// dropped.
    pub fn spawn<F, T>(
        &self,
        name: Option<Box<str>>,
        stack_size: Option<StackSize>,
        spawned_at: &'static Location<'static>,
        job: F,
    ) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let schedule = Arc::clone(&self.shared) as Arc<dyn Schedule>;
        self.shared.spawn(schedule, name, stack_size, spawned_at, job)
    }

    /// Spawns a coroutine on the scheduler of another one; `None` if that one does not wait on a `W`.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub fn spawn_beside<F, T>(
        coroutine: &Coroutine,
        name: Option<Box<str>>,
        stack_size: Option<StackSize>,
        spawned_at: &'static Location<'static>,
        job: F,
    ) -> Option<io::Result<JoinHandle<T>>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let schedule = coroutine.schedule();
        let shared = (&**schedule as &dyn Any).downcast_ref::<Shared<W>>()?;
        Some(shared.spawn(Arc::clone(schedule), name, stack_size, spawned_at, job))
    }

    /// What its workers wait on.
    pub fn wait(&self) -> &W {
        &self.shared.wait
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.shared.remotes.len()
    }

    /// The coroutines that have parked and not ended.
    pub fn parked(&self) -> Vec<Coroutine> {
        self.shared.registry.list()
    }

    /// Whether `coroutine` belongs to this scheduler.
    pub fn owns(&self, coroutine: &Coroutine) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(coroutine.schedule()), Arc::as_ptr(&self.shared))
    }

    /// Calls `f` with what the workers of the scheduler of `coroutine` wait on, and with the number of the worker that
    /// runs the calling code, which stays so until `f` returns. `None` if the caller's thread was left behind.
    ///
    /// # Panics
    ///
    /// A suspension inside `f` panics.
    pub fn with_wait_of<R>(coroutine: &Coroutine, f: impl FnOnce(&W, Option<usize>) -> R) -> Option<R> {
        let shared = (&**coroutine.schedule() as &dyn Any).downcast_ref::<Shared<W>>()?;
        let mut f = Some(f);
        let on_worker = shared.with_core(|core| f.take().map(|f| f(&shared.wait, Some(core.worker))));
        on_worker.flatten().or_else(|| f.take().map(|f| f(&shared.wait, None)))
    }
}

impl<W: Wait> Clone for Scheduler<W> {
    fn clone(&self) -> Scheduler<W> {
        Scheduler { shared: Arc::clone(&self.shared) }
    }
}

impl<W: Wait> Shared<W> {
    /// `schedule` is this scheduler, counted once more.
    fn spawn<F, T>(
        &self,
        schedule: Arc<dyn Schedule>,
        name: Option<Box<str>>,
        stack_size: Option<StackSize>,
        spawned_at: &'static Location<'static>,
        job: F,
    ) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let pool = stack_size.map_or(self.pool, Pool::of_size);
        let promised = if std::ptr::eq(pool, self.pool) {
            self.with_core(|core| core.cache.borrow_mut().promise())
        } else {
            None
        };
        promised.unwrap_or_else(|| pool.promise(1))?;
        let attributes = Attributes { name, spawned_at, pool };
        let (runnable, handle) = tarae_task::spawn(schedule, attributes, job);
        self.schedule(runnable, Cause::Spawned);
        Ok(handle)
    }

    /// Calls `f` with the core of the worker that runs the calling code, if it is one of ours.
    #[inline]
    pub(crate) fn with_core<R>(&self, f: impl FnOnce(&Core) -> R) -> Option<R> {
        // The calling code may run on a worker of another runtime.
        with_seat(|core: &Core| (core.scheduler == self.number).then(|| f(core))).flatten()
    }

    /// Wakes a worker, if one sleeps and nobody searches: there is work that others can find.
    pub(crate) fn tell_others(&self) {
        if let Some(worker) = self.idle.queued() {
            self.notify(worker);
        }
    }

    pub(crate) fn notify(&self, worker: usize) {
        let counted = self.with_core(|core| count(&self.counters.of(core.worker).remote_wakes));
        if counted.is_none() {
            self.counters.count(None, |set| &set.remote_wakes);
        }
        self.wait.notify(worker);
    }

    pub(crate) fn is_closing(&self) -> bool {
        // Relaxed: workers that see it late cancel late.
        self.closing.load(Ordering::Relaxed)
    }

    /// How soon an idle worker must look again by itself, as nobody tells it of these: a context may be had for
    /// coroutines that could not start, or the last coroutine may have ended in a shutdown.
    pub(crate) fn recheck(&self) -> Option<Duration> {
        /// Rare states, in which nobody is in a hurry.
        const RECHECK: Duration = Duration::from_millis(10);
        let needed = self.starved_count.load(Ordering::Relaxed) > 0 || self.is_closing();
        needed.then_some(RECHECK)
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    pub(crate) fn ending(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// As [`ending`](Self::ending).
    pub(crate) fn starved(&self) -> MutexGuard<'_, Vec<Runnable>> {
        self.starved.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn schedule_here(&self, core: &Core, mut runnable: Runnable, cause: Cause) {
        let counters = self.counters.of(core.worker);
        count(match cause {
            Cause::Woken => &counters.wakes,
            Cause::Spawned => &counters.spawned,
        });
        if let Some(weight) = core.stamping.count() {
            runnable.stamp(self.clock.stamp(weight));
        }
        let remote = &self.remotes[core.worker];
        if core.in_batch.get() {
            core.push_of_many(remote, runnable);
            return;
        }
        let tell = match cause {
            // Whoever was woken last runs next, while what it needs is warm; nobody is told of it.
            Cause::Woken => core.put_next(remote, runnable) && core.queued(remote).is_power_of_two(),
            // Others are told when there is more than the spawner will come to as soon as it parks.
            Cause::Spawned => {
                let queued = core.push_fresh(remote, runnable);
                queued > 1 && queued.is_power_of_two()
            }
        };
        // Not of each one: the first who was told tells the next, and what is left is told at the worker's next look around.
        if tell {
            self.tell_others();
        }
    }

    /// Queues a coroutine from a thread that has no seat here.
    pub(crate) fn inject(&self, mut runnable: Runnable) {
        /// How many share one look at the clock.
        const PER_STAMP: u64 = 16;
        if self.injected.fetch_add(1, Ordering::Relaxed).is_multiple_of(PER_STAMP) {
            runnable.stamp(self.clock.stamp(PER_STAMP));
        }
        self.injector.push(runnable);
        self.tell_others();
    }

    /// How many coroutines are queued where any worker can take them.
    pub(crate) fn queued(&self) -> usize {
        self.injector.len() + self.remotes.iter().map(|remote| remote.queued()).sum::<usize>()
    }

    /// Queues what could not start before, where all can take it: there may be a context for it now, on any worker.
    pub(crate) fn retry_starved(&self) {
        if self.starved_count.load(Ordering::Relaxed) == 0 {
            return;
        }
        // While contexts are short one is enough to find out; when it has one, the others follow.
        let most = if self.pool.is_short() { 1 } else { usize::MAX };
        let retried: Vec<Runnable> = {
            let mut starved = self.starved();
            let most = most.min(starved.len());
            let retried = starved.drain(..most).collect();
            self.starved_count.store(starved.len(), Ordering::Relaxed);
            retried
        };
        retried.into_iter().for_each(|runnable| self.injector.push(runnable));
        self.tell_others();
    }
}

impl<W: Wait> Schedule for Shared<W> {
    fn schedule(&self, runnable: Runnable, cause: Cause) {
        let mut runnable = Some(runnable);
        self.with_core(|core| {
            if let Some(runnable) = runnable.take() {
                self.schedule_here(core, runnable, cause);
            }
        });
        if let Some(runnable) = runnable {
            self.counters.count(
                None,
                match cause {
                    Cause::Spawned => |set| &set.spawned,
                    Cause::Woken => |set| &set.wakes,
                },
            );
            self.inject(runnable);
        }
    }

    fn remember(&self, coroutine: &Coroutine) -> u64 {
        let shard = self.with_core(|core| core.worker).unwrap_or(self.remotes.len());
        self.registry.enter(shard, coroutine)
    }

    fn forget(&self, key: u64) {
        self.registry.remove(key);
    }

    fn arm(&self, at: Instant, waker: Waker) -> Armed {
        let mut waker = Some(waker);
        // Inside the seat: who drives the worker knows of the timer before it sleeps.
        let armed =
            self.with_core(|core| waker.take().map(|waker| self.wait.arm(Some(core.worker), at, waker)));
        armed.flatten().unwrap_or_else(|| {
            let waker = waker.take().expect("nobody took it");
            self.wait.arm(None, at, waker)
        })
    }

    fn disarm(&self, armed: Armed) {
        self.wait.disarm(armed);
    }
}

impl<W: Wait> fmt::Debug for Shared<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("name", &self.name)
            .field("workers", &self.remotes.len())
            .field("counts", &self.counters.read())
            .field("threads", &self.threads.counts())
            .finish_non_exhaustive()
    }
}
