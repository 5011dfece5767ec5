//! The books of one runtime: what its coroutines count, and what must be true of that when it has ended.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tarae::Runtime;
use tarae::thread::{self, JoinHandle};

use crate::own::Me;
use crate::sky::{Sky, load, lock};
use crate::steps::{STEPS, Step};
use crate::support::seed::Random;

/// What goes on in one runtime.
pub(crate) struct Cloud {
    name: String,
    workers: usize,
    pub(crate) spares: usize,
    /// Whether its end may leave coroutines behind. Then nobody else may depend on them, nor they on each other.
    pub(crate) leaks: bool,
    pub(crate) runtime: Mutex<Option<Runtime>>,
    stage: Mutex<(&'static str, Instant)>,
    under_way: [AtomicI64; STEPS],
    /// Counted when the spawn has succeeded.
    spawned: AtomicU64,
    /// Counted as the last thing that a coroutine does, or when its job is dropped.
    ended: AtomicU64,
    pub(crate) values: Count,
    pub(crate) sockets: Count,
    /// How many more may wait for others in a way that only a hand-off can help.
    permits: AtomicI64,
    /// Taken in their order.
    pub(crate) locks: [Mutex<u64>; 3],
    /// What its end has said was left behind, and how many had been spawned before.
    told: Mutex<Option<(u64, u64)>>,
}

/// How many things were made, and how many are gone.
#[derive(Default)]
pub(crate) struct Count {
    made: AtomicU64,
    gone: AtomicU64,
}

impl Count {
    pub(crate) fn made(&self) -> u64 {
        load(&self.made)
    }

    fn alive(&self) -> u64 {
        let gone = load(&self.gone);
        load(&self.made) - gone
    }
}

/// A value that is counted in its cloud.
pub(crate) struct Counted(Arc<Cloud>, fn(&Cloud) -> &Count);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1(&self.0).gone.fetch_add(1, Ordering::Relaxed);
    }
}

