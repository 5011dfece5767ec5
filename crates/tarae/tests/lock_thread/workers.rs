//! Workers and spare threads: nobody is kept from running.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;

use tarae::thread;
use tarae::{blocking, lock_thread};

use crate::claims::{under_pressure, wait_in_every_way};
use crate::kernel::kernel_thread;
use crate::support::{LIMIT, bounded, eventually, ms, runtime};

#[test]
fn a_locked_one_that_blocks_keeps_nobody_from_running() {
    under_pressure(|claims| {
        let lock = lock_thread().unwrap();
        let home = claims.claim();
        for _ in 0..5 {
            let (send, receive) = channel();
            let other = tarae::spawn(move || {
                tarae::sleep(ms(1));
                send.send(7).unwrap();
            });
            assert_eq!(receive.recv(), Ok(7), "unmarked");
            other.join().unwrap();
            assert_eq!(kernel_thread(), home);
            let (send, receive) = channel();
            let other = tarae::spawn(move || send.send(7).unwrap());
            assert_eq!(blocking(|| receive.recv()), Ok(7), "marked");
            other.join().unwrap();
            assert_eq!(kernel_thread(), home);
        }
        claims.give_up(home);
        drop(lock);
    });
}

#[test]
fn one_that_was_left_behind_locks_where_it_is() {
    under_pressure(|claims| {
        for marked in [false, true] {
            let stuck = || std::thread::sleep(ms(30));
            if marked {
                blocking(stuck)
            } else {
                stuck()
            }
            let lock = blocking(|| lock_thread().unwrap());
            let home = claims.claim();
            wait_in_every_way(claims, home);
            claims.give_up(home);
            blocking(|| drop(lock));
            thread::yield_now();
        }
    });
}

#[test]
fn locked_threads_are_counted() {
    bounded(|| {
        let runtime = runtime(2);
        let (on, locked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
        let one = || {
            let (on, locked) = (Arc::clone(&on), Arc::clone(&locked));
            runtime.spawn(move || {
                let _lock = lock_thread().unwrap();
                locked.fetch_add(1, Ordering::SeqCst);
                while on.load(Ordering::SeqCst) {
                    tarae::sleep(ms(1));
                }
            })
        };
        let all: Vec<_> = (0..7).map(|_| one()).collect();
        eventually("all are locked", || locked.load(Ordering::SeqCst) == 7);
        eventually("seven are counted", || runtime.metrics().threads.locked == 7);
        assert_eq!(runtime.metrics().threads.driving, 2);
        on.store(false, Ordering::SeqCst);
        all.into_iter().for_each(|one| one.join().unwrap());
        eventually("none is counted", || runtime.metrics().threads.locked == 0);
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}
