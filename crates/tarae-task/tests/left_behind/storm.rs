//! Everything at once: seats taken and given up at random, under coroutines that do what coroutines do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tarae_task::{Reason, give_up_seat, park, waker, with_coroutine, with_seat, yield_now};

use crate::carrier::{MARK, errno, set_errno};
use crate::common::crew::Crew;
use crate::common::random::Random;
use crate::common::stuck::alone;
use crate::common::{Drops, Mailbox, Queue, Worker};

/// One of the storm's coroutines: what it is must not change, wherever it goes on.
struct Sailor {
    number: u64,
    id: thread::ThreadId,
    random: Random,
}

impl Sailor {
    fn new(number: u64, random: Random) -> Sailor {
        MARK.set(number);
        Sailor { number, id: thread::current().id(), random }
    }

    fn check(&self) {
        assert_eq!((MARK.get(), thread::current().id()), (self.number, self.id));
    }

    /// Does one of the things that coroutines do.
    fn act(&mut self) {
        match self.random.below(8) {
            0 | 1 => yield_now(),
            2 => {
                let set = set_errno();
                yield_now();
                assert_eq!(set, errno());
            }
            3 => {
                let until = Instant::now() + Duration::from_micros(self.random.below(60));
                while Instant::now() < until {}
            }
            4 => thread::sleep(Duration::from_micros(self.random.below(200))),
            5 => {
                with_seat(|seat: &Worker| seat.queue.len());
            }
            6 => {
                waker().wake();
                park(Reason::Other);
            }
            _ => with_coroutine(|coroutine| assert!(coroutine.is_some())),
        }
        self.check();
    }
}

/// Pairs send each other numbers; the seats of two are taken at random, and driven by one of five threads. From time to
/// time a coroutine gives its seat up by itself.
#[test]
fn a_storm_of_seats_taken_at_random() {
    const PAIRS: u64 = 12;
    const MESSAGES: u64 = 60;
    const SEATS: usize = 2;
    const THREADS: usize = 5;
    let mut random = Random::from_environment();
    for straight in [false, true] {
        let mut random = random.split();
        alone(move || {
            let (queue, drops) = (Queue::new(), Drops::default());
            let crew = Crew::new(&queue, straight, 2 * PAIRS as usize);
            let mut handles = Vec::new();
            for pair in 0..PAIRS {
                let mailbox = Arc::new(Mailbox::default());
                let (sender, crew, theirs, ours) =
                    (Arc::clone(&mailbox), Arc::clone(&crew), random.split(), random.split());
                handles.push(queue.spawn(move || {
                    let mut sailor = Sailor::new(1 + 2 * pair, theirs);
                    for message in 0..MESSAGES {
                        sailor.act();
                        sender.send(message);
                        sailor.check();
                        if sailor.random.below(50) == 0
                            && let Some(seat) = give_up_seat::<Worker>()
                        {
                            crew.give(seat);
                        }
                    }
                    0
                }));
                handles.push(queue.spawn(move || {
                    let mut sailor = Sailor::new(2 + 2 * pair, ours);
                    (0..MESSAGES)
                        .map(|_| {
                            sailor.act();
                            let message = mailbox.receive();
                            sailor.check();
                            message
                        })
                        .sum()
                }));
            }
            (0..SEATS).for_each(|_| crew.give(queue.counted_seat(&drops)));
            let threads: Vec<_> = (0..THREADS).map(|_| crew.start_thread()).collect();
            let taken = Arc::new(AtomicUsize::new(0));
            let taker = thread::spawn({
                let (crew, taken) = (Arc::clone(&crew), Arc::clone(&taken));
                move || {
                    while !crew.is_done() {
                        thread::sleep(Duration::from_micros(random.below(150)));
                        if let Some((seat, coroutine)) = crew.take(random.next() as usize) {
                            assert!(!coroutine.is_done());
                            taken.fetch_add(1, Ordering::Relaxed);
                            crew.give(seat);
                        }
                    }
                }
            });
            let sums: Vec<u64> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
            let expected = (0..MESSAGES).sum::<u64>();
            assert!(sums.chunks(2).all(|pair| pair == [0, expected]), "{sums:?}");
            taker.join().unwrap();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            let (taken, (left_behind, spent)) = (taken.load(Ordering::Relaxed), crew.ends());
            println!("taken {taken}, left behind {left_behind}");
            assert!(0 < taken && taken <= left_behind && spent == 0);
            assert_eq!((queue.finished.load(Ordering::SeqCst), queue.len()), (2 * PAIRS as usize, 0));
            drop(crew);
            assert_eq!(drops.count(), SEATS);
        });
    }
}
