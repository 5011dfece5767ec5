//! Values in channels are dropped once each, wherever they are when it ends.
//!
//! Would catch: a value dropped twice, or never, in the buffer, at the edge of a block, in the hands of one who waits, in an
//! error; a slot dropped that was never written; a channel that is not freed while an iterator or a select looks at it; a
//! drop that panics and takes the other values with it.

use crate::counted::{Ledger, assert_each_once};
use crate::crew::{alone, everywhere, join_all, panic_of};
use crate::subject::channel::{Receiver, Select, Sender, bounded, select, unbounded};
use crate::support::seed::Random;
use crate::support::{ON_PURPOSE, ms};

fn channels<T>() -> [(Sender<T>, Receiver<T>); 4] {
    [bounded(0), bounded(1), bounded(50), unbounded()]
}

#[test]
fn values_in_the_buffer_are_dropped_with_the_channel() {
    alone(|| {
        // At every place of a buffer or block, and over its edge.
        for gone in 0..70 {
            for left in [0, 1, 5, 31, 32, 33, 50] {
                for (sender, receiver) in [bounded(50), unbounded()] {
                    let ledger = Ledger::new(gone + left);
                    for number in 0..gone {
                        sender.send(ledger.value(number)).unwrap();
                        assert_eq!(receiver.recv().unwrap().number(), number);
                    }
                    (gone..gone + left).for_each(|number| sender.send(ledger.value(number)).unwrap());
                    assert_eq!(ledger.dropped(), gone);
                    if left % 2 == 0 {
                        drop(sender);
                        assert_eq!(ledger.dropped(), gone, "they can still be received");
                        drop(receiver);
                    } else {
                        drop(receiver);
                        drop(sender);
                    }
                    ledger.assert_each_dropped_once();
                }
            }
        }
    });
}

