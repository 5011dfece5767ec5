//! A program is interrupted at its first suspension, its second, and so on, until it ends.
//!
//! A program is a list of steps. Wherever one waits it passes a *point*: points are numbered as they are passed, and at the one
//! that is chosen the step waits for what never comes, until the driver has seen that it waits, and interrupts the program. At
//! the others it waits for a moment. So each suspension is hit, whatever the schedule.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tarae::{CancelToken, Cancelled, Elapsed};
use tarae_task::Coroutine;

use super::lives::{Life, Lives};
use super::steps::STEPS;
use crate::support::{LIMIT, bounded, eventually, ms, runtime};

/// What the steps work with. What is in it outlives each run, and must be as good after it as before.
pub(crate) struct Stage {
    /// The point at which to wait for what never comes.
    chosen: AtomicUsize,
    passed: AtomicUsize,
    held: Mutex<Option<Held>>,
    lives: Lives,
    pub(crate) mutex: Mutex<Life>,
}

/// Who waits at the chosen point.
#[derive(Clone)]
struct Held {
    coroutine: Coroutine,
    /// It does not park: it lets others run, over and over.
    yields: Arc<AtomicBool>,
}

impl Stage {
    fn new() -> Arc<Stage> {
        let lives = Lives::default();
        Arc::new(Stage {
            chosen: AtomicUsize::new(usize::MAX),
            passed: AtomicUsize::new(0),
            held: Mutex::new(None),
            mutex: Mutex::new(lives.one()),
            lives,
        })
    }

    /// A value that must be dropped once.
    pub(crate) fn life(&self) -> Life {
        self.lives.one()
    }

    /// Waits: for ever, if it is called with true.
    pub(crate) fn point<R>(&self, wait: impl FnOnce(bool) -> R) -> R {
        let number = self.passed.fetch_add(1, Ordering::SeqCst);
        let is_chosen = number == self.chosen.load(Ordering::SeqCst);
        if is_chosen {
            self.hold();
        }
        wait(is_chosen)
    }

    fn hold(&self) {
        let coroutine = tarae_task::current().expect("steps run on coroutines");
        *self.held.lock().unwrap() = Some(Held { coroutine, yields: Arc::default() });
    }

    /// Says that the one at the chosen point will not park.
    pub(crate) fn yields(&self) {
        let held = self.held.lock().unwrap().clone();
        held.expect("a chosen point").yields.store(true, Ordering::SeqCst);
    }

    /// A sleep that is a point.
    pub(crate) fn sleep(&self) {
        self.point(|is_held| tarae::sleep(if is_held { Duration::MAX } else { ms(1) }));
    }

    fn is_held(&self) -> bool {
        let held = self.held.lock().unwrap().clone();
        held.is_some_and(|held| held.coroutine.phase() == "parked" || held.yields.load(Ordering::SeqCst))
    }
}

/// How a program is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Cancel,
    Deadline,
    Token,
    Shutdown,
}

/// What became of a program.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Done,
    Interrupted,
}

fn program(stage: &Arc<Stage>) -> io::Result<()> {
    STEPS.iter().try_for_each(|(_, step)| {
        let _life = stage.life();
        step(stage)
    })
}

/// Whether it ended of itself; what else it can come to is a failure.
fn judge(outcome: std::thread::Result<Result<io::Result<()>, ()>>) -> Became {
    match outcome {
        Ok(Ok(Ok(()))) => Became::Done,
        Ok(Ok(Err(error)))
            if error.get_ref().is_some_and(|inner| inner.is::<Cancelled>() || inner.is::<Elapsed>()) =>
        {
            Became::Interrupted
        }
        Ok(Ok(Err(error))) => panic!("the program failed: {error}"),
        Ok(Err(())) => Became::Interrupted,
        Err(payload) if tarae::is_cancelled(&*payload) => Became::Interrupted,
        Err(payload) => resume_unwind(payload),
    }
}

