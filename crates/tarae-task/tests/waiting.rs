//! Park and wake: wakers and their counts, tokens, seats, kernel threads, and a storm on several threads.

mod common;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use common::{DEADLINE, Mailbox, Queue, Worker, within};
use tarae_task::{
    Reason, current, park, park_deadline, waker, with_coroutine, with_seat, with_waker, yield_now,
};

#[test]
fn a_wake_before_the_park_makes_it_return_at_once() {
    let queue = Queue::new();
    let handle = queue.spawn(|| {
        waker().wake();
        waker().wake();
        park(Reason::Other);
        7
    });
    queue.run();
    assert_eq!(handle.join().unwrap(), 7);
}

#[test]
fn many_wakes_queue_a_parked_coroutine_once() {
    let queue = Queue::new();
    let handle = queue.spawn(|| park(Reason::Other));
    queue.run();
    (0..3).for_each(|_| handle.coroutine().wake());
    assert_eq!(queue.len(), 1);
    queue.run();
    handle.coroutine().wake();
    assert_eq!(queue.len(), 0, "it is done");
    handle.join().unwrap();
}

/// It has said that it will park, and is not parked yet.
#[test]
fn a_wake_that_comes_while_it_is_being_parked_queues_it_again() {
    for straight in [false, true] {
        let queue = Queue::new();
        let handle = queue.spawn(|| {
            park(Reason::Other);
            3
        });
        *queue.woken_at_parking.lock().unwrap() = Some(handle.coroutine().clone());
        queue.run_straight_on(straight);
        assert_eq!(handle.join().unwrap(), 3);
    }
}

#[test]
fn wakers_count_and_outlive_their_coroutine() {
    let queue = Queue::new();
    let handle = queue.spawn(waker);
    queue.run();
    let kept: Waker = handle.join().unwrap();
    let clones: Vec<Waker> = (0..10).map(|_| kept.clone()).collect();
    assert!(clones.iter().all(|clone| clone.will_wake(&kept)));
    assert_eq!(Arc::strong_count(&queue), 2, "one object");
    clones.into_iter().for_each(Waker::wake);
    kept.wake_by_ref();
    assert_eq!((Arc::strong_count(&queue), queue.len()), (2, 0));
    drop(kept);
    assert_eq!(Arc::strong_count(&queue), 1);
}

#[test]
fn a_borrowed_waker_counts_only_what_is_cloned() {
    let queue = Queue::new();
    let slot = Arc::new(Mutex::new(None));
    let handle = queue.spawn({
        let slot = Arc::clone(&slot);
        move || {
            with_waker(|_| ());
            with_waker(|waker| *slot.lock().unwrap() = Some(waker.clone()));
            park(Reason::Other);
            with_coroutine(|coroutine| assert!(coroutine.is_some()));
        }
    });
    queue.run();
    let cloned: Waker = slot.lock().unwrap().take().unwrap();
    cloned.wake();
    queue.run();
    handle.join().unwrap();
    assert_eq!(Arc::strong_count(&queue), 1);
}

#[test]
fn a_token_is_kept_until_it_is_taken_and_no_longer() {
    let queue = Queue::new();
    let handle = queue.spawn(|| {
        let me = current().unwrap();
        while !me.take_token() {
            park(Reason::Unpark);
        }
        me.take_token()
    });
    queue.run();
    handle.coroutine().wake();
    queue.run();
    assert_eq!((handle.coroutine().phase(), handle.coroutine().reason()), ("parked", Reason::Unpark));
    handle.coroutine().leave_token();
    queue.run();
    assert!(!handle.join().unwrap());
}

#[test]
fn a_yield_lets_those_behind_go_first() {
    for straight in [false, true] {
        let (queue, log) = (Queue::new(), Arc::new(Mutex::new(Vec::new())));
        let handles = [0, 1].map(|me| {
            let log = Arc::clone(&log);
            queue.spawn(move || {
                for turn in 0..3 {
                    log.lock().unwrap().push((turn, me));
                    yield_now();
                }
            })
        });
        queue.run_straight_on(straight);
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        assert_eq!(*log.lock().unwrap(), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]);
    }
}

#[test]
fn the_seat_is_seen_by_the_worker_and_by_what_it_runs() {
    let queue = Queue::new();
    assert!(with_seat(|_: &Worker| ()).is_none(), "nobody sits here");
    let handle = queue.spawn(|| {
        assert!(with_seat(|_: &u32| ()).is_none(), "another kind");
        let before = with_seat(|worker: &Worker| Arc::as_ptr(&worker.queue) as usize);
        yield_now();
        (before, with_seat(|worker: &Worker| Arc::as_ptr(&worker.queue) as usize))
    });
    for straight in [false, true] {
        queue.run_straight_on(straight);
    }
    let here = Some(Arc::as_ptr(&queue) as usize);
    assert_eq!(handle.join().unwrap(), (here, here));
    assert!(with_seat(|_: &Worker| ()).is_none(), "it was taken back");
}

