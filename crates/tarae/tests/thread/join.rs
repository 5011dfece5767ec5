//! Results and panics: they reach whoever joins, and nobody else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tarae::thread::{self, Builder};

use crate::support::{
    MOMENT, ON_PURPOSE, bounded, child, eventually, hush, ms, on_workers, panic_on_purpose, runtime, text_of,
    with_runtimes,
};

#[test]
fn a_result_reaches_the_joiner() {
    on_workers(|| {
        assert_eq!(thread::spawn(|| vec![1, 2, 3]).join().unwrap(), [1, 2, 3]);
        thread::spawn(|| ()).join().unwrap();
        let boxed: Box<dyn Any + Send> =
            thread::spawn(|| Box::new(5u8) as Box<dyn Any + Send>).join().unwrap();
        assert_eq!(boxed.downcast_ref::<u8>(), Some(&5));
        // Larger than a page, and aligned to more than a word.
        #[repr(align(128))]
        struct Large([u8; 10_000]);
        let large = thread::spawn(|| Large([7; 10_000])).join().unwrap();
        assert!(large.0.iter().all(|byte| *byte == 7) && (&raw const large).addr() % 128 == 0);
    });
}

#[test]
fn the_payload_of_a_panic_reaches_the_joiner_as_in_std() {
    #[derive(Debug, PartialEq)]
    struct Custom(u32);
    fn panics() -> [fn(); 4] {
        [
            || panic!("a panic on purpose"),
            || panic!("a panic on purpose, number {}", std::hint::black_box(3)),
            || panic_any(Custom(9)),
            || std::panic::resume_unwind(Box::new(Custom(10))),
        ]
    }
    fn describe(payload: &(dyn Any + Send)) -> String {
        let kinds = (payload.is::<&'static str>(), payload.is::<String>(), payload.downcast_ref::<Custom>());
        format!("{kinds:?} {}", text_of(payload))
    }
    on_workers(|| {
        hush();
        for panic in panics() {
            let specified = std::thread::spawn(panic).join().unwrap_err();
            let ours = thread::spawn(panic).join().unwrap_err();
            assert_eq!(describe(&*ours), describe(&*specified));
            assert!(!tarae::is_cancelled(&*ours));
        }
    });
}

#[test]
fn is_finished_is_true_once_a_join_would_not_wait() {
    on_workers(|| {
        let go = Arc::new(AtomicBool::new(false));
        let handle = thread::spawn({
            let go = Arc::clone(&go);
            move || {
                while !go.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            }
        });
        tarae::sleep(ms(5));
        assert!(!handle.is_finished());
        go.store(true, Ordering::SeqCst);
        eventually("it ends", || handle.is_finished());
        handle.join().unwrap();
    });
}

#[test]
fn is_finished_also_after_a_panic() {
    on_workers(|| {
        let handle = thread::spawn(|| panic_on_purpose());
        eventually("it ends", || handle.is_finished());
        assert!(handle.join().is_err());
    });
}

#[test]
fn a_detached_coroutine_runs_on() {
    on_workers(|| {
        let done = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&done);
        drop(thread::spawn(move || {
            tarae::sleep(ms(10));
            own.store(true, Ordering::SeqCst);
        }));
        eventually("it ends", || done.load(Ordering::SeqCst));
    });
}

