//! `OnceLock`: written once, read by everyone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::counted::Count;
use crate::subject::sync::{Barrier, OnceLock};
use crate::subject::thread;
use crate::support::{MOMENT, panic_on_purpose};
use crate::threads::everywhere;

#[test]
fn it_is_empty_until_it_is_set_and_then_stays() {
    everywhere(|_| {
        let cell = OnceLock::new();
        assert_eq!(cell.get(), None);
        assert_eq!(cell.set(1), Ok(()));
        assert_eq!(cell.get(), Some(&1));
        assert_eq!(cell.set(2), Err(2), "the value comes back");
        assert_eq!(*cell.get_or_init(|| unreachable!("it is set")), 1);
        assert_eq!(cell.wait(), &1);
    });
}

#[test]
fn get_or_init_runs_its_function_once() {
    everywhere(|_| {
        let (cell, mut ran) = (OnceLock::new(), 0);
        let first: *const String = cell.get_or_init(|| {
            ran += 1;
            String::from("first")
        });
        let again: *const String = cell.get_or_init(|| {
            ran += 1;
            String::from("again")
        });
        assert_eq!((ran, first), (1, again), "it stays where it is");
    });
}

#[test]
fn of_many_initialisers_one_runs() {
    everywhere(|threads| {
        for _ in 0..10 {
            let (cell, ran) = (Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
            let (shared, counted) = (Arc::clone(&cell), Arc::clone(&ran));
            let seen = threads.each(8, move |number| {
                *shared.get_or_init(|| {
                    thread::yield_now();
                    counted.fetch_add(1, Ordering::SeqCst);
                    number
                })
            });
            assert_eq!(ran.load(Ordering::SeqCst), 1);
            assert!(seen.iter().all(|value| Some(value) == cell.get()), "{seen:?}");
        }
    });
}

#[test]
fn of_many_setters_one_wins_and_the_others_get_theirs_back() {
    everywhere(|threads| {
        for _ in 0..10 {
            let (cell, start) = (Arc::new(OnceLock::new()), Arc::new(Barrier::new(6)));
            let shared = Arc::clone(&cell);
            let results = threads.each(6, move |number| {
                start.wait();
                (number, shared.set(Box::new(number)))
            });
            let won: Vec<_> =
                results.iter().filter(|(_, result)| result.is_ok()).map(|(number, _)| *number).collect();
            assert_eq!(won, [**cell.get().unwrap()]);
            for (number, result) in results {
                assert!(result.is_ok() || result == Err(Box::new(number)));
            }
        }
    });
}

#[test]
fn a_setter_waits_for_an_initialiser_that_runs() {
    everywhere(|threads| {
        let (cell, runs) = (Arc::new(OnceLock::new()), Arc::new(Barrier::new(2)));
        let initialiser = threads.spawn({
            let (cell, runs) = (Arc::clone(&cell), Arc::clone(&runs));
            move || {
                *cell.get_or_init(|| {
                    runs.wait();
                    thread::sleep(MOMENT);
                    "initialised"
                })
            }
        });
        runs.wait();
        assert_eq!(cell.get(), None, "does not wait");
        assert_eq!(cell.set("set"), Err("set"));
        assert_eq!(cell.get(), Some(&"initialised"));
        assert_eq!(initialiser.join(), "initialised");
    });
}

#[test]
fn wait_waits_until_it_is_set() {
    everywhere(|threads| {
        let cell = Arc::new(OnceLock::new());
        let waiters: Vec<_> = (0..5)
            .map(|_| {
                let cell = Arc::clone(&cell);
                threads.spawn(move || *cell.wait())
            })
            .collect();
        thread::sleep(MOMENT);
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        cell.set(5).unwrap();
        assert!(waiters.into_iter().all(|waiter| waiter.join() == 5));
    });
}

#[test]
fn a_wait_goes_on_when_an_initialiser_panics() {
    everywhere(|threads| {
        let cell = Arc::new(OnceLock::new());
        let waiter = threads.spawn({
            let cell = Arc::clone(&cell);
            move || *cell.wait()
        });
        let own = Arc::clone(&cell);
        threads.panics(move || assert_eq!(own.get_or_init(|| panic_on_purpose()), &0));
        thread::sleep(MOMENT);
        assert!(!waiter.is_finished());
        cell.set(3).unwrap();
        assert_eq!(waiter.join(), 3);
    });
}

#[test]
fn after_a_panic_it_is_empty_and_the_next_may_try() {
    everywhere(|threads| {
        let cell = Arc::new(OnceLock::new());
        for _ in 0..3 {
            let own = Arc::clone(&cell);
            threads.panics(move || assert_eq!(own.get_or_init(|| panic_on_purpose()), &0));
            assert_eq!(cell.get(), None);
            let caught = catch_unwind(AssertUnwindSafe(|| *cell.get_or_init(|| panic_on_purpose())));
            assert!(caught.is_err());
        }
        assert_eq!(*cell.get_or_init(|| 4), 4);
        let set_after = OnceLock::new();
        let caught = catch_unwind(AssertUnwindSafe(|| *set_after.get_or_init(|| panic_on_purpose())));
        assert!(caught.is_err() && set_after.set(1).is_ok());
    });
}

#[test]
fn of_those_who_wait_for_a_panicking_initialiser_one_goes_on() {
    everywhere(|threads| {
        let (cell, tries) = (Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
        let shared = Arc::clone(&cell);
        let outcomes = threads.each(6, move |_| {
            catch_unwind(AssertUnwindSafe(|| {
                *shared.get_or_init(|| {
                    thread::yield_now();
                    let before = tries.fetch_add(1, Ordering::SeqCst);
                    if before < 3 {
                        panic_on_purpose();
                    }
                    before
                })
            }))
            .ok()
        });
        assert_eq!(cell.get(), Some(&3));
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_none()).count(), 3);
        assert!(outcomes.into_iter().flatten().all(|seen| seen == 3));
    });
}

