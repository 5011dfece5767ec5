//! `try_scope`: the first error or panic ends the others, and is what comes out.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use tarae::{CancelToken, Cancelled, Elapsed, thread};

use super::lives::{Canary, Lives};
use crate::support::{eventually, hush, ms, on_workers, panic_on_purpose, text_of};

/// What fails.
#[derive(Debug, PartialEq, Eq)]
struct Failed(u32);

impl From<Cancelled> for Failed {
    fn from(_: Cancelled) -> Failed {
        Failed(u32::MAX)
    }
}

fn for_ever<T>() -> Result<T, Failed> {
    tarae::sleep(Duration::MAX);
    unreachable!("for ever")
}

#[test]
fn without_an_error_it_is_a_scope() {
    on_workers(|| {
        let words = ["a", "bc", "def"];
        let sum = tarae::try_scope(|scope| {
            let all: Vec<_> = words.iter().map(|word| scope.spawn(|| Ok(word.len()))).collect();
            all.into_iter().map(|one| Ok(one.join()?)).sum::<Result<usize, Failed>>()
        });
        assert_eq!(sum, Ok(6));
    });
}

#[test]
fn the_first_error_ends_the_siblings_and_the_body_and_comes_out() {
    on_workers(|| {
        let (lives, faults) = (Lives::default(), Arc::default());
        let canary = Canary::new(&faults);
        let failed = tarae::try_scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    let (_life, user) = (lives.one(), canary.user());
                    let result: Result<(), _> = for_ever();
                    drop(user);
                    result
                });
            }
            scope.spawn(|| {
                tarae::sleep(ms(3));
                Err::<(), _>(Failed(7))
            });
            let _life = lives.one();
            for_ever::<()>()
        });
        assert_eq!((failed, lives.count()), (Err(Failed(7)), 0));
        tarae::sleep(ms(1)); // The caller itself is not interrupted.
        drop(canary);
        assert_eq!(faults.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn an_error_of_the_body_ends_the_others() {
    on_workers(|| {
        let (begun, dropped) = (AtomicU32::new(0), AtomicU32::new(0));
        struct Counts<'a>(&'a AtomicU32);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                tarae::sleep(ms(2));
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let failed = tarae::try_scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let _counts = Counts(&dropped);
                    begun.fetch_add(1, Ordering::SeqCst);
                    for_ever::<()>()
                });
            }
            eventually("all run", || begun.load(Ordering::SeqCst) == 3);
            Err::<(), _>(Failed(1))
        });
        assert_eq!(failed, Err(Failed(1)));
        assert_eq!(dropped.into_inner(), 3);
    });
}

#[test]
fn of_many_errors_the_first_comes_out_and_the_rest_are_dropped() {
    on_workers(|| {
        let lives = Lives::default();
        let made = lives.clone();
        let failed = tarae::try_scope(|scope| {
            for number in 0..10 {
                let lives = &made;
                scope.spawn(move || {
                    let mine = lives.one();
                    // The others wait until they are cancelled, and then fail.
                    while number != 4 && tarae_task::check().is_ok() {
                        tarae::shield(|| tarae::sleep(ms(1)));
                    }
                    Err::<(), _>((number, mine))
                });
            }
            thread::park();
            Ok(())
        });
        let (number, life) = failed.unwrap_err();
        assert_eq!(number, 4);
        assert_eq!((lives.count(), lives.made() >= 1), (1, true));
        drop(life);
        assert_eq!(lives.count(), 0);
    });
}

