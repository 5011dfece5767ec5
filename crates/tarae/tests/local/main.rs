//! `coroutine_local!`: each coroutine starts afresh, and leaves nothing behind.

#[path = "../support/mod.rs"]
mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tarae::{coroutine_local, thread};

use support::{bounded, child, eventually, hush, ms, on_workers, panic_on_purpose, runtime};

coroutine_local! {
    static NUMBER: Cell<u32> = const { Cell::new(7) };
    /// With a destructor, a visibility and no semicolon at the end.
    pub(crate) static LIST: RefCell<Vec<Counted>> = RefCell::new(Vec::new())
}

/// Adds to a count when it is dropped, having waited.
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        tarae::sleep(ms(2));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn every_coroutine_starts_afresh_on_a_used_identity() {
    on_workers(|| {
        for _ in 0..100 {
            let seen = thread::spawn(|| {
                let seen = NUMBER.get();
                NUMBER.set(9);
                tarae::yield_now();
                (seen, NUMBER.get())
            });
            assert_eq!(seen.join().unwrap(), (7, 9));
        }
    });
}

#[test]
fn values_are_dropped_before_the_join_returns_however_the_coroutine_ends() {
    on_workers(|| {
        hush();
        let ends: [fn(); 3] = [|| (), || panic_on_purpose(), || tarae::sleep(support::LIMIT)];
        for end in ends {
            let drops = Arc::new(AtomicUsize::new(0));
            let own = Arc::clone(&drops);
            let started = Arc::new(AtomicUsize::new(0));
            let flag = Arc::clone(&started);
            let coroutine = thread::spawn(move || {
                LIST.with_borrow_mut(|list| list.extend([Counted(Arc::clone(&own)), Counted(own)]));
                flag.store(1, Ordering::SeqCst);
                end();
            });
            eventually("it has started", || started.load(Ordering::SeqCst) == 1);
            coroutine.cancel();
            let _ = coroutine.join();
            assert_eq!(drops.load(Ordering::SeqCst), 2);
        }
    });
}

#[test]
fn a_job_that_never_runs_may_use_them_in_its_destructors() {
    struct Uses(Arc<AtomicUsize>);
    impl Drop for Uses {
        fn drop(&mut self) {
            LIST.with_borrow_mut(|list| list.push(Counted(Arc::clone(&self.0))));
        }
    }
    bounded(|| {
        let runtime = runtime(1);
        runtime.run(|| {
            let drops = Arc::new(AtomicUsize::new(0));
            let uses = Uses(Arc::clone(&drops));
            let never = thread::spawn(move || drop(uses));
            never.cancel();
            assert!(tarae::is_cancelled(&*never.join().unwrap_err()));
            assert_eq!(drops.load(Ordering::SeqCst), 1);
        });
    });
}

#[test]
fn a_destructor_may_use_others_but_none_that_is_gone() {
    coroutine_local! {
        static FIRST: Probe = Probe("first");
        static SECOND: Probe = Probe("second");
        static FRESH: Fresh = Fresh;
    }
    static SEEN: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    struct Probe(&'static str);
    impl Drop for Probe {
        fn drop(&mut self) {
            let first = FIRST.try_with(|first| first.0);
            let second = SECOND.try_with(|second| second.0);
            let _ = FRESH.try_with(|_| ());
            SEEN.lock().unwrap().push(format!("{}: {first:?} {second:?}", self.0));
        }
    }
    struct Fresh;
    impl Drop for Fresh {
        fn drop(&mut self) {
            SEEN.lock().unwrap().push(format!("fresh: {:?}", FRESH.try_with(|_| ())));
        }
    }
    fn body() {
        FIRST.with(|_| SECOND.with(|_| ()));
    }
    let expected = [
        "second: Ok(\"first\") Err(AccessError)",
        "fresh: Err(AccessError)",
        "first: Err(AccessError) Err(AccessError)",
    ];
    bounded(move || {
        let runtime = runtime(1);
        // Twice: what was dropped in one coroutine is there again in the next.
        for _ in 0..2 {
            runtime.run(|| thread::spawn(body).join().unwrap());
            assert_eq!(std::mem::take(&mut *SEEN.lock().unwrap()), expected);
        }
        std::thread::spawn(body).join().unwrap();
        assert_eq!(*SEEN.lock().unwrap(), expected, "on a kernel thread");
    });
}

#[test]
fn on_a_kernel_thread_they_are_the_threads() {
    bounded(|| {
        NUMBER.set(1);
        let other = std::thread::spawn(|| {
            let before = NUMBER.replace(5);
            NUMBER.update(|number| number + 1);
            LIST.set(vec![Counted(Arc::new(AtomicUsize::new(0)))]);
            (before, NUMBER.get(), NUMBER.take())
        });
        assert_eq!(other.join().unwrap(), (7, 6, 6));
        assert_eq!(NUMBER.get(), 1);
        let drops = Arc::new(AtomicUsize::new(0));
        let own = Arc::clone(&drops);
        std::thread::spawn(move || LIST.with_borrow_mut(|list| list.push(Counted(own)))).join().unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_reference_stays_good_while_it_is_used_wherever_the_coroutine_goes() {
    coroutine_local!(static SHARED: Rc<Cell<u32>> = Rc::new(Cell::new(0)));
    on_workers(|| {
        let all: Vec<_> = (0..50)
            .map(|_| {
                thread::spawn(|| {
                    SHARED.with(|shared| {
                        for step in 0..50 {
                            assert_eq!(shared.get(), step);
                            tarae::yield_now();
                            SHARED.with(|again| again.set(step + 1));
                        }
                    });
                })
            })
            .collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn set_does_not_run_the_initialiser_and_an_initialiser_may_use_its_own() {
    coroutine_local! {
        static DEPTH: Cell<u32> = const { Cell::new(0) };
        static NEVER: Cell<u32> = panic!("not to be run");
        static TWICE: u32 = if DEPTH.replace(1) == 0 { TWICE.with(|inner| inner + 1) } else { 1 };
    }
    on_workers(|| {
        NEVER.set(4);
        assert_eq!(NEVER.get(), 4);
        assert_eq!(TWICE.with(|value| *value), 2);
    });
}

#[test]
fn a_destructor_that_panics_ends_the_process() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic_on_purpose();
        }
    }
    coroutine_local!(static BAD: Bad = Bad);
    if child::is_child() {
        runtime(1).run(|| BAD.with(|_| ()));
        return;
    }
    let ended = child::again("a_destructor_that_panics_ends_the_process");
    assert_eq!(ended.signal(), Some(6), "{}", child::said(&ended));
    assert!(ended.stderr.contains("a coroutine local panicked on drop"), "{}", ended.stderr);
}

#[test]
fn what_a_result_sets_as_it_is_dropped_is_not_seen_by_the_next_coroutine() {
    /// Sets the local after those of its coroutine were dropped.
    struct Late(Arc<AtomicUsize>);

    impl Drop for Late {
        fn drop(&mut self) {
            NUMBER.set(1);
            LIST.with_borrow_mut(|list| list.push(Counted(Arc::clone(&self.0))));
        }
    }

    on_workers(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        for round in 1..=20 {
            let theirs = Arc::clone(&dropped);
            drop(thread::spawn(move || Late(theirs)));
            eventually("its locals are dropped", || dropped.load(Ordering::SeqCst) == round);
            let seen = thread::spawn(|| (NUMBER.get(), LIST.with_borrow(Vec::len)));
            assert_eq!(seen.join().unwrap(), (7, 0));
        }
    });
}
