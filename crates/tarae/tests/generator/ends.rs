//! Panics, drops, cancellation: the body's frames are gone when the call returns that ended it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tarae::generator::{Generator, ScopedGenerator, State};
use tarae::thread;

use crate::support::{
    LIMIT, ON_PURPOSE, bounded, eventually, hush, ms, on_workers, panic_on_purpose, runtime, text_of,
};

/// Counts its drops, and waits while it is dropped.
struct Slow(Arc<AtomicUsize>);

impl Drop for Slow {
    fn drop(&mut self) {
        tarae::sleep(ms(3));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn endless(drops: &Arc<AtomicUsize>) -> Generator<(), u32, ()> {
    let captured = Slow(Arc::clone(drops));
    Generator::new(move |yielder, ()| {
        let _captured = captured;
        for number in 0.. {
            yielder.suspend(number);
        }
    })
}

#[test]
fn a_panic_goes_to_whoever_resumes() {
    fn body() {
        hush();
        let mut panics = Generator::new(|yielder, ()| {
            yielder.suspend(1);
            panic_on_purpose();
        });
        assert_eq!(panics.next(), Some(1));
        let payload = catch_unwind(AssertUnwindSafe(|| panics.next())).unwrap_err();
        assert_eq!(text_of(&*payload), ON_PURPOSE);
        assert!(panics.is_done());
        assert_eq!(panics.next(), None);
    }
    on_workers(body);
    bounded(body);
}

#[test]
fn to_resume_what_is_done_is_a_panic_with_a_clear_message() {
    bounded(|| {
        let mut once = Generator::<_, (), _>::new(|_, argument: u32| argument);
        assert_eq!(once.resume(3), State::Complete(3));
        let payload = catch_unwind(AssertUnwindSafe(|| once.resume(4))).unwrap_err();
        assert_eq!(text_of(&*payload), "a generator was resumed after it had ended");
    });
}

#[test]
fn a_drop_returns_when_the_destructors_of_the_body_have_run() {
    fn body() {
        let drops = Arc::new(AtomicUsize::new(0));
        for resumes in 0..3 {
            let mut endless = endless(&drops);
            endless.by_ref().take(resumes).for_each(drop);
            drop(endless);
            assert_eq!(drops.load(Ordering::SeqCst), resumes + 1);
        }
    }
    on_workers(body);
    bounded(body);
}

#[test]
fn a_body_suspended_in_a_shield_unwinds_too() {
    on_workers(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let own = Slow(Arc::clone(&drops));
        let mut shielded = Generator::new(move |yielder, ()| {
            let _own = own;
            tarae::shield(|| {
                loop {
                    yielder.suspend(1);
                }
            })
        });
        assert_eq!(shielded.next(), Some(1));
        drop(shielded);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_destructor_that_panics_reaches_who_drops() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            // Where the body unwinds, a panic would abort.
            assert!(std::thread::panicking(), "only in the unwinding");
        }
    }
    bounded(|| {
        hush();
        let mut bad = Generator::new(|yielder, ()| {
            let _bad = Bad;
            // Catches what unwinds it, and panics instead.
            let caught = catch_unwind(AssertUnwindSafe(|| yielder.suspend(1)));
            std::mem::forget(_bad);
            assert!(caught.is_ok(), "a panic on purpose");
        });
        assert_eq!(bad.next(), Some(1));
        let payload = catch_unwind(AssertUnwindSafe(|| drop(bad))).unwrap_err();
        assert!(text_of(&*payload).contains("on purpose"));
    });
}

#[test]
fn an_interrupted_resumer_takes_the_body_with_it() {
    on_workers(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let own = Slow(Arc::clone(&drops));
        let mut stuck = Generator::new(move |yielder, ()| {
            let _own = own;
            yielder.suspend(1);
            tarae::sleep(LIMIT * 10);
            yielder.suspend(2);
        });
        assert_eq!(stuck.next(), Some(1));
        assert_eq!(tarae::timeout(ms(10), || stuck.next()), Err(tarae::Elapsed));
        assert_eq!(drops.load(Ordering::SeqCst), 1, "before the timeout returned");
        assert!(stuck.is_done());
        assert_eq!(stuck.next(), None);

        let drops = Arc::new(AtomicUsize::new(0));
        let own = Slow(Arc::clone(&drops));
        let resumer = thread::spawn(move || {
            let mut stuck = Generator::<_, (), _>::new(move |_, ()| {
                let _own = own;
                thread::park();
            });
            stuck.resume(());
        });
        tarae::sleep(ms(5));
        resumer.cancel();
        assert!(tarae::is_cancelled(&*resumer.join().unwrap_err()));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_scope_that_is_left_early_leaves_no_body_on_its_frame() {
    on_workers(|| {
        hush();
        let count = AtomicUsize::new(0);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            tarae::scope(|scope| {
                let mut endless = ScopedGenerator::new(scope, |yielder, ()| {
                    loop {
                        yielder.suspend(count.fetch_add(1, Ordering::SeqCst));
                    }
                });
                assert_eq!(endless.by_ref().take(3).last(), Some(2));
                panic_on_purpose();
            });
        }));
        assert!(panicked.is_err());
        assert_eq!(count.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_runtime_that_ends_takes_its_bodies_and_says_so_to_whoever_resumes() {
    bounded(|| {
        hush();
        let runtime = runtime(1);
        let drops = Arc::new(AtomicUsize::new(0));
        let own = Arc::clone(&drops);
        let mut orphan = runtime.run(move || endless(&own));
        assert_eq!(orphan.next(), Some(0));
        drop(runtime);
        eventually("the body is gone", || drops.load(Ordering::SeqCst) == 1);
        let payload = catch_unwind(AssertUnwindSafe(|| orphan.next())).unwrap_err();
        assert_eq!(text_of(&*payload), "a generator was cancelled by its runtime");
    });
}

#[test]
fn arguments_and_values_are_dropped_once_whatever_becomes_of_the_body() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    on_workers(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let value = || Counted(Arc::clone(&drops));
        let mut echo = Generator::<Counted, Counted, ()>::new(|yielder, mut value| {
            loop {
                value = yielder.suspend(value);
            }
        });
        for count in 1..=10 {
            drop(echo.resume(value()));
            assert_eq!(drops.load(Ordering::SeqCst), count);
        }
        drop(echo);
        assert_eq!(drops.load(Ordering::SeqCst), 10);
    });
}