#[test]
fn a_panic_is_an_error_too_and_comes_out_as_it_was() {
    hush();
    on_workers(|| {
        for in_body in [false, true] {
            let (begun, others) = (AtomicU32::new(0), AtomicUsize::new(0));
            let panic = catch_unwind(AssertUnwindSafe(|| {
                tarae::try_scope(|scope| {
                    scope.spawn(|| {
                        begun.fetch_add(1, Ordering::SeqCst);
                        let outcome = catch_unwind(for_ever::<()>);
                        others.fetch_add(usize::from(outcome.is_err()), Ordering::SeqCst);
                        outcome.unwrap_or(Err(Failed(2)))
                    });
                    eventually("it runs", || begun.load(Ordering::SeqCst) == 1);
                    if in_body {
                        panic_on_purpose();
                    }
                    scope.spawn(|| -> Result<(), Failed> { panic_on_purpose() });
                    for_ever::<()>()
                })
            }));
            assert!(text_of(&*panic.unwrap_err()).contains("on purpose"));
            assert_eq!(others.into_inner(), 1);
        }
    });
}

#[test]
fn nested_ones_pass_their_errors_on_one_by_one() {
    on_workers(|| {
        let failed = tarae::try_scope(|outer| {
            let inner = outer.spawn(|| {
                tarae::try_scope(|inner| {
                    inner.spawn(for_ever::<()>);
                    inner.spawn(|| Err::<(), _>(Failed(3)));
                    for_ever::<()>()
                })
            });
            let sibling = outer.spawn(for_ever::<()>);
            inner.join()?;
            sibling.join()?;
            Ok(())
        });
        assert_eq!(failed, Err(Failed(3)));
        // An error that is dealt with inside is none outside.
        let dealt_with = tarae::try_scope(|outer| {
            let inner = tarae::try_scope(|inner| {
                inner.spawn(|| Err::<(), _>(Failed(4)));
                for_ever::<()>()
            });
            assert_eq!(inner, Err(Failed(4)));
            let one = outer.spawn(|| {
                tarae::sleep(ms(1));
                Ok(5)
            });
            Ok::<_, Failed>(one.join()?)
        });
        assert_eq!(dealt_with, Ok(5));
    });
}

#[test]
fn what_interrupts_it_from_outside_is_not_an_error_of_its() {
    on_workers(|| {
        let inside = |join: bool| {
            tarae::try_scope(|scope| {
                let one = scope.spawn(for_ever::<()>);
                if join {
                    // Not turned into an error: whoever joins is interrupted itself.
                    one.join()?;
                }
                Ok::<_, Failed>(())
            })
        };
        for join in [false, true] {
            assert_eq!(tarae::timeout(ms(3), || inside(join)), Err(Elapsed));
            let token = CancelToken::new();
            let theirs = token.clone();
            let canceller = tarae::spawn(move || {
                tarae::sleep(ms(2));
                theirs.cancel();
            });
            assert_eq!(token.run(|| inside(join)), Err(Cancelled));
            canceller.join().unwrap();
            let owner = tarae::spawn(move || inside(join));
            tarae::sleep(ms(2));
            owner.cancel();
            assert!(tarae::is_cancelled(&*owner.join().unwrap_err()));
        }
    });
}

#[test]
fn one_that_is_cancelled_alone_does_not_fail_the_scope() {
    on_workers(|| {
        let result = tarae::try_scope(|scope| {
            let one = scope.spawn(for_ever::<()>);
            let other = scope.spawn(|| Ok(2));
            one.cancel();
            assert_eq!(one.join(), Err(Cancelled));
            Ok::<_, Failed>(other.join()?)
        });
        assert_eq!(result, Ok(2));
    });
}

#[test]
fn sockets_in_it_are_told() {
    on_workers(|| {
        let failed: io::Result<()> = tarae::try_scope(|scope| {
            let listener = tarae::net::TcpListener::bind("127.0.0.1:0")?;
            scope.spawn(|| {
                tarae::sleep(ms(2));
                Err::<(), _>(io::Error::from(io::ErrorKind::NotFound))
            });
            // Not the first: the error of the scope is the other one's.
            listener.accept().map(drop)
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn errors_may_borrow() {
    on_workers(|| {
        let text = String::from("borrowed");
        let failed = tarae::try_scope(|scope| {
            scope.spawn(|| Err::<(), &str>(&text[..3]));
            Ok(())
        });
        assert_eq!(failed, Err("bor"));
    });
}
