//! `scope`: what its owner and its children see when something ends early.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tarae::net::TcpStream;
use tarae::{CancelToken, Elapsed, thread};

use super::lives::{Canary, Lives};
use super::waits::waiting;
use crate::support::{LIMIT, bounded, eventually, hush, ms, on_workers, panic_on_purpose, runtime, text_of};

fn faults() -> Arc<AtomicUsize> {
    Arc::default()
}

/// A child that goes on for a while after it was interrupted.
fn stays(canary: &Canary) {
    let user = canary.user();
    tarae::shield(|| tarae::sleep(ms(30)));
    user.look();
}

#[test]
fn an_owner_that_was_told_by_a_socket_waits_for_its_children() {
    on_workers(|| {
        let (faults, went_on) = (faults(), Arc::new(AtomicBool::new(false)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (theirs, address, on) =
            (Arc::clone(&faults), listener.local_addr().unwrap(), Arc::clone(&went_on));
        let owner = waiting(move || {
            let canary = Canary::new(&theirs);
            let mut stream = TcpStream::connect(address).unwrap();
            tarae::scope(|scope| {
                scope.spawn(|| stays(&canary));
                // Told, and not unwound: the next wait is the scope's.
                stream.read(&mut [0]).unwrap_err();
            });
            on.store(true, Ordering::SeqCst);
        });
        owner.cancel();
        assert!(tarae::is_cancelled(&*owner.join().unwrap_err()));
        assert_eq!(faults.load(Ordering::SeqCst), 0);
        assert!(!went_on.load(Ordering::SeqCst), "it unwinds when its children have ended");
    });
}

#[test]
fn whoever_is_cancelled_in_the_wait_cancels_the_children_and_waits_on() {
    on_workers(|| {
        let (faults, cleaned, returned) =
            (faults(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (theirs, count, late) = (Arc::clone(&faults), Arc::clone(&cleaned), Arc::clone(&returned));
        let begun = Arc::new(AtomicUsize::new(0));
        let started = Arc::clone(&begun);
        let owner = tarae::spawn(move || {
            let canary = Canary::new(&theirs);
            struct Slow<'a>(&'a AtomicUsize, &'a Canary);
            impl Drop for Slow<'_> {
                fn drop(&mut self) {
                    tarae::sleep(ms(20));
                    self.1.user().look();
                    self.0.fetch_add(1, Ordering::SeqCst);
                }
            }
            tarae::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        let _slow = Slow(&count, &canary);
                        started.fetch_add(1, Ordering::SeqCst);
                        tarae::sleep(Duration::MAX);
                    });
                }
            });
            late.store(true, Ordering::SeqCst);
        });
        eventually("all run", || begun.load(Ordering::SeqCst) == 3);
        owner.cancel();
        assert!(tarae::is_cancelled(&*owner.join().unwrap_err()));
        assert_eq!(cleaned.load(Ordering::SeqCst), 3, "their destructors came to their end");
        assert_eq!(faults.load(Ordering::SeqCst), 0);
        assert!(!returned.load(Ordering::SeqCst));
    });
}

#[test]
fn a_timeout_around_a_scope_is_one_of_its_owner_whoever_is_first() {
    on_workers(|| {
        for join in [false, true] {
            for _ in 0..20 {
                let late = tarae::timeout(ms(3), || {
                    tarae::scope(|scope| {
                        let one = scope.spawn(|| tarae::sleep(Duration::MAX));
                        if join {
                            // Does not panic: the joiner's own deadline has passed, too.
                            one.join().unwrap();
                        }
                    });
                });
                assert_eq!(late, Err(Elapsed));
            }
        }
    });
}

/// The child is through before its owner looks.
#[test]
fn an_owner_that_did_not_wait_hears_of_a_child_that_ran_out_of_time() {
    bounded(|| {
        let runtime = runtime(2);
        let outcome = runtime.run(|| {
            tarae::timeout(ms(5), || {
                tarae::scope(|scope| {
                    let child = scope.spawn(|| tarae::sleep(Duration::MAX));
                    while !child.is_finished() {
                        std::thread::sleep(ms(1));
                    }
                })
            })
        });
        assert_eq!(outcome, Err(Elapsed));
    });
}

#[test]
fn what_is_done_counts_however_late() {
    on_workers(|| {
        let outcome = tarae::timeout(ms(2), || {
            tarae::scope(|scope| {
                let child = scope.spawn(|| 7);
                tarae::shield(|| tarae::sleep(ms(10)));
                child.join().unwrap()
            })
        });
        assert_eq!(outcome, Ok(7));
    });
}