/// Runs the program, and interrupts it at the point `chosen`. Says what became of it, and how many points it passed.
fn run(workers: usize, stage: &Arc<Stage>, by: By, chosen: usize) -> (Became, usize) {
    println!("{workers} workers: {by:?} at point {chosen}");
    stage.passed.store(0, Ordering::SeqCst);
    stage.chosen.store(chosen, Ordering::SeqCst);
    *stage.held.lock().unwrap() = None;
    let lives = stage.lives.count();
    let runtime = runtime(workers);
    let token = CancelToken::new();
    let (theirs, under) = (Arc::clone(stage), token.clone());
    let program = runtime.spawn(move || match by {
        By::Deadline => tarae::timeout(ms(60), || program(&theirs)).map_err(drop),
        By::Token => under.run(|| program(&theirs)).map_err(drop),
        By::Cancel | By::Shutdown => Ok(program(&theirs)),
    });
    let until = Instant::now() + LIMIT;
    while !program.is_finished() && !stage.is_held() {
        assert!(Instant::now() < until, "neither held at point {chosen} nor ended");
        std::thread::sleep(Duration::from_micros(200));
    }
    let mut runtime = Some(runtime);
    match by {
        By::Cancel => program.cancel(),
        By::Token => token.cancel(),
        By::Shutdown => runtime
            .take()
            .map(|runtime| runtime.shutdown_timeout(LIMIT))
            .expect("a runtime")
            .expect("everyone ends"),
        By::Deadline => {}
    }
    let outcome = program.join();
    let at = stage.passed.load(Ordering::SeqCst);
    if let Some(runtime) = runtime {
        // Whoever is left was spawned by a step, and is on its way out.
        eventually("everyone has ended", || runtime.metrics().coroutines.alive() == 0);
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    }
    *stage.held.lock().unwrap() = None;
    assert_eq!(stage.lives.count(), lives, "values, after {by:?} at point {chosen}");
    match stage.mutex.try_lock() {
        Err(std::sync::TryLockError::WouldBlock) => {
            panic!("the mutex is held after {by:?} at point {chosen}")
        }
        // Whoever held it unwound.
        Err(std::sync::TryLockError::Poisoned(_)) => stage.mutex.clear_poison(),
        Ok(_) => {}
    }
    (judge(catch_unwind(AssertUnwindSafe(|| outcome)).expect("joined")), at)
}

fn at_every_point(workers: usize, by: By) {
    bounded(move || {
        let stage = Stage::new();
        let (became, points) = run(workers, &stage, By::Cancel, usize::MAX);
        assert_eq!(became, Became::Done, "before");
        assert!(points >= STEPS.len(), "each step waits");
        for chosen in 0..points {
            let (became, passed) = run(workers, &stage, by, chosen);
            assert_eq!(became, Became::Interrupted, "{by:?} at point {chosen} of {points}");
            // A busy machine may let a deadline pass before.
            assert!(passed > chosen || by == By::Deadline, "{by:?}: {passed} points, {chosen} chosen");
        }
        let (became, again) = run(workers, &stage, By::Cancel, usize::MAX);
        assert_eq!((became, again), (Became::Done, points), "all is as it was");
    });
}

#[test]
fn cancelling_at_every_point_leaves_nothing() {
    [1, 2, 8].into_iter().for_each(|workers| at_every_point(workers, By::Cancel));
}

#[test]
fn a_deadline_at_every_point_leaves_nothing() {
    [1, 2].into_iter().for_each(|workers| at_every_point(workers, By::Deadline));
}

#[test]
fn a_token_at_every_point_leaves_nothing() {
    [1, 2, 8].into_iter().for_each(|workers| at_every_point(workers, By::Token));
}

#[test]
fn a_shutdown_at_every_point_leaves_nothing() {
    [1, 2].into_iter().for_each(|workers| at_every_point(workers, By::Shutdown));
}
