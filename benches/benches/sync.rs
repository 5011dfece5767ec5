//! `sync/mutex`, `sync/condvar`: locks and turns on tarae, may and tokio, and std's on kernel threads.

#![forbid(unsafe_code)]

use std::error::Error;

use tarae_benches::{beside, sync};

fn main() -> Result<(), Box<dyn Error>> {
    beside::main(sync::benches())
}
