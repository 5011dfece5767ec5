//! The service on coroutines. Next to `thread_per_request.rs`, only the imports differ.

use std::io;

use tarae::{net, thread};

use super::Ports;
use crate::child;

#[expect(clippy::duplicate_mod, reason = "the same text on other imports is the point")]
#[path = "../service/mod.rs"]
mod service;

/// Starts the service.
pub(super) fn start(ports: Ports) -> io::Result<()> {
    thread::Builder::new().spawn(child::role("coroutine server", || service::serve(ports))).map(drop)
}
