//! Messages on kernel threads, over crossbeam's channels.

use std::thread::{JoinHandle, spawn};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::beside::runtimes::threads as on_workers;

#[expect(clippy::duplicate_mod, reason = "the same text on other imports is the point")]
#[path = "alone.rs"]
mod alone;

#[expect(clippy::duplicate_mod, reason = "the same text on other imports is the point")]
#[path = "program.rs"]
mod program;

pub(super) use alone::alone;
pub(super) use program::{ping_pong, ring};
