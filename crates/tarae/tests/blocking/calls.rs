//! It calls in place: on the same stack and kernel thread, with what the closure borrows, wherever it is called.

use std::cell::RefCell;
use std::panic::catch_unwind;
use std::rc::Rc;

use tarae::{blocking, thread};

use crate::kernel::{kernel_thread, kernel_threads};
use crate::support::{ON_PURPOSE, bounded, child, hush, ms, on_workers, panic_on_purpose, runtime, text_of};
use crate::turns::until_another_ran;

#[test]
fn it_returns_what_the_closure_returns() {
    on_workers(|| {
        assert_eq!(blocking(|| 6 * 7), 42);
        assert_eq!(blocking(|| String::from("done")), "done");
        assert_eq!(blocking(|| [7u64; 500])[499], 7, "a value larger than any register");
        blocking(|| ());
    });
}

#[test]
fn the_closure_may_borrow_and_need_not_be_send() {
    on_workers(|| {
        let (mut count, shared, text) = (0, Rc::new(RefCell::new(Vec::new())), String::from("tarae"));
        for round in 0..20 {
            let (own, view) = (Rc::clone(&shared), text.as_str());
            let returned = blocking(|| {
                until_another_ran();
                count += 1;
                own.borrow_mut().push(round);
                (own, view)
            });
            assert!(Rc::ptr_eq(&returned.0, &shared), "what it returns need not be Send either");
            assert_eq!(returned.1, "tarae");
        }
        assert_eq!((count, Rc::strong_count(&shared)), (20, 1));
        assert_eq!(*shared.borrow(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn it_calls_in_place_on_the_same_stack_and_kernel_thread() {
    on_workers(|| {
        for _ in 0..20 {
            let (here, before) = (0u8, kernel_thread());
            let (distance, inside) = blocking(|| {
                let there = 0u8;
                let inside = kernel_thread();
                until_another_ran();
                assert_eq!(kernel_thread(), inside, "nothing moves it while it runs");
                ((&raw const here).addr().abs_diff((&raw const there).addr()), inside)
            });
            assert!(distance < 32 * 1024, "{distance} bytes away");
            assert_eq!(inside, before, "it is the worker that leaves");
        }
    });
}

#[test]
fn on_a_kernel_thread_it_just_calls() {
    bounded(|| {
        let _runtime = runtime(1);
        let (thread, kernel) = (std::thread::current().id(), kernel_thread());
        let mut local = Rc::new(0);
        let seen = blocking(|| {
            *Rc::get_mut(&mut local).unwrap() += 1;
            blocking(|| (std::thread::current().id(), kernel_thread()))
        });
        assert_eq!((seen, *local), ((thread, kernel), 1));
        hush();
        let panicked = catch_unwind(|| blocking(|| panic_on_purpose()));
        assert_eq!(text_of(&*panicked.unwrap_err()), ON_PURPOSE);
    });
}

#[test]
fn without_any_runtime_it_just_calls() {
    child::alone("calls::without_any_runtime_it_just_calls", || {
        let before = kernel_threads();
        assert_eq!(blocking(|| 7), 7);
        assert_eq!(kernel_threads(), before, "no runtime starts for it");
    });
}

#[test]
fn nested_calls_are_one() {
    on_workers(|| {
        for _ in 0..20 {
            let value = blocking(|| {
                until_another_ran();
                let inner = blocking(|| {
                    until_another_ran();
                    blocking(|| 40) + 1
                });
                until_another_ran();
                inner + 1
            });
            assert_eq!(value, 42);
            until_another_ran();
        }
    });
}

#[test]
fn the_closure_may_wait_by_our_own_means() {
    on_workers(|| {
        for _ in 0..10 {
            let sum = blocking(|| {
                tarae::sleep(ms(1));
                until_another_ran();
                thread::yield_now();
                let children: Vec<_> = (0..10).map(|n| tarae::spawn(move || blocking(|| n))).collect();
                let sum: u32 = children.into_iter().map(|child| child.join().unwrap()).sum();
                until_another_ran();
                sum + tarae::run(|| 1)
            });
            assert_eq!(sum, 46);
            until_another_ran();
        }
    });
}
