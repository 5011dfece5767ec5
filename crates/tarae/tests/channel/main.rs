//! `tarae::channel`: what crossbeam-channel does is the specification, and the suite passes on both.
//!
//! Which of the two is tested is named in [`subject`] alone. Every test that runs `everywhere` (see [`crew`]) runs on kernel
//! threads, on coroutines of 1, 2 and 8 workers, and on both mixed, where the one who waits and the one who wakes are of
//! different kinds. crossbeam-channel blocks the kernel thread, so with it there are kernel threads only.
//!
//! The header of each file says which faults its tests would catch.

#[path = "../support/mod.rs"]
mod support;

/// Who is tested: the one place that names it. crossbeam-channel has neither of what `oneshot_broadcast.rs` tests: with
/// `tarae::channel` that file is a module as the others below. And it spins for ever where `promises.rs` breaks or forgets a promise,
/// or tries to send beside one.
mod subject {
    pub(crate) use tarae::channel;

    /// Whether its waits park coroutines, rather than block the kernel thread under them.
    pub(crate) const ON_COROUTINES: bool = true;

    /// Whether a receiver sees the message of a send as soon as a select has chosen it. If not, the send has its place
    /// from then on, and its message when it is completed: meanwhile the channel can be full and have nothing to receive.
    pub(crate) const SELECTED_SENDS_ARE_SEEN_AT_ONCE: bool = true;
}

mod counted;
mod crew;

mod array;
mod disconnect;
mod drops;
mod errors;
mod history;
mod iter;
mod large;
mod list;
mod oneshot_broadcast;
mod promises;
mod ready;
mod same_channel;
mod select;
mod select_biased;
mod select_fair;
mod select_macro;
mod select_macro_syntax;
mod select_panics;
mod select_waits;
mod select_zero;
mod stress;
mod stress_select;
mod tick;
mod timers;
mod timing;
mod traits;
mod waiting;
mod zero;
