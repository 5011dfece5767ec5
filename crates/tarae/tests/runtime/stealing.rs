//! Work is shared: what one worker does not come to, another does.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tarae::net::{TcpListener, TcpStream};

use crate::support::{bounded, eventually, ms, runtime, spin_while};

/// The kernel thread that runs the caller: asked of the kernel, as whatever libc keeps follows the coroutine.
fn kernel_thread() -> i64 {
    // SAFETY: gettid(2) has no arguments and always succeeds.
    unsafe { libc::syscall(libc::SYS_gettid) }
}

#[test]
fn what_one_coroutine_spawns_runs_on_several_kernel_threads() {
    for workers in [2, 8] {
        bounded(move || {
            let runtime = runtime(workers);
            let seen = Arc::new(Mutex::new(HashSet::new()));
            let start = Instant::now();
            // On a busy machine, one round may be over before another thread gets a CPU.
            while seen.lock().unwrap().len() < 2 {
                assert!(start.elapsed() < Duration::from_secs(10), "only one kernel thread runs everything");
                let seen = Arc::clone(&seen);
                runtime.run(move || {
                    let children: Vec<_> = (0..200)
                        .map(|_| {
                            let seen = Arc::clone(&seen);
                            tarae::spawn(move || {
                                let end = Instant::now() + Duration::from_micros(200);
                                spin_while(|| Instant::now() < end);
                                seen.lock().unwrap().insert(kernel_thread());
                            })
                        })
                        .collect();
                    children.into_iter().for_each(|child| child.join().unwrap());
                });
            }
            assert!(runtime.metrics().stolen > 0);
        });
    }
}

