use std::time::{Duration, Instant};

use super::*;
use crate::context::{Call, Suspended};

/// Tests run beside each other and pools are shared by the process: each takes a size of its own.
fn pool(kib: usize) -> &'static Pool {
    Pool::of_size(StackSize::reserving(kib * 1024).expect("in range"))
}

#[test]
fn a_context_given_back_is_taken_again_first() {
    let mut cache = Cache::new(pool(512));
    let first = cache.take().expect("a context");
    let lo = first.lo();
    cache.give(first);
    assert_eq!(cache.take().expect("a context").lo(), lo);
}

#[test]
fn a_full_cache_spills_and_a_dropped_one_gives_everything_back() {
    let pool = pool(1024);
    let mut cache = Cache::new(pool);
    let taken: Vec<Context> = (0..3 * CACHE_MAX).map(|_| cache.take().expect("a context")).collect();
    taken.into_iter().for_each(|context| cache.give(context));
    assert!(cache.contexts.len() < CACHE_MAX);
    drop(cache);
    let (made, shelved) = pool.counts();
    assert!(made >= 3 * CACHE_MAX);
    // The filler may be between making one and shelving it; never more than one.
    assert!(shelved + 1 >= made, "{shelved} of {made} came back");
}

#[test]
fn promises_reserve_slots_and_come_back() {
    let pool = pool(2048);
    let mut cache = Cache::new(pool);
    for _ in 0..1_000 {
        cache.promise().expect("address space");
    }
    assert!(pool.slots.load(Ordering::Relaxed) >= 1_000);
    for _ in 0..1_000 {
        cache.forgo();
    }
    drop(cache);
    assert_eq!(pool.promised.load(Ordering::Relaxed), 0);
}

/// Touches 96 KB of stack.
unsafe fn dive(_argument: *const ()) {
    let mut frame = [0u8; 96 * 1024];
    std::hint::black_box(&mut frame);
}

#[test]
fn contexts_that_lie_idle_give_the_pages_of_deep_calls_back() {
    let pool = pool(4096);
    let mut cache = Cache::new(pool);
    let taken: Vec<Context> = (0..2 * CACHE_MAX).map(|_| cache.take().expect("a context")).collect();
    for mut context in taken {
        let call = Call { function: dive, argument: std::ptr::null() };
        // SAFETY: It is at rest, and the call ends at once.
        assert_eq!(unsafe { context.start(call) }, Suspended::Ended);
        cache.give(context);
    }
    drop(cache);
    let deadline = Instant::now() + Duration::from_secs(30);
    while pool.stock.aired() < 2 * CACHE_MAX {
        assert!(Instant::now() < deadline, "of {:?} too few were aired", pool);
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..2 * CACHE_MAX {
        let context = pool.take().expect("a context");
        assert!(context.resident_bytes() <= 36 * 1024, "{}", context.resident_bytes());
    }
}
