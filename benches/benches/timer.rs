//! `timer/arm_cancel`, `timer/sleeps`: timers that do not fire, and a hundred thousand that do, on tarae, may and tokio.

#![forbid(unsafe_code)]

use std::error::Error;

use tarae_benches::{beside, timer};

fn main() -> Result<(), Box<dyn Error>> {
    beside::main(timer::benches())
}
