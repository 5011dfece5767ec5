//! Waking one that is locked: nothing is lost between the end of its run and the wait of its thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tarae_task::{Reason, current, park};

use crate::common::stuck::alone;
use crate::common::{Drops, Drove, Mailbox, Queue};
use crate::place::{Left, drive_elsewhere};

/// The wake comes before it parks, or while it is being parked: the thread does not wait at all.
#[test]
fn a_wake_before_a_locked_one_waits_is_not_lost() {
    alone(|| {
        let (queue, drops, left) = (Queue::new(), Drops::default(), Left::default());
        let handle = queue.spawn({
            let (left, queue) = (left.clone(), Arc::clone(&queue));
            move || {
                let lock = left.lock_thread();
                tarae_task::waker().wake();
                park(Reason::Other);
                *queue.woken_at_parking.lock().unwrap() = current();
                park(Reason::Other);
                std::mem::forget(lock);
            }
        });
        assert_eq!(drive_elsewhere(&queue, &drops).join().unwrap().0, Drove::Spent);
        assert_eq!((queue.adrift.counts(), queue.len()), ([0, 1, 1, 0], 0));
        handle.join().unwrap();
        drop(left.seat());
    });
}

/// Between the end of its run and the wait of its thread there is a moment in which it is woken already.
#[test]
fn wakes_race_a_locked_one_that_parks() {
    const ROUNDS: usize = 5_000;
    alone(|| {
        let (queue, drops, left) = (Queue::new(), Drops::default(), Left::default());
        let turns = Arc::new(AtomicUsize::new(0));
        let handle = queue.spawn({
            let (left, turns) = (left.clone(), Arc::clone(&turns));
            move || {
                let (_lock, me) = (left.lock_thread(), current().unwrap());
                for _ in 0..ROUNDS {
                    turns.fetch_add(1, Ordering::SeqCst);
                    while !me.take_token() {
                        park(Reason::Unpark);
                    }
                }
            }
        });
        let locked = drive_elsewhere(&queue, &drops);
        for turn in 1..=ROUNDS {
            while turns.load(Ordering::SeqCst) < turn {
                std::hint::spin_loop();
            }
            handle.coroutine().leave_token();
        }
        assert_eq!(locked.join().unwrap().0, Drove::LeftBehind);
        assert_eq!(queue.drive(left.seat(), false, |_| ()), Drove::Idle);
        handle.join().unwrap();
    });
}

/// Each is on a kernel thread of its own, and no worker is between them.
#[test]
fn two_that_are_locked_wake_each_other() {
    alone(|| {
        let (queue, drops) = (Queue::new(), Drops::default());
        let (there, back) = (Arc::new(Mailbox::default()), Arc::new(Mailbox::default()));
        let lefts = [Left::default(), Left::default()];
        let first = queue.spawn({
            let (left, there, back) = (lefts[0].clone(), Arc::clone(&there), Arc::clone(&back));
            move || {
                std::mem::forget(left.lock_thread());
                (0..200)
                    .map(|number| {
                        there.send(number);
                        back.receive()
                    })
                    .sum::<u64>()
            }
        });
        let first_thread = drive_elsewhere(&queue, &drops);
        let first_seat = lefts[0].wait();
        let second = queue.spawn({
            let left = lefts[1].clone();
            move || {
                std::mem::forget(left.lock_thread());
                (0..200).for_each(|_| back.send(2 * there.receive()));
            }
        });
        let second_thread = drive_elsewhere(&queue, &drops);
        assert_eq!(first.join().unwrap(), (0..200).map(|number| 2 * number).sum::<u64>());
        second.join().unwrap();
        assert_eq!(first_thread.join().unwrap().0, Drove::Spent);
        assert_eq!(second_thread.join().unwrap().0, Drove::Spent);
        drop((first_seat, lefts[1].seat()));
        assert_eq!((drops.count(), queue.len()), (2, 0));
    });
}
