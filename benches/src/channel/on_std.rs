//! Messages on kernel threads, over std's bounded channels.

use std::sync::mpsc::{Receiver, SyncSender as Sender, sync_channel as bounded};
use std::thread::{JoinHandle, spawn};

use crate::beside::runtimes::threads as on_workers;

#[expect(clippy::duplicate_mod, reason = "the same text on other imports is the point")]
#[path = "program.rs"]
mod program;

pub(super) use program::{ping_pong, ring};
