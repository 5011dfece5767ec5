//! Fairness of selects: of several cases that are ready, each has a share; of several that wait, each is served.
//!
//! Would catch: a select that always begins at the same case, or goes on after the last one in a way that skips some; one of
//! two copies of a channel that is never selected; a wake that always finds the same waiter; a timer or an end that
//! starves the messages beside it, or is starved.
//!
//! A share is a tenth of a fair one, so that chance does not fail a test: with 2,000 draws among four it does not happen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::crew::{alone, everywhere, join_all};
use crate::subject::channel::{Receiver, Select, Sender, after, at, bounded, never, select, unbounded};
use crate::support::{eventually, ms};

#[track_caller]
fn each_has_a_share(hits: &[usize]) {
    let total: usize = hits.iter().sum();
    let least = total / hits.len() / 10;
    assert!(hits.iter().all(|count| *count >= least.max(1)), "{hits:?}");
}

const ROUNDS: usize = 2_000;

#[test]
fn receives_that_are_ready_have_a_share_each() {
    alone(|| {
        let (one, first) = bounded(ROUNDS);
        let (two, second) = unbounded();
        (0..ROUNDS).for_each(|_| {
            one.send(()).unwrap();
            two.send(()).unwrap();
        });
        let mut hits = [0; 4];
        for _ in 0..ROUNDS {
            select! {
                recv(first) -> got => { got.unwrap(); hits[0] += 1 }
                recv(second) -> got => { got.unwrap(); hits[1] += 1 }
                recv(after(ms(0))) -> told => { told.unwrap(); hits[2] += 1 }
                recv(at(Instant::now())) -> told => { told.unwrap(); hits[3] += 1 }
            }
        }
        each_has_a_share(&hits);
    });
}

#[test]
fn sends_that_are_ready_have_a_share_each() {
    alone(|| {
        let (one, _first) = bounded(ROUNDS);
        let (two, _second) = unbounded();
        let (three, third) = unbounded();
        drop(third);
        let mut hits = [0; 3];
        for round in 0..ROUNDS {
            select! {
                send(one, round) -> sent => { sent.unwrap(); hits[0] += 1 }
                send(two, round) -> sent => { sent.unwrap(); hits[1] += 1 }
                send(three, round) -> sent => { sent.unwrap_err(); hits[2] += 1 }
            }
        }
        each_has_a_share(&hits);
    });
}

#[test]
fn sends_and_receives_that_are_ready_have_a_share_each() {
    alone(|| {
        let (sender, receiver) = bounded(2);
        sender.send(()).unwrap();
        let mut hits = [0; 2];
        for _ in 0..ROUNDS {
            // Room for one, and one to take; made up for after each.
            select! {
                recv(receiver) -> got => { got.unwrap(); hits[0] += 1; sender.send(()).unwrap() }
                send(sender, ()) -> sent => { sent.unwrap(); hits[1] += 1; receiver.recv().unwrap() }
            }
        }
        each_has_a_share(&hits);
    });
}

#[test]
fn ended_channels_have_no_more_than_their_share() {
    alone(|| {
        let (gone, ended) = unbounded::<usize>();
        drop(gone);
        let (sender, receiver) = unbounded();
        let mut hits = [0; 2];
        for round in 0..ROUNDS {
            sender.send(round).unwrap();
            select! {
                recv(ended) -> got => { got.unwrap_err(); hits[0] += 1 }
                recv(receiver) -> got => { got.unwrap(); hits[1] += 1 }
            }
        }
        each_has_a_share(&hits);
    });
}

#[test]
fn copies_of_one_case_have_a_share_each() {
    alone(|| {
        let (sender, receiver) = unbounded();
        (0..ROUNDS).for_each(|_| sender.send(()).unwrap());
        let mut hits = [0; 5];
        for _ in 0..ROUNDS {
            select! {
                recv(receiver) -> got => { got.unwrap(); hits[0] += 1 }
                recv(receiver) -> got => { got.unwrap(); hits[1] += 1 }
                recv(receiver) -> got => { got.unwrap(); hits[2] += 1 }
                recv(&receiver) -> got => { got.unwrap(); hits[3] += 1 }
                recv(receiver.clone()) -> got => { got.unwrap(); hits[4] += 1 }
            }
        }
        each_has_a_share(&hits);
    });
}

