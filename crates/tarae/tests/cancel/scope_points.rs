//! At every point of a scope, of its body, its children, and theirs, something ends it; and nobody is there any more when it has
//! returned, or unwound.
//!
//! Points are numbered as they are passed, by whomever. At the chosen one its finder does what is to be done, and goes on. All
//! touch a count that outlives the frame; after the call of the scope nobody may. Handles and guards are forgotten, in every second
//! run.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tarae::generator::ScopedGenerator;
use tarae::{CancelToken, try_scope};
use tarae_task::Coroutine;

use super::lives::Canary;
use crate::support::{LIMIT, bounded, hush, ms, panic_on_purpose, runtime};

/// What is done at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Nothing,
    Panic,
    /// The owner of the scope is cancelled; on a kernel thread, under a token.
    CancelOwner,
    /// Whoever comes there is.
    CancelSelf,
    /// The deadline of the scope passes.
    Elapse,
    /// As [`CancelOwner`](Act::CancelOwner), and a panic.
    CancelAndPanic,
}

const ACTS: [Act; 6] =
    [Act::Nothing, Act::Panic, Act::CancelOwner, Act::CancelSelf, Act::Elapse, Act::CancelAndPanic];

/// How a scope is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    MayFail,
    Generators,
}

const KINDS: [Kind; 3] = [Kind::Plain, Kind::MayFail, Kind::Generators];

/// What all share, and what outlives the frame.
struct Stand {
    chosen: usize,
    act: Act,
    forgets: bool,
    passed: AtomicUsize,
    /// Set while the frame is there.
    is_open: AtomicBool,
    /// How often somebody was there when it was not, and frames that went before their users.
    faults: Arc<AtomicUsize>,
    owner: Option<Coroutine>,
    token: CancelToken,
    until: Instant,
}