#[test]
fn a_refused_value_is_dropped_with_its_error() {
    alone(|| {
        let ledger = Ledger::new(4);
        let (sender, receiver) = bounded(0);
        drop(sender.try_send(ledger.value(0)));
        assert_eq!(ledger.dropped(), 1);
        drop(sender.send_timeout(ledger.value(1), ms(1)));
        assert_eq!(ledger.dropped(), 2);
        drop(receiver);
        let kept = sender.send(ledger.value(2)).unwrap_err();
        assert_eq!(ledger.dropped(), 2);
        let kept = kept.into_inner();
        assert_eq!((kept.number(), ledger.dropped()), (2, 2));
        drop(kept);
        drop(sender.try_send(ledger.value(3)));
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn a_value_of_a_case_that_is_not_selected_is_never_made() {
    alone(|| {
        let ledger = Ledger::new(2);
        let (full, _receiver) = bounded(0);
        let (sender, receiver) = bounded(1);
        select! {
            send(full, ledger.value(0)) -> _ => unreachable!(),
            send(sender, ledger.value(1)) -> sent => sent.unwrap(),
        }
        assert_eq!(ledger.dropped(), 0);
        drop(receiver.recv().unwrap());
        assert_eq!(ledger.dropped(), 1);
        // The other one.
        drop(ledger.value(0));
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn a_value_that_a_select_could_not_send_comes_back() {
    alone(|| {
        for (sender, receiver) in channels() {
            let ledger = Ledger::new(2);
            drop(receiver);
            select! {
                send(sender, ledger.value(0)) -> sent => assert_eq!(sent.unwrap_err().into_inner().number(), 0),
            }
            let mut select = Select::new();
            select.send(&sender);
            let refused = select.select().send(&sender, ledger.value(1)).unwrap_err();
            assert_eq!(ledger.dropped(), 1);
            drop(refused);
            ledger.assert_each_dropped_once();
        }
    });
}

#[test]
fn after_any_number_of_each_nothing_is_left() {
    everywhere(|crew| {
        let mut random = Random::from_environment();
        for _ in 0..15 {
            for (sender, receiver) in channels() {
                let steps = random.below(300) as usize;
                // A channel of capacity zero keeps nothing.
                let extra = match sender.capacity() {
                    Some(0) => 0,
                    capacity => random.below(capacity.unwrap_or(100) as u64 + 1) as usize,
                };
                let ledger = Ledger::new(steps + extra);
                let receiving = crew.spawn(move || {
                    for _ in 0..steps {
                        receiver.recv().unwrap();
                    }
                    receiver
                });
                let values = ledger.clone();
                let sending = crew.spawn(move || {
                    (0..steps).for_each(|number| sender.send(values.value(number)).unwrap());
                    sender
                });
                let (receiver, sender) = (receiving.join(), sending.join());
                for number in steps..steps + extra {
                    sender.send(ledger.value(number)).unwrap();
                }
                assert_eq!(ledger.dropped(), steps);
                if random.below(2) == 0 {
                    drop(sender);
                    drop(receiver);
                } else {
                    drop(receiver);
                    drop(sender);
                }
                ledger.assert_each_dropped_once();
            }
        }
    });
}

#[test]
fn the_last_two_to_go_drop_what_is_left_once() {
    everywhere(|crew| {
        for round in 0..60 {
            let (sender, receiver) = if round % 2 == 0 { bounded(40) } else { unbounded() };
            let ledger = Ledger::new(40);
            (0..40).for_each(|number| sender.send(ledger.value(number)).unwrap());
            let mut hands = Vec::new();
            for _ in 0..2 {
                let (sender, receiver) = (sender.clone(), receiver.clone());
                hands.push(crew.spawn(move || drop(sender)));
                hands.push(crew.spawn(move || {
                    let _ = receiver.try_recv();
                    drop(receiver);
                }));
            }
            drop((sender, receiver));
            join_all(hands);
            ledger.assert_each_dropped_once();
        }
    });
}

#[test]
fn an_owned_iterator_drops_what_it_has_not_yielded() {
    alone(|| {
        for (sender, receiver) in [bounded(6), unbounded()] {
            let ledger = Ledger::new(6);
            (0..6).for_each(|number| sender.send(ledger.value(number)).unwrap());
            let mut values = receiver.into_iter();
            let first: Vec<_> = values.by_ref().take(2).collect();
            drop(sender);
            assert_eq!(ledger.dropped(), 0);
            drop(values);
            assert_eq!(ledger.dropped(), 4);
            drop(first);
            ledger.assert_each_dropped_once();
        }
    });
}

struct PanicsOnDrop(u32);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        if self.0 == 1 {
            panic!("{ON_PURPOSE}");
        }
    }
}

#[test]
fn a_value_that_panics_when_it_is_dropped_panics_where_it_is_dropped() {
    alone(|| {
        for (sender, receiver) in [bounded(4), unbounded()] {
            (0..4).for_each(|number| assert!(sender.send(PanicsOnDrop(number)).is_ok()));
            // The last of both drops them, or the last receiver.
            let said = panic_of(move || {
                drop(sender);
                drop(receiver);
            });
            assert!(said.contains(ON_PURPOSE));
        }
        let (sender, receiver) = bounded(4);
        assert!(sender.send(PanicsOnDrop(1)).is_ok());
        panic_of(|| drop(receiver.recv()));
        // The channel is none the worse.
        assert!(sender.send(PanicsOnDrop(2)).is_ok());
        assert_eq!(receiver.recv().unwrap().0, 2);
    });
}

#[test]
fn ends_that_move_between_threads_count_once() {
    everywhere(|crew| {
        for (sender, receiver) in channels::<usize>() {
            const CLONES: usize = 30;
            let sending: Vec<_> = (0..CLONES)
                .map(|number| {
                    let sender = sender.clone();
                    crew.spawn(move || {
                        let moved = Box::new(sender.clone());
                        drop(sender);
                        moved.send(number).unwrap();
                    })
                })
                .collect();
            drop(sender);
            assert_each_once(receiver.iter(), CLONES);
            join_all(sending);
        }
    });
}
