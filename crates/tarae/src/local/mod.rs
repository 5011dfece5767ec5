//! Values that each coroutine has for itself, dropped when it ends: what [`coroutine_local!`](crate::coroutine_local) declares.
//!
//! A `thread_local!` works in a coroutine, too; but identities are pooled, so a coroutine may find there what an earlier one
//! left, and what it leaves is not dropped. A `coroutine_local!` is fresh in every coroutine. On a kernel thread it behaves as a
//! `thread_local!`.
//!
//! | room | what it is for |
//! |---|---|
//! | `key` | the declaration, and what can be done with it |
//! | `store` | where a coroutine's values are, and their end |

mod key;
mod store;

pub use key::{AccessError, LocalKey};
