//! The histogram against a sorted vector of all that was recorded, and the edges of its buckets.

use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const fn ns(ns: u64) -> Duration {
    Duration::from_nanos(ns)
}

/// Lengths of all magnitudes, more of them short than long.
fn duration() -> impl Strategy<Value = Duration> {
    (0..38_u32, any::<u64>()).prop_map(|(bits, random)| ns(random & ((1 << bits) - 1)))
}

/// Whether `told` is the upper bound of the bucket of `exact`, or between the two.
fn is_within_one_bucket(told: Duration, exact: Duration) -> bool {
    let slack = if exact >= ns(LAST) { Duration::MAX } else { (exact / 8).max(ns(7)) };
    (exact..=exact.saturating_add(slack)).contains(&told)
}

/// Where the last bucket begins: 7.5 times 2^33 ns, 64.4 seconds.
const LAST: u64 = 15 << 32;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quantiles_are_within_one_bucket_of_the_sorted_vector(
        mut durations in vec(duration(), 1..300),
        permille in 0..=1000_usize,
    ) {
        let histogram: Histogram = durations.iter().copied().collect();
        durations.sort();
        let exact = durations[(permille * durations.len()).div_ceil(1000).max(1) - 1];
        let told = histogram.quantile(permille as f64 / 1000.0);
        prop_assert!(is_within_one_bucket(told, exact), "{:?} is told for {:?}", told, exact);
        prop_assert!(told <= histogram.max());
        prop_assert_eq!(histogram.count(), durations.len() as u64);
        prop_assert_eq!(Some(&histogram.max()), durations.last());
    }

    #[test]
    fn the_mean_is_off_by_a_sixteenth_at_most(durations in vec(duration(), 1..300)) {
        let histogram: Histogram = durations.iter().copied().collect();
        // What is in the last bucket counts as its lower bound.
        let exact = durations.iter().map(|duration| duration.min(&ns(LAST)).as_nanos() as f64).sum::<f64>()
            / durations.len() as f64;
        let told = histogram.mean().as_nanos() as f64;
        prop_assert!((told - exact).abs() <= exact / 16.0 + 5.0, "{} is told for {}", told, exact);
        prop_assert!(histogram.mean() <= histogram.max());
    }

    #[test]
    fn merging_is_recording_everything_in_one(one in vec(duration(), 0..100), other in vec(duration(), 0..100)) {
        let mut merged: Histogram = one.iter().copied().collect();
        merged.merge(&other.iter().copied().collect());
        let all: Histogram = one.into_iter().chain(other).collect();
        prop_assert_eq!(merged, all);
    }

    #[test]
    fn a_weight_is_recording_so_many_times(recorded in vec((duration(), 0..20_u64), 0..50)) {
        let (weighted, repeated) = (Recorder::new(), Recorder::new());
        for (value, weight) in recorded {
            weighted.record(value, weight);
            (0..weight).for_each(|_| repeated.record(value, 1));
        }
        prop_assert_eq!(weighted.snapshot(), repeated.snapshot());
    }

    #[test]
    fn buckets_have_all_that_was_recorded_up_to_their_bounds(durations in vec(duration(), 0..300)) {
        let histogram: Histogram = durations.iter().copied().collect();
        let mut up_to_here = 0;
        for (bound, count) in histogram.buckets() {
            prop_assert!(count > 0);
            up_to_here += count;
            prop_assert_eq!(durations.iter().filter(|&&duration| duration <= bound).count() as u64, up_to_here);
        }
        prop_assert_eq!(up_to_here, durations.len() as u64);
    }
}

#[test]
fn buckets_follow_one_another_and_none_is_wider_than_an_eighth() {
    assert_eq!(lower_bound(0), 0);
    for number in 0..BUCKETS {
        let (lower, upper) = (lower_bound(number), upper_bound(number));
        assert_eq!((bucket(lower), bucket(upper)), (number, number));
        if number + 1 < BUCKETS {
            assert_eq!(lower_bound(number + 1), upper + 1);
            let width = upper - lower + 1;
            assert!(width == 8 || width * 8 <= lower, "{lower} to {upper}");
        }
    }
    assert_eq!((lower_bound(8), lower_bound(BUCKETS - 1)), (64, LAST));
}

