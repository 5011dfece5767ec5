//! Unbounded channels.
//!
//! Would catch: a send that waits or is refused; messages lost, doubled or reordered where a block of the list ends; a length
//! that miscounts there; a stack that overflows where a long list or a large message is made or dropped; a send that looks
//! at its deadline.

use std::time::{Duration, Instant};

use crate::counted::{Ledger, assert_in_order};
use crate::crew::{alone, everywhere};
use crate::subject::channel::{Receiver, TryRecvError, unbounded};
use crate::support::{MOMENT, ms};

#[test]
fn what_is_sent_is_received_in_order() {
    alone(|| {
        let (sender, receiver) = unbounded();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        for message in 0..1_000 {
            assert_eq!(sender.try_send(message), Ok(()));
        }
        for message in 0..1_000 {
            assert_eq!(receiver.try_recv(), Ok(message));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn it_has_no_capacity_and_is_never_full() {
    alone(|| {
        let (sender, receiver) = unbounded();
        assert_eq!((sender.capacity(), receiver.capacity()), (None, None));
        for message in 0..10_000 {
            assert!(!sender.is_full() && !receiver.is_full());
            sender.send(message).unwrap();
        }
        assert!(!sender.is_full() && !receiver.is_full());
    });
}

#[test]
fn length_follows_what_is_there() {
    alone(|| {
        let (sender, receiver) = unbounded();
        assert!(sender.is_empty() && receiver.is_empty());
        for length in 1..=200 {
            sender.send(()).unwrap();
            assert_eq!((sender.len(), receiver.len()), (length, length));
            assert!(!sender.is_empty() && !receiver.is_empty());
        }
        for length in (0..200).rev() {
            receiver.recv().unwrap();
            assert_eq!((sender.len(), receiver.len()), (length, length));
            assert_eq!((sender.is_empty(), receiver.is_empty()), (length == 0, length == 0));
        }
    });
}

#[test]
fn length_counts_at_every_position_of_a_block() {
    alone(|| {
        let (sender, receiver) = unbounded();
        // Whatever a block holds, the first and the last message stand at each of its places.
        for length in 0..80 {
            for message in 0..length {
                assert_eq!(receiver.len(), message);
                sender.send(message).unwrap();
            }
            for message in 0..length {
                assert_eq!(sender.len(), length - message);
                assert_eq!(receiver.recv(), Ok(message));
            }
        }
    });
}

#[test]
fn length_is_sensible_while_others_send_and_receive() {
    everywhere(|crew| {
        const MESSAGES: usize = 5_000;
        let (sender, receiver) = unbounded();
        let eyes = sender.clone();
        let sending = crew.spawn(move || {
            for message in 0..MESSAGES {
                sender.send(message).unwrap();
                assert!((0..=message + 1).contains(&sender.len()));
            }
        });
        for expected in 0..MESSAGES {
            assert_eq!(receiver.recv(), Ok(expected));
            assert!(receiver.len() < MESSAGES - expected);
        }
        sending.join();
        assert_eq!((eyes.len(), eyes.is_empty()), (0, true));
    });
}

#[test]
fn no_send_looks_at_its_deadline() {
    alone(|| {
        let (sender, receiver) = unbounded();
        assert_eq!(sender.send_timeout(1, Duration::ZERO), Ok(()));
        assert_eq!(sender.send_deadline(2, Instant::now() - ms(5)), Ok(()));
        assert_eq!(sender.send_timeout(3, Duration::MAX), Ok(()));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1));
        assert_eq!(receiver.recv_deadline(Instant::now() - ms(5)), Ok(2));
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(3));
    });
}

#[test]
fn a_receive_waits_for_a_send() {
    everywhere(|crew| {
        let (sender, receiver) = unbounded();
        let receiving = crew.spawn(move || (receiver.recv(), receiver.recv()));
        tarae::sleep(MOMENT);
        assert!(!receiving.is_finished());
        sender.send("one").unwrap();
        tarae::sleep(MOMENT);
        assert!(!receiving.is_finished());
        sender.send("two").unwrap();
        assert_eq!(receiving.join(), (Ok("one"), Ok("two")));
    });
}

#[test]
fn a_receiver_that_lags_loses_nothing() {
    everywhere(|crew| {
        const MESSAGES: usize = 20_000;
        let (sender, receiver) = unbounded();
        let sending = crew.spawn(move || (0..MESSAGES).for_each(|message| sender.send(message).unwrap()));
        tarae::sleep(ms(1));
        let received: Vec<usize> = receiver.iter().collect();
        sending.join();
        assert_eq!(received.len(), MESSAGES);
        assert_in_order(&received);
    });
}

#[test]
fn messages_of_no_size_are_counted() {
    alone(|| {
        let (sender, receiver) = unbounded();
        (0..500).for_each(|_| sender.send(()).unwrap());
        assert_eq!(receiver.len(), 500);
        assert_eq!(receiver.try_iter().count(), 500);
    });
}

#[test]
fn a_large_message_fits_a_small_stack() {
    // A block of some thirty of them, made on the stack and moved a few times, would not fit that of a coroutine.
    const SIZE: usize = 2 * 1024;
    everywhere(|crew| {
        let (sender, receiver) = unbounded::<[u8; SIZE]>();
        let sending = crew.spawn(move || sender.send([7; SIZE]).is_ok());
        assert!(receiver.recv().unwrap().iter().all(|byte| *byte == 7));
        assert!(sending.join());
    });
}

#[test]
fn a_long_list_is_dropped_without_recursion() {
    alone(|| {
        let ledger = Ledger::new(50_000);
        let (sender, receiver) = unbounded();
        (0..50_000).for_each(|number| sender.send(ledger.value(number)).unwrap());
        drop(sender);
        assert_eq!(ledger.dropped(), 0);
        drop(receiver);
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn channels_travel_through_channels() {
    everywhere(|crew| {
        type Any = Box<dyn std::any::Any + Send>;
        let (sender, receiver) = unbounded::<Any>();
        let sending = crew.spawn(move || {
            let mut sender = sender;
            for _ in 0..200 {
                let (next, its_receiver) = unbounded::<Any>();
                sender.send(Box::new(Some(its_receiver))).unwrap();
                sender = next;
            }
        });
        let mut receiver = receiver;
        for _ in 0..200 {
            let mut message = receiver.recv().unwrap();
            receiver = message.downcast_mut::<Option<Receiver<Any>>>().unwrap().take().unwrap();
        }
        sending.join();
        assert!(receiver.recv().is_err());
    });
}
