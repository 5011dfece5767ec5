//! Locks and turns on tarae.

use tarae::{spawn, yield_now};

use crate::beside::runtimes::tarae as on_workers;
use crate::subject::sync::{Arc, Condvar, Mutex};

#[expect(clippy::duplicate_mod, reason = "the same text on other imports is the point")]
#[path = "program.rs"]
mod program;

pub(super) use program::{mutex, turns};
