//! `LazyLock`: made when it is first looked at.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::counted::Count;
use crate::subject::sync::{LazyLock, Mutex};
use crate::subject::thread;
use crate::support::{MOMENT, eventually, panic_on_purpose, text_of};
use crate::threads::everywhere;

#[test]
fn it_is_made_once_when_it_is_first_used() {
    everywhere(|_| {
        let ran = AtomicUsize::new(0);
        let lazy = LazyLock::new(|| ran.fetch_add(1, Ordering::SeqCst) + 10);
        assert_eq!((ran.load(Ordering::SeqCst), LazyLock::get(&lazy)), (0, None));
        assert_eq!((*lazy, *lazy, *LazyLock::force(&lazy)), (10, 10, 10));
        assert_eq!((ran.load(Ordering::SeqCst), LazyLock::get(&lazy)), (1, Some(&10)));
    });
}

#[test]
fn a_crowd_makes_it_once_and_all_see_it() {
    everywhere(|threads| {
        for _ in 0..10 {
            let ran = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&ran);
            let lazy = Arc::new(LazyLock::new(move || {
                thread::yield_now();
                counted.fetch_add(1, Ordering::SeqCst);
                vec![1, 2, 3]
            }));
            let addresses = threads.each(8, move |_| {
                assert_eq!(**lazy, [1, 2, 3]);
                lazy.as_ptr().addr()
            });
            assert!(addresses.windows(2).all(|pair| pair[0] == pair[1]));
            assert_eq!(ran.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn the_others_wait_for_who_makes_it() {
    everywhere(|threads| {
        let starts = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&starts);
        let lazy = Arc::new(LazyLock::new(move || {
            shared.store(1, Ordering::SeqCst);
            thread::sleep(MOMENT);
            shared.store(2, Ordering::SeqCst);
            "made"
        }));
        let first = threads.spawn({
            let lazy = Arc::clone(&lazy);
            move || assert_eq!(**lazy, "made")
        });
        eventually("it starts", || starts.load(Ordering::SeqCst) > 0);
        let own = Arc::clone(&lazy);
        threads.each(3, move |_| {
            assert_eq!(**own, "made");
            assert_eq!(starts.load(Ordering::SeqCst), 2);
        });
        first.join();
    });
}

#[test]
fn as_a_static_it_needs_no_closure_type() {
    everywhere(|threads| {
        static TABLE: LazyLock<Vec<usize>> =
            LazyLock::new(|| (0..10).map(|number| number * number).collect());
        static SHARED: LazyLock<Mutex<usize>> = LazyLock::new(Mutex::default);
        let sums = threads.each(4, |_| {
            *SHARED.lock().unwrap() += 1;
            TABLE.iter().sum::<usize>()
        });
        assert_eq!(sums, [285; 4]);
        assert!(SHARED.lock().unwrap().is_multiple_of(4));
    });
}

#[test]
fn the_default_is_that_of_the_value() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    #[derive(Debug)]
    struct Noted(u8);
    impl Default for Noted {
        fn default() -> Noted {
            CALLS.fetch_add(1, Ordering::SeqCst);
            Noted(7)
        }
    }
    let lazy: LazyLock<Noted> = LazyLock::default();
    assert_eq!(CALLS.load(Ordering::SeqCst), 0, "not before it is used");
    assert_eq!((lazy.0, lazy.0, CALLS.load(Ordering::SeqCst)), (7, 7, 1));
}

#[test]
fn a_panic_poisons_it_for_good() {
    everywhere(|threads| {
        fn broken() -> u8 {
            panic_on_purpose()
        }
        let lazy = Arc::new(LazyLock::<u8>::new(broken));
        let specified = std::sync::LazyLock::<u8>::new(broken);
        let own = Arc::clone(&lazy);
        threads.panics(move || assert_eq!(**own, 1));
        assert!(catch_unwind(|| *specified).is_err());
        for _ in 0..3 {
            let ours = catch_unwind(AssertUnwindSafe(|| **lazy)).unwrap_err();
            let stds = catch_unwind(|| *specified).unwrap_err();
            assert_eq!(text_of(&*ours), text_of(&*stds));
            assert_eq!(LazyLock::get(&lazy), None);
        }
        let mut lazy = Arc::into_inner(lazy).expect("the other has ended");
        let mut specified = specified;
        let ours = catch_unwind(AssertUnwindSafe(|| *LazyLock::force_mut(&mut lazy))).unwrap_err();
        let stds =
            catch_unwind(AssertUnwindSafe(|| *std::sync::LazyLock::force_mut(&mut specified))).unwrap_err();
        assert_eq!(text_of(&*ours), text_of(&*stds));
        let ours = catch_unwind(AssertUnwindSafe(|| LazyLock::get_mut(&mut lazy).copied()));
        let stds = catch_unwind(AssertUnwindSafe(|| std::sync::LazyLock::get_mut(&mut specified).copied()));
        assert_eq!(ours.is_ok(), stds.is_ok());
    });
}

#[test]
fn those_who_wait_while_it_panics_panic_as_well() {
    everywhere(|threads| {
        let (ran, panicked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, shared) = (Arc::clone(&ran), Arc::clone(&panicked));
        let lazy = Arc::new(LazyLock::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            thread::yield_now();
            if counted.load(Ordering::SeqCst) > 0 {
                panic_on_purpose();
            }
            5
        }));
        threads.each(5, move |_| {
            if catch_unwind(AssertUnwindSafe(|| **lazy)).is_err() {
                shared.fetch_add(1, Ordering::SeqCst);
            }
        });
        assert_eq!((ran.load(Ordering::SeqCst), panicked.load(Ordering::SeqCst)), (1, 5));
    });
}

