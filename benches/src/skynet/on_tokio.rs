//! Skynet on tokio: a task for each node.

use std::array;
use std::io;
use std::time::Instant;

use tokio::task::JoinHandle;

use super::{CHILDREN, sum};
use crate::beside::{Run, Setup, runtimes};

pub(super) fn skynet(setup: Setup) -> io::Result<Run> {
    let leaves = setup.operations;
    runtimes::tokio(setup.workers, move || async move {
        let start = Instant::now();
        assert_eq!(node(0, leaves).await.expect("it does not panic"), sum(leaves));
        start.elapsed()
    })
}

/// Starts a node. Not an async function: one that spawned itself would need a box for each node.
fn node(number: u64, leaves: u64) -> JoinHandle<u64> {
    tokio::spawn(async move {
        if leaves == 1 {
            return number;
        }
        let each = leaves / CHILDREN;
        let children: [_; CHILDREN as usize] =
            array::from_fn(|child| node(number + child as u64 * each, each));
        let mut sum = 0;
        for child in children {
            sum += child.await.expect("it does not panic");
        }
        sum
    })
}
