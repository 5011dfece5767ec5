//! What the steps of the program work with: points to wait at, others that end the waits, and what is looked at afterwards.
//!
//! A step waits at a *point*. At the one that is chosen it waits for what never comes, until the [driver](super::points) has seen
//! that it waits, and interrupts it. At the others it waits for a moment.
//!
//! Where a wait ends by what somebody else does, that is done on a kernel thread, which no runtime takes away:
//!
//! ```text
//!  the step:   until(act, wait) ── waits for `ready` ──► wait() …………………… ends, or unwinds ──► due
//!  the other:         act:  takes the lock ── ready ──► moment.wait() ── due ──► gives it back
//!  the driver:                                          sees both wait ── interrupts; in a race: due, at the same time
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use tarae_task::Coroutine;

use super::lives::{Life, Lives};
use crate::support::{LIMIT, eventually, ms};

/// A point: the step, and which of its waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) step: usize,
    pub(crate) wait: usize,
}

/// A look at what a step has left.
type Look = Box<dyn FnOnce() + Send>;

/// What is in it outlives each run, and must be as good after it as before.
pub(crate) struct Stage {
    run: Mutex<Run>,
    lives: Lives,
    pub(crate) mutex: Mutex<Life>,
}

#[derive(Default)]
struct Run {
    chosen: Option<Point>,
    /// The next point.
    next: Option<Point>,
    name: &'static str,
    /// How many points each step has had so far.
    passed: Vec<usize>,
    /// The points at which somebody else ends the wait.
    contested: Vec<Point>,
    held: Option<Held>,
    others: Vec<(&'static str, JoinHandle<()>)>,
    partners: Vec<(&'static str, Look)>,
    looks: Vec<(&'static str, Look)>,
}

/// Who waits at the chosen point.
#[derive(Clone)]
pub(crate) struct Held {
    coroutine: Coroutine,
    /// It does not park: it lets others run, over and over.
    yields: Arc<AtomicBool>,
    /// When somebody else ends the wait.
    pub(crate) moment: Option<Moment>,
}

impl Held {
    /// Whether it waits, and so does who could end that.
    pub(crate) fn waits(&self) -> bool {
        let waits = self.coroutine.phase() == "parked" || self.yields.load(Ordering::SeqCst);
        waits && self.moment.as_ref().is_none_or(Moment::is_awaited)
    }
}

impl Stage {
    pub(crate) fn new() -> Arc<Stage> {
        let lives = Lives::default();
        Arc::new(Stage { run: Mutex::default(), mutex: Mutex::new(lives.one()), lives })
    }

    /// A value that must be dropped once.
    pub(crate) fn life(&self) -> Life {
        self.lives.one()
    }

    pub(crate) fn lives(&self) -> i64 {
        self.lives.count()
    }

    /// Begins a run, that is to be held at `chosen`.
    pub(crate) fn begin(&self, chosen: Option<Point>) {
        *self.run() = Run { chosen, ..Run::default() };
    }

    /// The program comes to a step.
    pub(crate) fn enter(&self, step: usize, name: &'static str) {
        let mut run = self.run();
        run.name = name;
        run.next = Some(Point { step, wait: 0 });
        run.passed.resize(step + 1, 0);
    }

    /// How many points each step had.
    pub(crate) fn passed(&self) -> Vec<usize> {
        self.run().passed.clone()
    }

    /// The points at which somebody else ends the wait.
    pub(crate) fn contested(&self) -> Vec<Point> {
        self.run().contested.clone()
    }

    pub(crate) fn held(&self) -> Option<Held> {
        self.run().held.clone()
    }

    /// Waits: for ever, if it is called with true.
    pub(crate) fn point<R>(&self, wait: impl FnOnce(bool) -> R) -> R {
        let is_chosen = self.pass(false);
        if is_chosen {
            self.hold(None);
        }
        wait(is_chosen)
    }

    /// A sleep that is a point.
    pub(crate) fn sleep(&self) {
        self.point(|is_held| tarae::sleep(if is_held { Duration::MAX } else { ms(1) }));
    }

    /// A point at which `wait` ends by what `act` does on another thread: in a moment, but at the chosen point not before `wait`
    /// has ended, or the program is interrupted. `wait` is called when `act` says that it is ready, or waits.
    pub(crate) fn until<R>(&self, act: impl FnOnce(&Moment) + Send + 'static, wait: impl FnOnce() -> R) -> R {
        let is_chosen = self.pass(true);
        let moment = Moment::new(is_chosen);
        let theirs = moment.clone();
        let other = std::thread::spawn(move || {
            let _ready = Ready(&theirs);
            act(&theirs);
        });
        {
            let mut run = self.run();
            let name = run.name;
            run.others.push((name, other));
        }
        moment.until_ready();
        if is_chosen {
            self.hold(Some(moment.clone()));
        }
        let _due = Due(moment);
        wait()
    }

    /// Whether this is the chosen one.
    fn pass(&self, is_contested: bool) -> bool {
        let mut run = self.run();
        let here = run.next.expect("points are in steps");
        run.contested.extend(is_contested.then_some(here));
        run.next = Some(Point { wait: here.wait + 1, ..here });
        run.passed[here.step] = here.wait + 1;
        run.chosen == Some(here)
    }

    fn hold(&self, moment: Option<Moment>) {
        let coroutine = tarae_task::current().expect("steps run on coroutines");
        self.run().held = Some(Held { coroutine, yields: Arc::default(), moment });
    }

    /// Says that the one at the chosen point will not park.
    pub(crate) fn yields(&self) {
        self.held().expect("a chosen point").yields.store(true, Ordering::SeqCst);
    }

    /// Has `partner` called when the program has ended, however that was: where the other may wait for one.
    pub(crate) fn in_place_of_it(&self, partner: impl FnOnce() + Send + 'static) {
        let mut run = self.run();
        let name = run.name;
        run.partners.push((name, Box::new(partner)));
    }

    /// Has `look` called when the program has ended, and the others, too.
    pub(crate) fn afterwards(&self, look: impl FnOnce() + Send + 'static) {
        let mut run = self.run();
        let name = run.name;
        run.looks.push((name, Box::new(look)));
    }

    /// The program has ended: looks at what its steps have left, and waits for the others.
    pub(crate) fn end(&self) {
        let Run { partners, others, looks, .. } = {
            let mut run = self.run();
            let passed = run.passed.clone();
            let contested = run.contested.clone();
            std::mem::replace(&mut *run, Run { passed, contested, ..Run::default() })
        };
        call_all(partners);
        for (name, other) in others {
            eventually(&format!("the other of '{name}' ends"), || other.is_finished());
            other.join().unwrap_or_else(|_| panic!("the other of '{name}' has panicked"));
        }
        call_all(looks);
        match self.mutex.try_lock() {
            Err(std::sync::TryLockError::WouldBlock) => panic!("std's mutex is held"),
            // Whoever held it unwound.
            Err(std::sync::TryLockError::Poisoned(_)) => self.mutex.clear_poison(),
            Ok(_) => {}
        }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn call_all(looks: Vec<(&'static str, Look)>) {
    for (name, look) in looks {
        println!("after '{name}'");
        tarae::timeout(LIMIT / 2, look)
            .unwrap_or_else(|_| panic!("what '{name}' has left makes others wait for ever"));
    }
}

/// When somebody does what ends a wait.
#[derive(Clone)]
pub(crate) struct Moment(Arc<(Mutex<Marks>, Condvar)>);

struct Marks {
    /// It is a matter of waiting for it; otherwise it comes by itself.
    is_chosen: bool,
    ready: bool,
    awaited: bool,
    due: bool,
}

impl Moment {
    fn new(is_chosen: bool) -> Moment {
        let marks = Marks { is_chosen, ready: false, awaited: false, due: false };
        Moment(Arc::new((Mutex::new(marks), Condvar::new())))
    }

    /// Says that the wait may begin.
    pub(crate) fn ready(&self) {
        self.mark(|marks| marks.ready = true);
    }

    /// Waits for it.
    pub(crate) fn wait(&self) {
        assert!(self.wait_at_most(LIMIT), "nobody came");
    }

    /// Waits for it, where it may be that an interrupted wait goes on; whether it came.
    pub(crate) fn wait_at_most(&self, patience: Duration) -> bool {
        self.mark(|marks| (marks.ready, marks.awaited) = (true, true));
        if self.marks().is_chosen {
            return self.until(patience, |marks| marks.due);
        }
        std::thread::sleep(ms(1));
        true
    }

    /// It has come.
    pub(crate) fn due(&self) {
        self.mark(|marks| marks.due = true);
    }

    fn until_ready(&self) {
        assert!(self.until(LIMIT, |marks| marks.ready), "the other one is not ready");
    }

    fn is_awaited(&self) -> bool {
        self.marks().awaited
    }

    fn mark(&self, change: impl FnOnce(&mut Marks)) {
        change(&mut self.marks());
        self.0.1.notify_all();
    }

    fn until(&self, patience: Duration, condition: impl Fn(&Marks) -> bool) -> bool {
        let marks = self.0.1.wait_timeout_while(self.marks(), patience, |marks| !condition(marks));
        !marks.expect("not poisoned").1.timed_out()
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.0.0.lock().expect("not poisoned")
    }
}

/// One that has ended will not be ready later.
struct Ready<'a>(&'a Moment);

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        self.0.mark(|marks| (marks.ready, marks.awaited) = (true, true));
    }
}

/// A wait has ended.
struct Due(Moment);

impl Drop for Due {
    fn drop(&mut self) {
        self.0.due();
    }
}
