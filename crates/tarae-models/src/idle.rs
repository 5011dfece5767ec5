//! The idle protocol of the scheduler: sleepers, searchers and producers, every interleaving.
//!
//! A queue is a bare count with `Relaxed` accesses, which may be seen late: weaker than any deque, so that what makes a
//! push visible to a sleeper's look is the protocol's fences alone. The workers are those of
//! `tarae-sched/src/worker.rs`, without what does not matter here: timers, sockets, and the end. A worker that finds
//! something is *busy for good*: it runs one coroutine that never suspends, and does nothing for anybody else any more.
//! So each item needs a worker of its own, and an item that nobody was woken for is a sleep without end.

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-sched/src/idle.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use loom::sync::atomic::AtomicUsize;
    use loom::sync::{Arc, Notify};
    use loom::thread;

    use super::protocol::{Idle, Left, Rested};

    /// A run queue: how many items it holds.
    #[derive(Default)]
    struct Queue(AtomicUsize);

    impl Queue {
        fn push(&self) {
            self.0.fetch_add(1, Relaxed);
        }

        /// May be wrong about a push of another thread, as far as the protocol does not order it before.
        fn is_empty(&self) -> bool {
            self.0.load(Relaxed) == 0
        }

        fn pop_half(&self) -> usize {
            let mut seen = self.0.load(Relaxed);
            loop {
                let half = seen.div_ceil(2);
                match self.0.compare_exchange(seen, seen - half, Relaxed, Relaxed) {
                    Ok(_) => return half,
                    Err(now) => seen = now,
                }
            }
        }

        fn pop(&self) -> bool {
            let mut seen = self.0.load(Relaxed);
            while seen > 0 {
                match self.0.compare_exchange(seen, seen - 1, Relaxed, Relaxed) {
                    Ok(_) => return true,
                    Err(now) => seen = now,
                }
            }
            false
        }
    }

    struct Scheduler {
        idle: Idle,
        injector: Queue,
        queues: Vec<Queue>,
        /// The next slots, which are stolen by the monitor only.
        next: Vec<Queue>,
        /// Loom's own, which synchronises: whoever was claimed takes the lock under which it was claimed, so that hides
        /// nothing. Wakes up too early, too, as an eventfd may.
        bells: Vec<Notify>,
    }

    impl Scheduler {
        fn new(workers: usize) -> Arc<Scheduler> {
            Arc::new(Scheduler {
                idle: Idle::new(workers),
                injector: Queue::default(),
                queues: (0..workers).map(|_| Queue::default()).collect(),
                next: (0..workers).map(|_| Queue::default()).collect(),
                bells: (0..workers).map(|_| Notify::new()).collect(),
            })
        }

        fn inject(&self) {
            self.injector.push();
            self.ring(self.idle.queued());
        }

        fn inject_two(&self) {
            self.inject();
            self.inject();
        }

        /// What a busy worker does when it has more than it will come to.
        fn push(&self, worker: usize) {
            self.queues[worker].push();
            self.ring(self.idle.queued());
        }

        /// What a worker does that an event woke, and that one coroutine then keeps.
        fn leave_alone_and_be_busy(&self, worker: usize) {
            if self.idle.retract(worker) == Left::Claimed {
                self.ring(self.idle.found());
            }
            self.next[worker].push();
        }

        /// What the monitor does: looks after the workers while one is awake, and rests while none is.
        fn monitor(&self) {
            while self.idle.rest(None) == Rested::Called {
                if self.next.iter().any(Queue::pop) {
                    self.inject();
                }
                thread::yield_now();
            }
        }

        fn ring(&self, worker: Option<usize>) {
            worker.into_iter().for_each(|worker| self.bells[worker].notify());
        }
    }

    /// The loop of a worker, until it is busy for good.
    struct Worker<'a> {
        shared: &'a Scheduler,
        me: usize,
        searching: bool,
    }

    impl<'a> Worker<'a> {
        fn new(shared: &'a Scheduler, me: usize) -> Worker<'a> {
            Worker { shared, me, searching: false }
        }

        fn find_work(mut self) {
            while !(self.own() || self.injected() || self.stolen()) {
                self.sleep();
            }
            self.end_search();
        }

        /// The same, from the announcement on.
        fn wake_and_find_work(mut self) {
            self.sleep_announced();
            self.find_work();
        }

        fn own(&self) -> bool {
            self.shared.queues[self.me].pop()
        }

        /// Takes half of what is injected: one to run, the others to its own queue. In between nobody sees those.
        fn injected(&self) -> bool {
            let injector = &self.shared.injector;
            if injector.is_empty() {
                return false;
            }
            let taken = injector.pop_half();
            (1..taken).for_each(|_| self.shared.queues[self.me].push());
            // A search tells others at its end. Who was not searching must do it here: whoever was woken for these may
            // have looked while they were on their way.
            if !self.searching && (taken > 1 || !injector.is_empty()) {
                self.shared.ring(self.shared.idle.queued());
            }
            taken > 0
        }

        fn stolen(&mut self) -> bool {
            if !self.searching {
                if self.shared.queues.len() == 1 || !self.shared.idle.begin_search() {
                    return false;
                }
                self.searching = true;
            }
            self.others().any(|other| self.shared.queues[other].pop()) || self.injected()
        }

        fn others(&self) -> impl Iterator<Item = usize> + use<> {
            let (me, workers) = (self.me, self.shared.queues.len());
            (1..workers).map(move |distance| (me + distance) % workers)
        }

        fn end_search(&mut self) {
            if std::mem::take(&mut self.searching) {
                self.shared.ring(self.shared.idle.found());
            }
        }

        fn sleep(&mut self) {
            self.shared.idle.announce(self.me, std::mem::take(&mut self.searching));
            self.sleep_announced();
        }

        fn sleep_announced(&mut self) {
            let found = self.second_look();
            if !found {
                self.shared.bells[self.me].wait();
            }
            if self.shared.idle.retract(self.me) == Left::Claimed {
                self.searching = true;
            }
            // Where the second look found something there may be more, and whoever queued it may have relied on our
            // search: so it goes on. If another searches now, it began after our announcement, and will look.
            if found && !self.searching && self.shared.queues.len() > 1 {
                self.searching = self.shared.idle.begin_search();
                if !self.searching {
                    // Loom runs the other one only if asked to.
                    thread::yield_now();
                }
            }
        }

        fn second_look(&self) -> bool {
            !self.shared.injector.is_empty() || self.shared.queues.iter().any(|queue| !queue.is_empty())
        }
    }

    fn bounded(preemptions: usize) -> loom::model::Builder {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(preemptions);
        model
    }

    fn spawn(shared: &Arc<Scheduler>, f: impl FnOnce(&Scheduler) + 'static) -> thread::JoinHandle<()> {
        let shared = Arc::clone(shared);
        thread::spawn(move || f(&shared))
    }

    #[test]
    fn a_producer_races_the_only_worker_to_sleep() {
        loom::model(|| {
            let shared = Scheduler::new(1);
            let producer = spawn(&shared, Scheduler::inject);
            Worker::new(&shared, 0).find_work();
            producer.join().unwrap();
        });
    }

    /// Bounded: unbounded, three threads with a lock and spurious wakes do not end. Two preemptions find every mutant
    /// that was tried, and three take minutes.
    const PREEMPTIONS: usize = 2;

    /// One preemption less: with all that two workers do from the beginning, two take half a minute unoptimised.
    #[test]
    fn two_items_injected_get_two_workers() {
        bounded(PREEMPTIONS - 1).check(|| {
            let shared = Scheduler::new(2);
            let other = spawn(&shared, |shared| Worker::new(shared, 1).find_work());
            let producer = spawn(&shared, Scheduler::inject_two);
            Worker::new(&shared, 0).find_work();
            other.join().unwrap();
            producer.join().unwrap();
        });
    }

    /// As above.
    #[test]
    fn two_items_injected_get_one_that_searches_and_one_that_sleeps() {
        bounded(PREEMPTIONS - 1).check(|| {
            let shared = Scheduler::new(2);
            shared.idle.announce(1, false);
            assert!(shared.idle.begin_search());
            let sleeper = spawn(&shared, |shared| Worker::new(shared, 1).wake_and_find_work());
            let producer = spawn(&shared, Scheduler::inject_two);
            Worker { searching: true, ..Worker::new(&shared, 0) }.find_work();
            sleeper.join().unwrap();
            producer.join().unwrap();
        });
    }

    /// The items lie in two places: whoever finds the one must not leave the other.
    #[test]
    fn an_item_injected_and_one_of_a_busy_worker_get_two_others() {
        bounded(PREEMPTIONS).check(|| {
            let shared = Scheduler::new(3);
            // Worker 1 sleeps; worker 2 is the busy one.
            shared.idle.announce(1, false);
            let sleeper = spawn(&shared, |shared| Worker::new(shared, 1).wake_and_find_work());
            let busy = spawn(&shared, |shared| {
                shared.push(2);
                shared.inject();
            });
            Worker::new(&shared, 0).find_work();
            sleeper.join().unwrap();
            busy.join().unwrap();
        });
    }

    /// Both producers see a searcher and wake nobody: the searcher's find must.
    #[test]
    fn a_search_that_finds_something_wakes_the_next() {
        bounded(PREEMPTIONS).check(|| {
            let shared = Scheduler::new(3);
            shared.idle.announce(1, false);
            assert!(shared.idle.begin_search());
            let sleeper = spawn(&shared, |shared| Worker::new(shared, 1).wake_and_find_work());
            let busy = spawn(&shared, |shared| {
                shared.push(2);
                shared.push(2);
            });
            Worker { searching: true, ..Worker::new(&shared, 0) }.find_work();
            sleeper.join().unwrap();
            busy.join().unwrap();
        });
    }

    /// One worker takes a batch from the injector without searching, another searches meanwhile, a third sleeps.
    #[test]
    fn a_batch_on_its_way_to_a_queue_races_a_search() {
        bounded(PREEMPTIONS).check(|| {
            let shared = Scheduler::new(3);
            (0..3).for_each(|_| shared.injector.push());
            shared.idle.announce(1, false);
            assert!(shared.idle.begin_search());
            let sleeper = spawn(&shared, |shared| Worker::new(shared, 1).wake_and_find_work());
            let searcher = spawn(&shared, |shared| {
                Worker { searching: true, ..Worker::new(shared, 2) }.find_work();
            });
            Worker::new(&shared, 0).find_work();
            sleeper.join().unwrap();
            searcher.join().unwrap();
        });
    }

    /// An event wakes a worker, which becomes busy for good with something in its next slot: the monitor, which rests or is
    /// about to, must look, and wake the other one.
    #[test]
    fn one_that_leaves_sleep_alone_races_the_monitor_to_its_rest() {
        bounded(PREEMPTIONS + 1).check(|| {
            let shared = Scheduler::new(2);
            shared.idle.announce(0, false);
            shared.idle.announce(1, false);
            let monitor = spawn(&shared, Scheduler::monitor);
            let other = spawn(&shared, |shared| Worker::new(shared, 1).wake_and_find_work());
            shared.leave_alone_and_be_busy(0);
            other.join().unwrap();
            shared.idle.end();
            monitor.join().unwrap();
        });
    }

    /// The same for a worker that a producer claims.
    #[test]
    fn one_that_is_claimed_races_the_monitor_to_its_rest() {
        bounded(PREEMPTIONS).check(|| {
            let shared = Scheduler::new(2);
            shared.idle.announce(0, false);
            shared.idle.announce(1, false);
            let monitor = spawn(&shared, Scheduler::monitor);
            let other = spawn(&shared, |shared| {
                let mut worker = Worker::new(shared, 1);
                worker.sleep_announced();
                worker.end_search();
                shared.next[1].push();
            });
            shared.ring(shared.idle.queued());
            Worker::new(&shared, 0).wake_and_find_work();
            other.join().unwrap();
            shared.idle.end();
            monitor.join().unwrap();
        });
    }

    #[test]
    fn the_end_races_the_monitor_to_its_rest() {
        loom::model(|| {
            let shared = Scheduler::new(1);
            shared.idle.announce(0, false);
            let monitor = spawn(&shared, Scheduler::monitor);
            shared.idle.end();
            monitor.join().unwrap();
        });
    }
}
