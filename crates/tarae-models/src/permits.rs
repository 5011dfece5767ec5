//! The semaphore's count and its line: who takes, who gives, who gives up, every interleaving.
//!
//! One permit guards one of loom's cells; more are counted.

/// Where the protocol looks for it.
use super::queue;

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-sync/src/permits.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use std::sync::Arc as StdArc;
    use std::task::{Wake, Waker};

    use loom::cell::UnsafeCell;
    use loom::sync::{Arc, Notify};
    use loom::thread;

    use super::protocol::{Entry, Outcome, Permits};

    /// A parked thread's waker.
    struct Park(Notify);

    impl Wake for Park {
        fn wake(self: StdArc<Self>) {
            self.0.notify();
        }
    }

    fn parker() -> (StdArc<Park>, Waker) {
        let park = StdArc::new(Park(Notify::new()));
        (park.clone(), Waker::from(park))
    }

    struct Counted {
        permits: Permits,
        /// Belongs to whoever has the only permit.
        value: UnsafeCell<usize>,
    }

    impl Counted {
        fn new(permits: usize) -> Arc<Counted> {
            Arc::new(Counted { permits: Permits::new(permits), value: UnsafeCell::new(0) })
        }

        /// The loop of `wait.rs`.
        fn acquire(&self, wanted: usize) -> Outcome {
            if self.permits.take(wanted).is_ok() {
                return Outcome::Taken;
            }
            let (park, waker) = parker();
            let mut ticket = match self.permits.enter(wanted, &waker) {
                Entry::Ended(outcome) => return outcome,
                Entry::Stands(ticket) => Some(ticket),
            };
            loop {
                park.0.wait();
                if let Some(outcome) = self.permits.look(&mut ticket) {
                    return outcome;
                }
            }
        }

        /// As one whose wait unwinds where it would park.
        fn give_up(&self, wanted: usize) {
            let (_park, waker) = parker();
            let had = match self.permits.enter(wanted, &waker) {
                Entry::Ended(outcome) => outcome == Outcome::Taken,
                Entry::Stands(ticket) => {
                    thread::yield_now();
                    self.permits.leave(ticket)
                }
            };
            if had {
                self.permits.give(wanted);
            }
        }

        fn use_alone(&self) {
            assert_eq!(self.acquire(1), Outcome::Taken);
            self.write();
            self.permits.give(1);
        }

        fn write(&self) {
            self.value.with_mut(|value| {
                // SAFETY: By the protocol under test; loom checks it.
                unsafe { *value += 1 }
            });
        }
    }

    fn spawn(counted: &Arc<Counted>, work: impl FnOnce(&Counted) + 'static) -> thread::JoinHandle<()> {
        let counted = Arc::clone(counted);
        thread::spawn(move || work(&counted))
    }

    fn bounded(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(model);
    }

    #[test]
    fn two_use_one_permit_in_turns() {
        loom::model(|| {
            let counted = Counted::new(1);
            let other = spawn(&counted, Counted::use_alone);
            counted.use_alone();
            other.join().unwrap();
            assert_eq!(counted.permits.take(1), Ok(()));
            assert_eq!(
                counted.value.with(|value| {
                    // SAFETY: As in `use_alone`.
                    unsafe { *value }
                }),
                2
            );
        });
    }

    #[test]
    fn three_use_one_permit_in_turns() {
        bounded(2, || {
            let counted = Counted::new(1);
            let others = [0, 1].map(|_| spawn(&counted, Counted::use_alone));
            counted.use_alone();
            others.into_iter().for_each(|other| other.join().unwrap());
            assert_eq!(counted.permits.take(1), Ok(()));
        });
    }

    /// Two permits come one by one, for one who wants both.
    #[test]
    fn one_who_wants_two_races_two_who_give_one() {
        bounded(3, || {
            let counted = Counted::new(0);
            let givers = [0, 1].map(|_| spawn(&counted, |counted| assert!(counted.permits.give(1))));
            assert_eq!(counted.acquire(2), Outcome::Taken);
            givers.into_iter().for_each(|giver| giver.join().unwrap());
            assert_eq!(counted.permits.available(), 0);
        });
    }

    /// One who wants many keeps back one who wants one, and gives up.
    #[test]
    fn one_who_gives_up_lets_by_the_one_behind() {
        bounded(3, || {
            let counted = Counted::new(1);
            let greedy = spawn(&counted, |counted| counted.give_up(2));
            let modest = spawn(&counted, |counted| assert_eq!(counted.acquire(1), Outcome::Taken));
            greedy.join().unwrap();
            modest.join().unwrap();
            assert_eq!(counted.permits.available(), 0);
        });
    }

    /// The permit may be dealt by the one who gives up, who has not given it.
    #[test]
    fn one_who_gives_up_races_one_who_gives() {
        bounded(3, || {
            let counted = Counted::new(0);
            let fickle = spawn(&counted, |counted| counted.give_up(1));
            let giver = spawn(&counted, |counted| {
                counted.write();
                assert!(counted.permits.give(1));
            });
            assert_eq!(counted.acquire(1), Outcome::Taken);
            counted.write();
            fickle.join().unwrap();
            giver.join().unwrap();
            assert_eq!(counted.permits.available(), 0);
        });
    }

    #[test]
    fn closing_races_one_who_enters_and_one_who_gives() {
        bounded(3, || {
            let counted = Counted::new(0);
            let closer = spawn(&counted, |counted| counted.permits.close());
            let giver = spawn(&counted, |counted| assert!(counted.permits.give(1)));
            let got = usize::from(counted.acquire(1) == Outcome::Taken);
            closer.join().unwrap();
            giver.join().unwrap();
            assert_eq!(counted.permits.available() + got, 1);
            assert_eq!(counted.acquire(1), Outcome::Closed);
        });
    }
}
