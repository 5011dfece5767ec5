//! Structured concurrency: who waits for whom, for how long, and what ends it early.

mod error;
mod join_set;
#[cfg(doctest)]
mod must_not_compile;
mod token;
mod try_scope;

pub mod deadline;

pub use deadline::{shield, timeout};
pub use error::{Cancelled, Elapsed};
pub(crate) use error::{io_error, is_interrupt};
pub use join_set::JoinSet;
pub use token::CancelToken;
pub use try_scope::{TryScope, TryScopedJoinHandle, try_scope};