#[test]
fn work_queued_behind_a_spinning_spawner_is_stolen() {
    bounded(|| {
        runtime(2).run(|| {
            let done = Arc::new(AtomicU32::new(0));
            let children: Vec<_> = (0..10)
                .map(|_| {
                    let done = Arc::clone(&done);
                    tarae::spawn(move || {
                        done.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect();
            // The spawner does not suspend: only another worker can run them.
            spin_while(|| done.load(Ordering::SeqCst) < 10);
            children.into_iter().for_each(|child| child.join().unwrap());
        });
    });
}

#[test]
fn a_single_spawn_of_a_spinning_coroutine_is_taken() {
    bounded(|| {
        runtime(2).run(|| {
            let done = Arc::new(AtomicBool::new(false));
            let child = tarae::spawn({
                let done = Arc::clone(&done);
                move || done.store(true, Ordering::SeqCst)
            });
            spin_while(|| !done.load(Ordering::SeqCst));
            child.join().unwrap();
        });
    });
}

/// Calls `wake` on a coroutine that then spins without suspending, and returns how long whoever was woken took.
fn woken_while_the_waker_spins(
    wait: impl FnOnce() + Send + 'static,
    wake: impl FnOnce(&tarae::thread::Thread) + Send + 'static,
) -> Duration {
    let woken_at = Arc::new(Mutex::new(None));
    let waiter = tarae::spawn({
        let woken_at = Arc::clone(&woken_at);
        move || {
            wait();
            *woken_at.lock().unwrap() = Some(Instant::now());
        }
    });
    tarae::sleep(ms(50));
    let start = Instant::now();
    wake(waiter.thread());
    spin_while(|| start.elapsed() < ms(300) && woken_at.lock().unwrap().is_none());
    let took = woken_at.lock().unwrap().map_or(ms(300), |at| at - start);
    waiter.join().unwrap();
    took
}

/// Tries a measurement again: another process may have had the CPU.
#[track_caller]
fn within_limit(limit: Duration, measure: impl Fn() -> Duration + Send + 'static) {
    let took: Vec<Duration> = runtime(2).run(move || {
        let mut took = Vec::new();
        while took.len() < 5 && took.last().is_none_or(|last| *last > limit) {
            took.push(measure());
        }
        took
    });
    assert!(took.last().is_some_and(|last| *last <= limit), "not within {limit:?}: {took:?}");
}

#[test]
fn work_in_the_next_slot_of_a_busy_worker_is_taken_by_an_idle_one() {
    bounded(|| {
        within_limit(ms(100), || {
            woken_while_the_waker_spins(tarae::thread::park, tarae::thread::Thread::unpark)
        });
    });
}

#[test]
fn a_timer_of_a_busy_worker_fires_on_an_idle_one() {
    bounded(|| {
        // So many that some are armed on the worker that will spin; the worst of them counts.
        within_limit(ms(50), || {
            let late = Arc::new(Mutex::new(Duration::ZERO));
            let sleepers: Vec<_> = (0..20)
                .map(|_| {
                    let late = Arc::clone(&late);
                    tarae::spawn(move || {
                        let due = Instant::now() + ms(60);
                        tarae::sleep(ms(60));
                        let mut late = late.lock().unwrap();
                        *late = (*late).max(due.elapsed());
                    })
                })
                .collect();
            tarae::sleep(ms(20));
            let start = Instant::now();
            spin_while(|| start.elapsed() < ms(300));
            sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
            *late.lock().unwrap()
        });
    });
}

#[test]
fn a_socket_of_a_busy_worker_is_served_by_an_idle_one() {
    bounded(|| {
        within_limit(ms(50), || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let reader_wakes = woken_while_the_waker_spins(
                move || drop(listener.accept().unwrap()),
                move |_| drop(std::net::TcpStream::connect(address).unwrap()),
            );
            // A socket registered on the very worker that spins.
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            let stream = Arc::new(stream);
            let own = Arc::clone(&stream);
            own.set_read_timeout(Some(ms(1))).unwrap();
            // Registers it here.
            let _ = (&*own).read(&mut [0]);
            own.set_read_timeout(None).unwrap();
            let own_wakes = woken_while_the_waker_spins(
                move || (&*stream).read_exact(&mut [0]).unwrap(),
                move |_| peer.write_all(&[1]).unwrap(),
            );
            reader_wakes.max(own_wakes)
        });
    });
}

#[test]
fn a_coroutine_goes_on_on_another_kernel_thread() {
    bounded(|| {
        let runtime = runtime(2);
        let moved = Arc::new(AtomicBool::new(false));
        eventually("a coroutine that moved", || {
            let moved = Arc::clone(&moved);
            runtime.run(move || {
                let movers: Vec<_> = (0..20)
                    .map(|_| {
                        let moved = Arc::clone(&moved);
                        tarae::spawn(move || {
                            let first = kernel_thread();
                            for _ in 0..50 {
                                tarae::yield_now();
                                let now = Instant::now();
                                spin_while(|| now.elapsed() < Duration::from_micros(20));
                                if kernel_thread() != first {
                                    moved.store(true, Ordering::SeqCst);
                                }
                            }
                        })
                    })
                    .collect();
                movers.into_iter().for_each(|mover| mover.join().unwrap());
                moved.load(Ordering::SeqCst)
            })
        });
    });
}

#[test]
fn a_stream_is_served_while_every_other_coroutine_yields() {
    bounded(|| {
        runtime(1).run(|| {
            let stop = Arc::new(AtomicBool::new(false));
            let yielders: Vec<_> = (0..4)
                .map(|_| {
                    let stop = Arc::clone(&stop);
                    tarae::spawn(move || {
                        while !stop.load(Ordering::SeqCst) {
                            tarae::yield_now();
                        }
                    })
                })
                .collect();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let peer = tarae::spawn(move || TcpStream::connect(address).unwrap());
            drop(listener.accept().unwrap());
            tarae::sleep(ms(5));
            drop(peer.join().unwrap());
            stop.store(true, Ordering::SeqCst);
            yielders.into_iter().for_each(|yielder| yielder.join().unwrap());
        });
    });
}
