//! The side protocol, one transition after another. The races: `tarae-models`.

use std::task::Waker;

use crate::side::SideState;

fn blocked() -> SideState {
    let side = SideState::new();
    side.clear(side.readiness());
    side
}

fn woken_by_event(side: &SideState) -> usize {
    let mut woken = Vec::new();
    side.event(false, &mut woken);
    woken.len()
}

#[test]
fn a_clear_of_an_older_tick_changes_nothing() {
    let side = SideState::new();
    let seen = side.readiness();
    woken_by_event(&side);
    side.clear(seen);
    assert!(side.readiness().is_ready());
    assert_eq!(side.wait(Waker::noop()), None);
}

#[test]
fn a_clear_of_this_tick_lets_a_waiter_join() {
    let side = blocked();
    assert!(side.wait(Waker::noop()).is_some());
    assert_eq!(woken_by_event(&side), 1);
    assert_eq!(woken_by_event(&side), 0, "an event takes its waiters away");
}

#[test]
fn a_hang_up_outlives_a_short_read_but_not_a_would_block() {
    let side = blocked();
    side.event(true, &mut Vec::new());
    let seen = side.readiness();
    side.drained(seen);
    assert!(side.readiness().is_hangup() && side.readiness().is_ready());
    side.clear(seen);
    assert!(!side.readiness().is_hangup() && !side.readiness().is_ready());
}

#[test]
fn an_event_without_hang_up_does_not_undo_one() {
    let side = blocked();
    side.event(true, &mut Vec::new());
    side.event(false, &mut Vec::new());
    assert!(side.readiness().is_hangup());
}

#[test]
fn one_waiter_at_a_time_allocates_nothing() {
    let side = blocked();
    for _ in 0..10 {
        let ticket = side.wait(Waker::noop()).expect("the side is blocked");
        assert!(side.cancel(ticket));
    }
    assert_eq!(side.spill(), 0);
}

#[test]
fn cancel_takes_exactly_the_named_waiter_and_once() {
    for named in 0..4 {
        let side = blocked();
        let tickets: Vec<_> = (0..4).map(|_| side.wait(Waker::noop()).unwrap()).collect();
        assert!(side.cancel(tickets[named]));
        assert!(!side.cancel(tickets[named]));
        assert_eq!(woken_by_event(&side), 3);
        assert!(!tickets.iter().any(|&ticket| side.cancel(ticket)));
    }
}
