//! The stock of contexts: takers and the filler, every interleaving.
//!
//! A shelf is full with 32 items and low below 16, so the models begin with a shelf that is nearly low: what a filler
//! adds is a handful. The filler is the loop of `tarae-context/src/pool.rs`, which ends here when the stock is closed:
//! nothing is owed any more, and whoever sleeps then would have slept for ever. Time does not pass here: a sleep with an end
//! has none.

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-context/src/stock.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    use super::protocol::{Call, Filler, Stock};

    const FULL: usize = 32;
    const LOW: usize = FULL / 2;

    /// A stock with `items` on its shelf.
    fn shelved(items: usize) -> Arc<Stock<()>> {
        let stock = Stock::new();
        (0..items).for_each(|_| {
            let _ = stock.add(());
        });
        Arc::new(stock)
    }

    /// As the pool's loop: mends `shortages` of them, then ends.
    fn fill(stock: &Stock<()>, shortages: usize) {
        for _ in 0..shortages {
            let _ = stock.await_call(false);
            while stock.add(()) {}
        }
    }

    fn take(stock: &Stock<()>, most: usize) -> Filler {
        let mut taken = Vec::new();
        let filler = stock.take(most, &mut taken);
        assert_eq!(taken.len(), most);
        filler
    }

    fn bounded() -> loom::model::Builder {
        // A filler takes the lock some twenty times. The protocol has one lock: two preemptions put a taker between any
        // two of its steps and back.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model
    }

    #[test]
    fn two_takers_that_race_start_one_filler() {
        bounded().check(|| {
            let stock = shelved(LOW);
            let other = thread::spawn({
                let stock = stock.clone();
                move || take(&stock, 1)
            });
            let started = [take(&stock, 1), other.join().unwrap()];
            assert_eq!(started.iter().filter(|filler| **filler == Filler::Start).count(), 1);
            assert_eq!(stock.counts(), (LOW, LOW - 2));
        });
    }

    /// A taker empties the shelf as the filler is about to sleep: it must mend that too.
    #[test]
    fn a_taker_races_the_filler_to_sleep() {
        bounded().check(|| {
            let stock = shelved(LOW);
            assert_eq!(take(&stock, 1), Filler::Start);
            let filler = thread::spawn({
                let stock = stock.clone();
                move || fill(&stock, 2)
            });
            // Until the filler has added enough, the first shortage may hide the second.
            while stock.counts().1 < FULL {
                thread::yield_now();
            }
            assert_eq!(take(&stock, FULL), Filler::Leave);
            filler.join().unwrap();
            let (made, shelved) = stock.counts();
            assert_eq!((made - shelved, shelved), (FULL + 1, FULL));
        });
    }

    /// Two takers make shortages, one of them while the filler mends; in the end the shelf is not low.
    #[test]
    fn takers_and_the_filler_keep_the_counts() {
        bounded().check(|| {
            let stock = shelved(LOW + 1);
            assert_eq!(take(&stock, 2), Filler::Start);
            let filler = thread::spawn({
                let stock = stock.clone();
                move || fill(&stock, 1)
            });
            assert_eq!(take(&stock, 3), Filler::Leave);
            stock.give(std::iter::once(()));
            filler.join().unwrap();
            let (made, shelved) = stock.counts();
            assert_eq!(made - shelved, 4);
            assert!((FULL - 3..=FULL + 1).contains(&shelved));
        });
    }

    /// And not before: it would try and fail without end.
    #[test]
    fn a_filler_that_gave_up_is_called_again() {
        bounded().check(|| {
            let stock = shelved(LOW);
            assert_eq!(take(&stock, 1), Filler::Start);
            let called = Arc::new(AtomicBool::new(false));
            let filler = thread::spawn({
                let (stock, called) = (stock.clone(), called.clone());
                move || {
                    let _ = stock.await_call(false);
                    // It could make none.
                    let _ = stock.await_call(true);
                    assert!(called.load(Relaxed), "nobody called");
                    while stock.add(()) {}
                }
            });
            called.store(true, Relaxed);
            // Takers come and go; the one that comes after it gave up must wake it.
            while stock.counts().1 < FULL {
                assert_eq!(take(&stock, 0), Filler::Leave);
                thread::yield_now();
            }
            filler.join().unwrap();
        });
    }

    /// All was aired, so the filler rests; somebody gives, and somebody takes so much that it is to fill.
    #[test]
    fn a_filler_at_rest_is_called_by_givers_and_takers() {
        bounded().check(|| {
            let stock = shelved(FULL);
            let mut all = Vec::new();
            assert_eq!(stock.take(FULL, &mut all), Filler::Start);
            let one = all.pop();
            stock.store(all);
            let filler = thread::spawn({
                let stock = stock.clone();
                move || assert_eq!(stock.await_call(false), Call::Fill)
            });
            let taker = thread::spawn({
                let stock = stock.clone();
                move || take(&stock, FULL - 1)
            });
            stock.give(one.into_iter());
            let _ = taker.join().unwrap();
            filler.join().unwrap();
            assert_eq!(stock.counts().1, 1);
        });
    }

    #[test]
    fn a_filler_that_failed_to_start_is_started_by_a_later_taker() {
        bounded().check(|| {
            let stock = shelved(LOW);
            let other = thread::spawn({
                let stock = stock.clone();
                move || {
                    let first = take(&stock, 1);
                    if first == Filler::Start {
                        stock.filler_failed_to_start();
                    }
                    first
                }
            });
            let mine = take(&stock, 1);
            let theirs = other.join().unwrap();
            let after = take(&stock, 1);
            // Failed, and not yet started again: the next one does. Started: nobody does.
            match (theirs, mine) {
                (Filler::Start, Filler::Start) => assert_eq!(after, Filler::Leave),
                (Filler::Start, Filler::Leave) => assert_eq!(after, Filler::Start),
                (Filler::Leave, Filler::Start) => assert_eq!(after, Filler::Leave),
                (Filler::Leave, Filler::Leave) => panic!("a shortage that nobody saw"),
            }
        });
    }
}
