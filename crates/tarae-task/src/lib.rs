//! The hall of tarae: park and wake.
//!
//! Everything that waits in tarae, waits here; everything above knows two verbs ([`park()`], [`Waker::wake`]) and
//! one value, [`Runnable`], the right to run a coroutine once. A coroutine is spawned as a `Runnable` and a
//! [`JoinHandle`]; whoever runs the `Runnable` says on which [seat] it runs.
//!
//! ```text
//!  spawned ──run──► started ⇄ parked ──► done
//!  a closure        holds a context      the context goes back warm, the result waits in the join handle
//! ```
//!
//! Every wait in tarae is this loop, on a coroutine and on a plain kernel thread alike:
//!
//! ```text
//! loop {
//!     if the condition holds { break }
//!     leave a clone of waker() where whoever makes the condition true will find it
//!     if the condition holds { break }
//!     park(reason)                       // may return early: the loop looks again
//! }
//! ```
//!
//! | room | what it is for |
//! |---|---|
//! | [`state`] | the state word: one atomic, model-checked |
//! | [`coroutine`] | the coroutine object and the handle to it |
//! | [`runnable`] | the right to run it once |
//! | [`run`] | running one after the other |
//! | [`adrift`] | running without a worker: left behind, or locked to a kernel thread |
//! | [`join`] | its result |
//! | [`relay`] | a waker that stays while those behind it change |
//! | [`here`] | who runs on this thread |
//! | [`seat`] | what a worker lends to what it runs, and how it is taken from a stuck thread |
//! | [`hold`] | whether a thread still has its seat: one protocol, model-checked |
//! | [`park`](mod@park) | park, wake, yield, for coroutines and kernel threads |
//! | [`interrupt`] | what ends a wait before its time: cancellation, deadlines, shields |
//! | [`wait`] | the loop that every wait is, with a deadline of its own |
//! | [`scope`](mod@scope) | children that borrow |
//! | [`schedule`] | the trait that the scheduler implements above |
//!
//! [`Waker::wake`]: std::task::Waker::wake

pub mod adrift;
pub mod census;
pub mod coroutine;
pub mod here;
pub mod hold;
pub mod interrupt;
pub mod join;
pub mod park;
pub mod relay;
pub mod run;
pub mod runnable;
pub mod schedule;
pub mod scope;
pub mod seat;
pub mod state;
pub mod wait;

mod barrier;
mod body;
mod kernel_thread;

/// The atomics of the protocols in this crate; the crate of loom models puts its own in this place.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
    pub(crate) use std::sync::{Mutex, MutexGuard};

    pub(crate) use crate::barrier::{heavy, light};
}

pub use adrift::{ThreadLock, is_locked};
pub use coroutine::{Attributes, Coroutine, spawn};
pub use here::{at_end, current, prepare_thread, with_coroutine};
pub use interrupt::{
    Interrupt, check, deadline, deadline_of_wait, heed, is_interrupt, is_limited, shield, with_deadline,
    with_flag,
};
pub use join::{JoinHandle, Joining};
pub use park::{
    Reason, park, park_deadline, park_kernel_thread, rejoin, try_park_deadline, waker, with_waker, yield_now,
};
pub use relay::Relay;
pub use run::Ran;
pub use runnable::{Links, Next, Runnable};
pub use schedule::{Cause, Schedule};
pub use scope::{Child, Scope, scope};
pub use seat::{Place, Watch, give_up_seat, sit, with_seat};
pub use wait::{Armed, try_wait_until, wait_until};

/// The payload with which a wait unwinds when it is interrupted. It never reaches the panic hook.
#[derive(Debug)]
pub struct Cancelled {
    interrupt: Interrupt,
}

impl Cancelled {
    /// The payload of a cancellation, for who unwinds by itself, or tells others of it.
    pub fn payload() -> Cancelled {
        Cancelled { interrupt: Interrupt::Cancelled }
    }
}