#[test]
fn a_detached_panic_harms_nobody() {
    on_workers(|| {
        for _ in 0..100 {
            drop(thread::spawn(|| panic_on_purpose()));
        }
        assert_eq!(thread::spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn joins_from_kernel_threads_wait() {
    with_runtimes(|runtime| {
        let slow: Vec<_> = (0..10)
            .map(|number| {
                runtime.spawn(move || {
                    tarae::sleep(MOMENT);
                    number
                })
            })
            .collect();
        let joiners: Vec<_> =
            slow.into_iter().map(|slow| std::thread::spawn(move || slow.join().unwrap())).collect();
        assert_eq!(joiners.into_iter().map(|joiner| joiner.join().unwrap()).sum::<u32>(), 45);
    });
}

#[test]
fn a_panic_reaches_a_joiner_on_a_kernel_thread_and_one_in_another_runtime() {
    with_runtimes(|one| {
        hush();
        let other = runtime(1);
        let first = one.spawn(|| panic_on_purpose());
        assert_eq!(text_of(&*first.join().unwrap_err()), ON_PURPOSE);
        let second = one.spawn(|| panic_on_purpose());
        let text = other.run(move || text_of(&*second.join().unwrap_err()).to_owned());
        assert_eq!(text, ON_PURPOSE);
    });
}

#[test]
fn nested_spawns_join_all_the_way_up() {
    fn tree(depth: u32) -> u32 {
        if depth == 0 {
            return 1;
        }
        let children: Vec<_> = (0..3).map(|_| thread::spawn(move || tree(depth - 1))).collect();
        children.into_iter().map(|child| child.join().unwrap()).sum()
    }
    on_workers(|| assert_eq!(tree(6), 729));
}

#[test]
fn a_spawn_from_a_kernel_thread_uses_the_default_runtime() {
    child::alone("join::a_spawn_from_a_kernel_thread_uses_the_default_runtime", || {
        use crate::support::proc::tasks_named;
        bounded(|| {
            let workers = std::thread::available_parallelism().unwrap().get();
            let own = tarae::Runtime::builder().workers(1).name("own").build().unwrap();
            own.run(|| assert_eq!(thread::spawn(|| 5).join().unwrap(), 5));
            assert!(tasks_named("tarae-0").is_empty(), "nobody has used the default runtime yet");
            assert_eq!(thread::spawn(|| 6).join().unwrap(), 6);
            let workers_seen =
                || (0..workers).all(|worker| !tasks_named(&format!("tarae-{worker}")).is_empty());
            eventually("the workers of the default runtime", workers_seen);
            assert_eq!(tarae::run(|| tarae::run(|| 7)), 7);
        });
    });
}

/// Counts what was made of it and what was dropped.
struct Counted(Arc<[AtomicU32; 2]>);

impl Counted {
    fn new(counts: &Arc<[AtomicU32; 2]>) -> Counted {
        counts[0].fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(counts))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0[1].fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn everything_is_dropped_exactly_once() {
    on_workers(|| {
        let counts: Arc<[AtomicU32; 2]> = Arc::default();
        let returns = || {
            let (captured, counts) = (Counted::new(&counts), Arc::clone(&counts));
            move || {
                let _captured = captured;
                Counted::new(&counts)
            }
        };
        for _ in 0..100 {
            // The result is joined, dropped with the handle, or dropped by the coroutine; or there is none.
            drop(thread::spawn(returns()).join().unwrap());
            let handle = thread::spawn(returns());
            eventually("it ends", || handle.is_finished());
            drop(handle);
            drop(thread::spawn(returns()));
            let captured = Counted::new(&counts);
            let panics = thread::spawn(move || {
                let _captured = captured;
                panic_on_purpose()
            });
            drop(panics.join());
        }
        eventually("as many drops as values", || {
            let [made, dropped] = &*counts;
            made.load(Ordering::SeqCst) == dropped.load(Ordering::SeqCst)
        });
        assert_eq!(counts[0].load(Ordering::SeqCst), 100 * 7);
    });
}

#[test]
fn captures_are_dropped_before_the_joiner_is_told() {
    on_workers(|| {
        struct Slow(Arc<AtomicBool>);
        impl Drop for Slow {
            fn drop(&mut self) {
                tarae::sleep(ms(5));
                self.0.store(true, Ordering::SeqCst);
            }
        }
        for panics in [false, true] {
            let dropped = Arc::new(AtomicBool::new(false));
            let slow = Slow(Arc::clone(&dropped));
            let handle = thread::spawn(move || {
                let _slow = slow;
                if panics {
                    panic_on_purpose();
                }
            });
            assert_eq!(handle.join().is_err(), panics);
            assert!(dropped.load(Ordering::SeqCst));
        }
    });
}

#[test]
fn locals_are_dropped_in_reverse_order_while_unwinding() {
    on_workers(|| {
        struct Noted(u8, Arc<Mutex<Vec<(u8, bool)>>>);
        impl Drop for Noted {
            fn drop(&mut self) {
                thread::yield_now();
                self.1.lock().unwrap().push((self.0, thread::panicking()));
            }
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&order);
        let handle = thread::spawn(move || {
            let _one = Noted(1, Arc::clone(&own));
            {
                let _inner = Noted(0, Arc::clone(&own));
            }
            let _two = Noted(2, own);
            panic_on_purpose()
        });
        assert!(handle.join().is_err());
        // The lock is free when the first destructor asks whether it panics, as std's mutexes do themselves.
        let order = order.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        assert_eq!(*order, [(0, false), (2, true), (1, true)]);
    });
}

#[test]
fn panicking_is_that_of_the_coroutine_alone() {
    on_workers(|| {
        struct Waits;
        impl Drop for Waits {
            fn drop(&mut self) {
                assert!(thread::panicking() && std::thread::panicking());
                (0..10).for_each(|_| thread::yield_now());
                tarae::sleep(ms(2));
                assert!(thread::panicking() && std::thread::panicking());
            }
        }
        assert!(!thread::panicking());
        let unwinding: Vec<_> = (0..20)
            .map(|_| {
                thread::spawn(|| {
                    let _waits = Waits;
                    panic_on_purpose()
                })
            })
            .collect();
        for _ in 0..50 {
            assert!(!std::thread::panicking(), "a neighbour unwinds, not this one");
            thread::yield_now();
        }
        assert!(unwinding.into_iter().all(|one| one.join().is_err()));
    });
}

#[test]
fn a_thousand_panics_take_no_worker_down() {
    with_runtimes(|runtime| {
        hush();
        let panics: Vec<_> = (0..1000).map(|_| runtime.spawn(|| panic_on_purpose())).collect();
        assert!(panics.into_iter().all(|one| text_of(&*one.join().unwrap_err()) == ON_PURPOSE));
        let sum: u32 =
            (0..100).map(|number| runtime.spawn(move || number)).map(|one| one.join().unwrap()).sum();
        assert_eq!(sum, 4950);
    });
}

#[test]
fn a_panic_can_be_caught_inside_and_a_wait_can_lie_between() {
    on_workers(|| {
        hush();
        let handle = thread::spawn(|| {
            let caught = catch_unwind(|| {
                thread::yield_now();
                tarae::sleep(ms(1));
                panic_on_purpose()
            });
            thread::yield_now();
            assert!(!thread::panicking());
            text_of(&*caught.unwrap_err()).to_owned()
        });
        assert_eq!(handle.join().unwrap(), ON_PURPOSE);
    });
}

#[test]
fn a_job_whose_spawn_fails_is_dropped() {
    bounded(|| {
        let counts: Arc<[AtomicU32; 2]> = Arc::default();
        let captured = Counted::new(&counts);
        let too_large = Builder::new().stack_size(usize::MAX).spawn(move || drop(captured));
        assert_eq!(too_large.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(counts[1].load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_result_that_panics_on_drop_while_joined_is_the_joiners_panic() {
    on_workers(|| {
        hush();
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic_on_purpose();
            }
        }
        let bad = thread::spawn(|| Bad).join().unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(bad))).is_err());
    });
}

/// As in std: nobody is there to be told.
#[test]
fn a_detached_result_that_panics_on_drop_ends_the_process() {
    const TEST: &str = "join::a_detached_result_that_panics_on_drop_ends_the_process";
    if child::is_child() {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("a result that panics");
            }
        }
        runtime(1).run(|| {
            drop(thread::spawn(|| Bad));
            tarae::sleep(crate::support::LIMIT);
        });
        return;
    }
    let ended = child::again(TEST);
    assert_eq!(ended.signal(), Some(libc::SIGABRT), "{}", child::said(&ended));
    assert!(ended.stderr.contains("fatal runtime error"), "{}", ended.stderr);
}
