//! The service, written once and compiled twice.
//!
//! Nothing in this folder says whether it runs on kernel threads or on coroutines: `net` and `thread` are
//! whatever the including module imported under these names, [`std`]'s or [`tarae`]'s.
//!
//! Read [`handler`] first. [`server`] calls it for each request; [`calls`] and [`lane`] carry its calls to
//! the backends.

pub(crate) mod calls;
pub(crate) mod handler;
pub(crate) mod lane;
pub(crate) mod server;

pub(crate) use server::serve;

use super::{net, thread};
