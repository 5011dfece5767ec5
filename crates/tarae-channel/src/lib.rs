//! Channels: messages from hand to hand, between coroutines, kernel threads, or both.
//!
//! Names, signatures and behaviour are those of crossbeam-channel; `oneshot` and `broadcast` are beside it. All waits are
//! `tarae_task`'s, so they are cancelled and time out as all others are, and nothing is lost by it: a message is received, given
//! back, or still in the channel.
//!
//! | room | what it is for |
//! |---|---|
//! | [`core`] | who gets what from whom, under the lock; model-checked |
//! | [`channel`] | the lock, the counts, the waits of a single operation |
//! | [`sender`], [`receiver`], [`iter`], [`make`] | the public ends |
//! | [`select`](mod@select) | waiting for the first of several operations |
//! | [`macros`] | `select!` and `select_biased!` |
//! | [`clock`] | `after`, `at`, `tick` |
//! | [`error`] | what can go wrong |
//! | [`oneshot`] | one message, from one to one |
//! | [`broadcast`] | each message to each receiver |

#![forbid(unsafe_code)]

pub mod broadcast;
pub mod oneshot;

mod channel;
mod clock;
mod core;
mod error;
mod iter;
mod macros;
mod make;
mod receiver;
mod select;
mod sender;

/// The atomics of the protocols in this crate; the crate of loom models puts its own in this place.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(crate) use std::sync::{Mutex, MutexGuard};
}

pub use error::{
    ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError, SendError, SendTimeoutError,
    TryReadyError, TryRecvError, TrySelectError, TrySendError,
};
pub use iter::{IntoIter, Iter, TryIter};
pub use make::{after, at, bounded, never, tick, unbounded};
pub use receiver::Receiver;
pub use select::Select;
pub use select::operation::SelectedOperation;
pub use sender::Sender;

/// What the macros expand to; no part of the interface.
#[doc(hidden)]
pub mod internal {
    pub use crate::select::run::{Operation, Order, Patience, select, select_for_ever};
}