#[test]
fn a_child_that_is_cancelled_counts_as_joined() {
    on_workers(|| {
        let result = tarae::scope(|scope| {
            scope.spawn(|| tarae::sleep(Duration::MAX)).cancel();
            let joined = scope.spawn(|| tarae::sleep(Duration::MAX));
            joined.cancel();
            assert!(tarae::is_cancelled(&*joined.join().unwrap_err()));
            5
        });
        assert_eq!(result, 5);
    });
}

#[test]
fn a_panic_that_nobody_joined_is_the_scopes_also_if_its_handle_is_forgotten() {
    hush();
    on_workers(|| {
        for forget in [false, true] {
            let others = AtomicUsize::new(0);
            let panic = catch_unwind(AssertUnwindSafe(|| {
                tarae::scope(|scope| {
                    let handle = scope.spawn(|| panic_on_purpose());
                    scope.spawn(|| (tarae::sleep(ms(5)), others.fetch_add(1, Ordering::SeqCst)));
                    if forget {
                        std::mem::forget(handle);
                    }
                });
            }));
            // As std's, which the panic hook told of.
            assert_eq!(text_of(&*panic.unwrap_err()), "a scoped thread panicked");
            assert_eq!(others.load(Ordering::SeqCst), 1, "its siblings come to their end");
        }
        let joined = tarae::scope(|scope| scope.spawn(|| panic_on_purpose()).join().is_err());
        assert!(joined);
    });
}

#[test]
fn a_panic_in_the_body_lets_the_children_come_to_their_end() {
    hush();
    on_workers(|| {
        let done = AtomicUsize::new(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            tarae::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (tarae::sleep(ms(5)), done.fetch_add(1, Ordering::SeqCst)));
                }
                panic_on_purpose();
            });
        }));
        assert!(text_of(&*panic.unwrap_err()).contains("on purpose"));
        assert_eq!(done.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn values_that_panic_when_they_are_dropped_end_the_child_not_the_scope() {
    hush();
    struct Bomb(#[allow(dead_code, reason = "a field that is captured")] u32);
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_on_purpose();
        }
    }
    on_workers(|| {
        let (lives, done) = (Lives::default(), AtomicUsize::new(0));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            tarae::scope(|scope| {
                let (bomb, life) = (Bomb(1), lives.one());
                let run = scope.spawn(move || {
                    let _bomb = &bomb;
                    let _life = &life;
                });
                assert!(text_of(&*run.join().unwrap_err()).contains("on purpose"));
                scope.spawn(|| done.fetch_add(1, Ordering::SeqCst));
                // Never run, but dropped.
                let (bomb, life) = (Bomb(2), lives.one());
                let unrun = scope.spawn(move || (&bomb.0, &life, tarae::sleep(Duration::MAX)).2);
                unrun.cancel();
                drop(unrun.join());
            });
        }));
        drop(outcome);
        assert_eq!((lives.count(), done.load(Ordering::SeqCst)), (0, 1));
    });
}

#[test]
fn a_spawn_that_fails_half_way_leaves_a_scope_that_ends() {
    hush();
    on_workers(|| {
        let (lives, done) = (Lives::default(), AtomicUsize::new(0));
        tarae::scope(|scope| {
            for size in [1 << 62, 64 << 10] {
                let life = lives.one();
                let builder = thread::Builder::new().stack_size(size);
                let spawned = builder.spawn_scoped(scope, || {
                    let _life = life;
                    done.fetch_add(1, Ordering::SeqCst);
                });
                assert_eq!(spawned.is_ok(), size < 1 << 62);
            }
            let life = lives.one();
            let unnamed = catch_unwind(AssertUnwindSafe(|| {
                let builder = thread::Builder::new().name("nul on purpose \0".into());
                builder.spawn_scoped(scope, || drop(life)).map(drop)
            }));
            assert!(unnamed.is_err());
        });
        assert_eq!((lives.count(), done.load(Ordering::SeqCst)), (0, 1));
    });
}

#[test]
fn results_are_dropped_once_taken_or_not() {
    on_workers(|| {
        let lives = Lives::default();
        tarae::scope(|scope| {
            let taken = scope.spawn(|| lives.one());
            let dropped = scope.spawn(|| lives.one());
            drop(dropped);
            let (kept, _) = (scope.spawn(|| lives.one()), scope.spawn(|| lives.one()));
            drop(taken.join().unwrap());
            eventually("a result that nobody wants is dropped", || lives.made() == 4);
            drop(kept);
        });
        assert_eq!((lives.count(), lives.made()), (0, 4));
    });
}

