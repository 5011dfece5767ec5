//! Ending a runtime: everyone is cancelled, destructors run, joiners are told, and the threads go.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use tarae::net::{TcpListener, TcpStream};
use tarae::thread::{self, JoinHandle};
use tarae::{Runtime, is_cancelled};

use crate::support::proc::tasks_named;
use crate::support::{LIMIT, MOMENT, bounded, child, eventually, ms, runtime, spin_while, with_runtimes};

/// Does something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn counted(count: &Arc<AtomicU32>) -> OnDrop<impl FnMut() + use<>> {
    let count = Arc::clone(count);
    OnDrop(move || {
        count.fetch_add(1, Ordering::SeqCst);
    })
}

#[track_caller]
fn assert_cancelled<T>(handle: JoinHandle<T>) {
    let payload = handle.join().err().expect("it did not end by itself");
    assert!(is_cancelled(&*payload));
}

fn for_each_number_of_workers(body: fn(usize)) {
    for workers in crate::support::WORKERS {
        bounded(move || body(workers));
    }
}

#[test]
fn drop_unwinds_every_kind_of_wait() {
    for_each_number_of_workers(|workers| {
        let runtime = runtime(workers);
        let dropped = Arc::new(AtomicU32::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let waits: Vec<Box<dyn FnOnce() + Send>> = vec![
            Box::new(thread::park),
            Box::new(|| thread::park_timeout(ms(3_600_000))),
            Box::new(|| tarae::sleep(ms(3_600_000))),
            Box::new(|| tarae::sleep(std::time::Duration::MAX)),
            Box::new(|| tarae::spawn(thread::park).join().unwrap()),
            Box::new(|| {
                loop {
                    tarae::yield_now();
                }
            }),
            Box::new(move || {
                // Says so once.
                listener.accept().unwrap_err();
                drop(listener.accept());
            }),
            Box::new(|| {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                // Nobody writes.
                stream.read(&mut [0; 8]).unwrap_err();
                let _ = stream.read(&mut [0; 8]);
            }),
            Box::new(|| {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                // Nobody reads: it fills up.
                stream.write_all(&vec![0; 64 << 20]).unwrap_err();
                let _ = stream.write_all(&vec![0; 64 << 20]);
            }),
        ];
        let count = waits.len() as u32;
        let reached = Arc::new(AtomicU32::new(0));
        let waiting: Vec<_> = waits
            .into_iter()
            .map(|wait| {
                let (here, guard) = (Arc::clone(&reached), counted(&dropped));
                runtime.spawn(move || {
                    let _guard = guard;
                    here.fetch_add(1, Ordering::SeqCst);
                    wait();
                    unreachable!("the wait does not end by itself");
                })
            })
            .collect();
        eventually("all wait", || reached.load(Ordering::SeqCst) == count);
        std::thread::sleep(MOMENT);
        let start = Instant::now();
        drop(runtime);
        assert!(start.elapsed() < ms(900), "nobody used up the grace period: {:?}", start.elapsed());
        assert_eq!(dropped.load(Ordering::SeqCst), count);
        waiting.into_iter().for_each(assert_cancelled);
    });
}

#[test]
fn destructors_of_cancelled_coroutines_may_wait() {
    for_each_number_of_workers(|workers| {
        let runtime = runtime(workers);
        let done = Arc::new(AtomicU32::new(0));
        let parked: Vec<_> = (0..20)
            .map(|_| {
                let done = Arc::clone(&done);
                runtime.spawn(move || {
                    let _guard = OnDrop(move || {
                        let start = Instant::now();
                        tarae::sleep(ms(20));
                        assert!(start.elapsed() >= ms(20), "a sleep in a destructor is a sleep");
                        thread::yield_now();
                        thread::park_timeout(ms(5));
                        done.fetch_add(1, Ordering::SeqCst);
                    });
                    thread::park();
                })
            })
            .collect();
        std::thread::sleep(MOMENT);
        runtime.shutdown_timeout(LIMIT).unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 20);
        parked.into_iter().for_each(assert_cancelled);
    });
}

