//! `same_channel`: whether two ends are of one channel.
//!
//! Would catch: ends compared by where they are rather than by their channel; kinds mixed up; timers that are all alike.

use std::time::{Duration, Instant};

use crate::subject::channel::{after, at, bounded, never, tick, unbounded};
use crate::support::ms;

#[test]
fn clones_are_of_one_channel_and_others_are_not() {
    for new in [|| bounded::<i32>(0), || bounded(1), || bounded(7), unbounded] {
        let (sender, receiver) = new();
        let (other_sender, other_receiver) = new();
        assert!(sender.same_channel(&sender) && receiver.same_channel(&receiver));
        assert!(sender.same_channel(&sender.clone()) && sender.clone().same_channel(&sender));
        assert!(receiver.same_channel(&receiver.clone()) && receiver.clone().same_channel(&receiver));
        assert!(!sender.same_channel(&other_sender) && !other_sender.same_channel(&sender));
        assert!(!receiver.same_channel(&other_receiver) && !other_receiver.same_channel(&receiver));
    }
}

#[test]
fn ends_stay_the_same_when_they_move_and_when_the_other_side_has_gone() {
    let (sender, receiver) = bounded::<i32>(1);
    let clone = Box::new(sender.clone());
    drop(receiver);
    let moved = Box::new(sender);
    assert!(moved.same_channel(&clone));
}

#[test]
fn different_kinds_differ() {
    let channels = [bounded::<i32>(0), bounded(1), unbounded()];
    for (i, (sender, receiver)) in channels.iter().enumerate() {
        for (j, (other_sender, other_receiver)) in channels.iter().enumerate() {
            assert_eq!(sender.same_channel(other_sender), i == j);
            assert_eq!(receiver.same_channel(other_receiver), i == j);
        }
    }
}

#[test]
fn timers_are_told_apart() {
    let moment = Instant::now() + Duration::from_secs(9);
    for new in [|_| after(ms(9)), |_| tick(ms(9)), at as fn(Instant) -> _] {
        let timer = new(moment);
        assert!(timer.same_channel(&timer) && timer.same_channel(&timer.clone()));
        // Also where both are of the same moment.
        assert!(!timer.same_channel(&new(moment)));
        assert!(!timer.same_channel(&never()));
    }
    assert!(!after(ms(9)).same_channel(&tick(ms(9))));
}

#[test]
fn never_is_always_the_same() {
    assert!(never::<i32>().same_channel(&never()));
    // As one that is so far away that no clock tells it.
    assert!(never().same_channel(&after(Duration::MAX)));
    assert!(never().same_channel(&tick(Duration::MAX)));
    assert!(!never::<i32>().same_channel(&bounded(0).1));
}
