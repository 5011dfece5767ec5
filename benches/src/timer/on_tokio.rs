//! Timers of tokio.

use std::future::ready;
use std::hint::black_box;
use std::io;
use std::time::Instant;

use super::{figures, late, length};
use crate::beside::runtimes::HOUR;
use crate::beside::{Run, Setup, runtimes};

pub(super) fn arm_cancel(setup: Setup) -> io::Result<Run> {
    runtimes::tokio(setup.workers, move || async move {
        let start = Instant::now();
        for number in 0..setup.operations {
            // The sleep first: that arms it. `timeout` looks at the future first, and arms nothing if it is ready.
            let done = tokio::select! {
                biased;
                () = tokio::time::sleep(HOUR) => None,
                done = ready(black_box(number)) => Some(done),
            };
            assert_eq!(done, Some(number));
        }
        start.elapsed()
    })
}

pub(super) fn sleeps(setup: Setup) -> io::Result<Run> {
    runtimes::tokio(setup.workers, move || async move {
        let start = Instant::now();
        let all: Vec<_> = (0..setup.operations)
            .map(|number| {
                tokio::spawn(async move {
                    let begun = Instant::now();
                    tokio::time::sleep(length(number)).await;
                    late(number, begun)
                })
            })
            .collect();
        let mut late = Vec::with_capacity(all.len());
        for one in all {
            late.push(one.await.expect("it does not panic"));
        }
        figures(start.elapsed(), late)
    })
}