#[test]
fn jobs_that_never_started_are_dropped_and_their_joiners_told() {
    bounded(|| {
        let runtime = runtime(1);
        let (busy, ran, dropped) = (Arc::new(AtomicBool::new(true)), Arc::default(), Arc::default());
        let blocker = runtime.spawn({
            let busy = Arc::clone(&busy);
            move || spin_while(|| busy.load(Ordering::SeqCst))
        });
        eventually("the worker is busy", || Arc::strong_count(&busy) == 2);
        std::thread::sleep(MOMENT);
        let queued: Vec<_> = (0..100)
            .map(|_| {
                let (ran, guard) = (Arc::<AtomicU32>::clone(&ran), counted(&dropped));
                runtime.spawn(move || {
                    let _guard = guard;
                    ran.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        let release = std::thread::spawn(move || {
            std::thread::sleep(ms(100));
            busy.store(false, Ordering::SeqCst);
        });
        runtime.shutdown_timeout(LIMIT).unwrap();
        release.join().unwrap();
        assert_eq!((ran.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst)), (0, 100));
        queued.into_iter().for_each(assert_cancelled);
        blocker.join().expect("it ended by itself, without a wait");
    });
}

#[test]
fn a_joiner_on_a_kernel_thread_is_told() {
    with_a_waiting_joiner(|handle| {
        let joiner = std::thread::spawn(move || assert_cancelled(handle));
        std::thread::sleep(MOMENT);
        Box::new(move || joiner.join().unwrap())
    });
}

#[test]
fn a_joiner_in_another_runtime_is_told() {
    with_a_waiting_joiner(|handle| {
        let other = runtime(1);
        let joiner = other.spawn(move || assert_cancelled(handle));
        std::thread::sleep(MOMENT);
        Box::new(move || {
            joiner.join().unwrap();
            drop(other);
        })
    });
}

fn with_a_waiting_joiner(join: fn(JoinHandle<()>) -> Box<dyn FnOnce()>) {
    for workers in [1, 2, 8] {
        bounded(move || {
            let runtime = runtime(workers);
            let told = join(runtime.spawn(thread::park));
            drop(runtime);
            told();
        });
    }
}

#[test]
fn shutdown_from_inside_does_not_wait_for_itself() {
    for_each_number_of_workers(|workers| {
        let runtime = Runtime::builder().workers(workers).name("inside").build().unwrap();
        let (send, receive) = mpsc::channel::<Runtime>();
        let sleeper = runtime.spawn(thread::park);
        let inside = runtime.spawn(move || {
            let own = loop {
                match receive.try_recv() {
                    Ok(own) => break own,
                    Err(_) => thread::yield_now(),
                }
            };
            own.shutdown_timeout(LIMIT).expect("it does not wait, so nobody is left behind");
            thread::park();
        });
        send.send(runtime).unwrap();
        assert_cancelled(inside);
        assert_cancelled(sleeper);
        eventually("the threads end", || tasks_named("inside-").is_empty());
    });
}

#[test]
fn drop_in_its_own_coroutine_lets_the_coroutine_finish() {
    for_each_number_of_workers(|workers| {
        let runtime = Arc::new(Runtime::builder().workers(workers).name("own").build().unwrap());
        let own = Arc::clone(&runtime);
        let end = runtime.spawn(move || {
            while Arc::strong_count(&own) > 1 {
                thread::yield_now();
            }
            drop(own);
            "ended by itself"
        });
        drop(runtime);
        assert_eq!(end.join().unwrap(), "ended by itself");
        eventually("the threads end", || tasks_named("own-").is_empty());
    });
}

#[test]
fn drop_in_a_coroutine_of_another_runtime_parks_only_that_one() {
    bounded(|| {
        let outer = runtime(1);
        outer.run(|| {
            let inner = runtime(2);
            let slow = inner.spawn(|| {
                let _guard = OnDrop(|| tarae::sleep(ms(100)));
                thread::park();
            });
            thread::yield_now();
            std::thread::sleep(MOMENT);
            let ticks = Arc::new(AtomicU32::new(0));
            let ticker = tarae::spawn({
                let ticks = Arc::clone(&ticks);
                move || {
                    loop {
                        ticks.fetch_add(1, Ordering::SeqCst);
                        tarae::sleep(ms(1));
                    }
                }
            });
            drop(inner);
            assert!(ticks.load(Ordering::SeqCst) > 5, "the only worker of the outer runtime went on");
            assert_cancelled(slow);
            drop(ticker);
        });
    });
}

#[test]
fn what_is_spawned_during_shutdown_is_cancelled_too() {
    for_each_number_of_workers(|workers| {
        let runtime = runtime(workers);
        let (send, receive) = mpsc::channel();
        let parked: Vec<_> = (0..20)
            .map(|_| {
                let send = send.clone();
                runtime.spawn(move || {
                    let _guard = OnDrop(move || {
                        let child = thread::Builder::new().spawn(thread::park).unwrap();
                        send.send(child).unwrap();
                    });
                    thread::park();
                })
            })
            .collect();
        std::thread::sleep(MOMENT);
        drop(send);
        runtime.shutdown_timeout(LIMIT).unwrap();
        parked.into_iter().for_each(assert_cancelled);
        let children: Vec<JoinHandle<()>> = receive.iter().collect();
        assert_eq!(children.len(), 20);
        children.into_iter().for_each(assert_cancelled);
    });
}

#[test]
fn shutdown_ends_a_tree_that_keeps_growing() {
    for_each_number_of_workers(|workers| {
        fn grow() {
            loop {
                drop(thread::Builder::new().spawn(tarae::yield_now).unwrap());
                tarae::yield_now();
            }
        }
        let runtime = runtime(workers);
        let roots: Vec<_> = (0..5).map(|_| runtime.spawn(grow)).collect();
        std::thread::sleep(MOMENT);
        runtime.shutdown_timeout(LIMIT).unwrap();
        roots.into_iter().for_each(assert_cancelled);
    });
}

#[test]
fn whoever_catches_the_unwinding_meets_it_again_at_the_next_wait() {
    bounded(|| {
        let runtime = runtime(1);
        let caught = Arc::new(AtomicU32::new(0));
        let stubborn = runtime.spawn({
            let caught = Arc::clone(&caught);
            move || {
                for _ in 0..5 {
                    let wait = std::panic::catch_unwind(|| tarae::sleep(ms(3_600_000)));
                    assert!(is_cancelled(&*wait.unwrap_err()));
                    caught.fetch_add(1, Ordering::SeqCst);
                }
                "goes"
            }
        });
        std::thread::sleep(MOMENT);
        runtime.shutdown_timeout(LIMIT).unwrap();
        assert_eq!((stubborn.join().unwrap(), caught.load(Ordering::SeqCst)), ("goes", 5));
    });
}

#[test]
fn the_worker_threads_are_gone_after_a_drop() {
    bounded(|| {
        for workers in [1, 2, 8] {
            let runtime = Runtime::builder().workers(workers).name("going").build().unwrap();
            runtime.run(|| tarae::sleep(ms(1)));
            eventually("the threads have their names", || tasks_named("going-").len() == workers + 1);
            drop(runtime);
            // Each has said that it ends; the kernel may take a moment.
            eventually("the threads end", || tasks_named("going-").is_empty());
        }
    });
}

#[test]
fn an_idle_runtime_ends_at_once() {
    with_runtimes(|_| {
        let start = Instant::now();
        drop(runtime(4));
        assert!(start.elapsed() < ms(500), "{:?}", start.elapsed());
    });
}

#[test]
fn cancellation_does_not_reach_the_panic_hook() {
    child::alone("shutdown::cancellation_does_not_reach_the_panic_hook", || {
        static HOOKED: AtomicU32 = AtomicU32::new(0);
        std::panic::set_hook(Box::new(|_| {
            HOOKED.fetch_add(1, Ordering::SeqCst);
        }));
        let runtime = runtime(2);
        let parked: Vec<_> = (0..50).map(|_| runtime.spawn(thread::park)).collect();
        std::thread::sleep(MOMENT);
        drop(runtime);
        let _ = std::panic::take_hook();
        parked.into_iter().for_each(assert_cancelled);
        assert_eq!(HOOKED.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn runtimes_come_and_go_without_leaving_threads_or_descriptors() {
    child::alone("shutdown::runtimes_come_and_go_without_leaving_threads_or_descriptors", || {
        let round = || {
            let runtime = Runtime::builder().workers(3).name("round").build().unwrap();
            let waiting: Vec<_> = (0..10).map(|_| runtime.spawn(|| tarae::sleep(ms(3_600_000)))).collect();
            runtime.run(thread::yield_now);
            drop(runtime);
            waiting.into_iter().for_each(assert_cancelled);
        };
        round();
        let gone = || tasks_named("round-").is_empty();
        eventually("the threads end", gone);
        let before = crate::support::proc::open_descriptors();
        (0..100).for_each(|_| round());
        eventually("the threads end", gone);
        eventually("the descriptors are closed", || crate::support::proc::open_descriptors() == before);
    });
}