impl Stand {
    fn touch(&self) {
        if !self.is_open.load(Ordering::SeqCst) {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn point(&self) {
        self.touch();
        if self.passed.fetch_add(1, Ordering::SeqCst) == self.chosen {
            self.act();
        }
        tarae::sleep(Duration::from_micros(50));
        self.touch();
    }

    fn act(&self) {
        let cancel = || match &self.owner {
            Some(owner) => owner.cancel(),
            None => self.token.cancel(),
        };
        match self.act {
            Act::Nothing => {}
            Act::Panic => panic_on_purpose(),
            Act::CancelOwner => cancel(),
            Act::CancelSelf => tarae_task::current().iter().for_each(Coroutine::cancel),
            Act::Elapse => std::thread::sleep(self.until.saturating_duration_since(Instant::now())),
            Act::CancelAndPanic => {
                cancel();
                panic_on_purpose();
            }
        }
    }

    /// Keeps a value, or leaks it.
    fn keep<T>(&self, value: T) -> Option<T> {
        if self.forgets {
            std::mem::forget(value);
            return None;
        }
        Some(value)
    }
}

/// A point in a destructor.
struct Late<'a>(&'a Stand, &'a Canary);

impl Drop for Late<'_> {
    fn drop(&mut self) {
        self.1.user().look();
        // A panic that unwinds out of one that runs for an unwinding ends the process.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.0.point()));
        self.0.touch();
        if let Err(payload) = outcome
            && !std::thread::panicking()
        {
            resume_unwind(payload);
        }
    }
}

fn child(stand: &Stand, canary: &Canary, depth: usize) {
    let user = canary.user();
    let _late = Late(stand, canary);
    stand.point();
    if depth > 0 {
        let own = Canary::new(&stand.faults);
        tarae::scope(|scope| {
            let _kept = stand.keep(scope.spawn(|| child(stand, &own, depth - 1)));
            stand.point();
        });
    }
    user.look();
}

fn scoped(stand: &Stand, kind: Kind) {
    let canary = &Canary::new(&stand.faults);
    let shared = std::sync::Mutex::new(0);
    match kind {
        Kind::Plain => tarae::scope(|scope| {
            let guard = stand.keep(shared.lock().expect("not poisoned"));
            stand.point();
            let one = scope.spawn(|| child(stand, canary, 1));
            stand.point();
            let one = stand.keep(one);
            scope.spawn(move || {
                scope.spawn(|| child(stand, canary, 0));
                stand.point();
            });
            drop(guard);
            if let Some(one) = one {
                let _ = one.join();
            }
            stand.point();
        }),
        Kind::MayFail => {
            let _: Result<(), ()> = try_scope(|scope| {
                let one = scope.spawn(|| {
                    child(stand, canary, 1);
                    Ok(())
                });
                stand.point();
                let one = stand.keep(one);
                let _other = stand.keep(scope.spawn(|| {
                    child(stand, canary, 0);
                    Err::<(), ()>(())
                }));
                if let Some(one) = one {
                    one.join().map_err(drop)?;
                }
                stand.point();
                Ok(())
            });
        }
        Kind::Generators => tarae::scope(|scope| {
            let mut walk = ScopedGenerator::new(scope, |yielder, ()| {
                let _late = Late(stand, canary);
                for number in 0..2 {
                    stand.point();
                    yielder.suspend((number, canary));
                }
            });
            for (_, borrowed) in walk.by_ref().take(2) {
                borrowed.user().look();
                stand.point();
            }
            drop(walk);
            stand.point();
        }),
    }
}

/// Opens the scope, and says how many points there were.
fn run(kind: Kind, act: Act, chosen: usize, forgets: bool, faults: &Arc<AtomicUsize>) -> usize {
    let token = CancelToken::new();
    let stand = Arc::new(Stand {
        chosen,
        act,
        forgets,
        passed: AtomicUsize::new(0),
        is_open: AtomicBool::new(true),
        faults: Arc::clone(faults),
        owner: tarae_task::current(),
        token: token.clone(),
        until: Instant::now() + if act == Act::Elapse { ms(8) } else { LIMIT },
    });
    let theirs = Arc::clone(&stand);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let in_time = || tarae::deadline::until(stand.until, || scoped(&theirs, kind));
        token.run(in_time)
    }));
    stand.is_open.store(false, Ordering::SeqCst);
    if act == Act::Nothing {
        outcome.expect("no panic").expect("not cancelled").expect("in time");
    }
    stand.passed.load(Ordering::SeqCst)
}

/// Does everything at each point of each kind; `call` runs it somewhere.
fn at_every_point(call: impl Fn(Box<dyn FnOnce() -> usize + Send>) -> usize) {
    hush();
    let faults = Arc::new(AtomicUsize::new(0));
    for kind in KINDS {
        for forgets in [false, true] {
            let points = {
                let faults = Arc::clone(&faults);
                call(Box::new(move || run(kind, Act::Nothing, usize::MAX, forgets, &faults)))
            };
            assert!(points > 4, "{kind:?}");
            for act in ACTS {
                if (kind, act) == (Kind::Generators, Act::CancelSelf) {
                    // What only a runtime does to a body: whoever resumes it panics, aloud.
                    continue;
                }
                for chosen in 0..points {
                    println!("{kind:?}: {act:?} at point {chosen} of {points}, handles forgotten: {forgets}");
                    let faults = Arc::clone(&faults);
                    call(Box::new(move || run(kind, act, chosen, forgets, &faults)));
                }
            }
        }
    }
    // Whoever is late has come by now: the runtimes have ended.
    assert_eq!(faults.load(Ordering::SeqCst), 0, "uses of frames that were gone");
}

#[test]
fn whatever_happens_at_a_point_of_a_scope_nobody_is_left_in_it() {
    for workers in [1, 2] {
        bounded(move || {
            let runtime = Arc::new(runtime(workers));
            let ours = Arc::clone(&runtime);
            at_every_point(move |run| ours.spawn(run).join().expect("it catches what unwinds"));
            let runtime = Arc::into_inner(runtime).expect("the only one");
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}

#[test]
fn nor_in_one_of_a_kernel_thread() {
    bounded(|| at_every_point(|run| std::thread::spawn(run).join().expect("no panic")));
}
