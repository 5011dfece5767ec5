//! How long something took, over many times: durations counted in buckets, without sharing.
//!
//! Each worker has a [`Recorder`] and writes it alone; who wants to know takes a [`Histogram`] of each and merges them.
//!
//! The buckets are linear within a power of two, 8 of them, so that a bucket is at most an eighth as wide as what lies
//! in it is long. In nanoseconds:
//!
//! ```text
//!  bucket   0 …   7   0–7      8–15     …   56–63                                8 wide
//!           8 …  15   64–71    72–79    …   120–127                              8 wide
//!          16 …  23   128–143  144–159  …   240–255                             16 wide
//!                 …                                           as wide as 1/8 of 2^k
//!         240 … 247   34.4 s   38.7 s   …   64.4 s and all that is longer      4.3 s wide, but for the last
//! ```
//!
//! So the number of a duration's bucket is made of its highest bit's place and of the three bits below.

use std::fmt;
use std::iter::zip;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Two rows of buckets as wide as the shortest; then one for each power of two up to 2^35 ns.
const BUCKETS: usize = 248;

/// What one thread at a time records; 2 KB. No two threads record at once; any may look.
///
/// Padding is left to whoever puts several side by side.
#[derive(Debug)]
pub(crate) struct Recorder {
    counts: [AtomicU64; BUCKETS],
    /// The longest so far, in nanoseconds.
    max: AtomicU64,
}

impl Recorder {
    pub(crate) const fn new() -> Recorder {
        Recorder { counts: [const { AtomicU64::new(0) }; BUCKETS], max: AtomicU64::new(0) }
    }

    /// Records `value`, `weight` times at once.
    ///
    /// All is relaxed: the numbers are told to be looked at, and nobody concludes from them what else has happened.
    #[inline]
    pub(crate) fn record(&self, value: Duration, weight: u64) {
        let ns = nanoseconds(value);
        let count = &self.counts[bucket(ns)];
        count.store(count.load(Ordering::Relaxed).saturating_add(weight), Ordering::Relaxed);
        if weight > 0 && ns > self.max.load(Ordering::Relaxed) {
            self.max.store(ns, Ordering::Relaxed);
        }
    }

    /// Returns what has been recorded so far. What is recorded meanwhile may be in it or not.
    pub(crate) fn snapshot(&self) -> Histogram {
        let counts = std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed));
        let mut max = self.max.load(Ordering::Relaxed);
        // The count of the longest may be seen before the longest itself.
        if let Some(last) = counts.iter().rposition(|&count| count > 0) {
            max = max.max(lower_bound(last));
        }
        Histogram { counts, max }
    }
}

/// How often durations of which length were recorded: a snapshot, 2 KB of plain numbers.
///
/// Lengths are known to an eighth, those below 64 ns to 8 ns; the [`max`](Histogram::max) is exact. All from 64.4
/// seconds on are counted together.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tarae_sched::Histogram;
///
/// let mut waits: Histogram = (1..=99).map(Duration::from_micros).collect();
/// waits.merge(&[Duration::from_secs(2)].into_iter().collect());
/// assert_eq!(waits.count(), 100);
/// assert_eq!(waits.max(), Duration::from_secs(2));
/// let median = waits.quantile(0.5);
/// assert!((50..57).contains(&median.as_micros()), "{median:?}");
/// println!("{waits}"); // 100 times: p50 53.2µs, p90 90.1µs, p99 106.5µs, p99.9 2.0s, max 2.0s
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    max: u64,
}

impl Histogram {
    /// Adds what `other` has counted.
    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in zip(&mut self.counts, &other.counts) {
            *count = count.saturating_add(*more);
        }
        self.max = self.max.max(other.max);
    }

    /// Returns how many durations were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// Returns a duration that at least the share `q` of all did not exceed: the upper bound of the bucket in which the
    /// exact one lies, or the longest of all if that is less. Zero if nothing was recorded.
    ///
    /// `q` is from 0 to 1, and taken as the nearer of them if it is not.
    pub fn quantile(&self, q: f64) -> Duration {
        let count = self.count();
        // The next float below, or 0.07 of 100 were the 8th: the float for 0.07 is a little more than that.
        let rank = (q.next_down() * count as f64).ceil() as u64;
        // A cast takes what is below 0, and what is no number, as 0. The shortest is the first, not the zeroth.
        let rank = rank.clamp(1, count.max(1));
        let mut passed = 0_u64;
        for (bucket, count) in self.counts.iter().enumerate() {
            passed = passed.saturating_add(*count);
            if passed >= rank {
                return Duration::from_nanos(upper_bound(bucket).min(self.max));
            }
        }
        Duration::ZERO
    }

    /// Returns the longest duration that was recorded, or zero.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// Returns the mean duration, or zero if nothing was recorded.
    ///
    /// Each counts as the middle of its bucket, at most a sixteenth (or 4 ns) off; those from 64.4 seconds on count as
    /// that.
    pub fn mean(&self) -> Duration {
        let middle = |bucket| match bucket + 1 {
            BUCKETS => lower_bound(bucket) as f64,
            next => (lower_bound(bucket) as f64 + lower_bound(next) as f64) / 2.0,
        };
        let (mut sum, mut all) = (0.0, 0.0);
        for (bucket, &count) in self.counts.iter().enumerate() {
            sum += middle(bucket) * count as f64;
            all += count as f64;
        }
        // No number, 0 / 0, becomes 0.
        Duration::from_nanos((sum / all) as u64).min(self.max())
    }

    /// Returns the buckets that are not empty, each with its upper bound, in ascending order.
    ///
    /// A bound belongs to its bucket. That of the last of all, from 64.4 seconds on, is `u64::MAX` nanoseconds.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let all = self.counts.iter().enumerate();
        all.filter(|&(_, &count)| count > 0)
            .map(|(bucket, &count)| (Duration::from_nanos(upper_bound(bucket)), count))
    }
}

impl Default for Histogram {
    /// Returns one in which nothing was recorded.
    fn default() -> Histogram {
        Histogram { counts: [0; BUCKETS], max: 0 }
    }
}

impl FromIterator<Duration> for Histogram {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Histogram {
        let recorder = Recorder::new();
        durations.into_iter().for_each(|duration| recorder.record(duration, 1));
        recorder.snapshot()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buckets: Vec<_> = self.buckets().collect();
        f.debug_struct("Histogram").field("max", &self.max()).field("buckets", &buckets).finish()
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|q| self.quantile(q));
        let (count, max) = (self.count(), self.max());
        write!(
            f,
            "{count} times: p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}, p99.9 {p999:.1?}, max {max:.1?}"
        )
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}

/// The bucket of a duration.
#[inline]
fn bucket(ns: u64) -> usize {
    // Below 64 ns, buckets are as wide as they are from there to 128.
    let highest_bit = (ns | 64).ilog2();
    let row = (highest_bit - 6) as usize;
    let in_eighths = (ns >> (highest_bit - 3)) as usize;
    (row * 8 + in_eighths).min(BUCKETS - 1)
}

/// The shortest duration in a bucket.
fn lower_bound(bucket: usize) -> u64 {
    let row = (bucket / 8).saturating_sub(1);
    ((bucket - row * 8) as u64) << (row + 3)
}

/// The longest duration in a bucket.
fn upper_bound(bucket: usize) -> u64 {
    if bucket == BUCKETS - 1 { u64::MAX } else { lower_bound(bucket + 1) - 1 }
}

#[cfg(test)]
mod tests;
