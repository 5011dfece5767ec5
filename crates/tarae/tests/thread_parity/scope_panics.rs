//! Panics in scopes: of whoever opened it, of children that are joined and that are not, and of what they leave behind.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{ON_PURPOSE, child, ms, panic_on_purpose, runtime, text_of};

crate::as_std_does! {
    fn a_joined_childs_panic_is_the_joiners_to_handle() {
        let outcome = thread::scope(|scope| {
            let handle = scope.spawn(|| -> u8 { panic_on_purpose() });
            handle.join()
        });
        assert_eq!(text_of(&*outcome.unwrap_err()), ON_PURPOSE);
    }

    fn the_payload_of_a_child_stays_what_it_is() {
        #[derive(Debug, PartialEq)]
        struct Custom(u32);
        thread::scope(|scope| {
            let panicking = scope.spawn(|| -> () { panic_any(Custom(3)) });
            assert_eq!(panicking.join().unwrap_err().downcast_ref(), Some(&Custom(3)));
            let resuming = scope.spawn(|| -> () { resume_unwind(Box::new(Custom(4))) });
            assert_eq!(resuming.join().unwrap_err().downcast_ref(), Some(&Custom(4)));
        });
    }

    fn a_child_that_panics_unjoined_makes_the_scope_panic_when_all_have_ended() {
        let ended = AtomicUsize::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|scope| {
                scope.spawn(|| -> () { panic_on_purpose() });
                scope.spawn(|| {
                    thread::sleep(ms(10));
                    ended.fetch_add(1, Ordering::Relaxed);
                });
                "a result that nobody gets"
            })
        }));
        assert_eq!(text_of(&*outcome.unwrap_err()), "a scoped thread panicked");
        assert_eq!(ended.into_inner(), 1);
    }

    fn a_handle_that_is_dropped_is_not_a_join() {
        let outcome = catch_unwind(|| {
            thread::scope(|scope| {
                let handle = scope.spawn(|| -> () { panic_on_purpose() });
                while !handle.is_finished() {
                    thread::sleep(ms(1));
                }
                drop(handle);
            });
        });
        assert_eq!(text_of(&*outcome.unwrap_err()), "a scoped thread panicked");
    }

    fn the_panic_of_who_opened_it_goes_on_when_all_have_ended() {
        let ended = AtomicBool::new(false);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(ms(10));
                    ended.store(true, Ordering::Relaxed);
                });
                panic_on_purpose()
            })
        }));
        let outcome: Result<(), _> = outcome;
        assert_eq!(text_of(&*outcome.unwrap_err()), ON_PURPOSE);
        assert!(ended.into_inner());
    }

    fn of_two_panics_that_of_who_opened_it_is_told() {
        let outcome: Result<(), _> = catch_unwind(|| {
            thread::scope(|scope| {
                let child = scope.spawn(|| -> () { panic_on_purpose() });
                while !child.is_finished() {
                    thread::sleep(ms(1));
                }
                panic_any("mine, on purpose")
            })
        });
        assert_eq!(text_of(&*outcome.unwrap_err()), "mine, on purpose");
    }

    fn a_grandchilds_panic_reaches_the_scope() {
        let outcome = catch_unwind(|| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    scope.spawn(|| -> () { panic_on_purpose() });
                });
            });
        });
        assert_eq!(text_of(&*outcome.unwrap_err()), "a scoped thread panicked");
    }

    fn an_inner_scopes_panic_ends_the_child_that_opened_it() {
        let outcome = thread::scope(|outer| {
            let child = outer.spawn(|| {
                thread::scope(|inner| {
                    inner.spawn(|| -> () { panic_on_purpose() });
                });
            });
            child.join()
        });
        assert_eq!(text_of(&*outcome.unwrap_err()), "a scoped thread panicked");
    }

    fn some_joined_and_one_not() {
        let outcome = catch_unwind(|| {
            thread::scope(|scope| {
                let joined: Vec<_> = (0..4).map(|_| scope.spawn(|| -> () { panic_on_purpose() })).collect();
                assert!(joined.into_iter().all(|one| one.join().is_err()));
                scope.spawn(|| -> () { panic_on_purpose() });
            });
        });
        assert_eq!(text_of(&*outcome.unwrap_err()), "a scoped thread panicked");
    }

    fn the_thread_can_go_on_after_a_scope_that_panicked() {
        for _ in 0..10 {
            let outcome = catch_unwind(|| {
                thread::scope(|scope| {
                    scope.spawn(|| -> () { panic_on_purpose() });
                });
            });
            assert!(outcome.is_err() && !thread::panicking());
        }
        assert_eq!(thread::scope(|scope| scope.spawn(|| 1).join().unwrap()), 1);
    }

    fn a_scope_in_a_destructor_while_unwinding_waits_for_its_children() {
        struct Scoped<'a>(&'a AtomicUsize);
        impl Drop for Scoped<'_> {
            fn drop(&mut self) {
                thread::scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| {
                            assert!(!thread::panicking(), "who opened it does, not this one");
                            thread::sleep(ms(2));
                            self.0.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                    let panicking = scope.spawn(|| -> () { panic_on_purpose() });
                    assert!(panicking.join().is_err());
                });
            }
        }
        let ended = AtomicUsize::new(0);
        let outcome: Result<(), _> = catch_unwind(AssertUnwindSafe(|| {
            let _scoped = Scoped(&ended);
            panic_on_purpose()
        }));
        assert!(outcome.is_err());
        assert_eq!(ended.into_inner(), 3);
    }

    fn what_a_child_borrowed_is_whole_after_its_panic() {
        let mut values = vec![1, 2, 3];
        let outcome = thread::scope(|scope| {
            let child = scope.spawn(|| -> () {
                values.push(4);
                panic_on_purpose()
            });
            child.join()
        });
        assert!(outcome.is_err());
        assert_eq!(values, [1, 2, 3, 4]);
    }

    fn a_payload_that_panics_when_dropped_is_the_droppers() {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                if !std::thread::panicking() {
                    panic_on_purpose();
                }
            }
        }
        let payload = thread::scope(|scope| scope.spawn(|| -> () { panic_any(Bad) }).join()).unwrap_err();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err());
    }
}

/// As in std: nobody is there to be told.
#[test]
fn a_result_that_nobody_takes_and_that_panics_on_drop_ends_the_process() {
    const TEST: &str = "scope_panics::a_result_that_nobody_takes_and_that_panics_on_drop_ends_the_process";
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("a result that panics");
        }
    }
    if child::is_child() {
        runtime(1).run(|| tarae::scope(|scope| drop(scope.spawn(|| Bad))));
        return;
    }
    let ended = child::again(TEST);
    assert_eq!(ended.signal(), Some(libc::SIGABRT), "{}", child::said(&ended));
    assert!(ended.stderr.contains("fatal runtime error"), "{}", ended.stderr);
}
