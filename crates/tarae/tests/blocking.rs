//! `blocking`: hands the worker over, calls in place, and comes back. Every sentence of its contract.

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use tarae::{blocking, is_cancelled, thread};

use kernel::{kernel_thread, kernel_threads};
use support::{
    LIMIT, MOMENT, ON_PURPOSE, WORKERS, bounded, child, eventually, hush, ms, on_workers, panic_on_purpose,
    runtime, spin_while, text_of, with_runtimes,
};

/// Returns when another coroutine has run, without suspending: with one worker, only if that has been handed over.
fn until_another_ran() {
    let (send, receive) = channel();
    tarae::spawn(move || send.send(()).unwrap());
    receive.recv().expect("another coroutine runs");
}

/// Does something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

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
fn others_have_the_worker_meanwhile() {
    on_workers(|| (0..50).for_each(|_| blocking(until_another_ran)));
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
    child::alone("without_any_runtime_it_just_calls", || {
        let before = kernel_threads();
        assert_eq!(blocking(|| 7), 7);
        assert_eq!(kernel_threads(), before, "no runtime starts for it");
    });
}

#[test]
fn afterwards_the_coroutine_waits_as_ever() {
    on_workers(|| {
        let listener = tarae::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = tarae::spawn(move || {
            let mut stream = tarae::net::TcpStream::connect(address).unwrap();
            blocking(until_another_ran);
            stream.write_all(&[7]).unwrap();
        });
        let mut stream = blocking(|| listener).accept().unwrap().0;
        blocking(until_another_ran);
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [7]);
        blocking(until_another_ran);
        peer.join().unwrap();
        blocking(until_another_ran);
        let start = Instant::now();
        tarae::sleep(ms(5));
        assert!(start.elapsed() >= ms(5));
        blocking(until_another_ran);
        thread::current().unpark();
        thread::park();
        blocking(until_another_ran);
        thread::yield_now();
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

#[test]
fn a_panic_goes_through() {
    on_workers(|| {
        hush();
        for _ in 0..10 {
            let caught = catch_unwind(|| {
                blocking(|| {
                    until_another_ran();
                    panic_on_purpose()
                })
            });
            assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
            assert!(!thread::panicking());
            // It has come back to a worker.
            tarae::sleep(ms(1));
            until_another_ran();
        }
    });
}

#[test]
fn a_panic_goes_to_the_joiner_and_harms_nobody_else() {
    with_runtimes(|runtime| {
        hush();
        let one = || runtime.spawn(|| blocking(|| panic_on_purpose()));
        let all: Vec<_> = (0..50).map(|_| one()).collect();
        for one in all {
            assert_eq!(text_of(&*one.join().unwrap_err()), ON_PURPOSE);
        }
        assert_eq!(runtime.run(|| blocking(|| 7)), 7);
    });
}

#[test]
fn a_panic_may_be_caught_inside() {
    on_workers(|| {
        hush();
        let value = blocking(|| {
            let caught = catch_unwind(|| blocking(|| panic_on_purpose()));
            assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
            until_another_ran();
            7
        });
        assert_eq!(value, 7);
        thread::yield_now();
    });
}

#[test]
fn cancelled_meanwhile_it_returns_its_value_and_the_next_wait_unwinds() {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            let (go_on, inside) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let (values, dropped) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let handle = runtime.spawn({
                let (go_on, inside) = (Arc::clone(&go_on), Arc::clone(&inside));
                let (values, dropped) = (Arc::clone(&values), Arc::clone(&dropped));
                move || {
                    let _guard = OnDrop(|| {
                        dropped.fetch_add(1, Ordering::SeqCst);
                    });
                    let value = blocking(|| {
                        inside.store(true, Ordering::SeqCst);
                        spin_while(|| !go_on.load(Ordering::SeqCst));
                        7
                    });
                    values.fetch_add(value, Ordering::SeqCst);
                    thread::park();
                    values.fetch_add(1000, Ordering::SeqCst);
                }
            });
            eventually("it is inside", || inside.load(Ordering::SeqCst));
            let soon = std::thread::spawn(move || {
                std::thread::sleep(MOMENT * 3);
                go_on.store(true, Ordering::SeqCst);
            });
            runtime.shutdown_timeout(LIMIT).expect("it ends in time");
            soon.join().unwrap();
            assert_eq!(values.load(Ordering::SeqCst), 7, "the value arrives, and no wait returns");
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
            assert!(is_cancelled(&*handle.join().unwrap_err()));
        });
    }
}

#[test]
fn a_wait_inside_unwinds_when_it_is_cancelled() {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            let reached = Arc::new(AtomicU32::new(0));
            let one = || {
                let reached = Arc::clone(&reached);
                runtime.spawn(move || {
                    blocking(|| {
                        reached.fetch_add(1, Ordering::SeqCst);
                        tarae::sleep(ms(3_600_000));
                    });
                })
            };
            let all: Vec<_> = (0..20).map(|_| one()).collect();
            eventually("all are inside", || reached.load(Ordering::SeqCst) == 20);
            std::thread::sleep(MOMENT);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert!(all.into_iter().all(|one| is_cancelled(&*one.join().unwrap_err())));
        });
    }
}

