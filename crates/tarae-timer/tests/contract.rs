//! The promises of the documentation, one by one; [`model`](../model.rs) checks them all at random.

use std::time::{Duration, Instant};

use tarae_timer::{RESOLUTION, Timers};

const NANO: Duration = Duration::from_nanos(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn expire<T>(timers: &mut Timers<T>, now: Instant) -> Vec<T> {
    let mut fired = Vec::new();
    timers.expire(now, &mut fired);
    fired
}

#[test]
fn a_value_is_not_early_by_a_nanosecond() {
    let origin = Instant::now();
    let deadline = origin + 5 * RESOLUTION;
    let mut timers = Timers::new(origin);
    timers.insert(deadline, ());
    assert_eq!(expire(&mut timers, deadline - NANO), []);
    assert_eq!(expire(&mut timers, deadline), [()]);
}

#[test]
fn a_value_is_late_by_less_than_one_resolution() {
    let origin = Instant::now();
    let deadline = origin + 5 * RESOLUTION + NANO;
    let mut timers = Timers::new(origin);
    timers.insert(deadline, ());
    assert_eq!(expire(&mut timers, deadline), []);
    assert_eq!(expire(&mut timers, deadline + RESOLUTION - NANO), [()]);
}

#[test]
fn a_past_deadline_is_due_at_the_next_expire() {
    let origin = Instant::now() + YEAR;
    let present = origin + Duration::from_secs(1000);
    let mut timers = Timers::new(origin);
    timers.insert(origin - Duration::from_secs(1), "before the origin");
    assert!(timers.next_deadline() <= Some(origin));
    assert_eq!(expire(&mut timers, origin), ["before the origin"]);

    assert!(expire(&mut timers, present).is_empty());
    timers.insert(origin, "before the present");
    assert!(timers.next_deadline() <= Some(present));
    assert_eq!(expire(&mut timers, present), ["before the present"]);
}

#[test]
fn time_running_backwards_is_no_progress() {
    let origin = Instant::now();
    let present = origin + Duration::from_secs(1000);
    let mut timers = Timers::new(origin);
    assert!(expire(&mut timers, present).is_empty());
    timers.insert(origin + Duration::from_secs(999), "overdue");
    timers.insert(present + RESOLUTION, "ahead");
    assert_eq!(expire(&mut timers, origin), ["overdue"]);
    assert!(expire(&mut timers, present).is_empty());
    assert_eq!(expire(&mut timers, present + 2 * RESOLUTION), ["ahead"]);
}

#[test]
fn a_deadline_years_ahead_expires_on_time() {
    let origin = Instant::now();
    let mut timers = Timers::new(origin);
    timers.insert(origin + 500 * YEAR, ());
    assert_eq!(expire(&mut timers, origin + 500 * YEAR - NANO), []);
    assert_eq!(expire(&mut timers, origin + 500 * YEAR + RESOLUTION), [()]);
}

#[test]
fn a_deadline_beyond_the_horizon_never_expires_and_can_be_cancelled() {
    let origin = Instant::now();
    let mut timers = Timers::new(origin);
    let keys = [585, 586, 100_000].map(|years| timers.insert(origin + years * YEAR, years));
    assert!(expire(&mut timers, origin + 99_999 * YEAR).is_empty());
    assert!(expire(&mut timers, origin + 200_000 * YEAR).is_empty());
    assert_eq!(timers.next_deadline(), Some(origin + Duration::from_nanos(u64::MAX)));
    assert_eq!(keys.map(|key| timers.cancel(key)), [Some(585), Some(586), Some(100_000)]);
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn a_key_is_stale_after_its_timer_expired_though_the_memory_is_reused() {
    let origin = Instant::now();
    let mut timers = Timers::new(origin);
    let first = timers.insert(origin, 1);
    assert_eq!(expire(&mut timers, origin), [1]);
    let second = timers.insert(origin, 2);
    assert_ne!(first, second);
    assert_eq!(timers.cancel(first), None);
    assert_eq!(timers.cancel(second), Some(2));
}

#[test]
fn values_come_by_tick_and_then_in_the_order_of_insertion() {
    let origin = Instant::now();
    let mut timers = Timers::new(origin);
    timers.insert(origin + 9 * RESOLUTION, "later");
    timers.insert(origin + 7 * RESOLUTION, "same tick, first in");
    timers.insert(origin + 7 * RESOLUTION - NANO, "same tick, last in");
    let expected = ["same tick, first in", "same tick, last in", "later"];
    assert_eq!(expire(&mut timers, origin + YEAR), expected);
}

#[test]
fn a_sleeper_wakes_at_most_eight_times_for_one_timer() {
    let origin = Instant::now();
    for (ahead, wakes_max) in [
        (RESOLUTION, 1),
        (Duration::from_secs(3), 3),
        (4 * 60 * 60 * NANO * 1_000_000_000, 4),
        (500 * YEAR, 8),
    ] {
        let mut timers = Timers::new(origin);
        timers.insert(origin + ahead, ());
        let mut wakes = 0;
        while let Some(next) = timers.next_deadline() {
            timers.expire(next, &mut Vec::new());
            wakes += 1;
            assert!(wakes <= wakes_max, "{wakes} wakes for {ahead:?}");
        }
    }
}

#[test]
fn a_jump_over_centuries_does_not_visit_each_tick() {
    // 500 years are 1.5e13 ticks: visiting each would take hours.
    let origin = Instant::now();
    let mut timers = Timers::new(origin);
    assert_eq!(expire(&mut timers, origin + 250 * YEAR), []);
    for year in 251..500 {
        timers.insert(origin + year * YEAR, year);
    }
    assert_eq!(expire(&mut timers, origin + 500 * YEAR), Vec::from_iter(251..500));
}

#[test]
fn expiring_in_parts_takes_at_most_eight_moves_for_each_timer() {
    let origin = Instant::now();
    let mut timers = Timers::new(origin);
    for n in 1..=100 {
        timers.insert(origin + n * YEAR, n);
    }
    let mut fired = Vec::new();
    let mut moves = 1;
    while !timers.expire_some(origin + 101 * YEAR, 1, &mut fired) {
        moves += 1;
        assert!(moves <= 800);
    }
    assert_eq!(fired, Vec::from_iter(1..=100));
}

#[test]
fn expire_finishes_what_expire_some_began() {
    let origin = Instant::now();
    let mut timers = Timers::new(origin);
    for n in 0..10 {
        timers.insert(origin + n * RESOLUTION, n);
    }
    let mut fired = Vec::new();
    assert!(!timers.expire_some(origin + YEAR, 4, &mut fired));
    assert_eq!(fired, [0, 1, 2, 3]);
    // The present is still at the timer that comes next, so an earlier time than before may be told.
    assert_eq!(expire(&mut timers, origin + 6 * RESOLUTION), [4, 5, 6]);
    assert_eq!(expire(&mut timers, origin + YEAR), [7, 8, 9]);
}

#[test]
fn expire_appends_to_what_is_there() {
    let origin = Instant::now();
    let mut timers = Timers::new(origin);
    timers.insert(origin, 2);
    let mut fired = vec![1];
    timers.expire(origin, &mut fired);
    assert_eq!(fired, [1, 2]);
}

#[test]
fn debug_shows_no_values() {
    struct Opaque;
    let mut timers = Timers::new(Instant::now());
    assert_eq!(format!("{timers:?}"), "Timers { len: 0, next_deadline: None, .. }");
    timers.insert(Instant::now(), Opaque);
    assert!(format!("{timers:?}").starts_with("Timers { len: 1, next_deadline: Some("));
}
