//! `select!`: what it does, with what others do meanwhile.
//!
//! Would catch: what the tests of `Select` would, where the macro goes another way than that type: for one case, for a case and a
//! default, for several; a message built too early, or not sent; a default that is taken too early, or too late.

use std::time::{Duration, Instant};

use crate::counted::assert_in_order;
use crate::crew::{alone, everywhere, join_all};
use crate::subject::channel::{RecvError, SendError, after, bounded, never, select, tick, unbounded};
use crate::support::{LIMIT, MOMENT, ms};

#[test]
fn the_case_that_is_ready_is_taken() {
    alone(|| {
        let (first, from_first) = unbounded();
        let (second, from_second) = bounded(1);
        for round in 0..100 {
            if round % 2 == 0 {
                first.send(round).unwrap()
            } else {
                second.send(round).unwrap()
            }
            select! {
                recv(from_first) -> got => assert_eq!((round % 2, got), (0, Ok(round))),
                recv(from_second) -> got => assert_eq!((round % 2, got), (1, Ok(round))),
            }
        }
    });
}

#[test]
fn one_case_is_as_the_plain_operation() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(0), bounded(1), unbounded()] {
            let sending = crew.spawn(move || {
                for number in 0..100 {
                    select! { send(sender, number) -> sent => sent.unwrap() }
                }
            });
            for number in 0..100 {
                select! { recv(receiver) -> got => assert_eq!(got, Ok(number)) }
            }
            select! { recv(receiver) -> got => assert_eq!(got, Err(RecvError)) }
            sending.join();
        }
    });
}

#[test]
fn one_case_and_a_default_is_as_the_try_operation() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        let receive = || select! { recv(receiver) -> got => Some(got), default => None };
        let send = |number| select! { send(sender, number) -> sent => Some(sent), default => None };
        assert_eq!(receive(), None);
        assert_eq!(send(1), Some(Ok(())));
        assert_eq!(send(2), None);
        assert_eq!(receive(), Some(Ok(1)));
        assert_eq!(receive(), None);
    });
    alone(|| {
        let (sender, receiver) = bounded(1);
        sender.send(1).unwrap();
        drop(sender);
        let receive = || select! { recv(receiver) -> got => Some(got), default => None };
        assert_eq!([receive(), receive()], [Some(Ok(1)), Some(Err(RecvError))]);
        let (sender, receiver) = bounded(0);
        drop(receiver);
        select! { send(sender, 3) -> sent => assert_eq!(sent, Err(SendError(3))), default => panic!("it is ready") }
    });
}

#[test]
fn one_case_and_a_timeout_is_as_the_timed_operation() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let start = Instant::now();
        select! { recv(receiver) -> _ => panic!("nobody sends"), default(ms(6)) => {} }
        select! { send(sender, 0) -> _ => panic!("nobody receives"), default(ms(6)) => {} }
        assert!((ms(12)..LIMIT).contains(&start.elapsed()));
        let sending = crew.spawn(move || {
            tarae::sleep(ms(4));
            select! { send(sender, 1) -> sent => sent.unwrap(), default(LIMIT) => panic!("one receives") }
        });
        select! { recv(receiver) -> got => assert_eq!(got, Ok(1)), default(LIMIT) => panic!("one sends") }
        select! { recv(receiver) -> got => assert_eq!(got, Err(RecvError)), default(LIMIT) => panic!("it ends") }
        sending.join();
    });
}

#[test]
fn a_timeout_without_end_waits_for_a_case() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let sending = crew.spawn(move || {
            tarae::sleep(ms(4));
            sender.send(1).unwrap();
        });
        select! {
            recv(receiver) -> got => assert_eq!(got, Ok(1)),
            recv(never::<()>()) -> _ => unreachable!(),
            default(Duration::MAX) => panic!("it never passes"),
        }
        sending.join();
    });
}

#[test]
fn a_timeout_of_several_cases_passes_once_and_not_early() {
    alone(|| {
        let (sender, receiver) = bounded::<i32>(0);
        let (_other, silent) = unbounded::<()>();
        for wait in [0, 1, 7, 20].map(ms) {
            let start = Instant::now();
            let mut passed = 0;
            select! {
                recv(silent) -> _ => panic!("nobody sends"),
                send(sender, 1) -> _ => panic!("nobody receives"),
                recv(receiver) -> _ => panic!("nobody sends"),
                default(wait) => passed += 1,
            }
            assert!((wait..LIMIT).contains(&start.elapsed()));
            assert_eq!(passed, 1);
        }
    });
}

#[test]
fn an_end_while_it_waits_wakes_it() {
    everywhere(|crew| {
        let (sender, receiver) = bounded::<i32>(1);
        let (_keep, silent) = unbounded::<i32>();
        let ending = crew.spawn(move || {
            tarae::sleep(ms(4));
            drop(sender);
        });
        select! {
            recv(silent) -> _ => panic!("nobody sends"),
            recv(receiver) -> got => assert_eq!(got, Err(RecvError)),
            default(LIMIT) => panic!("it ended"),
        }
        ending.join();
        let (sender, receiver) = bounded(0);
        let ending = crew.spawn(move || {
            tarae::sleep(ms(4));
            drop(receiver);
        });
        select! {
            recv(silent) -> _ => panic!("nobody sends"),
            send(sender, 5) -> sent => assert_eq!(sent, Err(SendError(5))),
        }
        ending.join();
    });
}

