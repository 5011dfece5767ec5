//! The end of a lock: let go, leaked, or unwound through.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use tarae_task::{Cancelled, Reason, ThreadLock, give_up_seat, park, yield_now};

use crate::common::stuck::{Driver, alone};
use crate::common::{Drops, Drove, Queue, Worker, pool, wait_until};
use crate::place::{Left, drive_elsewhere, gettid, has_seat};

#[test]
fn one_whose_lock_is_leaked_spends_its_thread() {
    for parks in [false, true] {
        alone(move || {
            let (queue, drops, left) = (Queue::new(), Drops::default(), Left::default());
            let handle = queue.spawn({
                let left = left.clone();
                move || {
                    std::mem::forget(left.lock_thread());
                    if parks {
                        park(Reason::Other);
                    }
                    gettid()
                }
            });
            let coroutine = handle.coroutine().clone();
            let locked = drive_elsewhere(&queue, &drops);
            let driver = Driver::start(&queue, left.wait());
            // Its joiner is a coroutine, and woken from the thread that is spent.
            let joiner = queue.spawn(move || handle.join().unwrap());
            if parks {
                wait_until(|| coroutine.phase() == "parked");
                coroutine.wake();
            }
            let (drove, tid) = locked.join().unwrap();
            assert_eq!((drove, joiner.join().unwrap()), (Drove::Spent, tid));
            driver.stop();
            assert_eq!((queue.finished.load(Ordering::SeqCst), queue.adrift.counts()[2]), (2, 1));
        });
    }
}

#[test]
fn a_leaked_lock_among_others_keeps_it_locked() {
    alone(|| {
        let (queue, drops, left) = (Queue::new(), Drops::default(), Left::default());
        let handle = queue.spawn({
            let left = left.clone();
            move || {
                let kept = left.lock_thread();
                std::mem::forget(left.lock_thread());
                drop(kept);
                yield_now();
                (gettid(), has_seat())
            }
        });
        let (drove, tid) = drive_elsewhere(&queue, &drops).join().unwrap();
        assert_eq!((drove, handle.join().unwrap()), (Drove::Spent, (tid, false)));
        drop(left.seat());
        assert_eq!((drops.count(), queue.len()), (1, 0));
    });
}

/// What the scheduler gave for the time of the lock goes back once: at its end, or, where it was leaked, at that of the
/// coroutine.
#[test]
fn what_the_scheduler_gave_is_dropped_when_the_lock_ends() {
    for (leaks, parks) in [(false, false), (false, true), (true, false), (true, true)] {
        alone(move || {
            let (queue, tokens, left) = (Queue::new(), Drops::default(), Left::default());
            let handle = queue.spawn({
                let (tokens, left) = (tokens.clone(), left.clone());
                move || {
                    let token = tokens.counted();
                    let lock = ThreadLock::new(|| {
                        *left.0.lock().unwrap() = give_up_seat();
                        Ok(token)
                    });
                    if parks {
                        park(Reason::Other);
                    }
                    let before = tokens.count();
                    if leaks {
                        std::mem::forget(lock);
                    } else {
                        drop(lock);
                    }
                    before
                }
            });
            let locked = drive_elsewhere(&queue, &Drops::default());
            let seat = left.wait();
            if parks {
                wait_until(|| handle.coroutine().phase() == "parked");
                handle.coroutine().wake();
            }
            let drove = locked.join().unwrap().0;
            assert_eq!(drove, if leaks { Drove::Spent } else { Drove::LeftBehind });
            assert_eq!(tokens.count(), 1);
            assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
            assert_eq!(handle.join().unwrap(), 0);
        });
    }
}

/// Notes on which kernel thread it is dropped.
struct NotesWhere(std::sync::mpsc::Sender<rustix::thread::Pid>);

impl Drop for NotesWhere {
    fn drop(&mut self) {
        let _ = self.0.send(gettid());
    }
}

/// It unwinds on its thread, lets go of it on the way, and goes on unwinding with the seat.
#[test]
fn one_that_is_cancelled_while_it_waits_unwinds_on_its_thread() {
    alone(|| {
        let (queue, drops, left) = (Queue::new(), Drops::default(), Left::default());
        let (send, receive) = channel();
        let handle = queue.spawn({
            let left = left.clone();
            move || {
                let _after = NotesWhere(send.clone());
                let _lock = left.lock_thread();
                let _before = NotesWhere(send);
                loop {
                    park(Reason::Other);
                }
            }
        });
        let locked = drive_elsewhere(&queue, &drops);
        let seat = left.wait();
        let coroutine = handle.coroutine();
        wait_until(|| coroutine.phase() == "parked");
        coroutine.cancel();
        let (drove, tid) = locked.join().unwrap();
        assert_eq!((drove, queue.len()), (Drove::LeftBehind, 1));
        assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
        assert_eq!(receive.iter().collect::<Vec<_>>(), [tid, gettid()]);
        let outcome: thread::Result<()> = handle.join();
        assert!(outcome.unwrap_err().is::<Cancelled>());
    });
}

#[test]
fn one_that_panics_with_its_lock_lets_go_of_the_thread() {
    alone(|| {
        let (queue, drops, left) = (Queue::new(), Drops::default(), Left::default());
        let handle = queue.spawn({
            let left = left.clone();
            move || -> () {
                let _lock = left.lock_thread();
                std::panic::resume_unwind(Box::new(4));
            }
        });
        assert_eq!(drive_elsewhere(&queue, &drops).join().unwrap().0, Drove::LeftBehind);
        assert_eq!((queue.len(), queue.drive(left.seat(), false, |_| ())), (1, Drove::Idle));
        assert_eq!(handle.join().unwrap_err().downcast_ref::<i32>(), Some(&4));
    });
}

thread_local! {
    static KEPT: RefCell<Option<ThreadLock>> = const { RefCell::new(None) };
}

/// A guard left in a thread-local outlives its coroutine, as the thread-local does.
#[test]
fn a_guard_of_one_that_has_ended_unlocks_nobody_else() {
    alone(|| {
        let queue = Queue::new();
        let lock = || {
            ThreadLock::new(|| {
                drop(give_up_seat::<Worker>());
                Ok(())
            })
            .unwrap()
        };
        let first = queue.spawn(move || KEPT.set(Some(lock())));
        assert_eq!(queue.drive(queue.seat(), false, |_| ()), Drove::Spent);
        first.join().unwrap();
        // As many at once as there are contexts, and more: one of them finds the guard.
        let total = pool().counts().0 + 100;
        let started = Arc::new(AtomicUsize::new(0));
        let others: Vec<_> = (0..total)
            .map(|_| {
                let started = Arc::clone(&started);
                queue.spawn(move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    while started.load(Ordering::SeqCst) < total {
                        yield_now();
                    }
                    let Some(stale) = KEPT.take() else { return false };
                    let ours = lock();
                    drop(stale);
                    let before = gettid();
                    yield_now();
                    assert!(before == gettid() && !has_seat(), "it is still locked");
                    drop(ours);
                    true
                })
            })
            .collect();
        assert_eq!(queue.drive(queue.seat(), true, |_| ()), Drove::LeftBehind);
        queue.run_straight_on(true);
        assert_eq!(others.into_iter().filter_map(|other| other.join().unwrap().then_some(())).count(), 1);
    });
}
