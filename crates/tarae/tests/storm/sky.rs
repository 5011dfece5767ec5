//! What all have in common, and who watches that something moves. The books of one runtime: [`cloud`](crate::cloud).

use std::collections::HashSet;
use std::fmt;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tarae::Runtime;
use tarae::thread::Thread;

use crate::cloud::Cloud;
use crate::steps::{STEPS, Step};
use crate::support::seed::Random;
use crate::support::{LIMIT, ms};

/// The names of the runtimes' threads begin with this.
pub(crate) const NAME: &str = "squall-";

/// If nothing moves for this long, nothing will.
const STILL_MAX: Duration = Duration::from_secs(20);

/// How many runtimes may leave something behind: each leaves descriptors and stacks.
const LEFT_BEHIND_MAX: usize = 200;

static THE: OnceLock<Sky> = OnceLock::new();

/// What all have in common.
pub(crate) struct Sky {
    seed: String,
    over: AtomicBool,
    entered: [AtomicU64; STEPS],
    left: [AtomicU64; STEPS],
    /// Threads that may be unparked, by anybody, at any time.
    pub(crate) known: Mutex<Vec<Thread>>,
    /// The kernel's numbers of the threads that a coroutine is locked to.
    pub(crate) locked: Mutex<HashSet<i32>>,
    clouds: Mutex<Vec<Arc<Cloud>>>,
    numbers: AtomicUsize,
    /// What runs on the default runtime.
    pub(crate) ground: Arc<Cloud>,
    /// What somebody has waited for last, and not found at once.
    awaited: Mutex<String>,
    /// Of the runtimes that have ended: coroutines, values, hand-offs as far as they were asked.
    totals: [AtomicU64; 3],
}

impl Sky {
    /// The only one of this process.
    pub(crate) fn the() -> &'static Sky {
        THE.get().expect("the storm has begun")
    }

    pub(crate) fn begin(seed: String) -> &'static Sky {
        THE.get_or_init(|| Sky {
            seed,
            over: AtomicBool::new(false),
            entered: [const { AtomicU64::new(0) }; STEPS],
            left: [const { AtomicU64::new(0) }; STEPS],
            known: Mutex::new(Vec::new()),
            locked: Mutex::new(HashSet::new()),
            clouds: Mutex::new(Vec::new()),
            numbers: AtomicUsize::new(0),
            ground: Cloud::new("the default runtime".into(), 0, 0, false, None),
            awaited: Mutex::default(),
            totals: [const { AtomicU64::new(0) }; 3],
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        lock(&self.known).clear();
    }

    /// Notes that a step is being made, until the return value is dropped.
    pub(crate) fn enter(&'static self, cloud: &Arc<Cloud>, step: Step) -> impl Drop + use<> {
        struct Leave(&'static Sky, Arc<Cloud>, Step);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.left[self.2 as usize].fetch_add(1, Ordering::Relaxed);
                self.1.leave(self.2);
            }
        }
        self.entered[step as usize].fetch_add(1, Ordering::Relaxed);
        cloud.enter(step);
        Leave(self, Arc::clone(cloud), step)
    }

    pub(crate) fn steps(&self) -> u64 {
        self.entered.iter().map(load).sum()
    }

    /// Fails if `condition` does not hold in time, and says what is going on.
    #[track_caller]
    pub(crate) fn soon(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !condition() {
            *lock(&self.awaited) = what.into();
            assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
            tarae::sleep(ms(1));
        }
    }

    /// A runtime is there, with a cloud to count what goes on in it.
    pub(crate) fn cloud(&self, random: &mut Random, leaks: bool) -> Arc<Cloud> {
        let workers = 1 + random.below(4) as usize;
        let spares = [0, 1, 3, 512, 512, 512][random.below(6) as usize];
        let name = format!("{NAME}{}", self.numbers.fetch_add(1, Ordering::Relaxed));
        let builder = Runtime::builder().workers(workers).spare_threads_max(spares).name(name.clone());
        let runtime = builder.build().expect("a runtime");
        let cloud = Cloud::new(name, workers, spares, leaks, Some(runtime));
        lock(&self.clouds).push(Arc::clone(&cloud));
        cloud
    }

    /// A runtime has ended, and nobody was left behind.
    #[track_caller]
    pub(crate) fn ended(&self, cloud: &Arc<Cloud>) {
        cloud.is_at("complete, to be balanced");
        self.soon(&format!("the books of {cloud} balance"), || cloud.is_balanced());
        self.totals[0].fetch_add(cloud.spawned(), Ordering::Relaxed);
        self.totals[1].fetch_add(cloud.values.made(), Ordering::Relaxed);
        lock(&self.clouds).retain(|other| !Arc::ptr_eq(other, cloud));
    }

    /// How many runtimes have left something behind.
    pub(crate) fn left_behind(&self) -> usize {
        lock(&self.clouds).iter().filter(|cloud| cloud.has_told()).count()
    }

    pub(crate) fn may_leave_more_behind(&self) -> bool {
        self.left_behind() < LEFT_BEHIND_MAX
    }

    /// Whether what was left behind is not more than the runtimes have said.
    pub(crate) fn leaks_are_as_told(&self) -> bool {
        let mut clouds = lock(&self.clouds);
        if !someone_holds_others(&clouds) {
            // Without a word: whoever shut it down was cancelled in the middle, and it has ended by itself.
            clouds.retain(|cloud| cloud.has_told() || !cloud.is_balanced());
        }
        clouds.iter().all(|cloud| cloud.leaks_as_told())
    }

    /// How many descriptors those who were left behind may have: those of their runtime, and their own; and those of
    /// runtimes that they were about to end.
    pub(crate) fn descriptors_left_behind(&self) -> usize {
        let clouds = lock(&self.clouds);
        let held = someone_holds_others(&clouds);
        clouds.iter().map(|cloud| cloud.descriptors_left_behind(held)).sum()
    }

    pub(crate) fn count_hand_offs(&self, hand_offs: u64) {
        self.totals[2].fetch_add(hand_offs, Ordering::Relaxed);
    }
}

