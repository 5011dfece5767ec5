//! A lock keeps its coroutine on one kernel thread, until it lets go.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tarae_task::{Reason, ThreadLock, current, give_up_seat, park, yield_now};

use crate::common::stuck::{Driver, Gate, alone, stuck};
use crate::common::{Drops, Drove, Queue, wait_until};
use crate::place::{Left, drive_elsewhere, gettid, has_seat};

/// It parks, and is woken by a foreign thread and by a coroutine; it yields; and is on one kernel thread all the time.
#[test]
fn one_that_is_locked_stays_on_its_kernel_thread() {
    alone(|| {
        let (queue, drops, left) = (Queue::new(), Drops::default(), Left::default());
        let handle = queue.spawn({
            let left = left.clone();
            move || {
                let before = gettid();
                let lock = left.lock_thread();
                let mut tids = vec![before, gettid()];
                for _ in 0..3 {
                    yield_now();
                    tids.push(gettid());
                }
                let me = current().unwrap();
                for _ in 0..2 {
                    while !me.take_token() {
                        park(Reason::Unpark);
                    }
                    tids.push(gettid());
                    assert!(!has_seat());
                }
                drop(lock);
                (tids, gettid())
            }
        });
        let locked = drive_elsewhere(&queue, &drops);
        let coroutine = handle.coroutine().clone();
        let driver = Driver::start(&queue, left.wait());
        wait_until(|| coroutine.phase() == "parked");
        assert_eq!(coroutine.reason(), Reason::Unpark);
        coroutine.leave_token();
        wait_until(|| coroutine.phase() == "parked" || coroutine.is_done());
        let waker = queue.spawn({
            let coroutine = coroutine.clone();
            move || coroutine.leave_token()
        });
        let (tids, after) = handle.join().unwrap();
        waker.join().unwrap();
        let (drove, tid) = locked.join().unwrap();
        assert_eq!((drove, tids), (Drove::LeftBehind, vec![tid; 7]));
        assert!(after != tid, "it was let go");
        driver.stop();
        // It was put into no queue while it was locked: unlocking has queued it, and it has ended with the seat.
        assert_eq!((queue.adrift.counts()[0], queue.adrift.counts()[2], drops.count()), (1, 0, 1));
    });
}

#[test]
fn locks_nest() {
    alone(|| {
        let (queue, drops, left) = (Queue::new(), Drops::default(), Left::default());
        let asked = Arc::new(AtomicUsize::new(0));
        let handle = queue.spawn({
            let (left, asked) = (left.clone(), Arc::clone(&asked));
            move || {
                let lock = |_| {
                    ThreadLock::new(|| {
                        asked.fetch_add(1, Ordering::SeqCst);
                        *left.0.lock().unwrap() = give_up_seat();
                        Ok(())
                    })
                };
                let locks: Vec<_> = (0..3).map(lock).map(Result::unwrap).collect();
                let mut tids = vec![gettid()];
                for lock in locks {
                    yield_now();
                    tids.push(gettid());
                    drop(lock);
                }
                (tids, gettid())
            }
        });
        let locked = drive_elsewhere(&queue, &drops);
        let driver = Driver::start(&queue, left.wait());
        let (tids, after) = handle.join().unwrap();
        let (drove, tid) = locked.join().unwrap();
        assert_eq!((drove, tids, asked.load(Ordering::SeqCst)), (Drove::LeftBehind, vec![tid; 4], 1));
        assert!(after != tid);
        driver.stop();
    });
}

/// After it has let go it can be locked again, and then to another one.
#[test]
fn one_that_let_go_is_locked_again_elsewhere() {
    alone(|| {
        let (queue, drops, left) = (Queue::new(), Drops::default(), Left::default());
        let handle = queue.spawn({
            let left = left.clone();
            move || {
                [(); 2].map(|()| {
                    let lock = left.lock_thread();
                    let before = gettid();
                    yield_now();
                    assert_eq!(before, gettid());
                    drop(lock);
                    before
                })
            }
        });
        let first = drive_elsewhere(&queue, &drops);
        let seat = left.wait();
        let second = thread::spawn({
            let queue = Arc::clone(&queue);
            // It waits for the coroutine to be let go.
            move || (queue.drive_while(seat, false, |_| (), || true), gettid())
        });
        let driver = Driver::start(&queue, left.wait());
        let tids = handle.join().unwrap();
        let (first, second) = (first.join().unwrap(), second.join().unwrap());
        assert_eq!((first.0, second.0), (Drove::LeftBehind, Drove::LeftBehind));
        assert_eq!(tids, [first.1, second.1]);
        driver.stop();
        assert_eq!(drops.count(), 1);
    });
}

/// It has lost the seat before it asked for the lock.
#[test]
fn one_that_was_left_behind_can_be_locked_to_the_thread_it_is_on() {
    alone(|| {
        let left = Left::default();
        let stuck = stuck({
            let left = left.clone();
            move |gate| {
                gate.spin();
                let before = gettid();
                let lock = left.lock_thread();
                yield_now();
                assert_eq!(before, gettid());
                drop(lock);
                before != gettid() && has_seat()
            }
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, queue.len()), (Drove::LeftBehind, 1));
        assert!(left.0.lock().unwrap().is_none(), "there was none to give up");
        assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
        assert!(handle.join().unwrap());
    });
}

#[test]
fn on_a_kernel_thread_nothing_happens() {
    alone(|| {
        let not_asked = || -> io::Result<()> { unreachable!("a kernel thread keeps its seat") };
        let lock = ThreadLock::new(not_asked).unwrap();
        let nested = ThreadLock::new(not_asked).unwrap();
        drop(lock);
        drop(nested);
        let queue = Queue::new();
        tarae_task::sit(queue.seat(), |_, _| {
            let _lock = ThreadLock::new(not_asked).unwrap();
            assert!(has_seat());
        });
    });
}

#[test]
fn one_that_cannot_give_its_seat_up_is_not_locked_and_is_told_why() {
    alone(|| {
        let (queue, left) = (Queue::new(), Left::default());
        let handle = queue.spawn({
            let left = left.clone();
            move || {
                let error = ThreadLock::new(|| Err::<(), _>(io::Error::other("no thread"))).unwrap_err();
                let kept = has_seat();
                yield_now();
                let kept = kept && has_seat();
                // It asks again.
                let lock = left.lock_thread();
                let locked = !has_seat();
                drop(lock);
                (error.to_string(), kept, locked)
            }
        });
        assert_eq!(queue.drive(queue.seat(), false, |_| ()), Drove::LeftBehind);
        assert_eq!(queue.drive(left.seat(), false, |_| ()), Drove::Idle);
        assert_eq!(handle.join().unwrap(), ("no thread".to_string(), true, true));
    });
}

/// It is held fast in the kernel where nobody but its own thread is: others are not held up.
#[test]
fn a_locked_one_that_blocks_holds_nobody_up() {
    alone(|| {
        let (queue, drops, left, gate) = (Queue::new(), Drops::default(), Left::default(), Gate::new());
        let handle = queue.spawn({
            let (left, gate) = (left.clone(), Arc::clone(&gate));
            move || {
                let _lock = left.lock_thread();
                gate.sleep();
            }
        });
        let locked = drive_elsewhere(&queue, &drops);
        gate.await_entry();
        let other = queue.spawn(|| {
            yield_now();
            6
        });
        let seat = left.seat();
        let driver = Driver::start(&queue, seat);
        assert_eq!(other.join().unwrap(), 6);
        gate.open();
        assert_eq!(locked.join().unwrap().0, Drove::LeftBehind);
        handle.join().unwrap();
        driver.stop();
    });
}
