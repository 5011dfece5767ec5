//! Locks and turns on kernel threads, with std's.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{spawn, yield_now};

use crate::beside::runtimes::threads as on_workers;

#[expect(clippy::duplicate_mod, reason = "the same text on other imports is the point")]
#[path = "program.rs"]
mod program;

pub(super) use program::{mutex, turns};
