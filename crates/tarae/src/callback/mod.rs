//! Callbacks: from code that is told later to code that waits, and back.
//!
//! | has | wants | takes |
//! |---|---|---|
//! | an API that calls back once | a call that returns | [`wait`], [`wait_timeout`] |
//! | an API that calls back many times | a loop | [`stream`] |
//! | a caller that passes a callback | to serve it with straight code | [`run`] |
//!
//! The caller of these may be a coroutine or a kernel thread, and so may whoever calls back: it is never blocked, and needs to
//! know nothing of tarae.
//!
//! How to replace a chain of callbacks in existing code, one call at a time, is in `docs/callbacks.md`; before and after stand
//! side by side in `examples/callbacks.rs`.

mod error;
mod run;
mod stream;
mod wait;

pub use error::{Dropped, WaitError};
pub use run::run;
pub use stream::{OnFull, Stream, stream};
pub use wait::{Done, wait, wait_timeout};

/// The page, whose code is compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/callbacks.md")]
struct Page;