/// A coroutine of a cloud.
struct Life(Arc<Cloud>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The right to wait in a way that only a hand-off can help.
pub(crate) struct Permit(Arc<Cloud>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.permits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Cloud {
    pub(crate) fn new(
        name: String,
        workers: usize,
        spares: usize,
        leaks: bool,
        runtime: Option<Runtime>,
    ) -> Arc<Cloud> {
        Arc::new(Cloud {
            name,
            workers,
            spares,
            leaks,
            runtime: Mutex::new(runtime),
            stage: Mutex::new(("begun", Instant::now())),
            under_way: [const { AtomicI64::new(0) }; STEPS],
            spawned: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            values: Count::default(),
            sockets: Count::default(),
            permits: AtomicI64::new(if leaks || spares < 512 { 0 } else { 40 }),
            locks: [const { Mutex::new(0) }; 3],
            told: Mutex::new(None),
        })
    }

    /// Spawns a coroutine beside the calling one, or on the default runtime.
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Cloud>,
        random: Random,
        f: impl FnOnce(&mut Me) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.spawn_by(random, f, |job| thread::spawn(job))
    }

    /// Spawns a coroutine on this cloud's runtime, which has not ended.
    pub(crate) fn spawn_from_outside<T: Send + 'static>(
        self: &Arc<Cloud>,
        random: Random,
        f: impl FnOnce(&mut Me) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.spawn_by(random, f, |job| lock(&self.runtime).as_ref().expect("it has not ended").spawn(job))
    }

    pub(crate) fn spawn_by<T: Send + 'static>(
        self: &Arc<Cloud>,
        random: Random,
        f: impl FnOnce(&mut Me) -> T + Send + 'static,
        spawn: impl FnOnce(Box<dyn FnOnce() -> T + Send>) -> JoinHandle<T>,
    ) -> JoinHandle<T> {
        let (cloud, life) = (Arc::clone(self), Life(Arc::clone(self)));
        let handle = spawn(Box::new(move || {
            let _life = life;
            f(&mut Me::begin(cloud, random))
        }));
        self.spawned.fetch_add(1, Ordering::Relaxed);
        handle
    }

    pub(crate) fn value(self: &Arc<Cloud>) -> Counted {
        self.counted(|cloud| &cloud.values)
    }

    /// To be kept with a socket.
    pub(crate) fn socket(self: &Arc<Cloud>) -> Counted {
        self.counted(|cloud| &cloud.sockets)
    }

    fn counted(self: &Arc<Cloud>, count: fn(&Cloud) -> &Count) -> Counted {
        count(self).made.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self), count)
    }

    pub(crate) fn permit(self: &Arc<Cloud>) -> Option<Permit> {
        let permit = Permit(Arc::clone(self));
        (self.permits.fetch_sub(1, Ordering::Relaxed) > 0).then_some(permit)
    }

    pub(crate) fn is_at(&self, stage: &'static str) {
        *lock(&self.stage) = (stage, Instant::now());
    }

    pub(crate) fn enter(&self, step: Step) {
        self.under_way[step as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self, step: Step) {
        self.under_way[step as usize].fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn spawned(&self) -> u64 {
        load(&self.spawned)
    }

    fn alive(&self) -> u64 {
        let ended = load(&self.ended);
        load(&self.spawned).saturating_sub(ended)
    }

    /// Whether everybody has ended, and everything is gone.
    pub(crate) fn is_balanced(&self) -> bool {
        load(&self.ended) == load(&self.spawned) && self.leaks_nothing_else()
    }

    /// Whether everything is gone but what belongs to coroutines that were left behind.
    fn leaks_nothing_else(&self) -> bool {
        self.alive() > 0 || self.values.alive() == 0 && self.sockets.alive() == 0
    }

    /// Its runtime has ended, and says that it has left so many coroutines behind, of those it had `before` and others.
    pub(crate) fn ended_out_of_time(&self, told: u64, before: u64) {
        self.is_at("left behind");
        *lock(&self.told) = Some((told, before));
    }

    /// Whether its runtime has said that it left somebody behind.
    pub(crate) fn has_told(&self) -> bool {
        lock(&self.told).is_some()
    }

    /// Whether what was left behind is not more than its runtime has said.
    pub(crate) fn leaks_as_told(&self) -> bool {
        let Some((told, before)) = *lock(&self.told) else { return self.is_balanced() };
        // Who was left behind running may have spawned more.
        let more = self.spawned() - before;
        self.alive() <= told.saturating_add(more) && self.leaks_nothing_else()
    }

    /// How many descriptors are left: three for each worker, and those of its coroutines. `held` if whoever was to end it
    /// may have been left behind.
    pub(crate) fn descriptors_left_behind(&self, held: bool) -> usize {
        let runtime_is_left = self.alive() > 0 || held && !self.has_told();
        let runtime = if runtime_is_left { 3 * self.workers } else { 0 };
        runtime + self.sockets.alive() as usize
    }

    /// Whether the runtime says that nothing goes on, and fails if it says what cannot be true.
    pub(crate) fn is_quiet(&self, sky: &Sky) -> bool {
        let metrics = lock(&self.runtime).as_ref().expect("it has not ended").metrics();
        let threads = metrics.threads;
        let all = threads.driving + threads.left_behind + threads.spare;
        assert!(all <= self.workers + self.spares, "{metrics:?}");
        assert!(metrics.stalls <= metrics.hand_offs, "{metrics:?}");
        assert!(self.spares > 0 || metrics.hand_offs == 0, "{metrics:?}");
        let quiet = metrics.coroutines.alive() == 0
            && (threads.driving, threads.left_behind, threads.locked) == (self.workers, 0, 0);
        if quiet {
            assert_eq!(metrics.coroutines.parked, 0, "{metrics:?}");
            assert_eq!((metrics.spawned, metrics.finished), (self.spawned(), self.spawned()), "{metrics:?}");
            sky.count_hand_offs(metrics.hand_offs);
        }
        quiet
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, since) = *lock(&self.stage);
        write!(
            f,
            "{} ({} workers, {} spares): {stage} for {:?}, {} coroutines of {}, {} values, {} sockets, {} permits",
            self.name,
            self.workers,
            self.spares,
            since.elapsed(),
            self.alive(),
            load(&self.spawned),
            self.values.alive(),
            self.sockets.alive(),
            self.permits.load(Ordering::Relaxed),
        )?;
        let held = self.locks.iter().filter(|lock| lock.try_lock().is_err_and(would_block)).count();
        if held > 0 {
            write!(f, ", {held} locks held")?;
        }
        if let Some((told, _)) = &*lock(&self.told) {
            write!(f, ", told of {told}")?;
        }
        for (number, count) in self.under_way.iter().enumerate() {
            match count.load(Ordering::Relaxed) {
                0 => {}
                count => write!(f, ", {:?} {count}", Step::of_number(number))?,
            }
        }
        match self.runtime.try_lock().as_deref() {
            Ok(Some(runtime)) => write!(f, "\n    {:?}", runtime.metrics()),
            Ok(None) => Ok(()),
            Err(_) => write!(f, "\n    (its runtime is in use)"),
        }
    }
}

fn would_block<T>(error: std::sync::TryLockError<T>) -> bool {
    matches!(error, std::sync::TryLockError::WouldBlock)
}
