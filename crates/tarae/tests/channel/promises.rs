//! What a select has chosen to send is in the channel from then on, though the program makes the message afterwards.
//!
//! Would catch: a receiver that gives up on a message that was meant for it, so that a send succeeds to nobody; one that
//! finds a channel of one message full and yet empty; a message that is lost, or stays behind, when its receiver is
//! cancelled; a promise that is broken, and keeps its room or its receiver; one that is forgotten, and waited for for ever.

use crate::crew::{everywhere, panic_of};
use crate::subject::channel::{Select, TryRecvError, TrySendError, bounded, select, unbounded};
use crate::support::{ON_PURPOSE, ms, on_workers, panic_on_purpose};

/// Whether a message was sent to one whose time has passed meanwhile. Where nothing is kept, both know of it, or neither.
fn outlasts(capacity: usize, sent: bool, got: Option<i32>) -> bool {
    assert!(got.is_none_or(|message| sent && message == 5));
    assert!(capacity > 0 || sent == got.is_some(), "sent to nobody");
    got.is_some()
}

/// On a busy machine the time has sometimes passed before: at least once in many tries it has not.
const TRIES: usize = 50;

#[test]
fn a_receiver_that_was_chosen_waits_past_its_deadline() {
    everywhere(|crew| {
        for capacity in [0, 1] {
            let outlasted = (0..TRIES).any(|_| {
                let (sender, receiver) = bounded(capacity);
                let waiting = crew.spawn(move || receiver.recv_timeout(ms(20)));
                tarae::sleep(ms(5));
                let sent = select! {
                    send(sender, { tarae::sleep(ms(30)); 5 }) -> sent => sent.is_ok(),
                    default => false,
                };
                outlasts(capacity, sent, waiting.join().ok())
            });
            assert!(outlasted);
        }
    });
}

#[test]
fn a_select_that_was_chosen_waits_past_its_deadline() {
    everywhere(|crew| {
        let outlasted = (0..TRIES).any(|_| {
            let ((sender, receiver), (_other, nothing)) = (bounded(0), bounded::<()>(0));
            let waiting = crew.spawn(move || {
                select! {
                    recv(receiver) -> got => got.ok(),
                    recv(nothing) -> _ => unreachable!(),
                    default(ms(20)) => None,
                }
            });
            tarae::sleep(ms(5));
            let sent = select! {
                send(sender, { tarae::sleep(ms(30)); 5 }) -> sent => sent.is_ok(),
                default => false,
            };
            outlasts(0, sent, waiting.join())
        });
        assert!(outlasted);
    });
}

#[test]
fn a_message_that_is_being_made_is_there() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(1), bounded(3), unbounded()] {
            let mut select = Select::new();
            select.send(&sender);
            let chosen = select.select();
            let full = receiver.capacity() == Some(1);
            assert_eq!((receiver.len(), receiver.is_empty(), receiver.is_full()), (1, false, full));
            assert_eq!(sender.try_send(2), if full { Err(TrySendError::Full(2)) } else { Ok(()) });
            let receiving = crew.spawn({
                let receiver = receiver.clone();
                move || (receiver.try_recv(), receiver.try_recv())
            });
            tarae::sleep(ms(5));
            chosen.send(&sender, 1).unwrap();
            let second = if full { Err(TryRecvError::Empty) } else { Ok(2) };
            assert_eq!(receiving.join(), (Ok(1), second), "in the order of the choice");
        }
    });
}

#[test]
fn a_sender_is_let_in_when_what_stood_before_it_is_taken() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(1);
        let mut select = Select::new();
        select.send(&sender);
        let chosen = select.select();
        let waiting = crew.spawn({
            let sender = sender.clone();
            move || sender.send(2)
        });
        tarae::sleep(ms(5));
        let receiving = crew.spawn(move || (receiver.recv(), receiver.recv()));
        tarae::sleep(ms(5));
        chosen.send(&sender, 1).unwrap();
        assert_eq!(receiving.join(), (Ok(1), Ok(2)));
        waiting.join().unwrap();
    });
}

fn fail_to_make_it() -> i32 {
    tarae::sleep(ms(5));
    panic_on_purpose()
}

#[test]
fn a_broken_promise_gives_its_room_and_its_receiver_back() {
    everywhere(|crew| {
        for capacity in [0, 1] {
            let (sender, receiver) = bounded(capacity);
            let receiving = crew.spawn(move || receiver.recv());
            let text = panic_of(|| {
                select! { send(sender, fail_to_make_it()) -> _ => {} }
            });
            assert_eq!(text, ON_PURPOSE);
            sender.send(2).unwrap();
            assert_eq!(receiving.join(), Ok(2));
        }
        // A sender waits for the room; and who only tries is told that there is nothing after all.
        let (sender, receiver) = bounded(1);
        let mut select = Select::new();
        select.send(&sender);
        let chosen = select.select();
        let (waiting, trying) = (sender.clone(), receiver.clone());
        let waiting = crew.spawn(move || waiting.send(3));
        tarae::sleep(ms(5));
        let text = panic_of(|| drop(chosen));
        assert_eq!(text, "dropped `SelectedOperation` without completing the operation");
        waiting.join().unwrap();
        assert_eq!(receiver.recv(), Ok(3));
        let chosen = Select::select(&mut select);
        let trying = crew.spawn(move || trying.try_recv());
        tarae::sleep(ms(5));
        panic_of(|| drop(chosen));
        assert_eq!(trying.join(), Err(TryRecvError::Empty));
    });
}

#[test]
fn a_forgotten_promise_ends_with_the_last_sender() {
    everywhere(|crew| {
        for capacity in [0, 1] {
            let (sender, receiver) = bounded::<i32>(capacity);
            let receiving = crew.spawn(move || receiver.recv());
            let mut select = Select::new();
            select.send(&sender);
            std::mem::forget(select.select());
            tarae::sleep(ms(2));
            drop(sender);
            assert!(receiving.join().is_err());
        }
    });
}

/// The receiver is cancelled while the select makes its message: the message is there for the next one.
#[test]
fn what_was_promised_to_somebody_cancelled_is_received_by_the_next() {
    on_workers(|| {
        for capacity in [0, 1] {
            for next_is_waiting in [false, true] {
                let (sender, receiver) = bounded(capacity);
                let first = tarae::spawn({
                    let receiver = receiver.clone();
                    move || receiver.recv()
                });
                tarae::sleep(ms(3));
                let next = next_is_waiting.then(|| {
                    let receiver = receiver.clone();
                    tarae::spawn(move || receiver.recv())
                });
                tarae::sleep(ms(3));
                let mut select = Select::new();
                select.send(&sender);
                let chosen = select.select();
                first.cancel();
                assert!(first.join().is_err(), "it was cancelled");
                chosen.send(&sender, 7).unwrap();
                let got = match next {
                    Some(next) => next.join().unwrap(),
                    None => receiver.recv(),
                };
                assert_eq!((got, receiver.try_recv()), (Ok(7), Err(TryRecvError::Empty)));
            }
        }
    });
}