#[test]
fn sitting_nests_on_a_kernel_thread() {
    let here = || with_seat(|seat: &u32| *seat);
    tarae_task::sit(Box::new(1_u32), |first, _| {
        tarae_task::sit(Box::new(2_u32), |second, _| assert_eq!((here(), *second), (Some(2), 2)));
        assert_eq!((here(), *first), (Some(1), 1));
        let unwound = std::panic::catch_unwind(|| {
            tarae_task::sit(Box::new(3_u32), |_, _| std::panic::resume_unwind(Box::new(())));
        });
        assert!(unwound.is_err());
        assert_eq!((here(), *first), (Some(1), 1));
    });
    assert_eq!(here(), None);
}

#[test]
fn a_suspension_inside_with_seat_is_refused() {
    let queue = Queue::new();
    let handle = queue.spawn(|| {
        let refused = std::panic::catch_unwind(|| with_seat(|_: &Worker| yield_now())).is_err();
        yield_now();
        refused
    });
    queue.run();
    assert!(handle.join().unwrap());
}

#[test]
fn a_kernel_thread_parks_until_its_deadline() {
    within(DEADLINE, || {
        let begun = Instant::now();
        park_deadline(Reason::Other, Some(begun + Duration::from_millis(30)));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        park_deadline(Reason::Other, Some(begun));
    });
}

#[test]
fn a_kernel_thread_takes_a_wake_once_and_leaves_std_tokens_alone() {
    within(DEADLINE, || {
        waker().wake();
        park(Reason::Other);
        let begun = Instant::now();
        thread::current().unpark();
        park_deadline(Reason::Other, Some(begun + Duration::from_millis(30)));
        assert!(begun.elapsed() >= Duration::from_millis(30), "std's token is not ours");
        let waker = waker();
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(10));
            waker.wake();
        });
        park(Reason::Other);
        other.join().unwrap();
    });
}

#[test]
fn who_runs_is_known_inside_and_nobody_runs_outside() {
    let queue = Queue::new();
    assert!(current().is_none());
    let handle = queue.spawn(current);
    queue.run();
    assert!(current().is_none());
    let coroutine = handle.coroutine().clone();
    assert_eq!(handle.join().unwrap(), Some(coroutine));
}

/// Pairs of coroutines, and of a coroutine and a kernel thread, on four threads; some are cancelled meanwhile.
#[test]
fn a_storm_of_parks_wakes_and_cancels_on_four_threads() {
    const PAIRS: u64 = 40;
    const MESSAGES: u64 = 100;
    let seed = AtomicU64::new(0x9E37_79B9_7F4A_7C15 ^ u64::from(std::process::id()));
    eprintln!("seed {}", seed.load(Ordering::Relaxed));
    for straight in [false, true] {
        let mut random = seed.load(Ordering::Relaxed);
        within(DEADLINE, move || {
            let (queue, sum) = (Queue::new(), Arc::new(AtomicU64::new(0)));
            let done = Arc::new(AtomicBool::new(false));
            let mut handles = Vec::new();
            for _ in 0..PAIRS {
                let mailbox = Arc::new(Mailbox::default());
                let (sender, sum) = (Arc::clone(&mailbox), Arc::clone(&sum));
                handles.push(queue.spawn(move || (0..MESSAGES).for_each(|message| sender.send(message))));
                handles.push(queue.spawn(move || {
                    (0..MESSAGES).for_each(|_| {
                        sum.fetch_add(mailbox.receive(), Ordering::Relaxed);
                    });
                }));
            }
            let victims: Vec<_> = (0..20)
                .map(|_| {
                    queue.spawn(|| -> () {
                        loop {
                            park(Reason::Other)
                        }
                    })
                })
                .collect();
            let cancels = Arc::new(AtomicUsize::new(0));
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    let queue = Arc::clone(&queue);
                    let total = 2 * PAIRS as usize + victims.len();
                    thread::spawn(move || queue.run_until_finished(total, straight))
                })
                .collect();
            let disturber = {
                let victims: Vec<_> = victims.iter().map(|victim| victim.coroutine().clone()).collect();
                let others: Vec<_> = handles.iter().map(|handle| handle.coroutine().clone()).collect();
                let (done, cancels) = (Arc::clone(&done), Arc::clone(&cancels));
                thread::spawn(move || {
                    for victim in victims {
                        for _ in 0..20 {
                            random ^= random << 13;
                            random ^= random >> 7;
                            random ^= random << 17;
                            others[(random % others.len() as u64) as usize].wake();
                            victim.wake();
                        }
                        victim.cancel();
                        cancels.fetch_add(1, Ordering::Relaxed);
                    }
                    done.store(true, Ordering::Release);
                })
            };
            handles.into_iter().for_each(|handle| handle.join().unwrap());
            victims.into_iter().for_each(|victim| assert!(victim.join().is_err()));
            disturber.join().unwrap();
            workers.into_iter().for_each(|worker| worker.join().unwrap());
            assert_eq!(sum.load(Ordering::Relaxed), PAIRS * (0..MESSAGES).sum::<u64>());
            assert_eq!((cancels.load(Ordering::Relaxed), queue.len()), (20, 0));
        });
    }
}