#[test]
fn a_recorder_is_small() {
    assert!(size_of::<Recorder>() <= 2048);
}

#[test]
fn what_is_too_long_is_counted_with_the_longest() {
    let endless: Histogram = [ns(LAST), Duration::from_secs(3600), Duration::MAX].into_iter().collect();
    assert_eq!(endless.buckets().collect::<Vec<_>>(), [(ns(u64::MAX), 3)]);
    assert_eq!(endless.quantile(0.1), endless.max());
    assert_eq!(endless.max(), ns(u64::MAX));
    assert_eq!(endless.mean(), ns(LAST));
}

#[test]
fn nothing_recorded_is_zero_everywhere() {
    let nothing = Histogram::default();
    assert_eq!(nothing, Recorder::new().snapshot());
    assert_eq!((nothing.count(), nothing.buckets().count()), (0, 0));
    assert_eq!([nothing.max(), nothing.mean(), nothing.quantile(0.5)], [Duration::ZERO; 3]);
    assert_eq!(nothing.to_string(), "0 times: p50 0.0ns, p90 0.0ns, p99 0.0ns, p99.9 0.0ns, max 0.0ns");
}

#[test]
fn a_share_out_of_range_is_taken_as_the_nearer_end() {
    let two: Histogram = [ns(100), ns(1000)].into_iter().collect();
    let (shortest, longest) = (ns(103), ns(1000));
    for q in [0.0, -0.0, -1.0, f64::NEG_INFINITY, f64::NAN, 0.5] {
        assert_eq!(two.quantile(q), shortest, "{q}");
    }
    for q in [0.51, 1.0, 1.5, f64::INFINITY] {
        assert_eq!(two.quantile(q), longest, "{q}");
    }
}

/// The float of 0.07 is a little more than 7/100.
#[test]
fn a_share_that_no_float_has_exactly_is_the_one_meant() {
    let mut durations = vec![ns(10); 7];
    durations.resize(100, ns(1_000_000));
    assert_eq!(durations.into_iter().collect::<Histogram>().quantile(0.07), ns(15));
}

#[test]
fn counts_stop_at_their_limit() {
    let recorder = Recorder::new();
    (0..3).for_each(|_| recorder.record(ns(10), u64::MAX));
    recorder.record(ns(1000), u64::MAX);
    let mut full = recorder.snapshot();
    full.merge(&full.clone());
    assert_eq!(full.count(), u64::MAX);
    assert_eq!(full.quantile(1.0), ns(15));
    assert_eq!(full.buckets().collect::<Vec<_>>(), [(ns(15), u64::MAX), (ns(1023), u64::MAX)]);
}

#[test]
fn display_names_the_usual_quantiles() {
    let mut times: Histogram = (1..=999).map(Duration::from_micros).collect();
    times.merge(&[Duration::from_millis(2500)].into_iter().collect());
    assert_eq!(times.to_string(), "1000 times: p50 524.3µs, p90 917.5µs, p99 1.0ms, p99.9 1.0ms, max 2.5s");
}

#[test]
fn debug_shows_what_is_not_empty() {
    let two: Histogram = [ns(3), ns(100)].into_iter().collect();
    assert_eq!(format!("{two:?}"), "Histogram { max: 100ns, buckets: [(7ns, 1), (103ns, 1)] }");
}

#[test]
fn who_looks_while_it_is_written_sees_the_counts_grow_below_the_max() {
    let recorder = Recorder::new();
    thread::scope(|scope| {
        let writer = scope.spawn(|| (0..100_000_u64).for_each(|value| recorder.record(ns(value * value), 2)));
        let mut before = 0;
        while !writer.is_finished() {
            let seen = recorder.snapshot();
            assert!(seen.count() >= before && seen.quantile(1.0) <= seen.max());
            let lowest =
                seen.buckets().last().map_or(0, |(bound, _)| lower_bound(bucket(bound.as_nanos() as u64)));
            assert!(seen.max() >= ns(lowest));
            before = seen.count();
        }
    });
    assert_eq!(recorder.snapshot().count(), 200_000);
}