#[test]
fn children_spawn_children_of_the_same_scope() {
    on_workers(|| {
        let count = AtomicUsize::new(0);
        tarae::scope(|scope| {
            fn grow<'s>(scope: &'s thread::Scope<'s, '_>, count: &'s AtomicUsize, depth: u32) {
                count.fetch_add(1, Ordering::SeqCst);
                for _ in 0..if depth > 0 { 3 } else { 0 } {
                    scope.spawn(move || {
                        thread::yield_now();
                        grow(scope, count, depth - 1);
                    });
                }
            }
            grow(scope, &count, 5);
        });
        assert_eq!(count.into_inner(), (0..=5).map(|level| 3usize.pow(level)).sum::<usize>());
    });
}

#[test]
fn one_that_is_spawned_after_the_scope_was_cancelled_does_not_run() {
    on_workers(|| {
        let (ran, lives) = (Arc::new(AtomicBool::new(false)), Lives::default());
        let (theirs, lived) = (Arc::clone(&ran), lives.clone());
        let begun = Arc::new(AtomicBool::new(false));
        let started = Arc::clone(&begun);
        let owner = tarae::spawn(move || {
            tarae::scope(|scope| {
                let (ran, lives, started) = (&theirs, &lived, &started);
                scope.spawn(move || {
                    started.store(true, Ordering::SeqCst);
                    let late = catch_unwind(AssertUnwindSafe(|| tarae::sleep(Duration::MAX)));
                    let life = lives.one();
                    scope.spawn(move || (life, ran.store(true, Ordering::SeqCst)).1);
                    late.unwrap_or_else(|payload| resume_unwind(payload));
                });
            });
        });
        eventually("the child runs", || begun.load(Ordering::SeqCst));
        owner.cancel();
        drop(owner.join());
        assert!(!ran.load(Ordering::SeqCst));
        assert_eq!((lives.count(), lives.made()), (0, 1));
    });
}

#[test]
fn the_payload_of_a_cancelled_child_passes_for_a_cancellation_and_for_no_timeout() {
    on_workers(|| {
        let outcome = catch_unwind(|| {
            tarae::timeout(Duration::from_secs(3600), || {
                CancelToken::new().run(|| {
                    let other = tarae::spawn(|| tarae::sleep(Duration::MAX));
                    other.cancel();
                    resume_unwind(other.join().unwrap_err())
                })
            })
        });
        let payload = outcome.map(|_: Result<Result<(), _>, _>| ()).unwrap_err();
        assert!(tarae::is_cancelled(&*payload));
        tarae::sleep(ms(1)); // The caller is not cancelled.
    });
}

#[test]
fn a_shielded_scope_is_not_cut_short() {
    on_workers(|| {
        let done = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&done);
        let owner = waiting(move || {
            tarae::shield(|| {
                tarae::scope(|scope| {
                    scope.spawn(|| {
                        tarae::sleep(ms(20));
                        theirs.lock().unwrap().push("child");
                    });
                });
            });
            theirs.lock().unwrap().push("owner");
            tarae::sleep(Duration::MAX);
        });
        owner.cancel();
        assert!(owner.join().is_err());
        assert_eq!(*done.lock().unwrap(), ["child", "owner"]);
    });
}

#[test]
fn a_scope_that_waits_is_named_in_what_is_told_of_waiting() {
    bounded(|| {
        let runtime = runtime(1);
        runtime.run(|| {
            let me = tarae_task::current().unwrap();
            tarae::scope(|scope| {
                scope.spawn(move || {
                    let waits = || me.phase() == "parked" && me.reason() == tarae_task::Reason::Scope;
                    eventually("the owner waits for its children", waits);
                    assert_eq!(me.reason().to_string(), "the children of a scope");
                });
            });
        });
        runtime.shutdown_timeout(LIMIT).unwrap();
    });
}

#[test]
fn a_timeout_inside_of_a_scope_bounds_the_call_and_not_the_children_that_it_spawns() {
    on_workers(|| {
        let (mut done, outer) = (false, tarae::deadline::current());
        let seen = tarae::scope(|scope| {
            let child = tarae::timeout(ms(5), || {
                scope.spawn(|| {
                    tarae::sleep(ms(20));
                    done = true;
                    tarae::deadline::current()
                })
            });
            child.unwrap().join().unwrap()
        });
        assert!(done, "it has come to its end");
        assert_eq!(seen, outer);
        let tried = tarae::try_scope(|scope| {
            let late = || {
                tarae::sleep(ms(20));
                Err::<(), _>("late")
            };
            tarae::timeout(ms(5), || drop(scope.spawn(late))).unwrap();
            Ok(())
        });
        assert_eq!(tried, Err("late"), "it has come to its end there, too");
    });
}
