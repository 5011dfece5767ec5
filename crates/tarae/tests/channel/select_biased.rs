//! `select_biased!` and `Select::new_biased`: of the cases that are ready, the first.
//!
//! Would catch: an order that is shuffled, or reversed, or differs between the ways to ask; one that is lost when a case is
//! removed from a list without care; a first case that is preferred though it is not ready.

use std::time::Duration;

use crate::crew::{alone, everywhere};
use crate::subject::channel::{Select, after, bounded, never, select_biased, unbounded};
use crate::support::{LIMIT, ms};

#[test]
fn the_first_that_is_ready_is_taken() {
    alone(|| {
        let (first, first_receiver) = unbounded();
        let (second, second_receiver) = unbounded();
        let (third, third_receiver) = unbounded();
        for number in 0..200 {
            third.send(number).unwrap();
            second.send(number).unwrap();
            first.send(number).unwrap();
        }
        let mut order = Vec::new();
        for _ in 0..600 {
            select_biased! {
                recv(first_receiver) -> got => { got.unwrap(); order.push(1) }
                recv(second_receiver) -> got => { got.unwrap(); order.push(2) }
                recv(third_receiver) -> got => { got.unwrap(); order.push(3) }
            }
        }
        assert_eq!(order, [vec![1; 200], vec![2; 200], vec![3; 200]].concat());
    });
}

#[test]
fn a_default_comes_last() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        for round in 0..300 {
            sender.send(round).unwrap();
            select_biased! {
                recv(receiver) -> got => assert_eq!(got, Ok(round)),
                default => panic!("one is ready"),
            }
            select_biased! {
                recv(receiver) -> _ => panic!("nothing is ready"),
                default => {}
            }
            sender.send(round).unwrap();
            select_biased! {
                recv(receiver) -> got => assert_eq!(got, Ok(round)),
                default(ms(1)) => panic!("one is ready"),
            }
        }
    });
}

#[test]
fn sends_and_receives_keep_their_order_too() {
    alone(|| {
        let (sender, receiver) = bounded(10);
        let mut order = String::new();
        // First it sends while there is room, then it receives one, and so on.
        for _ in 0..14 {
            select_biased! {
                send(sender, ()) -> sent => { sent.unwrap(); order.push('s') }
                recv(receiver) -> got => { got.unwrap(); order.push('r') }
            }
        }
        assert_eq!(order, "ssssssssssrsrs");
        order.clear();
        for _ in 0..14 {
            select_biased! {
                recv(receiver) -> got => { got.unwrap(); order.push('r') }
                send(sender, ()) -> sent => { sent.unwrap(); order.push('s') }
            }
        }
        assert_eq!(order, "rrrrrrrrrrsrsr");
    });
}

#[test]
fn an_ended_channel_counts_as_ready() {
    alone(|| {
        let (gone, ended) = unbounded::<i32>();
        drop(gone);
        let (sender, receiver) = unbounded();
        sender.send(1).unwrap();
        for _ in 0..300 {
            select_biased! {
                recv(ended) -> got => assert!(got.is_err()),
                recv(receiver) -> _ => panic!("the first is ready"),
            }
        }
    });
}

#[test]
fn a_select_that_is_biased_takes_the_first_whatever_way_it_is_asked() {
    alone(|| {
        let channels: Vec<_> = (0..4).map(|_| unbounded()).collect();
        let mut select = Select::new_biased();
        channels.iter().for_each(|(_, receiver)| {
            select.recv(receiver);
        });
        for round in 0..100 {
            // The first two are empty in turn.
            for (sender, _) in &channels[round % 3..] {
                sender.send(round).unwrap();
            }
            let first = round % 3;
            assert_eq!((select.try_ready(), select.ready()), (Ok(first), first));
            assert_eq!(select.ready_timeout(Duration::ZERO), Ok(first));
            for (expected, (_, receiver)) in channels.iter().enumerate().skip(first) {
                let chosen = match round % 4 {
                    0 => select.select(),
                    1 => select.try_select().unwrap(),
                    2 => select.select_timeout(Duration::ZERO).unwrap(),
                    _ => select.select_timeout(Duration::MAX).unwrap(),
                };
                assert_eq!(chosen.index(), expected);
                assert_eq!(chosen.recv(receiver), Ok(round));
            }
            assert!(select.try_select().is_err());
        }
    });
}

#[test]
fn a_clone_is_biased_as_well() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        sender.send(()).unwrap();
        let mut select = Select::new_biased();
        (0..6).for_each(|_| {
            select.recv(&receiver);
        });
        let mut clone = select.clone();
        assert!((0..200).all(|_| clone.ready() == 0 && select.ready() == 0));
    });
}

#[test]
fn who_waits_is_woken_by_any_case() {
    everywhere(|crew| {
        for last in [false, true] {
            let (sender, receiver) = bounded(0);
            let (other, silent) = bounded(0);
            let waiting = crew.spawn(move || {
                select_biased! {
                    recv(silent) -> got => got.map(|()| 1),
                    recv(never::<i32>()) -> _ => unreachable!(),
                    recv(receiver) -> got => got.map(|()| 2),
                }
            });
            tarae::sleep(ms(4));
            if last {
                sender.send(()).unwrap();
                assert_eq!(waiting.join(), Ok(2));
            } else {
                other.send(()).unwrap();
                assert_eq!(waiting.join(), Ok(1));
            }
        }
    });
}

#[test]
fn a_stop_signal_is_seen_before_more_work() {
    everywhere(|crew| {
        let (stop, stopped) = bounded::<()>(1);
        let (work, jobs) = unbounded();
        (0..100).for_each(|job| work.send(job).unwrap());
        let worker = crew.spawn(move || {
            let mut done = 0;
            loop {
                select_biased! {
                    recv(stopped) -> _ => return done,
                    recv(jobs) -> job => {
                        done += 1;
                        if job == Ok(9) {
                            stop.send(()).unwrap();
                        }
                    }
                    recv(after(LIMIT)) -> _ => panic!("there is work"),
                }
            }
        });
        assert_eq!(worker.join(), 10);
    });
}
