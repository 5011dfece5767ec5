//! The notify protocol, one transition after another. The races: `tarae-models`.

use std::thread;

use crate::notify::{Notify, Order, Sleep};

#[test]
fn a_notify_that_nobody_hears_is_silent_and_kept() {
    let notify = Notify::new();
    assert_eq!(notify.notify(), Order::Silence);
    assert_eq!(notify.begin_poll(), Sleep::MustNot);
    notify.end_poll();
    assert_eq!(notify.begin_poll(), Sleep::May, "one notify ends one poll");
}

#[test]
fn a_thousand_notifies_of_one_sleeper_ring_once() {
    let notify = Notify::new();
    assert_eq!(notify.begin_poll(), Sleep::May);
    let rings: usize = thread::scope(|scope| {
        let count = || (0..250).filter(|_| notify.notify() == Order::Ring).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(rings, 1);
}

#[test]
fn a_notify_after_the_poll_belongs_to_the_next() {
    let notify = Notify::new();
    assert_eq!(notify.begin_poll(), Sleep::May);
    notify.end_poll();
    assert_eq!(notify.notify(), Order::Silence);
    assert_eq!(notify.begin_poll(), Sleep::MustNot);
}
