//! `sched/skynet`: a tree of a million tasks, on tarae, may and tokio.

#![forbid(unsafe_code)]

use std::error::Error;

use tarae_benches::{beside, skynet};

fn main() -> Result<(), Box<dyn Error>> {
    beside::main(skynet::benches())
}
