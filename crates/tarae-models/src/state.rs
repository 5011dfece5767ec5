//! The state word of a coroutine: its run, its wakers, its joiner, every interleaving.
//!
//! What wakers publish is `Relaxed`, and what belongs to one side at a time lies in loom's cells, which complain of
//! accesses that are not ordered: so a missing `Release` or `Acquire` of the word is seen. A hand-over between queues
//! synchronises, as a deque does, but only with whoever queued.

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-task/src/state.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

    use loom::cell::UnsafeCell;
    use loom::sync::atomic::AtomicUsize;
    use loom::sync::{Arc, Notify};
    use loom::thread;

    use super::protocol::{Completed, Join, Park, Result, State, Woken, Written};

    struct Coroutine {
        state: State,
        /// Belongs to whoever the state says owns the stack.
        stack: UnsafeCell<usize>,
        /// The run queue: how many `Runnable`s are in it.
        queue: AtomicUsize,
        /// How often a waker was told to schedule.
        schedules: AtomicUsize,
        /// What it waits for, one from each waker.
        published: [AtomicUsize; 2],
        /// The joiner's, which synchronises, as the joiner's own wake does.
        bell: Notify,
        joiner: UnsafeCell<Option<usize>>,
        result: UnsafeCell<Option<usize>>,
    }

    impl Coroutine {
        /// Just spawned: in the queue.
        fn new() -> Arc<Coroutine> {
            Arc::new(Coroutine {
                state: State::new(),
                stack: UnsafeCell::new(0),
                queue: AtomicUsize::new(1),
                schedules: AtomicUsize::new(0),
                published: [AtomicUsize::new(0), AtomicUsize::new(0)],
                bell: Notify::new(),
                joiner: UnsafeCell::new(None),
                result: UnsafeCell::new(None),
            })
        }

        /// Has parked, and nobody has woken it yet.
        fn parked() -> Arc<Coroutine> {
            let coroutine = Coroutine::new();
            coroutine.take_from_queue();
            assert_eq!(coroutine.state.park(), Park::Parked);
            coroutine
        }

        fn push_to_queue(&self) {
            assert_eq!(self.queue.swap(1, Release), 0, "two Runnables of one coroutine");
        }

        fn take_from_queue(&self) {
            while self.queue.swap(0, Acquire) == 0 {
                thread::yield_now();
            }
            self.state.begin_run();
            self.use_stack();
        }

        fn use_stack(&self) {
            self.stack.with_mut(|stack| {
                // SAFETY: By the protocol under test; loom checks it.
                unsafe { *stack += 1 }
            });
        }

        fn publish_and_wake(&self, index: usize) {
            self.published[index].store(1, Relaxed);
            self.obey(self.state.wake());
        }

        fn cancel(&self) {
            self.obey(self.state.cancel());
        }

        fn obey(&self, woken: Woken) {
            if woken == Woken::Schedule {
                self.schedules.fetch_add(1, Relaxed);
                self.use_stack();
                self.push_to_queue();
            }
        }

        fn sees(&self, count: usize) -> bool {
            self.published.iter().map(|flag| flag.load(Relaxed)).sum::<usize>() >= count
        }

        /// The wait of `tarae_task::park`, and the worker that runs it; returns how often it parked.
        fn wait_until(&self, condition: impl Fn() -> bool) -> usize {
            let mut parks = 0;
            while !condition() {
                if self.state.take_notification() {
                    continue;
                }
                self.use_stack();
                match self.state.park() {
                    Park::Again => self.state.begin_run(),
                    Park::Parked => {
                        parks += 1;
                        self.take_from_queue();
                    }
                }
            }
            parks
        }

        fn write_result(&self) {
            self.result.with_mut(|result| {
                // SAFETY: Before `write_result` the result is the coroutine's; loom checks it.
                unsafe { *result = Some(7) }
            });
            match self.state.write_result() {
                Written::Drop => assert_eq!(self.take_result(), Some(7)),
                Written::WakeWatcher => self.wake_who_lies_in_the_slot(),
                Written::Leave => {}
            }
        }

        fn wake_who_lies_in_the_slot(&self) {
            let joiner = self.joiner.with_mut(|joiner| {
                // SAFETY: The order just given says that the slot is ours; loom checks it.
                unsafe { (*joiner).take() }
            });
            assert_eq!(joiner, Some(5));
            self.bell.notify();
        }

        /// The join handle as a future, polled once, and again when it was woken.
        fn watch(&self) -> Option<usize> {
            if !self.state.has_result() {
                self.joiner.with_mut(|joiner| {
                    // SAFETY: Before `watch` the slot is the handle's; loom checks it.
                    unsafe { *joiner = Some(5) }
                });
                match self.state.watch() {
                    Join::Wait => {
                        while !self.state.has_result() {
                            self.bell.wait();
                        }
                    }
                    Join::Done => self.joiner.with(|joiner| {
                        // SAFETY: `Done` says that the slot is ours again; loom checks it.
                        assert_eq!(unsafe { *joiner }, Some(5));
                    }),
                }
            }
            self.take_result()
        }

        fn complete(&self) {
            // What the worker does between the result and the end.
            self.use_stack();
            if self.state.complete() == Completed::WakeJoiner {
                self.wake_who_lies_in_the_slot();
            }
        }

        fn join(&self) -> Option<usize> {
            if !self.state.is_done() {
                self.joiner.with_mut(|joiner| {
                    // SAFETY: Before `join` the slot is the handle's; loom checks it.
                    unsafe { *joiner = Some(5) }
                });
                match self.state.join() {
                    Join::Wait => {
                        while !self.state.is_done() {
                            self.bell.wait();
                        }
                    }
                    Join::Done => self.joiner.with(|joiner| {
                        // SAFETY: `Done` says that the slot is ours again; loom checks it.
                        assert_eq!(unsafe { *joiner }, Some(5));
                    }),
                }
            }
            self.use_stack();
            self.take_result()
        }

        fn take_result(&self) -> Option<usize> {
            self.result.with_mut(|result| {
                // SAFETY: By the protocol under test; loom checks it.
                unsafe { (*result).take() }
            })
        }
    }

    fn spawn<R: 'static>(
        coroutine: &Arc<Coroutine>,
        f: impl FnOnce(&Coroutine) -> R + 'static,
    ) -> thread::JoinHandle<R> {
        let coroutine = Arc::clone(coroutine);
        thread::spawn(move || f(&coroutine))
    }

    #[test]
    fn park_races_a_wake() {
        loom::model(|| {
            let coroutine = Coroutine::new();
            coroutine.take_from_queue();
            let waker = spawn(&coroutine, |coroutine| coroutine.publish_and_wake(0));
            let parks = coroutine.wait_until(|| coroutine.sees(1));
            waker.join().unwrap();
            assert_eq!(coroutine.schedules.load(Relaxed), parks);
        });
    }

    #[test]
    fn park_races_two_wakes() {
        // Two find every mutant that was tried. Three pass as well, and take half a minute unoptimised.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let coroutine = Coroutine::new();
            coroutine.take_from_queue();
            let wakers =
                [0, 1].map(|index| spawn(&coroutine, move |coroutine| coroutine.publish_and_wake(index)));
            let parks = coroutine.wait_until(|| coroutine.sees(2));
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
            assert_eq!(coroutine.schedules.load(Relaxed), parks);
        });
    }

    /// The wake changes nothing, and yet the run that begins must see what was published, or remember the wake.
    #[test]
    fn begin_run_races_a_wake_that_finds_ready() {
        loom::model(|| {
            let coroutine = Coroutine::new();
            let waker = spawn(&coroutine, |coroutine| coroutine.publish_and_wake(0));
            coroutine.take_from_queue();
            let parks = coroutine.wait_until(|| coroutine.sees(1));
            waker.join().unwrap();
            assert_eq!(coroutine.schedules.load(Relaxed), parks);
        });
    }

    /// One of them schedules, the other finds `Ready`, `Running` or a remembered wake.
    #[test]
    fn two_wakes_of_a_parked_coroutine_schedule_it_once_per_park() {
        // Three threads, one of which spins at the queue: unbounded it takes minutes.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let coroutine = Coroutine::parked();
            let wakers =
                [0, 1].map(|index| spawn(&coroutine, move |coroutine| coroutine.publish_and_wake(index)));
            coroutine.take_from_queue();
            let parks = 1 + coroutine.wait_until(|| coroutine.sees(2));
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
            assert_eq!(coroutine.schedules.load(Relaxed), parks);
        });
    }

    #[test]
    fn cancel_races_a_wake() {
        // Three threads, one of which spins at the queue: unbounded it takes minutes.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let coroutine = Coroutine::parked();
            let waker = spawn(&coroutine, |coroutine| coroutine.publish_and_wake(0));
            let canceller = spawn(&coroutine, Coroutine::cancel);
            coroutine.take_from_queue();
            let parks = 1 + coroutine.wait_until(|| coroutine.state.is_cancelled() && coroutine.sees(1));
            waker.join().unwrap();
            canceller.join().unwrap();
            assert_eq!(coroutine.schedules.load(Relaxed), parks);
        });
    }

    /// A yield leaves the word alone: the coroutine is `Running` in the queue, and another worker takes it.
    #[test]
    fn a_wake_of_a_coroutine_that_yielded_is_remembered() {
        // Three threads, one of which spins at the queue: unbounded it takes minutes.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let coroutine = Coroutine::new();
            coroutine.take_from_queue();
            let waker = spawn(&coroutine, |coroutine| coroutine.publish_and_wake(0));
            let other_worker = spawn(&coroutine, |coroutine| {
                coroutine.take_from_queue();
                coroutine.wait_until(|| coroutine.sees(1))
            });
            coroutine.use_stack();
            coroutine.push_to_queue();
            let parks = other_worker.join().unwrap();
            waker.join().unwrap();
            assert_eq!(coroutine.schedules.load(Relaxed), parks);
        });
    }

    #[test]
    fn complete_races_join() {
        loom::model(|| {
            let coroutine = Coroutine::new();
            coroutine.take_from_queue();
            let joiner = spawn(&coroutine, Coroutine::join);
            coroutine.write_result();
            coroutine.complete();
            assert_eq!(joiner.join().unwrap(), Some(7));
        });
    }

    #[test]
    fn the_result_races_a_watcher_that_lets_go_at_once() {
        loom::model(|| {
            let coroutine = Coroutine::new();
            coroutine.take_from_queue();
            let watcher = spawn(&coroutine, |coroutine| {
                assert_eq!(coroutine.watch(), Some(7));
                // The future is dropped.
                assert_eq!(coroutine.state.detach(), Result::Yours);
            });
            coroutine.write_result();
            coroutine.complete();
            watcher.join().unwrap();
        });
    }

    #[test]
    fn complete_races_a_late_wake() {
        loom::model(|| {
            let coroutine = Coroutine::new();
            coroutine.take_from_queue();
            let waker = spawn(&coroutine, |coroutine| coroutine.publish_and_wake(0));
            coroutine.write_result();
            coroutine.complete();
            waker.join().unwrap();
            assert_eq!(coroutine.schedules.load(Relaxed), 0);
            assert!(coroutine.state.is_done());
        });
    }

    #[test]
    fn detach_races_the_result_and_one_of_them_drops_it() {
        loom::model(|| {
            let coroutine = Coroutine::new();
            coroutine.take_from_queue();
            let handle = spawn(&coroutine, |coroutine| {
                if coroutine.state.detach() == Result::Yours {
                    assert_eq!(coroutine.take_result(), Some(7));
                }
            });
            coroutine.write_result();
            coroutine.complete();
            handle.join().unwrap();
            assert_eq!(coroutine.take_result(), None);
        });
    }
}
