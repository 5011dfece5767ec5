//! Large messages on the small stack of a coroutine.
//!
//! Would catch: a message that is passed by value from layer to layer, which in a program that is not optimised is a copy in each
//! frame. The stack of a coroutine then holds messages of a few KiB only.

use crate::crew::{alone, everywhere};
use crate::subject::channel::{Receiver, Sender, bounded, select, unbounded};
use crate::support::ms;

/// Eleven fill a stack, and some are in the frames of the test.
type Large = [u8; 16 * 1024];

// Each in a frame of its own, which ends.

fn send(sender: &Sender<Large>, number: u8) {
    assert!(sender.send([number; _]).is_ok());
}

fn try_send(sender: &Sender<Large>, number: u8) -> bool {
    sender.try_send([number; _]).is_ok()
}

fn send_in_time(sender: &Sender<Large>, number: u8) -> bool {
    sender.send_timeout([number; _], ms(1)).is_ok()
}

fn select_send(sender: &Sender<Large>, number: u8) {
    select! { send(sender, [number; _]) -> sent => assert!(sent.is_ok()) }
}

fn receive(receiver: &Receiver<Large>) -> u8 {
    receiver.recv().map_or(0, first)
}

fn try_receive(receiver: &Receiver<Large>) -> u8 {
    receiver.try_recv().map_or(0, first)
}

fn receive_in_time(receiver: &Receiver<Large>) -> u8 {
    receiver.recv_timeout(ms(1)).map_or(0, first)
}

fn select_receive(receiver: &Receiver<Large>) -> u8 {
    select! { recv(receiver) -> got => got.map_or(0, first) }
}

fn first(message: Large) -> u8 {
    message[0]
}

#[test]
fn large_messages_are_kept() {
    alone(|| {
        for (sender, receiver) in [bounded(1), unbounded()] {
            send(&sender, 1);
            assert_eq!(receive(&receiver), 1);
            assert!(try_send(&sender, 2));
            assert_eq!(try_receive(&receiver), 2);
            assert!(send_in_time(&sender, 3));
            assert_eq!(receive_in_time(&receiver), 3);
            select_send(&sender, 4);
            assert_eq!(select_receive(&receiver), 4);
            assert_eq!(receive_in_time(&receiver), 0);
            send(&sender, 5);
            assert_eq!(send_in_time(&sender, 6), sender.capacity().is_none());
            drop(receiver);
            assert!(!try_send(&sender, 7) && !send_in_time(&sender, 8));
        }
    });
}

#[test]
fn large_messages_go_from_hand_to_hand() {
    everywhere(|crew| {
        for (sender, receiver) in [bounded(0), bounded(1)] {
            let sending = crew.spawn(move || {
                send(&sender, 1);
                select_send(&sender, 2);
                send(&sender, 3);
                select_send(&sender, 4);
            });
            tarae::sleep(ms(2));
            assert_eq!([receive(&receiver), select_receive(&receiver)], [1, 2]);
            assert_eq!([select_receive(&receiver), receive(&receiver)], [3, 4]);
            sending.join();
        }
    });
}
