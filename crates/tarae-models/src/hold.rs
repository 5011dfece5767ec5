//! The hold of a thread on its seat: its holder, its takers, and who sits down next, every interleaving.
//!
//! The seat is one of loom's cells, which complains of accesses that meet or are not ordered; so does the tenure's note of
//! who runs. Who owns the seat is counted apart. A holder is what `tarae-task/src/{seat,run}.rs` make of it: it goes
//! inside where its coroutine suspends and where that uses the seat, and stops where it finds that it was left behind.

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-task/src/hold.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::atomic::Ordering::Relaxed;

    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    use super::protocol::{Enter, Hold, Runs};
    use crate::sync::{barriers_are_offered, offer_barriers};

    /// What goes from hand to hand; how often it was used.
    type Seat = Arc<UnsafeCell<usize>>;

    struct Tenure {
        hold: Hold,
        /// The holder's own.
        runs: RefCell<Runs>,
        seat: Seat,
        /// Who runs: written inside, read by whoever takes the seat.
        current: UnsafeCell<Option<usize>>,
    }

    fn use_seat(seat: &UnsafeCell<usize>) {
        seat.with_mut(|uses| {
            // SAFETY: By the protocol under test; loom checks it.
            unsafe { *uses += 1 }
        });
    }

    impl Tenure {
        /// The calling thread sits, inside.
        fn new(seat: Seat) -> Arc<Tenure> {
            let hold = Hold::new(barriers_are_offered());
            let runs = RefCell::new(hold.begin_runs());
            Arc::new(Tenure { hold, runs, seat, current: UnsafeCell::new(None) })
        }

        /// As above, and a coroutine runs.
        fn running() -> Arc<Tenure> {
            let tenure = Tenure::new(Arc::new(UnsafeCell::new(0)));
            tenure.begin_run(0);
            tenure
        }

        fn begin_run(&self, coroutine: usize) {
            self.current.with_mut(|current| {
                // SAFETY: We are inside; loom checks it.
                unsafe { *current = Some(coroutine) }
            });
            self.hold.leave_for_a_run(&mut self.runs.borrow_mut());
        }

        fn enter(&self) -> bool {
            self.settle(self.hold.enter())
        }

        fn end_run(&self) -> bool {
            let entered = self.hold.enter_after_a_run(&self.runs.borrow());
            self.settle(entered)
        }

        fn settle(&self, entered: Enter) -> bool {
            let ours = entered == Enter::Inside || self.hold.settle();
            if !ours {
                self.current.with_mut(|current| {
                    // SAFETY: The coroutine goes its own way, to its end. Who took the seat has looked; loom checks it.
                    unsafe { *current = None }
                });
            }
            ours
        }

        /// What a coroutine does. Returns whether the seat was there.
        fn with_seat(&self) -> bool {
            if !self.enter() {
                return false;
            }
            use_seat(&self.seat);
            self.hold.leave();
            true
        }

        /// The coroutine comes back, the worker looks for the next, and runs it. Returns whether the seat was there.
        fn next_run(&self, coroutine: usize) -> bool {
            if !self.end_run() {
                return false;
            }
            use_seat(&self.seat);
            self.begin_run(coroutine);
            true
        }

        /// Returns the seat, with who was left behind with its thread.
        fn take(&self) -> Option<(Seat, usize)> {
            self.hold.take(|| {
                let current = self.current.with(|current| {
                    // SAFETY: The holder waits for our decision; loom checks it.
                    unsafe { *current }
                });
                (self.seat.clone(), current.expect("somebody runs where a seat can be taken"))
            })
        }

        /// What a coroutine gives up, or a worker that stands up.
        fn give_up(&self) -> Option<Seat> {
            self.hold.give_up().then(|| self.seat.clone())
        }

        /// The end of a holder: the worker stands up. Returns whether the seat was its own to the end.
        fn stand_up(&self) -> bool {
            self.give_up().inspect(|seat| use_seat(seat)).is_some()
        }
    }

    fn spawn<R: 'static>(
        tenure: &Arc<Tenure>,
        f: impl FnOnce(&Tenure) -> R + 'static,
    ) -> thread::JoinHandle<R> {
        let tenure = Arc::clone(tenure);
        thread::spawn(move || f(&tenure))
    }

    /// Runs a model with the barriers, and as it is where the kernel has none.
    fn check(preemptions: Option<usize>, model: impl Fn() + Copy + Send + Sync + 'static) {
        for offered in [true, false] {
            offer_barriers(offered);
            let mut builder = loom::model::Builder::new();
            builder.preemption_bound = preemptions;
            builder.check(model);
        }
        offer_barriers(true);
    }

    /// Uses the seat it took.
    fn take_and_use(tenure: &Tenure) -> Option<usize> {
        tenure.take().map(|(seat, current)| {
            use_seat(&seat);
            current
        })
    }

    #[test]
    fn a_taker_races_a_coroutine_that_uses_the_seat() {
        check(None, || {
            let tenure = Tenure::running();
            let taker = spawn(&tenure, take_and_use);
            let used = [tenure.with_seat(), tenure.with_seat()];
            let taken = taker.join().unwrap();
            assert!(used != [false, true], "it came back");
            assert!(taken.is_none_or(|current| current == 0));
            // Used twice, and yet taken: then afterwards.
            assert_eq!(tenure.stand_up(), taken.is_none(), "one owner");
            assert!(used[1] || taken.is_some());
        });
    }

    /// The first time it finds the holder inside; the second question counts as much as the first.
    #[test]
    fn a_taker_that_was_refused_asks_again() {
        check(Some(3), || {
            let tenure = Tenure::running();
            let taker = spawn(&tenure, |tenure| take_and_use(tenure).or_else(|| take_and_use(tenure)));
            let used = [tenure.with_seat(), tenure.with_seat()];
            let taken = taker.join().unwrap();
            assert!(used != [false, true], "it came back");
            assert_eq!(tenure.stand_up(), taken.is_none(), "one owner");
        });
    }

    #[test]
    fn a_taker_races_a_worker_that_goes_from_run_to_run() {
        check(None, || {
            let tenure = Tenure::running();
            let taker = spawn(&tenure, take_and_use);
            let runs = (1..3).take_while(|&run| tenure.next_run(run)).count();
            let taken = taker.join().unwrap();
            // Left behind in the run that the taker was told of.
            assert!(taken.is_none_or(|current| current <= runs));
            assert_eq!(tenure.hold.runs(), runs + 1);
            assert_eq!(tenure.enter(), taken.is_none(), "one owner");
        });
    }

    /// With the barriers: without them the holder is always asked.
    #[test]
    fn a_refused_question_is_taken_back() {
        loom::model(|| {
            let tenure = Tenure::new(Arc::new(UnsafeCell::new(0)));
            let taker = spawn(&tenure, |tenure| tenure.take().is_some());
            use_seat(&tenure.seat);
            assert!(!taker.join().unwrap(), "the holder was inside");
            tenure.begin_run(1);
            assert_eq!(tenure.hold.enter(), Enter::Inside);
            use_seat(&tenure.seat);
        });
    }

    #[test]
    fn a_seat_that_was_taken_is_handed_to_a_third_thread() {
        check(Some(3), || {
            let tenure = Tenure::running();
            let taker = spawn(&tenure, |tenure| {
                let (seat, _) = tenure.take()?;
                use_seat(&seat);
                // Its new holder lets a coroutine run, which uses the seat, and then stands up.
                let next = thread::spawn(move || {
                    let tenure = Tenure::new(seat);
                    use_seat(&tenure.seat);
                    tenure.begin_run(5);
                    (tenure.with_seat(), tenure.stand_up())
                });
                Some(next.join().unwrap())
            });
            let used = tenure.with_seat();
            let ours = tenure.next_run(1);
            let theirs = taker.join().unwrap();
            assert!(theirs.is_none_or(|next| next == (true, true)));
            assert!(used || !ours);
            assert_eq!(tenure.stand_up(), theirs.is_none(), "one owner");
        });
    }

    /// The third thread's seat is taken as well, by a watcher of its own.
    #[test]
    fn a_seat_is_taken_from_one_holder_and_then_from_the_next() {
        check(Some(2), || {
            let first = Tenure::running();
            let taker = spawn(&first, |first| {
                let Some((seat, _)) = first.take() else { return 0 };
                let second = Tenure::new(seat);
                second.begin_run(1);
                let taker = spawn(&second, take_and_use);
                let used = second.with_seat();
                let taken = taker.join().unwrap();
                assert!(used || taken.is_some());
                assert_eq!(second.stand_up(), taken.is_none(), "one owner");
                1
            });
            let used = first.with_seat();
            let taken = taker.join().unwrap();
            assert!(used || taken == 1);
            assert_eq!(first.stand_up(), taken == 0, "one owner");
        });
    }

    #[test]
    fn two_takers_race_each_other_and_the_holder() {
        check(Some(3), || {
            let tenure = Tenure::running();
            let takers = [0, 1].map(|_| spawn(&tenure, take_and_use));
            let used = tenure.with_seat();
            let taken = takers.map(|taker| taker.join().unwrap());
            let owners = taken.iter().flatten().count();
            assert!(owners <= 1, "two took it");
            assert!(used || owners == 1);
            assert_eq!(tenure.enter(), owners == 0, "one owner");
        });
    }

    /// Nobody goes inside: one of them gets it, for certain.
    #[test]
    fn of_two_takers_of_a_stuck_thread_one_gets_the_seat() {
        check(None, || {
            let tenure = Tenure::running();
            let other = spawn(&tenure, take_and_use);
            let mine = take_and_use(&tenure);
            let theirs = other.join().unwrap();
            assert!(mine.is_some() != theirs.is_some());
            assert!(!tenure.enter());
        });
    }

    #[test]
    fn a_taker_races_a_coroutine_that_gives_the_seat_up() {
        check(None, || {
            let tenure = Tenure::running();
            let taker = spawn(&tenure, take_and_use);
            let _ = tenure.with_seat();
            let given_up = tenure.give_up();
            if let Some(seat) = &given_up {
                use_seat(seat);
            }
            let taken = taker.join().unwrap();
            assert!(given_up.is_some() != taken.is_some(), "one owner");
            assert!(!tenure.with_seat());
            assert!(tenure.give_up().is_none(), "it is given up once");
        });
    }

    /// Where nobody runs any more there is nobody to be left behind: the worker stands up from inside.
    #[test]
    fn a_taker_races_a_worker_that_stands_up() {
        check(None, || {
            let tenure = Tenure::new(Arc::new(UnsafeCell::new(0)));
            let taker = spawn(&tenure, take_and_use);
            use_seat(&tenure.seat);
            assert!(tenure.stand_up());
            assert_eq!(taker.join().unwrap(), None);
            assert!(!tenure.hold.is_inside());
        });
    }

    /// The holder comes back while the taker is between its question and its answer: it waits for the answer.
    #[test]
    fn a_holder_that_settles_waits_for_the_decision() {
        check(None, || {
            let tenure = Tenure::running();
            let taker = spawn(&tenure, |tenure| {
                tenure.hold.take(|| {
                    // Between the two, the holder must stand still.
                    use_seat(&tenure.seat);
                    thread::yield_now();
                    use_seat(&tenure.seat);
                })
            });
            let ours = tenure.next_run(1);
            let taken = taker.join().unwrap();
            assert!(ours || taken.is_some());
            assert_eq!(tenure.enter(), taken.is_none(), "one owner");
        });
    }

    /// A watcher that sees the same twice, outside, has seen one run; uses of the seat in between do not count.
    #[test]
    fn a_look_tells_one_run_from_the_next() {
        check(None, || {
            let tenure = Tenure::running();
            let watcher = spawn(&tenure, |tenure| {
                let looks = [tenure.hold.look(), tenure.hold.look()];
                let taken = (looks[0] == looks[1] && looks[0].is_outside()).then(|| tenure.take());
                taken.flatten().map(|(_, current)| current)
            });
            let before = tenure.hold.look();
            let used = tenure.with_seat();
            let after = tenure.hold.look();
            assert!(before == after && after.is_outside());
            let ran = tenure.next_run(1);
            assert!(!ran || tenure.hold.look() != before);
            assert_eq!(tenure.hold.runs(), 1 + usize::from(ran));
            let taken = watcher.join().unwrap();
            assert!(used || !ran);
            assert_eq!(tenure.enter(), taken.is_none(), "one owner");
        });
    }

    /// `Relaxed` numbers that a holder wrote before it went outside are the taker's to read.
    #[test]
    fn what_was_written_before_a_run_is_seen_by_whoever_takes_the_seat() {
        check(None, || {
            let written = Arc::new(AtomicUsize::new(0));
            let tenure = Tenure::new(Arc::new(UnsafeCell::new(0)));
            let taker = spawn(&tenure, {
                let written = written.clone();
                move |tenure| tenure.take().map(|(_, current)| (current, written.load(Relaxed)))
            });
            written.store(7, Relaxed);
            tenure.begin_run(3);
            let taken = taker.join().unwrap();
            assert!(taken.is_none_or(|seen| seen == (3, 7)));
        });
    }
}
