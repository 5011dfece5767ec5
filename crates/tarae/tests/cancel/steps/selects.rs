//! Waiting for the first of several channels: one of them moves a message, the others none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tarae::channel::{Select, after, bounded, select, select_biased, unbounded};

use super::channels::Watched;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(3600);

pub(super) fn receives(stage: &Arc<Stage>) -> io::Result<()> {
    let (first, second) = (Watched::new(stage, unbounded()), Watched::new(stage, bounded(1)));
    for _ in 0..2 {
        let (theirs, life) = (second.clone(), stage.life());
        stage.until(
            move |moment| {
                moment.wait();
                theirs.send(life);
            },
            || {
                select! {
                    recv(first.receiver) -> message => first.take(message),
                    recv(second.receiver) -> message => second.take(message),
                    recv(after(LONG)) -> _ => unreachable!("an hour later"),
                }
            },
        );
    }
    Ok(())
}

pub(super) fn sends(stage: &Arc<Stage>) -> io::Result<()> {
    let (first, second) = (Watched::new(stage, bounded(1)), Watched::new(stage, bounded(1)));
    first.send(stage.life());
    second.send(stage.life());
    let (theirs, life) = (second.clone(), stage.life());
    stage.until(
        move |moment| {
            moment.wait();
            theirs.receive();
        },
        || {
            select_biased! {
                send(first.sender, stage.life()) -> sent => first.ledger.sends(|| sent.expect("a receiver")),
                send(second.sender, life) -> sent => second.ledger.sends(|| sent.expect("a receiver")),
            }
        },
    );
    Ok(())
}

/// One to receive from, one to send to, and nobody there: another one comes to the second.
pub(super) fn meets(stage: &Arc<Stage>) -> io::Result<()> {
    for to_send in [false, true] {
        let (first, second) = (Watched::new(stage, bounded(0)), Watched::new(stage, bounded(0)));
        let (theirs, life) = (if to_send { first.clone() } else { second.clone() }, stage.life());
        if to_send {
            first.is_received_from(stage);
        } else {
            second.is_sent_to(stage);
        }
        stage.until(
            move |moment| {
                moment.wait();
                if to_send {
                    theirs.send(life);
                } else {
                    theirs.receive();
                }
            },
            || {
                select! {
                    recv(first.receiver) -> message => first.take(message),
                    send(second.sender, stage.life()) -> sent => second.ledger.sends(|| sent.expect("a receiver")),
                    default(LONG) => unreachable!("an hour later"),
                }
            },
        );
    }
    Ok(())
}

pub(super) fn is_told(stage: &Arc<Stage>) -> io::Result<()> {
    let (first, second) = (Watched::new(stage, unbounded()), Watched::new(stage, unbounded()));
    let (theirs, life) = (second.clone(), stage.life());
    stage.until(
        move |moment| {
            moment.wait();
            theirs.send(life);
        },
        || {
            let mut both = Select::new();
            both.recv(&first.receiver);
            both.recv(&second.receiver);
            assert_eq!(both.ready(), 1);
        },
    );
    second.receive();
    Ok(())
}
