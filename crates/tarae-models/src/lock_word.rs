//! The lock word and its line: who takes it, who stands in line and who gives up, every interleaving.
//!
//! What the lock guards is one of loom's cells, so two holders at once are seen, and one who does not see what the last one
//! wrote. One who is never woken never ends. The line itself is also checked alone: a grant races one who gives up.

/// Where the protocol looks for it.
use super::queue;

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-sync/src/lock_word.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use std::sync::Arc as StdArc;
    use std::task::{Wake, Waker};

    use loom::cell::UnsafeCell;
    use loom::sync::{Arc, Notify};
    use loom::thread;

    use super::protocol::{LockWord, Mode};
    use super::queue::{Queue, Standing, Ticket};

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

    /// When one who was called in vain loses its patience.
    #[derive(Clone, Copy)]
    enum Patience {
        Endless,
        None,
    }

    struct Guarded {
        lock: LockWord,
        value: UnsafeCell<usize>,
    }

    impl Guarded {
        fn new() -> Arc<Guarded> {
            Arc::new(Guarded { lock: LockWord::new(), value: UnsafeCell::new(0) })
        }

        /// The loop of `wait.rs`.
        fn acquire(&self, mode: Mode, patience: Patience) {
            if self.lock.take(mode) {
                return;
            }
            let (park, waker) = parker();
            let mut ticket = self.lock.enter(mode, &waker);
            while ticket.is_some() {
                park.0.wait();
                self.lock.look(&mut ticket, mode, &waker, || matches!(patience, Patience::None));
            }
        }

        /// As one that is interrupted where it would park.
        fn acquire_or_leave(&self, mode: Mode) -> bool {
            let (_park, waker) = parker();
            if self.lock.take(mode) {
                return true;
            }
            self.lock.enter(mode, &waker).is_none_or(|ticket| {
                thread::yield_now();
                self.lock.leave(ticket)
            })
        }

        fn write(&self) {
            self.value.with_mut(|value| {
                // SAFETY: By the protocol under test; loom checks it.
                unsafe { *value += 1 }
            });
        }

        fn read(&self) -> usize {
            self.value.with(|value| {
                // SAFETY: As in `write`.
                unsafe { *value }
            })
        }

        fn release_exclusive(&self) {
            if !self.lock.release_exclusive() {
                self.lock.release(Mode::Exclusive);
            }
        }

        fn add(&self, patience: Patience) {
            if !self.lock.take_exclusive() {
                self.acquire(Mode::Exclusive, patience);
            }
            self.write();
            self.release_exclusive();
        }

        fn look(&self, patience: Patience) -> usize {
            self.acquire(Mode::Shared, patience);
            let seen = self.read();
            self.lock.release(Mode::Shared);
            seen
        }

        /// Nobody holds it or waits, and it was written to as often.
        fn ends_with(&self, count: usize) {
            assert!(self.lock.take_exclusive(), "held, or a bit left over");
            assert_eq!(self.read(), count);
        }
    }

    fn spawn(guarded: &Arc<Guarded>, work: impl FnOnce(&Guarded) + 'static) -> thread::JoinHandle<()> {
        let guarded = Arc::clone(guarded);
        thread::spawn(move || work(&guarded))
    }

    /// One more holds as well for each that takes it, and takes many times as long.
    fn bounded(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(model);
    }

    #[test]
    fn two_take_it_in_turns() {
        for patience in [Patience::Endless, Patience::None] {
            loom::model(move || {
                let guarded = Guarded::new();
                let other = spawn(&guarded, move |guarded| guarded.add(patience));
                guarded.add(patience);
                other.join().unwrap();
                guarded.ends_with(2);
            });
        }
    }

    #[test]
    fn one_who_takes_it_again_races_one_in_line() {
        for patience in [Patience::Endless, Patience::None] {
            bounded(3, move || {
                let guarded = Guarded::new();
                let other = spawn(&guarded, move |guarded| guarded.add(patience));
                (0..3).for_each(|_| guarded.add(patience));
                other.join().unwrap();
                guarded.ends_with(4);
            });
        }
    }

    #[test]
    fn three_take_it_in_turns() {
        for patience in [Patience::Endless, Patience::None] {
            bounded(2, move || {
                let guarded = Guarded::new();
                let others = [0, 1].map(|_| spawn(&guarded, move |guarded| guarded.add(patience)));
                guarded.add(patience);
                others.into_iter().for_each(|other| other.join().unwrap());
                guarded.ends_with(3);
            });
        }
    }

    /// One gives up while it is called, or while the lock is granted to it; another one stands behind.
    #[test]
    fn one_who_gives_up_races_a_release_and_one_behind() {
        for patience in [Patience::Endless, Patience::None] {
            bounded(2, move || {
                let guarded = Guarded::new();
                let behind = spawn(&guarded, move |guarded| guarded.add(patience));
                let fickle = spawn(&guarded, |guarded| {
                    if guarded.acquire_or_leave(Mode::Exclusive) {
                        guarded.release_exclusive();
                    }
                });
                guarded.add(patience);
                behind.join().unwrap();
                fickle.join().unwrap();
                guarded.ends_with(2);
            });
        }
    }

    #[test]
    fn readers_race_a_writer() {
        for patience in [Patience::Endless, Patience::None] {
            bounded(2, move || {
                let guarded = Guarded::new();
                let reader = spawn(&guarded, move |guarded| assert!(guarded.look(patience) <= 1));
                let writer = spawn(&guarded, move |guarded| guarded.add(patience));
                assert!(guarded.look(patience) <= 1);
                reader.join().unwrap();
                writer.join().unwrap();
                guarded.ends_with(1);
            });
        }
    }

    /// Two readers stand in line behind a writer: the first lets in the second, also if they read until both are there.
    #[test]
    fn readers_in_line_come_in_together() {
        bounded(2, || {
            let guarded = Guarded::new();
            assert!(guarded.lock.take_exclusive());
            let readers = [0, 1].map(|_| {
                spawn(&guarded, |guarded| {
                    guarded.acquire(Mode::Shared, Patience::Endless);
                    assert_eq!(guarded.read(), 1);
                })
            });
            guarded.write();
            guarded.release_exclusive();
            // Neither has released it.
            readers.into_iter().for_each(|reader| reader.join().unwrap());
            (0..2).for_each(|_| guarded.lock.release(Mode::Shared));
            guarded.ends_with(1);
        });
    }

    /// A reader stands behind a writer that gives up while another one reads: nobody has to release for it to come in.
    #[test]
    fn a_writer_that_gives_up_lets_in_the_reader_behind_it() {
        bounded(3, || {
            let guarded = Guarded::new();
            assert!(guarded.lock.take(Mode::Shared));
            let writer = spawn(&guarded, |guarded| assert!(!guarded.acquire_or_leave(Mode::Exclusive)));
            let reader = spawn(&guarded, |guarded| {
                guarded.acquire(Mode::Shared, Patience::Endless);
                guarded.lock.release(Mode::Shared);
            });
            reader.join().unwrap();
            writer.join().unwrap();
            guarded.lock.release(Mode::Shared);
            guarded.ends_with(0);
        });
    }

    #[test]
    fn a_downgrade_lets_in_a_reader() {
        bounded(3, || {
            let guarded = Guarded::new();
            assert!(guarded.lock.take_exclusive());
            let reader = spawn(&guarded, |guarded| assert_eq!(guarded.look(Patience::Endless), 1));
            guarded.write();
            guarded.lock.downgrade();
            reader.join().unwrap();
            assert_eq!(guarded.read(), 1);
            guarded.lock.release(Mode::Shared);
            guarded.ends_with(1);
        });
    }

    /// Two stand in line, one grant comes, the first gives up: whoever has the grant at the end, somebody has.
    #[test]
    fn a_grant_races_one_who_gives_up() {
        loom::model(|| {
            let queue = Arc::new(Queue::new());
            let (_first_park, first_waker) = parker();
            let (park, waker) = parker();
            let first = queue.lock().enter((), &first_waker);
            let mut second = Some(queue.lock().enter((), &waker));
            let granter = thread::spawn({
                let queue = Arc::clone(&queue);
                move || grant(&queue)
            });
            let fickle = thread::spawn({
                let queue = Arc::clone(&queue);
                move || leave(&queue, first)
            });
            loop {
                let mut line = queue.lock();
                if line.take_granted(&mut second) {
                    break;
                }
                drop(line);
                park.0.wait();
            }
            granter.join().unwrap();
            fickle.join().unwrap();
            assert!(queue.lock().is_empty());
        });
    }

    fn grant(queue: &Queue<()>) {
        let woken = queue.lock().grant_first();
        woken.into_iter().for_each(Waker::wake);
    }

    fn leave(queue: &Queue<()>, ticket: Ticket) {
        let standing = queue.lock().leave(ticket);
        if standing == Standing::Granted {
            grant(queue);
        }
    }
}
