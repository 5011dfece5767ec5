//! `tarae::sync`: what `std::sync` does is the specification.
//!
//! The tests do not know whose types they test. They take them from [`subject`], which is std's own on the day that a test
//! is written, so that the test is known to say what std does, and tarae's from then on. Where a test needs others to race
//! it, they come from [`threads::everywhere`]: coroutines, kernel threads, and both at once. What std's types print is
//! asked of std's types, at run time.

#[path = "../support/mod.rs"]
mod support;

/// Whose types the tests are about. This line is the only place that says it: either `std`, or `tarae`.
mod subject {
    pub(crate) use tarae::{sync, thread};
}

mod barrier;
mod condvar;
mod condvar_timeout;
mod counted;
mod lazy_lock;
mod mpsc;
mod mpsc_ends;
mod mpsc_stress;
mod mpsc_sync;
mod mutex;
mod mutex_poison;
mod once;
mod once_lock;
mod rwlock;
mod rwlock_poison;
mod storm;
mod texts;
mod threads;
mod traits;

/// As [`support::hush`], also for what the types themselves say of poison.
fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload_as_str().is_some_and(|text| text.ends_with("has previously been poisoned")) {
                loud(info);
            }
        }));
        support::hush();
    });
}
