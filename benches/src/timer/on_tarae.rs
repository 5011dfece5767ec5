//! Timers of tarae.

use std::hint::black_box;
use std::io;
use std::time::Instant;

use super::{figures, late, length};
use crate::beside::runtimes::HOUR;
use crate::beside::{Run, Setup, runtimes};

pub(super) fn arm_cancel(setup: Setup) -> io::Result<Run> {
    runtimes::tarae(setup.workers, move || {
        let start = Instant::now();
        for number in 0..setup.operations {
            assert_eq!(tarae::timeout(HOUR, || black_box(number)), Ok(number));
        }
        start.elapsed()
    })
}

pub(super) fn sleeps(setup: Setup) -> io::Result<Run> {
    runtimes::tarae(setup.workers, move || {
        let start = Instant::now();
        let all: Vec<_> = (0..setup.operations)
            .map(|number| {
                tarae::spawn(move || {
                    let begun = Instant::now();
                    tarae::sleep(length(number));
                    late(number, begun)
                })
            })
            .collect();
        let late = all.into_iter().map(|one| one.join().expect("it does not panic")).collect();
        figures(start.elapsed(), late)
    })
}
