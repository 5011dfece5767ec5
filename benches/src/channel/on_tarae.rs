//! Messages on tarae: coroutines, and its channels.

use tarae::spawn;
use tarae::thread::JoinHandle;

use crate::beside::runtimes::tarae as on_workers;
use crate::subject::channel::{Receiver, Sender, bounded, unbounded};

#[expect(clippy::duplicate_mod, reason = "the same text on other imports is the point")]
#[path = "alone.rs"]
mod alone;

#[expect(clippy::duplicate_mod, reason = "the same text on other imports is the point")]
#[path = "program.rs"]
mod program;

pub(super) use alone::alone;
pub(super) use program::{ping_pong, ring};
