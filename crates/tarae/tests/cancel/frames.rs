//! However a scope ends, no child runs on a frame that is gone: random scopes, ended in all ways at random moments.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tarae::{CancelToken, thread};

use super::lives::{Canary, Lives};
use crate::support::seed::Random;
use crate::support::{bounded, eventually, hush, panic_on_purpose, runtime};

const ROUNDS: u64 = 150;

/// What all of a run share.
#[derive(Clone, Default)]
struct Run {
    faults: Arc<AtomicUsize>,
    lives: Lives,
}

fn micros(random: &mut Random, most: u64) -> Duration {
    Duration::from_micros(random.below(most))
}

/// Waits in one of the ways that there are, or not at all.
fn wait(random: &mut Random) {
    match random.below(6) {
        0 => thread::yield_now(),
        1 => tarae::sleep(micros(random, 1500)),
        2 => thread::park_timeout(micros(random, 800)),
        3 => {
            let _ = tarae::timeout(micros(random, 500), || tarae::sleep(Duration::from_millis(2)));
        }
        4 => tarae::shield(|| tarae::sleep(micros(random, 500))),
        _ => {}
    }
}

/// Looks at what it borrows, waits, and looks again, as it is dropped.
struct Slow<'a>(&'a Canary, u64);

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        let user = self.0.user();
        tarae::sleep(Duration::from_micros(self.1));
        user.look();
    }
}

fn child<'scope>(
    run: &Run,
    mut random: Random,
    canary: &'scope Canary,
    scope: &'scope thread::Scope<'scope, '_>,
    depth: u64,
) {
    let user = canary.user();
    let _life = run.lives.one();
    let _slow = (random.below(3) == 0).then(|| Slow(canary, random.below(1000)));
    for _ in 0..random.below(4) {
        wait(&mut random);
        user.look();
        if depth > 0 && random.below(3) == 0 {
            nested(run, random.split(), depth - 1);
        }
        if depth > 0 && random.below(4) == 0 {
            let (run, random) = (run.clone(), random.split());
            scope.spawn(move || child(&run, random, canary, scope, depth - 1));
        }
    }
    if random.below(8) == 0 {
        panic_on_purpose();
    }
}

/// Opens a scope, and ends it in one of the ways that there are.
fn nested(run: &Run, mut random: Random, depth: u64) {
    let canary = Canary::new(&run.faults);
    let _life = run.lives.one();
    tarae::scope(|scope| {
        let mut kept = Vec::new();
        for _ in 0..1 + random.below(4) {
            let (theirs, chance, canary) = (run.clone(), random.split(), &canary);
            let handle = scope.spawn(move || child(&theirs, chance, canary, scope, depth));
            match random.below(6) {
                0 => std::mem::forget(handle),
                1 => drop(handle),
                2 => handle.cancel(),
                3 => drop(handle.join()),
                _ => kept.push(handle),
            }
            if random.below(3) == 0 {
                wait(&mut random);
            }
        }
        // As a socket does that is interrupted: whoever waits after that unwinds.
        if random.below(3) == 0 {
            let _ = tarae_task::check();
        }
        match random.below(6) {
            0 => panic_on_purpose(),
            1 => std::mem::forget(kept),
            2 => kept.into_iter().for_each(|handle| drop(handle.join())),
            3 => kept.iter().for_each(thread::ScopedJoinHandle::cancel),
            _ => {}
        }
    });
}

/// Opens a scope while it unwinds.
struct OpensOne<'a>(&'a Run, Option<Random>);

impl Drop for OpensOne<'_> {
    fn drop(&mut self) {
        let random = self.1.take().expect("dropped once");
        // What unwinds out of a destructor that runs for an unwinding ends the process.
        let _ = catch_unwind(AssertUnwindSafe(|| nested(self.0, random, 0)));
    }
}

/// One scope, somewhere: under a deadline, a token, a shield, or in a destructor.
fn owner(run: &Run, mut random: Random) {
    let chance = random.split();
    let _ = catch_unwind(AssertUnwindSafe(|| match random.below(9) {
        0 | 1 => {
            let _ = tarae::timeout(micros(&mut random, 3000), || nested(run, chance, 2));
        }
        2 | 3 => {
            let token = CancelToken::new();
            let (theirs, after) = (token.clone(), micros(&mut random, 3000));
            let canceller = tarae::spawn(move || {
                tarae::sleep(after);
                theirs.cancel();
            });
            let _ = token.run(|| nested(run, chance, 2));
            drop(canceller.join());
        }
        4 => tarae::shield(|| nested(run, chance, 1)),
        5 => tarae::blocking(|| nested(run, chance, 1)),
        6 => {
            let _opens = OpensOne(run, Some(chance));
            panic_on_purpose();
        }
        7 => {
            // Where there are as many threads as there may be, it is an error, and no lock.
            let _lock = tarae::lock_thread();
            nested(run, chance, 1);
        }
        _ => nested(run, chance, 2),
    }));
}

#[test]
fn no_child_outlives_the_frame_that_it_borrows_from() {
    hush();
    for workers in [1, 2, 8] {
        let mut random = Random::from_environment();
        bounded(move || {
            let (runtime, run) = (runtime(workers), Run::default());
            for _ in 0..ROUNDS {
                let owners: Vec<_> = (0..4)
                    .map(|_| {
                        let (run, random) = (run.clone(), random.split());
                        runtime.spawn(move || owner(&run, random))
                    })
                    .collect();
                for one in owners {
                    if random.below(2) == 0 {
                        std::thread::sleep(micros(&mut random, 1500));
                        one.cancel();
                    }
                    let _ = one.join();
                }
            }
            eventually("all that was made is dropped", || run.lives.count() == 0);
            assert_eq!(run.faults.load(Ordering::SeqCst), 0, "frames that went before their users");
            assert!(run.lives.made() > ROUNDS);
        });
    }
}

#[test]
fn nor_from_that_of_a_kernel_thread() {
    hush();
    let mut random = Random::from_environment();
    bounded(move || {
        let run = Run::default();
        for _ in 0..ROUNDS {
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    let (run, random) = (&run, random.split());
                    scope.spawn(move || owner(run, random));
                }
            });
        }
        eventually("all that was made is dropped", || run.lives.count() == 0);
        assert_eq!(run.faults.load(Ordering::SeqCst), 0, "frames that went before their users");
    });
}

/// Runtimes that are shut down under the scopes of their coroutines.
#[test]
fn nor_in_a_shutdown() {
    hush();
    for workers in [1, 2, 8] {
        let mut random = Random::from_environment();
        bounded(move || {
            let run = Run::default();
            for _ in 0..40 {
                let runtime = runtime(workers);
                for _ in 0..6 {
                    let (run, random) = (run.clone(), random.split());
                    runtime.spawn(move || owner(&run, random));
                }
                std::thread::sleep(micros(&mut random, 2000));
                runtime.shutdown_timeout(crate::support::LIMIT).expect("everyone ends");
            }
            assert_eq!(run.faults.load(Ordering::SeqCst), 0, "frames that went before their users");
            assert_eq!(run.lives.count(), 0);
        });
    }
}
