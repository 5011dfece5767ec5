//! The next slot of a worker: its owner and one or two thieves, every interleaving.
//!
//! A value is a number; behind it lies one of loom's cells, which belongs to whoever has the value: so a value that two
//! have is seen, and one that was handed over without order.

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-sched/src/next_slot.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    use super::protocol::{Filled, NextSlot};

    const VALUES: usize = 3;

    struct Worker {
        slot: NextSlot<usize>,
        /// How often each value was used; belongs to whoever has it.
        uses: [UnsafeCell<usize>; VALUES],
    }

    impl Worker {
        fn new() -> Arc<Worker> {
            Arc::new(Worker { slot: NextSlot::new(), uses: [const { 0 }; VALUES].map(UnsafeCell::new) })
        }

        fn use_value(&self, value: usize) {
            self.uses[value].with_mut(|uses| {
                // SAFETY: By the protocol under test; loom checks it.
                unsafe { *uses += 1 }
            });
        }

        fn put(&self, filled: &Filled, value: usize, queue: &mut Vec<usize>) {
            self.use_value(value);
            if let Some(displaced) = self.slot.put(filled, value) {
                self.use_value(displaced);
                queue.push(displaced);
            }
        }

        fn take(&self, filled: &Filled) -> Option<usize> {
            self.slot.take(filled).inspect(|&value| self.use_value(value))
        }

        fn steal(&self) -> Option<usize> {
            self.slot.steal().inspect(|&value| self.use_value(value))
        }
    }

    fn thief(worker: &Arc<Worker>) -> thread::JoinHandle<Vec<usize>> {
        let worker = Arc::clone(worker);
        thread::spawn(move || Vec::from_iter(worker.steal()))
    }

    /// Each of the first `count` values left the slot once, and the slot is empty.
    fn all_left_once(worker: &Worker, mut left: Vec<usize>, count: usize) {
        left.sort_unstable();
        assert_eq!(left, Vec::from_iter(0..count));
        assert_eq!(worker.steal(), None, "left to nobody");
    }

    /// The owner looks as long as its note says that there is something to look for.
    fn drain(worker: &Worker, filled: &Filled, left: &mut Vec<usize>) {
        left.extend(worker.take(filled));
    }

    #[test]
    fn a_thief_races_an_owner_that_puts_and_takes() {
        loom::model(|| {
            let worker = Worker::new();
            let (filled, mut left) = (Filled::default(), Vec::new());
            let thief = thief(&worker);
            worker.put(&filled, 0, &mut left);
            left.extend(worker.take(&filled));
            worker.put(&filled, 1, &mut left);
            drain(&worker, &filled, &mut left);
            left.extend(thief.join().unwrap());
            all_left_once(&worker, left, 2);
        });
    }

    #[test]
    fn a_thief_races_an_owner_that_puts_again() {
        loom::model(|| {
            let worker = Worker::new();
            let (filled, mut left) = (Filled::default(), Vec::new());
            let thief = thief(&worker);
            worker.put(&filled, 0, &mut left);
            worker.put(&filled, 1, &mut left);
            drain(&worker, &filled, &mut left);
            left.extend(thief.join().unwrap());
            all_left_once(&worker, left, 2);
        });
    }

    #[test]
    fn two_thieves_race_an_owner_that_puts_and_puts_again_and_takes() {
        loom::model(|| {
            let worker = Worker::new();
            let (filled, mut left) = (Filled::default(), Vec::new());
            let thieves = [0, 1].map(|_| thief(&worker));
            worker.put(&filled, 0, &mut left);
            worker.put(&filled, 1, &mut left);
            left.extend(worker.take(&filled));
            worker.put(&filled, 2, &mut left);
            drain(&worker, &filled, &mut left);
            left.extend(thieves.into_iter().flat_map(|thief| thief.join().unwrap()));
            all_left_once(&worker, left, 3);
        });
    }

    /// The note may say *full* where a thief has been; never *empty* where something lies.
    #[test]
    fn what_no_thief_took_is_found_by_the_owner() {
        loom::model(|| {
            let worker = Worker::new();
            let (filled, mut left) = (Filled::default(), Vec::new());
            worker.put(&filled, 0, &mut left);
            let thief = thief(&worker);
            let mine = worker.take(&filled);
            let theirs = thief.join().unwrap();
            assert!(mine.is_some() != (theirs.len() == 1));
            assert_eq!(worker.take(&filled), None, "it does not look again");
            worker.put(&filled, 1, &mut left);
            assert_eq!(worker.take(&filled), Some(1));
        });
    }
}
