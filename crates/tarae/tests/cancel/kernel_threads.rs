//! Deadlines, tokens and scopes on plain kernel threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tarae::{CancelToken, Cancelled, Elapsed, JoinSet, thread};

use crate::support::{bounded, eventually, ms, runtime};

const HOUR: Duration = Duration::from_secs(3600);

/// Cancels it in a moment, from another kernel thread.
fn later(token: &CancelToken) {
    let token = token.clone();
    std::thread::spawn(move || {
        std::thread::sleep(ms(5));
        token.cancel();
    });
}

#[test]
fn each_way_to_wait_ends_at_the_deadline() {
    bounded(|| {
        let runtime = runtime(1);
        type Wait<'a> = (&'a str, Box<dyn FnMut() + 'a>);
        let waits: [Wait<'_>; 7] = [
            ("sleep", Box::new(|| tarae::sleep(HOUR))),
            ("sleep for ever", Box::new(|| tarae::sleep(Duration::MAX))),
            // Twice: whether an interrupted one had taken a token nobody can tell, so the next may return at once.
            ("park", Box::new(|| (0..2).for_each(|_| thread::park()))),
            ("park_timeout", Box::new(|| (0..2).for_each(|_| thread::park_timeout(HOUR)))),
            (
                "yield",
                Box::new(|| {
                    loop {
                        thread::yield_now();
                    }
                }),
            ),
            ("join", Box::new(|| drop(runtime.spawn(|| tarae::sleep(HOUR)).join()))),
            (
                "a set",
                Box::new(|| {
                    let mut set = JoinSet::new();
                    set.spawn(|| tarae::sleep(HOUR));
                    drop(set.join_next());
                }),
            ),
        ];
        for (what, mut wait) in waits {
            let start = Instant::now();
            assert_eq!(tarae::timeout(ms(10), &mut wait), Err(Elapsed), "{what}");
            assert!(start.elapsed() >= ms(10), "{what}");
            let token = CancelToken::new();
            later(&token);
            assert_eq!(token.run(wait), Err(Cancelled), "{what}");
        }
    });
}

#[test]
fn waits_that_end_before_are_as_ever() {
    bounded(|| {
        let me = thread::current();
        let done = tarae::timeout(HOUR, || {
            let start = Instant::now();
            tarae::sleep(ms(3));
            assert!(start.elapsed() >= ms(3));
            let unparked = Arc::new(AtomicBool::new(false));
            let theirs = Arc::clone(&unparked);
            let unparker = std::thread::spawn(move || {
                std::thread::sleep(ms(3));
                theirs.store(true, Ordering::SeqCst);
                me.unpark();
            });
            // As std's, it may return without reason.
            while !unparked.load(Ordering::SeqCst) {
                thread::park();
            }
            unparker.join().unwrap();
            tarae::spawn(|| 4).join().unwrap()
        });
        assert_eq!(done, Ok(4));
    });
}

#[test]
fn a_scope_ends_its_children_and_waits_for_them() {
    bounded(|| {
        for by_token in [false, true] {
            let (begun, ended) = (AtomicBool::new(false), AtomicBool::new(false));
            let scope = || {
                tarae::scope(|scope| {
                    scope.spawn(|| {
                        struct Ends<'a>(&'a AtomicBool);
                        impl Drop for Ends<'_> {
                            fn drop(&mut self) {
                                tarae::sleep(ms(10));
                                self.0.store(true, Ordering::SeqCst);
                            }
                        }
                        begun.store(true, Ordering::SeqCst);
                        let _ends = Ends(&ended);
                        thread::park();
                    });
                });
            };
            if by_token {
                let token = CancelToken::new();
                later(&token);
                assert_eq!(token.run(scope), Err(Cancelled));
            } else {
                assert_eq!(tarae::timeout(ms(5), scope), Err(Elapsed));
            }
            // On a busy machine it may have been too late to begin.
            assert_eq!(ended.into_inner(), begun.into_inner());
        }
    });
}

#[test]
fn a_shield_holds_and_what_came_meanwhile_comes_after() {
    bounded(|| {
        let start = Instant::now();
        let late = tarae::timeout(ms(2), || {
            tarae::shield(|| {
                tarae::sleep(ms(10));
                tarae::scope(|scope| drop(scope.spawn(|| tarae::sleep(ms(5)))));
            });
            assert!(start.elapsed() >= ms(15));
            tarae::sleep(HOUR);
        });
        assert_eq!(late, Err(Elapsed));
    });
}

#[test]
fn a_wait_in_a_destructor_takes_its_time_and_does_not_spin() {
    bounded(|| {
        struct Slow(CancelToken);
        impl Drop for Slow {
            fn drop(&mut self) {
                let before = cpu_time();
                tarae::sleep(ms(30));
                self.0.wait();
                tarae::spawn(|| tarae::sleep(ms(30))).join().unwrap();
                let spent = cpu_time() - before;
                assert!(spent < ms(25), "{spent:?} of computing in 60 ms of waiting");
            }
        }
        let late = tarae::timeout(ms(2), || {
            let token = CancelToken::new();
            later(&token);
            let _slow = Slow(token);
            thread::park();
        });
        assert_eq!(late, Err(Elapsed));
    });
}

/// Of the calling kernel thread.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("/proc is mounted");
    let nanos = text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    Duration::from_nanos(nanos)
}

#[test]
fn the_token_of_std_is_not_taken_by_a_wait_that_is_interrupted() {
    bounded(|| {
        std::thread::current().unpark();
        assert_eq!(tarae::timeout(ms(2), || tarae::sleep(HOUR)), Err(Elapsed));
        let token = CancelToken::new();
        later(&token);
        assert_eq!(token.run(|| tarae::sleep(HOUR)), Err(Cancelled));
        // Still there.
        std::thread::park();
    });
}

#[test]
fn many_threads_share_a_token() {
    bounded(|| {
        let token = CancelToken::new();
        let waiting = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let all: Vec<_> = (0..10)
            .map(|number| {
                let (token, waiting) = (token.child(), Arc::clone(&waiting));
                std::thread::spawn(move || {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    token.run(|| if number % 2 == 0 { tarae::sleep(HOUR) } else { token.wait() })
                })
            })
            .collect();
        eventually("all wait", || waiting.load(Ordering::SeqCst) == 10);
        token.cancel();
        for (number, one) in all.into_iter().enumerate() {
            let outcome = one.join().unwrap();
            assert!(outcome == Err(Cancelled) || number % 2 == 1, "{number}: {outcome:?}");
        }
    });
}

#[test]
fn an_unpark_that_came_before_the_cancellation_is_not_lost() {
    bounded(|| {
        for _ in 0..20 {
            let token = CancelToken::new();
            let (mine, (told, thread)) = (token.clone(), std::sync::mpsc::channel());
            let parker = std::thread::spawn(move || {
                told.send(thread::current()).unwrap();
                let ended = mine.run(thread::park);
                let start = Instant::now();
                if ended.is_err() {
                    thread::park_timeout(HOUR);
                }
                start.elapsed()
            });
            let thread = thread.recv().unwrap();
            std::thread::sleep(ms(3));
            thread.unpark();
            token.cancel();
            assert!(parker.join().unwrap() < HOUR);
        }
    });
}