#[test]
fn its_owner_may_change_it() {
    everywhere(|_| {
        let mut lazy = LazyLock::new(|| String::from("a"));
        assert_eq!(LazyLock::get_mut(&mut lazy), None, "does not make it");
        LazyLock::force_mut(&mut lazy).push('b');
        LazyLock::get_mut(&mut lazy).unwrap().push('c');
        lazy.push('d');
        assert_eq!(*lazy, "abcd");
        let mut through_deref = LazyLock::new(|| vec![1]);
        through_deref.push(2);
        assert_eq!(*through_deref, [1, 2]);
    });
}

#[test]
fn what_it_holds_is_dropped_once_made_or_not() {
    everywhere(|threads| {
        let count = Count::default();
        let lazy = |count: &Count| {
            let (captured, count) = (count.value(), count.clone());
            LazyLock::new(move || {
                let _captured = captured;
                count.value()
            })
        };
        drop(lazy(&count));
        count.all_dropped(1);
        let made = lazy(&count);
        assert_eq!((made.number, count.dropped()), (2, 2), "its function is dropped when it has run");
        drop(made);
        count.all_dropped(3);
        let captured = count.value();
        let broken = Arc::new(LazyLock::new(move || -> u8 {
            let _captured = captured;
            panic_on_purpose()
        }));
        let own = Arc::clone(&broken);
        threads.panics(move || assert_eq!(*LazyLock::force(&own), 0));
        count.all_dropped(4);
        drop(broken);
        count.all_dropped(4);
    });
}

#[test]
fn it_may_borrow() {
    let words = ["one".to_string(), "two".to_string()];
    let lazy = LazyLock::new(|| words.join(" "));
    assert_eq!(*lazy, "one two");
}

#[test]
fn a_deadline_of_who_comes_first_does_not_poison_it() {
    everywhere(|_| {
        let lazy = LazyLock::new(|| {
            tarae::sleep(MOMENT);
            42
        });
        let late = tarae::timeout(MOMENT / 4, || {
            let value = *lazy;
            tarae::sleep(MOMENT);
            value
        });
        assert_eq!(late, Err(tarae::Elapsed), "the wait after it");
        assert_eq!(*lazy, 42);
    });
}
