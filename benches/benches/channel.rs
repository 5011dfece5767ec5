//! `channel/ping_pong`, `channel/ping_pong_timeout`, `channel/ring`: messages on tarae, may and tokio, and over the channels
//! of crossbeam and std on kernel threads.

#![forbid(unsafe_code)]

use std::error::Error;

use tarae_benches::{beside, channel};

fn main() -> Result<(), Box<dyn Error>> {
    beside::main(channel::benches())
}
