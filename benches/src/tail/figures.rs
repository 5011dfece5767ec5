//! Operations with a begin and an end, and what a stretch of time saw of them.

use std::fmt;
use std::str::FromStr;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock (clock_gettime(2)): the same in the bench and in its children, which `Instant`
/// does not tell.
pub(super) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Something that began and was to end soon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) begun: u64,
    pub(super) ended: Option<u64>,
}

/// The stretch of time that is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// How long the operations took that a window saw.
///
/// Those count that ended in it, and those that were under way when it closed, with their time so far: a contender
/// that stops must not look better than one that is slow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Figures {
    /// How many ended.
    pub done: usize,
    /// For how long, at the end, nothing ended although something was under way, in nanoseconds.
    pub stuck: u64,
    /// The median, in nanoseconds.
    pub p50: u64,
    /// The 99th percentile, in nanoseconds.
    pub p99: u64,
    /// The longest, in nanoseconds.
    pub max: u64,
}

impl Window {
    pub(super) fn figures(self, operations: impl Iterator<Item = Operation>) -> Figures {
        let (mut times, mut done, mut last) = (Vec::new(), 0, self.from);
        for Operation { begun, ended } in operations {
            match ended {
                Some(ended) if ended < self.from => {}
                Some(ended) if ended <= self.to => {
                    done += 1;
                    last = last.max(ended);
                    times.push(ended.saturating_sub(begun));
                }
                _ if begun <= self.to => times.push(self.to - begun),
                _ => {}
            }
        }
        times.sort_unstable();
        let stuck = if times.len() > done { self.to - last } else { 0 };
        Figures { done, stuck, p50: rank(&times, 0.5), p99: rank(&times, 0.99), max: rank(&times, 1.0) }
    }
}

/// The least value that is not less than this share of all; zero of none.
fn rank(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// How figures and windows cross the pipe from a child: numbers with spaces between.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.done, self.stuck, self.p50, self.p99, self.max)
    }
}

impl FromStr for Figures {
    type Err = String;

    fn from_str(line: &str) -> Result<Figures, String> {
        let [done, stuck, p50, p99, max] = numbers(line)?;
        Ok(Figures { done: done as usize, stuck, p50, p99, max })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.from, self.to)
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(line: &str) -> Result<Window, String> {
        let [from, to] = numbers(line)?;
        Ok(Window { from, to })
    }
}

fn numbers<const N: usize>(line: &str) -> Result<[u64; N], String> {
    let all: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
    all.ok().and_then(|all| all.try_into().ok()).ok_or_else(|| format!("not {N} numbers: {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { from: 100, to: 200 };

    fn operation(begun: u64, ended: impl Into<Option<u64>>) -> Operation {
        Operation { begun, ended: ended.into() }
    }

    #[test]
    fn what_is_under_way_at_the_end_counts_with_its_time_so_far() {
        let figures = WINDOW.figures([operation(150, None), operation(110, 230)].into_iter());
        assert_eq!(figures, Figures { done: 0, stuck: 100, p50: 50, p99: 90, max: 90 });
    }

    #[test]
    fn what_ended_before_or_began_after_does_not_count() {
        let figures =
            WINDOW.figures([operation(10, 90), operation(210, 220), operation(90, 101)].into_iter());
        assert_eq!(figures, Figures { done: 1, stuck: 0, p50: 11, p99: 11, max: 11 });
    }

    #[test]
    fn an_end_before_its_due_time_is_not_late() {
        let figures = WINDOW.figures([operation(150, 149)].into_iter());
        assert_eq!(figures.max, 0);
    }

    #[test]
    fn it_is_stuck_since_the_last_end_if_something_is_under_way() {
        let ended = [operation(110, 120), operation(110, 130)];
        assert_eq!(WINDOW.figures(ended.into_iter()).stuck, 0);
        let figures = WINDOW.figures(ended.into_iter().chain([operation(140, None)]));
        assert_eq!(figures, Figures { done: 2, stuck: 70, p50: 20, p99: 60, max: 60 });
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let figures = WINDOW.figures((0..100).map(|time| operation(100, 101 + time)));
        assert_eq!(figures, Figures { done: 100, stuck: 0, p50: 50, p99: 99, max: 100 });
    }

    #[test]
    fn figures_and_windows_survive_the_pipe() {
        let figures = Figures { done: 1, stuck: 2, p50: 3, p99: 4, max: 5 };
        assert_eq!(figures.to_string().parse(), Ok(figures));
        assert_eq!(WINDOW.to_string().parse(), Ok(WINDOW));
        assert!("1 2".parse::<Figures>().is_err());
    }
}