#[test]
fn its_owner_changes_and_takes_the_value() {
    everywhere(|_| {
        let mut cell = OnceLock::new();
        assert!(cell.get_mut().is_none() && cell.take().is_none());
        cell.set(String::from("a")).unwrap();
        cell.get_mut().unwrap().push('b');
        assert_eq!(cell.get().unwrap(), "ab");
        assert_eq!(cell.take().as_deref(), Some("ab"));
        assert_eq!(cell.get(), None);
        assert_eq!(cell.get_or_init(|| String::from("new")), "new", "it can be set again");
        assert_eq!(cell.into_inner().as_deref(), Some("new"));
        assert_eq!(OnceLock::<u8>::new().into_inner(), None);
    });
}

#[test]
fn every_value_is_dropped_once() {
    everywhere(|threads| {
        let count = Count::default();
        drop(OnceLock::<crate::counted::Counted>::new());
        let cell = OnceLock::new();
        assert!(cell.set(count.value()).is_ok());
        drop(cell.set(count.value()).unwrap_err());
        assert_eq!(count.dropped(), 1);
        drop(cell);
        let mut taken = OnceLock::from(count.value());
        drop(taken.take());
        drop(taken);
        drop(OnceLock::from(count.value()).into_inner());
        let shared = Arc::new(OnceLock::new());
        let (own, counting) = (Arc::clone(&shared), count.clone());
        threads.each(5, move |_| drop(own.set(counting.value())));
        assert_eq!(count.dropped(), 8, "one of the five is kept");
        drop(shared);
        count.all_dropped(9);
    });
}

#[test]
fn it_is_copied_with_its_value_and_compared() {
    let empty = OnceLock::<String>::default();
    let set = OnceLock::from(String::from("x"));
    assert_eq!(empty.clone().get(), None);
    let copy = set.clone();
    assert_eq!(copy.get().map(String::as_str), Some("x"));
    assert!(!std::ptr::eq(copy.get().unwrap(), set.get().unwrap()));
    assert!(copy == set && set != empty && empty == OnceLock::new());
    fn total<T: Eq>(_: &T) {}
    total(&set);
}

#[test]
fn as_a_static_it_lends_for_ever() {
    everywhere(|threads| {
        static TEXT: OnceLock<String> = OnceLock::new();
        fn text() -> &'static str {
            TEXT.get_or_init(|| ["a", "b"].concat())
        }
        let addresses = threads.each(4, |_| {
            assert_eq!(text(), "ab");
            text().as_ptr().addr()
        });
        assert!(addresses.iter().all(|address| *address == text().as_ptr().addr()));
    });
}

#[test]
fn a_value_of_no_size_is_set_once_as_well() {
    everywhere(|threads| {
        let cell = Arc::new(OnceLock::new());
        let shared = Arc::clone(&cell);
        let won = threads.each(4, move |_| shared.set(()).is_ok());
        assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
        assert!(cell.get().is_some());
    });
}

#[test]
fn it_may_hold_what_does_not_live_for_ever() {
    let text = String::from("local");
    let cell = OnceLock::new();
    cell.set(text.as_str()).unwrap();
    assert_eq!(cell.into_inner(), Some("local"));
}
