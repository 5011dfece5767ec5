//! The registry's keys, and who cancels those that come while it closes.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use tarae_context::{Cache, Pool, StackSize};
use tarae_task::{Attributes, Cancelled, Cause, JoinHandle, Links, Next, Runnable, Schedule};

use super::*;

#[derive(Debug)]
struct Nowhere;

impl Schedule for Nowhere {
    fn schedule(&self, _runnable: Runnable, _cause: Cause) {
        unreachable!("nobody parks here");
    }

    fn remember(&self, _coroutine: &Coroutine) -> u64 {
        0
    }

    fn forget(&self, _key: u64) {}

    fn arm(&self, _at: std::time::Instant, _waker: std::task::Waker) -> tarae_task::Armed {
        unreachable!("nobody here waits until a moment")
    }

    fn disarm(&self, _armed: tarae_task::Armed) {
        unreachable!("nothing was armed")
    }
}

/// A worker that runs one coroutine and comes back.
struct Alone;

impl Links for Alone {
    type Seat = RefCell<Cache>;

    fn cache<'s>(&self, cache: &'s RefCell<Cache>) -> &'s RefCell<Cache> {
        cache
    }

    fn next(&self, _cache: &RefCell<Cache>, _yielded: bool) -> Next {
        Next::Home
    }

    fn requeue(&self, _cache: Option<&RefCell<Cache>>, _runnable: Runnable) {
        unreachable!("nobody yields here");
    }

    fn parking(&self, _cache: Option<&RefCell<Cache>>) {}

    fn finished(&self, _cache: Option<&RefCell<Cache>>) {}

    fn has_stopped(&self) -> bool {
        false
    }

    fn starved(&self, _cache: &RefCell<Cache>, _runnable: Runnable, error: std::io::Error) {
        unreachable!("{error}");
    }
}

fn coroutine() -> (Runnable, JoinHandle<()>) {
    let pool = Pool::of_size(StackSize::MIN);
    pool.promise(1).expect("a slot");
    let attributes = Attributes { name: None, spawned_at: std::panic::Location::caller(), pool };
    tarae_task::spawn(Arc::new(Nowhere), attributes, || ())
}

/// Runs it and says whether it was cancelled before.
fn was_cancelled((runnable, handle): (Runnable, JoinHandle<()>)) -> bool {
    let cache = RefCell::new(Cache::new(Pool::of_size(StackSize::MIN)));
    tarae_task::sit(Box::new(cache), |place, _| drop(runnable.run(place, &Alone)));
    assert!(handle.coroutine().is_done());
    handle.join().is_err_and(|payload| payload.is::<Cancelled>())
}

#[test]
fn keys_of_all_shards_are_distinct_and_find_their_entry() {
    let registry = Registry::new(3);
    let entered: Vec<_> = (0..30)
        .map(|number| {
            let made = coroutine();
            (registry.enter(number % 3, made.0.coroutine()), made)
        })
        .collect();
    assert_eq!(entered.iter().map(|(key, _)| key).collect::<HashSet<_>>().len(), 30);
    for (removed, (key, (runnable, _handle))) in entered.into_iter().enumerate() {
        assert!(registry.list().contains(runnable.coroutine()));
        registry.remove(key);
        assert!(!registry.list().contains(runnable.coroutine()));
        assert_eq!(registry.list().len(), 29 - removed);
    }
}

#[test]
fn close_cancels_who_is_in_it_and_who_comes_later() {
    let registry = Registry::new(2);
    let (inside, late, elsewhere) = (coroutine(), coroutine(), coroutine());
    registry.enter(0, inside.0.coroutine());
    registry.close();
    registry.enter(1, late.0.coroutine());
    assert!(was_cancelled(inside));
    assert!(was_cancelled(late));
    assert!(!was_cancelled(elsewhere));
}

#[test]
fn whoever_enters_while_it_closes_is_cancelled() {
    for _ in 0..100 {
        let registry = Registry::new(1);
        let made = coroutine();
        std::thread::scope(|scope| {
            scope.spawn(|| registry.close());
            registry.enter(0, made.0.coroutine());
        });
        assert!(was_cancelled(made));
    }
}
