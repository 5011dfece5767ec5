//! Ending a poll from outside. The counting of rings is a unit test of the protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tarae_reactor::Reactor;

use crate::support::*;

#[test]
fn a_notify_before_the_poll_ends_it() {
    let reactor = Reactor::new().unwrap();
    reactor.notify();
    assert_eq!(within(LIMIT, move || reactor.poll(None)).unwrap(), 0);
}

#[test]
fn a_notify_during_the_poll_ends_it() {
    let reactor = Reactor::new().unwrap();
    let poller = thread::spawn({
        let reactor = reactor.clone();
        move || reactor.poll(None).unwrap()
    });
    while reactor.try_poll().unwrap().is_some() {
        thread::yield_now();
    }
    thread::sleep(MOMENT);
    assert!(!poller.is_finished());
    reactor.notify();
    assert_eq!(within(LIMIT, || poller.join().unwrap()), 0);
}

#[test]
fn many_notifies_end_one_poll() {
    let reactor = Reactor::new().unwrap();
    for _ in 0..1000 {
        reactor.notify();
    }
    within(LIMIT, move || {
        reactor.poll(None).unwrap();
        let start = Instant::now();
        reactor.poll(Some(MOMENT)).unwrap();
        assert!(start.elapsed() >= MOMENT, "one return was owed, not two");
    });
}

#[test]
fn a_try_poll_leaves_the_notification_to_the_poller() {
    let reactor = Reactor::new().unwrap();
    reactor.notify();
    assert_eq!(reactor.try_poll().unwrap(), Some(0));
    within(LIMIT, move || reactor.poll(None)).unwrap();
}

/// Every round: the notifier publishes a number and notifies, the poller polls until it has seen it. A lost
/// notification leaves the poller asleep and the notifier waiting for it. A third thread steals turns.
#[test]
fn no_notification_is_lost_among_three_threads() {
    const ROUNDS: usize = 20_000;
    within(6 * LIMIT, || {
        let reactor = Reactor::new().unwrap();
        let published = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(AtomicUsize::new(0));
        let poller = thread::spawn({
            let (reactor, published, seen) = (reactor.clone(), published.clone(), seen.clone());
            move || {
                for round in 1..=ROUNDS {
                    while published.load(Ordering::Relaxed) < round {
                        reactor.poll(None).unwrap();
                    }
                    seen.store(round, Ordering::Release);
                }
            }
        });
        let thief = thread::spawn({
            let (reactor, seen) = (reactor.clone(), seen.clone());
            move || {
                while seen.load(Ordering::Relaxed) < ROUNDS {
                    reactor.try_poll().unwrap();
                    thread::sleep(Duration::from_micros(50));
                }
            }
        });
        for round in 1..=ROUNDS {
            published.store(round, Ordering::Relaxed);
            reactor.notify();
            while seen.load(Ordering::Acquire) < round {
                thread::yield_now();
            }
        }
        poller.join().unwrap();
        thief.join().unwrap();
    });
}
