//! Timers that are armed and taken back, and a hundred thousand sleeps at a time, on tarae and its peers.
//!
//! A contender is a file: [`on_tarae`], [`on_may`], [`on_tokio`]. Kernel threads are left out: they have no timers, and there
//! are not that many of them.

mod on_may;
mod on_tarae;
mod on_tokio;

use std::time::{Duration, Instant};

use crate::beside::{Bench, Measured};

/// The benches.
///
/// Aims: arming a timer and taking it back in 120 ns; 100,000 sleeps of 1 to 100 ms in 160 ms in all, and 99 of 100 of them at
/// most 13 ms late.
pub fn benches() -> Vec<Bench> {
    vec![
        Bench::new(
            "timer/arm_cancel",
            500_000,
            "other timers in the store; a timeout that passes; may, which arms timers for waits alone",
        )
        .each("a timeout of an hour around nothing", [120.0, 120.0])
        .contender("tarae", on_tarae::arm_cancel)
        .contender("tokio", on_tokio::arm_cancel)
        .note(
            &["tokio"],
            "its timeout arms nothing for a future that is ready, so a sleep is polled before one",
        ),
        Bench::new(
            "timer/sleeps/100_000",
            100_000,
            "the time before a task first runs, in the lateness; it is in the wall time",
        )
        .whole("wall time, from the first spawn to the last join", [160.0, 160.0])
        .whole("lateness of a sleep, 99th percentile", [13.0, 13.0])
        .contender("tarae", on_tarae::sleeps)
        .contender("may", on_may::sleeps)
        .contender("tokio", on_tokio::sleeps),
    ]
}

/// How long the sleep of this number is: 1 to 100 ms, in microseconds, at random but the same in each run.
fn length(number: u64) -> Duration {
    let mut bits = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits ^= bits >> 27;
    Duration::from_micros(1_000 + bits % 99_001)
}

/// By how much a sleep of this number that began then is late, now.
fn late(number: u64, begun: Instant) -> Duration {
    begun.elapsed().saturating_sub(length(number))
}

/// The figures of a run.
fn figures(took: Duration, mut late: Vec<Duration>) -> Measured {
    late.sort_unstable();
    let rank = (late.len() * 99).div_ceil(100);
    Measured(vec![took, late[rank.saturating_sub(1)]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_last_1_to_100_ms_and_50_on_average() {
        let all: Vec<Duration> = (0..100_000).map(length).collect();
        assert!(all.iter().all(|length| (1_000..=100_000).contains(&length.as_micros())));
        let mean = all.iter().sum::<Duration>() / 100_000;
        assert!((49_500..51_500).contains(&mean.as_micros()), "{mean:?}");
    }

    #[test]
    fn the_lateness_is_that_of_the_99th_of_a_hundred() {
        let took = Duration::from_secs(1);
        let late = |count: u64| (1..=count).rev().map(Duration::from_millis).collect();
        assert_eq!(figures(took, late(100)), Measured(vec![took, Duration::from_millis(99)]));
        assert_eq!(figures(took, late(1)), Measured(vec![took, Duration::from_millis(1)]));
    }
}