#[test]
fn a_list_of_cases_is_fair_in_every_way_to_ask() {
    alone(|| {
        let channels: Vec<(Sender<()>, Receiver<()>)> = (0..4).map(|_| bounded(1)).collect();
        channels.iter().for_each(|(sender, _)| sender.send(()).unwrap());
        let mut select = Select::new();
        channels.iter().for_each(|(_, receiver)| {
            select.recv(receiver);
        });
        let mut hits = [[0; 4]; 4];
        for _ in 0..ROUNDS {
            for (way, hits) in hits.iter_mut().enumerate() {
                let chosen = match way {
                    0 => select.select(),
                    1 => select.try_select().unwrap(),
                    2 => select.select_timeout(ms(1)).unwrap(),
                    _ => select.select_deadline(Instant::now()).unwrap(),
                };
                let case = chosen.index();
                chosen.recv(&channels[case].1).unwrap();
                channels[case].0.send(()).unwrap();
                hits[case] += 1;
            }
        }
        hits.iter().for_each(|hits| each_has_a_share(hits));
    });
}

#[test]
fn a_default_is_taken_only_if_nothing_is_ready() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        for round in 0..ROUNDS {
            sender.send(round).unwrap();
            select! {
                recv(receiver) -> got => assert_eq!(got, Ok(round)),
                recv(never::<()>()) -> _ => unreachable!(),
                default => panic!("one is ready"),
            }
        }
    });
}

#[test]
fn senders_that_wait_are_all_served() {
    everywhere(|crew| {
        // Two that wait on channels of no capacity, and one that receives from whichever it is.
        let channels: Vec<(Sender<()>, Receiver<()>)> = (0..2).map(|_| bounded(0)).collect();
        let sending: Vec<_> = channels
            .iter()
            .map(|(sender, _)| {
                let sender = sender.clone();
                crew.spawn(move || while sender.send(()).is_ok() {})
            })
            .collect();
        let receivers: Vec<_> = channels.into_iter().map(|(_, receiver)| receiver).collect();
        let mut hits = [0; 2];
        for _ in 0..ROUNDS {
            select! {
                recv(receivers[0]) -> got => { got.unwrap(); hits[0] += 1 }
                recv(receivers[1]) -> got => { got.unwrap(); hits[1] += 1 }
            }
            if hits.iter().all(|count| *count >= 100) {
                break;
            }
        }
        // They are not always both there: each is served, but how often depends on who runs.
        let deadline = Instant::now() + crate::support::LIMIT;
        while hits.contains(&0) && Instant::now() < deadline {
            let mut select = Select::new();
            receivers.iter().for_each(|receiver| {
                select.recv(receiver);
            });
            let chosen = select.select();
            let case = chosen.index();
            chosen.recv(&receivers[case]).unwrap();
            hits[case] += 1;
        }
        assert!(!hits.contains(&0), "{hits:?}");
        drop(receivers);
        join_all(sending);
    });
}

#[test]
fn who_selects_is_served_beside_those_who_receive() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let served = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let (plain, counts) = (receiver.clone(), served.clone());
        let plain = crew.spawn(move || {
            plain.iter().for_each(|()| {
                counts[0].fetch_add(1, Ordering::SeqCst);
            });
        });
        let counts = served.clone();
        let selecting = crew.spawn(move || {
            let mut select = Select::new();
            select.recv(&receiver);
            while select.select().recv(&receiver).is_ok() {
                counts[1].fetch_add(1, Ordering::SeqCst);
            }
        });
        // Both wait before most messages, so that the order of the queue decides.
        eventually("both are served", || {
            sender.send(()).unwrap();
            served.iter().all(|count| count.load(Ordering::SeqCst) >= 5)
        });
        drop(sender);
        plain.join();
        selecting.join();
    });
}
