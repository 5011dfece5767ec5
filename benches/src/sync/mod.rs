//! Locks that many want, a lock that is held across a yield, and turns by condition variable, on tarae and its peers.
//!
//! A contender is a file: [`on_tarae`], [`on_may`], [`on_std`], [`on_tokio`].
//!
//! - 64 ways: as many tasks lock, add one, unlock. A lock with its unlock is an operation.
//! - Held across a yield: the same, with a yield in between, so that the others come and find it locked.
//! - Turns: two tasks wait for their turn under a lock, and give it to the other. Both once is an operation, a round trip as
//!   with channels.

mod on_may;
mod on_std;
mod on_tarae;
mod on_tokio;

use crate::beside::{Bench, Setup};

/// How many tasks want the lock.
const WAYS: u64 = 64;

/// Tasks that want a lock.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    /// How often each locks.
    each: u64,
    /// Whether it yields under the lock.
    yields: bool,
}

impl Crowd {
    fn new(setup: Setup, yields: bool) -> Crowd {
        Crowd { each: setup.operations / WAYS, yields }
    }

    /// How often all together lock.
    fn total(self) -> u64 {
        WAYS * self.each
    }
}

/// The benches.
///
/// Aims with one worker (two): a mutex, 64 ways 17 (46) ns, held across a yield 200 (330); turns by condition variable
/// 330 (400).
pub fn benches() -> Vec<Bench> {
    vec![
        Bench::new("sync/mutex/64_ways", 1_280_000, "work under the lock, and between locks")
            .each("a lock and unlock", [17.0, 46.0])
            .contender("tarae", |setup| on_tarae::mutex(setup, Crowd::new(setup, false)))
            .contender("may", |setup| on_may::mutex(setup, Crowd::new(setup, false)))
            .contender("tokio", |setup| on_tokio::mutex(setup, Crowd::new(setup, false)))
            .contender("std", |setup| on_std::mutex(setup, Crowd::new(setup, false)))
            .note(&["std"], "kernel threads, as many CPUs as workers")
            .note(&["tokio"], "its own mutex, which may be held across an await"),
        Bench::new("sync/mutex/held_across_yield", 128_000, "a lock that is free")
            .each("a lock, yield and unlock", [200.0, 330.0])
            .contender("tarae", |setup| on_tarae::mutex(setup, Crowd::new(setup, true)))
            .contender("may", |setup| on_may::mutex(setup, Crowd::new(setup, true)))
            .thinned("std", 10, |setup| on_std::mutex(setup, Crowd::new(setup, true)))
            .contender("tokio", |setup| on_tokio::mutex(setup, Crowd::new(setup, true)))
            .note(&["std"], "kernel threads, as many CPUs as workers, a tenth of the operations"),
        Bench::new("sync/condvar/turns", 100_000, "more waiters than one; spawning is in it")
            .each("both turns", [330.0, 400.0])
            .contender("tarae", on_tarae::turns)
            .contender("may", on_may::turns)
            .thinned("std", 20, on_std::turns)
            .contender("tokio", on_tokio::turns)
            .note(&["std"], "kernel threads, as many CPUs as workers, a twentieth of the operations")
            .note(&["tokio"], "has no condition variable; its mutex, and a Notify for each of the two"),
    ]
}