/// What goes on. For whoever looks for a bug.
impl fmt::Display for Sky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} steps", self.seed, self.steps())?;
        let [coroutines, values, hand_offs] = self.totals.each_ref().map(load);
        writeln!(
            f,
            "{} runtimes; in those that are complete {coroutines} coroutines, {values} values, \
             in some of them {hand_offs} hand-offs",
            self.numbers.load(Ordering::Relaxed)
        )?;
        if let Ok(awaited) = self.awaited.try_lock() {
            writeln!(f, "waited for last: {awaited}")?;
        }
        for (number, (entered, left)) in self.entered.iter().zip(&self.left).enumerate() {
            let (left, entered) = (load(left), load(entered));
            write!(f, "  {:?}: {entered}", Step::of_number(number))?;
            if left < entered {
                write!(f, ", {} of them under way", entered - left)?;
            }
            writeln!(f)?;
        }
        writeln!(f, "{}", self.ground)?;
        let Ok(clouds) = self.clouds.try_lock() else { return writeln!(f, "(the clouds are locked)") };
        clouds.iter().try_for_each(|cloud| writeln!(f, "{cloud}"))
    }
}

/// Whether somebody was left behind who may have been about to end another runtime.
fn someone_holds_others(clouds: &[Arc<Cloud>]) -> bool {
    clouds.iter().any(|cloud| !cloud.leaks && cloud.has_told())
}

/// Ends the process when something panics that should not, or when nothing moves, and says what was going on.
pub(crate) fn watch(sky: &'static Sky) {
    let loud = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        loud(info);
        fail(sky);
    }));
    std::thread::spawn(move || {
        let (mut seen, mut since) = (0, Instant::now());
        while !sky.is_over() {
            std::thread::sleep(ms(100));
            let now = sky.entered.iter().chain(&sky.left).map(load).sum::<u64>()
                + sky.numbers.load(Ordering::Relaxed) as u64;
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() > STILL_MAX {
                eprintln!("nothing has moved for {STILL_MAX:?}");
                fail(sky);
            }
        }
    });
}

fn fail(sky: &Sky) -> ! {
    eprintln!("{sky}");
    while std::env::var_os("TARAE_STORM_KEEP").is_some() {
        std::thread::sleep(LIMIT);
    }
    std::process::abort()
}

pub(crate) fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

/// What these guard is whole whatever panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