#[test]
fn a_coroutine_may_end_right_after_it() {
    with_runtimes(|runtime| {
        for _ in 0..20 {
            let joined = runtime.spawn(|| {
                blocking(|| {
                    until_another_ran();
                    7
                })
            });
            assert_eq!(joined.join().unwrap(), 7);
        }
        // And detached, from one that ends as well.
        let ended = Arc::new(AtomicU32::new(0));
        for _ in 0..50 {
            let ended = Arc::clone(&ended);
            drop(runtime.spawn(move || {
                tarae::spawn(move || blocking(|| ended.fetch_add(1, Ordering::SeqCst)));
            }));
        }
        eventually("all have ended", || {
            let metrics = runtime.metrics();
            ended.load(Ordering::SeqCst) == 50 && metrics.finished == metrics.spawned
        });
    });
}

#[test]
fn a_coroutine_that_was_left_behind_calls_it_too() {
    on_workers(|| {
        for _ in 0..20 {
            // One worker: it has gone when this returns.
            until_another_ran();
            let mut local = 1;
            blocking(|| {
                until_another_ran();
                local += 1;
            });
            until_another_ran();
            assert_eq!(blocking(|| local), 2);
        }
        thread::yield_now();
    });
}

#[test]
fn many_are_inside_at_the_same_time() {
    with_runtimes(|runtime| {
        const COUNT: usize = 200;
        // Opens when all are there: each has a kernel thread of its own.
        let barrier = Arc::new(Barrier::new(COUNT));
        let one = |number: usize| {
            let barrier = Arc::clone(&barrier);
            runtime.spawn(move || {
                let leads = blocking(|| barrier.wait().is_leader());
                tarae::sleep(ms(1));
                blocking(|| (number, leads))
            })
        };
        let all: Vec<_> = (0..COUNT).map(one).collect();
        let ended: Vec<_> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert!(ended.iter().enumerate().all(|(number, end)| end.0 == number));
        assert_eq!(ended.iter().filter(|(_, leads)| *leads).count(), 1);
    });
}

#[test]
fn many_short_calls_need_few_threads() {
    child::alone("many_short_calls_need_few_threads", || {
        for workers in WORKERS {
            bounded(move || {
                let runtime = runtime(workers);
                let sum = runtime.run(|| {
                    let one =
                        || tarae::spawn(|| (0..2_000u64).map(|number| blocking(|| number)).sum::<u64>());
                    let all: Vec<_> = (0..4).map(|_| one()).collect();
                    all.into_iter().map(|one| one.join().unwrap()).sum::<u64>()
                });
                assert_eq!(sum, 4 * 1_999_000);
                // Four at most are inside at the same time.
                let counts = runtime.metrics().threads;
                let threads = counts.driving + counts.left_behind + counts.spare;
                assert!(threads <= workers + 8, "{counts:?} for four at a time");
                runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            });
        }
    });
}

#[test]
fn a_destructor_calls_it_while_a_panic_unwinds() {
    on_workers(|| {
        hush();
        for _ in 0..10 {
            let calls = RefCell::new(0);
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _guard = OnDrop(|| {
                    let inside = blocking(|| {
                        until_another_ran();
                        thread::panicking()
                    });
                    assert!(inside && thread::panicking());
                    tarae::sleep(ms(1));
                    assert!(thread::panicking());
                    *calls.borrow_mut() += 1;
                });
                panic_on_purpose();
            }));
            assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
            assert_eq!(*calls.borrow(), 1);
            assert!(!thread::panicking());
        }
    });
}

#[test]
fn a_destructor_calls_it_while_a_panic_unwinds_out_of_it() {
    on_workers(|| {
        hush();
        let calls = RefCell::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            blocking(|| {
                let _guard = OnDrop(|| *calls.borrow_mut() += blocking(|| 1));
                until_another_ran();
                panic_on_purpose()
            })
        }));
        assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
        assert_eq!(*calls.borrow(), 1);
        until_another_ran();
    });
}

#[test]
fn a_destructor_calls_it_while_a_cancellation_unwinds() {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            let done = Arc::new(AtomicU32::new(0));
            let one = || {
                let done = Arc::clone(&done);
                runtime.spawn(move || {
                    let _guard = OnDrop(|| {
                        done.fetch_add(blocking(|| 1), Ordering::SeqCst);
                    });
                    thread::park();
                })
            };
            let all: Vec<_> = (0..20).map(|_| one()).collect();
            std::thread::sleep(MOMENT);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert_eq!(done.load(Ordering::SeqCst), 20);
            assert!(all.into_iter().all(|one| is_cancelled(&*one.join().unwrap_err())));
        });
    }
}

#[test]
fn those_who_come_back_share_the_workers_again() {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            let all: Vec<_> =
                (0..50).map(|_| runtime.spawn(|| blocking(|| std::thread::sleep(ms(5))))).collect();
            all.into_iter().for_each(|one| one.join().unwrap());
            eventually("nobody is left behind", || runtime.metrics().threads.left_behind == 0);
            assert_eq!(runtime.metrics().threads.driving, workers);
            assert_eq!(runtime.metrics().workers, workers);
            // Everyone who computes now has a worker, and there are not more of them than that.
            let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let one = || {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                runtime.spawn(move || {
                    for _ in 0..100 {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        now.fetch_sub(1, Ordering::SeqCst);
                        thread::yield_now();
                    }
                })
            };
            let all: Vec<_> = (0..50).map(|_| one()).collect();
            all.into_iter().for_each(|one| one.join().unwrap());
            let most = most.load(Ordering::SeqCst) as usize;
            assert!(most <= workers, "{most} ran at the same time, of {workers}");
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}
