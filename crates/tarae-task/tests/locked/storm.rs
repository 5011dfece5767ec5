//! Everything at once: locks of a few among many, while seats are taken at random.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tarae_task::{ThreadLock, give_up_seat, yield_now};

use crate::common::crew::Crew;
use crate::common::random::Random;
use crate::common::stuck::alone;
use crate::common::{Drops, Mailbox, Queue, wait_until};
use crate::place::{gettid, has_seat};

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
