//! Skynet: a task starts ten, each of them ten, and so on to a million leaves; each leaf returns its number, each other task
//! the sum of its ten. Results go through join handles, not through channels: that is how a program returns a value.
//!
//! A contender is a file: [`on_tarae`], [`on_may`], [`on_tokio`]. Kernel threads are left out: there are not that many.

mod on_may;
mod on_tarae;
mod on_tokio;

use crate::beside::Bench;

/// How many tasks each task starts that is not a leaf.
const CHILDREN: u64 = 10;

/// The benches.
///
/// Aims with one worker (two): 650 (850) ms.
pub fn benches() -> Vec<Bench> {
    vec![
        Bench::new("sched/skynet/1_000_000", 1_000_000, "channels: results go through join handles")
            .whole("the whole tree", [650.0, 850.0])
            .contender("tarae", on_tarae::skynet)
            .contender("may", on_may::skynet)
            .contender("tokio", on_tokio::skynet),
    ]
}

/// The sum of the numbers of all leaves.
fn sum(leaves: u64) -> u64 {
    leaves * (leaves - 1) / 2
}
