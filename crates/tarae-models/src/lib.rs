//! The atomic protocols of tarae, each compiled against loom and run through every interleaving.
//!
//! A protocol file imports its atomics and locks from `crate::sync` and from nowhere else. This crate includes the same
//! files by path, with a `sync` of its own that is loom's: what is checked is the code that ships, and the
//! code that ships has no configuration for being checked.
//!
//! | model | protocol | what must not happen |
//! |---|---|---|
//! | [`state`] | `tarae-task/src/state.rs` | a lost wake, two `Runnable`s, a result dropped twice or never |
//! | [`hold`] | `tarae-task/src/hold.rs` | a seat used by two threads at once, or left to nobody |
//! | [`lock_word`] | `tarae-sync/src/lock_word.rs`, `queue.rs` | two holders, a lock that nobody holds and nobody is called to, a grant to nobody |
//! | [`next_slot`] | `tarae-sched/src/next_slot.rs` | a coroutine that leaves the slot twice, or never |
//! | [`idle`] | `tarae-sched/src/idle.rs` | work queued while everybody sleeps, a monitor that rests while a worker is awake |
//! | [`permits`] | `tarae-sync/src/permits.rs`, `queue.rs` | permits that nobody gets while somebody waits, or that two get |
//! | [`stock`] | `tarae-context/src/stock.rs` | a shortage that nobody mends |
//! | [`notify`] | `tarae-reactor/src/notify.rs` | a poll that sleeps through a notification |
//! | [`channel`] | `tarae-channel/src/core/` | a message lost or twice, a sender and a receiver who both sleep, a select that has two |
//! | [`side`] | `tarae-reactor/src/side.rs` | an event between a try and the wait for it that is lost |
//!
//! A model that sleeps where it should have been woken never ends; loom says *deadlock*, or, if it spins, that it *exceeded
//! the maximum number of branches*: read both as a lost wake. `LOOM_LOG=trace LOOM_LOCATION=1` print the interleaving.
//!
//! The models stand for memory that a protocol guards by loom's cells, which give raw pointers; nothing else here is
//! unsafe, and nothing outside of the tests.

#![cfg_attr(not(test), forbid(unsafe_code))]

mod channel;
mod hold;
mod idle;
mod lock_word;
mod next_slot;
mod notify;
mod permits;

/// The line under `lock_word` and `permits`.
#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-sync/src/queue.rs"]
mod queue;

mod side;
mod state;
mod stock;

/// What the protocol files find in the place of std's.
mod sync {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    /// A constructor that is constant where those of the atomics are: not here.
    macro_rules! const_fn {
        ($visibility:vis fn $($rest:tt)*) => { $visibility fn $($rest)* };
    }
    pub(crate) use const_fn;

    /// The barrier of the thread that passes often.
    ///
    /// What ships is a pair of unequal barriers (`tarae-task/src/barrier.rs`). Such a pair is defined to order as two
    /// `SeqCst` fences do, provided that one of the two is the heavy one: membarrier(2) puts a full barrier somewhere into
    /// every running thread, and the compiler's fence keeps what stands before `light` before it, and what stands after,
    /// after; a thread that does not run passes one when it is switched. So wherever that barrier falls, it is as if it had
    /// stood at the nearest `light`. The one thing that two fences give and two `light`s do not is an order between each
    /// other; no protocol has a holder that relies on another one's: what a hold orders is its holder against takers.
    pub(crate) fn light() {
        // Without the heavy one, a fence of the compiler's orders nothing between threads.
        if OFFERED.get() {
            fence(Ordering::SeqCst);
        }
    }

    /// The barrier of the thread that passes seldom. Where it does not work, nothing is taken by it.
    pub(crate) fn heavy() -> bool {
        fence(Ordering::SeqCst);
        OFFERED.get()
    }

    std::thread_local! {
        /// Whether the kernel offers the heavy barrier. Loom's threads take turns on the kernel thread that runs the model.
        static OFFERED: std::cell::Cell<bool> = const { std::cell::Cell::new(true) };
    }

    /// Says whether the kernel offers the heavy barrier to the models that the calling thread runs.
    #[cfg(test)]
    pub(crate) fn offer_barriers(offered: bool) {
        OFFERED.set(offered);
    }

    #[cfg(test)]
    pub(crate) fn barriers_are_offered() -> bool {
        OFFERED.get()
    }

    /// crossbeam's `AtomicCell`, as far as it is used. What ships holds a pointer, and exchanges it by one atomic swap that
    /// acquires and releases; here the swap is that of a ticket, and the values lie aside in std's lock, of which loom
    /// knows nothing.
    pub(crate) struct AtomicCell<T> {
        ticket: AtomicUsize,
        values: std::sync::Mutex<Vec<Option<T>>>,
    }

    impl<T> AtomicCell<T> {
        pub(crate) fn new(value: T) -> AtomicCell<T> {
            AtomicCell { ticket: AtomicUsize::new(0), values: std::sync::Mutex::new(vec![Some(value)]) }
        }

        pub(crate) fn swap(&self, value: T) -> T {
            let ticket = self.deposit(value);
            let before = self.ticket.swap(ticket, Ordering::AcqRel);
            self.collect(before)
        }

        pub(crate) fn take(&self) -> T
        where
            T: Default,
        {
            self.swap(T::default())
        }

        fn deposit(&self, value: T) -> usize {
            let mut values = self.lock();
            values.push(Some(value));
            values.len() - 1
        }

        fn collect(&self, ticket: usize) -> T {
            let value = self.lock()[ticket].take();
            value.expect("a value leaves the cell once")
        }

        fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Option<T>>> {
            self.values.lock().expect("nothing panics under it")
        }
    }
}
