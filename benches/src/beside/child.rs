//! The child: runs its contender's program each time it is told to.
//!
//! Its lines: `ready`, or why it is not; then `measured` and the figures in nanoseconds, for each `go` of the parent.

use std::io;

use super::{Bench, Setup};
use crate::child::listen_to_parent;

/// Runs until the parent is gone.
///
/// # Errors
///
/// If there is no such contender.
pub(super) fn run(
    benches: &[Bench],
    subject: &str,
    contender: &str,
    workers: usize,
    short: bool,
) -> io::Result<()> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("no {contender} in {subject}"));
    let bench = benches.iter().find(|bench| bench.name == subject).ok_or_else(unknown)?;
    let contender = bench.contenders.iter().find(|one| one.name == contender).ok_or_else(unknown)?;
    let go = listen_to_parent();
    let setup = Setup { workers, operations: bench.operations_of(contender, short) };
    let mut run = match (contender.start)(setup) {
        Ok(run) => run,
        Err(error) => {
            println!("{error}");
            return Ok(());
        }
    };
    println!("ready");
    while go.recv().is_ok() {
        let figures: Vec<String> = run().0.iter().map(|figure| figure.as_nanos().to_string()).collect();
        println!("measured {}", figures.join(" "));
    }
    Ok(())
}
