//! Skynet on tarae: a coroutine for each node.

use std::array;
use std::io;
use std::time::Instant;

use super::{CHILDREN, sum};
use crate::beside::{Run, Setup, runtimes};

pub(super) fn skynet(setup: Setup) -> io::Result<Run> {
    let leaves = setup.operations;
    runtimes::tarae(setup.workers, move || {
        let start = Instant::now();
        assert_eq!(node(0, leaves), sum(leaves));
        start.elapsed()
    })
}

fn node(number: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return number;
    }
    let each = leaves / CHILDREN;
    let children: [_; CHILDREN as usize] = array::from_fn(|child| {
        let number = number + child as u64 * each;
        tarae::spawn(move || node(number, each))
    });
    children.into_iter().map(|child| child.join().expect("it does not panic")).sum()
}