#[test]
fn a_default_with_ended_channels_is_not_taken() {
    alone(|| {
        let (gone, receiver) = unbounded::<i32>();
        drop(gone);
        select! {
            recv(receiver) -> got => assert!(got.is_err()),
            recv(never::<()>()) -> _ => unreachable!(),
            default => panic!("one is ready"),
        }
        select! {
            recv(receiver) -> got => assert!(got.is_err()),
            recv(never::<()>()) -> _ => unreachable!(),
            default(MOMENT) => panic!("one is ready"),
        }
    });
}

#[test]
fn a_loop_of_defaults_sees_what_comes() {
    everywhere(|crew| {
        let (sender, receiver) = unbounded();
        let (end, ended) = bounded(0);
        let sending = crew.spawn(move || {
            (0..20).for_each(|number| {
                sender.send(number).unwrap();
                tarae::yield_now();
            });
            end.send(()).unwrap();
            sender
        });
        let (mut seen, mut idle) = (Vec::new(), 0_u64);
        loop {
            select! {
                recv(receiver) -> got => seen.push(got.unwrap()),
                recv(ended) -> _ => break,
                default => { idle += 1; tarae::yield_now() }
            }
        }
        let _sender = sending.join();
        seen.extend(receiver.try_iter());
        assert_eq!(seen, (0..20).collect::<Vec<_>>(), "after {idle} idle rounds");
    });
}

#[test]
fn a_fan_in_keeps_the_order_of_each() {
    everywhere(|crew| {
        let (a, from_a) = bounded(0);
        let (b, from_b) = bounded(2);
        let (c, from_c) = unbounded();
        let sending = [a, b, c]
            .map(|sender| crew.spawn(move || (0..200_usize).for_each(|number| sender.send(number).unwrap())));
        let (mut seen, mut open) = ([vec![], vec![], vec![]], 3);
        let (mut from_a, mut from_b, mut from_c) = (from_a, from_b, from_c);
        while open > 0 {
            // What has ended is replaced by what never comes.
            select! {
                recv(from_a) -> got => match got { Ok(n) => seen[0].push(n), Err(_) => { from_a = never(); open -= 1 } },
                recv(from_b) -> got => match got { Ok(n) => seen[1].push(n), Err(_) => { from_b = never(); open -= 1 } },
                recv(from_c) -> got => match got { Ok(n) => seen[2].push(n), Err(_) => { from_c = never(); open -= 1 } },
            }
        }
        for one in seen {
            assert_eq!(one.len(), 200);
            assert_in_order(&one);
        }
        join_all(sending);
    });
}

#[test]
fn a_fan_out_serves_who_is_there() {
    everywhere(|crew| {
        let (a, from_a) = bounded(0);
        let (b, from_b) = bounded(1);
        let (c, from_c) = unbounded();
        let receiving = [from_a, from_b, from_c].map(|receiver| crew.spawn(move || receiver.iter().count()));
        for number in 0..300 {
            select! {
                send(a, number) -> sent => sent.unwrap(),
                send(b, number) -> sent => sent.unwrap(),
                send(c, number) -> sent => sent.unwrap(),
            }
        }
        drop((a, b, c));
        assert_eq!(join_all(receiving).into_iter().sum::<usize>(), 300);
    });
}

#[test]
fn ticks_timers_and_messages_in_one_loop() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let sending = crew.spawn(move || {
            for number in 0..5 {
                tarae::sleep(ms(4));
                sender.send(number).unwrap();
            }
        });
        let (ticker, limit) = (tick(ms(3)), after(LIMIT));
        let (mut ticks, mut got) = (0, Vec::new());
        loop {
            select! {
                recv(ticker) -> told => { told.unwrap(); ticks += 1 }
                recv(limit) -> _ => panic!("after {got:?}"),
                recv(receiver) -> message => match message {
                    Ok(message) => got.push(message),
                    Err(RecvError) => break,
                }
            }
        }
        sending.join();
        assert_eq!(got, [0, 1, 2, 3, 4]);
        assert!(ticks >= 1);
    });
}

#[test]
fn a_request_and_its_reply() {
    everywhere(|crew| {
        let (requests, served) = unbounded();
        let serving = crew.spawn(move || {
            for (number, reply) in &served {
                let _: Result<(), SendError<i32>> = crate::subject::channel::Sender::send(&reply, number + 1);
            }
        });
        let asking: Vec<_> = (0..8)
            .map(|side| {
                let requests = requests.clone();
                crew.spawn(move || {
                    for number in 0..40 {
                        let (reply, answer) = bounded(side % 2);
                        requests.send((number, reply)).unwrap();
                        select! {
                            recv(answer) -> got => assert_eq!(got, Ok(number + 1)),
                            default(LIMIT) => panic!("no answer"),
                        }
                    }
                })
            })
            .collect();
        drop(requests);
        join_all(asking);
        serving.join();
    });
}
