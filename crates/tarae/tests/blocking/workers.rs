//! Others have the worker meanwhile, and it comes back to one.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use tarae::{blocking, thread};

use crate::support::{LIMIT, WORKERS, bounded, child, eventually, ms, on_workers, runtime, with_runtimes};
use crate::turns::until_another_ran;

#[test]
fn others_have_the_worker_meanwhile() {
    on_workers(|| (0..50).for_each(|_| blocking(until_another_ran)));
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
    child::alone("workers::many_short_calls_need_few_threads", || {
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
