//! Coroutines locked to their kernel thread.

mod common;

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::crew::Crew;
use common::random::Random;
use common::stuck::{Driver, Gate, alone, stuck};
use common::{Drops, Drove, Mailbox, Queue, Worker, pool, wait_until};
use tarae_task::{Cancelled, Reason, ThreadLock, current, give_up_seat, park, with_seat, yield_now};

/// The kernel's own answer: no cache of the C library stands between.
fn gettid() -> rustix::thread::Pid {
    rustix::thread::gettid()
}

fn has_seat() -> bool {
    with_seat(|_: &Worker| ()).is_some()
}

/// Where a seat that was given up waits for the test.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Option<Box<Worker>>>>);

impl Left {
    fn lock_thread(&self) -> ThreadLock {
        ThreadLock::new(|| {
            // It may have been taken before.
            if let Some(seat) = give_up_seat() {
                *self.0.lock().unwrap() = Some(seat);
            }
            Ok(())
        })
        .expect("that cannot fail")
    }

    #[track_caller]
    fn seat(&self) -> Box<Worker> {
        self.0.lock().unwrap().take().expect("it was given up")
    }

    fn wait(&self) -> Box<Worker> {
        wait_until(|| self.0.lock().unwrap().is_some());
        self.seat()
    }
}

/// Drives the queue on a thread of its own, until nothing is queued or it is left behind. Returns its kernel tid too.
fn drive_elsewhere(queue: &Arc<Queue>, drops: &Drops) -> thread::JoinHandle<(Drove, rustix::thread::Pid)> {
    let (queue, seat) = (Arc::clone(queue), queue.counted_seat(drops));
    thread::spawn(move || (queue.drive(seat, true, |_| ()), gettid()))
}

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

/// Pairs send each other numbers; some lock themselves to their threads for a while, some for ever, and seats are taken at
/// random all the time.
#[test]
fn a_storm_of_locks() {
    const PAIRS: u64 = 8;
    const MESSAGES: u64 = 40;
    const SEATS: usize = 2;
    /// Who may be locked at a time: a thread more than these, and somebody can go on.
    const LOCKED: usize = 3;
    const LEAKS: usize = 2;
    let mut random = Random::from_environment();
    for straight in [false, true] {
        let mut random = random.split();
        alone(move || {
            let (queue, drops) = (Queue::new(), Drops::default());
            let crew = Crew::new(&queue, straight, 2 * PAIRS as usize);
            let permits = Arc::new(AtomicUsize::new(LOCKED));
            let lock_thread = {
                let crew = Arc::clone(&crew);
                move || {
                    let lock = ThreadLock::new(|| {
                        give_up_seat().into_iter().for_each(|seat| crew.give(seat));
                        Ok(())
                    });
                    lock.unwrap()
                }
            };
            let mut handles = Vec::new();
            for pair in 0..PAIRS {
                let mailbox = Arc::new(Mailbox::default());
                for sends in [true, false] {
                    let (mailbox, permits, lock_thread, mut random) =
                        (Arc::clone(&mailbox), Arc::clone(&permits), lock_thread.clone(), random.split());
                    handles.push(queue.spawn(move || {
                        let mut sum = 0;
                        let mut lock = None;
                        for message in 0..MESSAGES {
                            let free = permits.load(Ordering::SeqCst);
                            if lock.is_none()
                                && random.below(6) == 0
                                && free > 0
                                && permits
                                    .compare_exchange(free, free - 1, Ordering::SeqCst, Ordering::SeqCst)
                                    .is_ok()
                            {
                                lock = Some((lock_thread(), gettid()));
                            }
                            match sends {
                                true => mailbox.send(message),
                                false => sum += mailbox.receive(),
                            }
                            yield_now();
                            if random.below(10) == 0 {
                                thread::sleep(Duration::from_micros(random.below(100)));
                            }
                            if let Some((_, tid)) = &lock {
                                assert_eq!((gettid(), has_seat()), (*tid, false));
                                if random.below(4) == 0 {
                                    lock = None;
                                    permits.fetch_add(1, Ordering::SeqCst);
                                }
                            }
                        }
                        if lock.take().is_some() {
                            permits.fetch_add(1, Ordering::SeqCst);
                        }
                        if sends && pair < LEAKS as u64 {
                            std::mem::forget(lock_thread());
                        }
                        sum
                    }));
                }
            }
            (0..SEATS).for_each(|_| crew.give(queue.counted_seat(&drops)));
            let threads: Vec<_> = (0..SEATS + LOCKED + LEAKS + 1).map(|_| crew.start_thread()).collect();
            let done = Arc::new(AtomicBool::new(false));
            let taker = thread::spawn({
                let (crew, done) = (Arc::clone(&crew), Arc::clone(&done));
                move || {
                    while !done.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_micros(random.below(200)));
                        if let Some((seat, _)) = crew.take(random.next() as usize) {
                            crew.give(seat);
                        }
                    }
                }
            });
            let sums: Vec<u64> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
            let expected = (0..MESSAGES).sum::<u64>();
            assert!(sums.chunks(2).all(|pair| pair == [0, expected]), "{sums:?}");
            wait_until(|| crew.is_done());
            done.store(true, Ordering::SeqCst);
            taker.join().unwrap();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            let (left_behind, spent) = crew.ends();
            println!("left behind {left_behind}");
            assert_eq!((left_behind > 0, spent, queue.len()), (true, LEAKS, 0));
            drop((crew, lock_thread));
            assert_eq!(drops.count(), SEATS);
        });
    }
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
