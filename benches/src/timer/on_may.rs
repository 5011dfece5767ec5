//! Timers of may, which has them for sleeps and waits alone.

use std::io;
use std::time::Instant;

use super::{figures, late, length};
use crate::beside::{Run, Setup, runtimes};

pub(super) fn sleeps(setup: Setup) -> io::Result<Run> {
    runtimes::may_with(setup.workers, setup.operations, move || {
        let start = Instant::now();
        let all: Vec<_> = (0..setup.operations)
            .map(|number| {
                may::go!(move || {
                    let begun = Instant::now();
                    may::coroutine::sleep(length(number));
                    late(number, begun)
                })
            })
            .collect();
        let late = all.into_iter().map(|one| one.join().expect("it does not panic")).collect();
        figures(start.elapsed(), late)
    })
}
