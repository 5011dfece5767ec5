//! Bounded channels of capacity one and more.
//!
//! Would catch: a capacity rounded up or off by one; slots that mix up after a lap; an order that is not first in, first out;
//! `len`, `is_empty` or `is_full` that drift from what is there; a message lost or kept where a send fails; an operation
//! that could go on at once but looks at its deadline first; a lock held while a value is dropped.

use std::time::{Duration, Instant};

use crate::crew::{Crew, alone, everywhere, quietly};
use crate::subject::channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use crate::support::{MOMENT, ms};

#[test]
fn what_is_sent_is_received() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        sender.send(7).unwrap();
        assert_eq!(receiver.try_recv(), Ok(7));
        sender.send(8).unwrap();
        assert_eq!(receiver.recv(), Ok(8));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn the_capacity_is_what_was_asked_for() {
    alone(|| {
        for capacity in 1..40 {
            let (sender, receiver) = bounded::<u8>(capacity);
            assert_eq!((sender.capacity(), receiver.capacity()), (Some(capacity), Some(capacity)));
        }
    });
}

#[test]
fn as_many_messages_fit_as_the_capacity_says_and_no_more() {
    alone(|| {
        for capacity in [1, 2, 3, 5, 8, 13, 100] {
            let (sender, receiver) = bounded(capacity);
            // In the second lap and the third as well.
            for _ in 0..3 {
                for message in 0..capacity {
                    assert_eq!(sender.try_send(message), Ok(()), "{message} of {capacity}");
                }
                assert_eq!(sender.try_send(capacity), Err(TrySendError::Full(capacity)));
                for message in 0..capacity {
                    assert_eq!(receiver.try_recv(), Ok(message));
                }
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            }
        }
    });
}

#[test]
fn a_full_channel_gives_the_message_back() {
    alone(|| {
        let (sender, receiver) = bounded(1);
        sender.send(String::from("first")).unwrap();
        let refused = sender.try_send(String::from("second")).unwrap_err();
        assert!(refused.is_full() && !refused.is_disconnected());
        assert_eq!(refused.into_inner(), "second");
        assert_eq!(receiver.recv().unwrap(), "first");
        assert!(receiver.is_empty());
    });
}

#[test]
fn length_follows_what_is_there() {
    alone(|| {
        let (sender, receiver) = bounded(3);
        let expect = |length: usize| {
            assert_eq!((sender.len(), receiver.len()), (length, length));
            assert_eq!((sender.is_empty(), receiver.is_empty()), (length == 0, length == 0));
            assert_eq!((sender.is_full(), receiver.is_full()), (length == 3, length == 3));
        };
        for _ in 0..10 {
            expect(0);
            sender.send(()).unwrap();
            expect(1);
            sender.send(()).unwrap();
            expect(2);
            sender.send(()).unwrap();
            expect(3);
            receiver.recv().unwrap();
            expect(2);
            receiver.recv().unwrap();
            receiver.recv().unwrap();
        }
    });
}

#[test]
fn length_counts_over_the_edge_of_the_buffer() {
    alone(|| {
        for capacity in 1..9 {
            let (sender, receiver) = bounded(capacity);
            // At every position of the first and last message, at every length.
            for _ in 0..capacity + 1 {
                for length in 0..=capacity {
                    for message in 0..length {
                        assert_eq!(sender.len(), message);
                        sender.send(message).unwrap();
                    }
                    for message in 0..length {
                        assert_eq!(receiver.len(), length - message);
                        assert_eq!(receiver.recv(), Ok(message));
                    }
                }
                sender.send(0).unwrap();
                receiver.recv().unwrap();
            }
        }
    });
}

#[test]
fn length_never_exceeds_the_capacity_while_others_send_and_receive() {
    everywhere(|crew| {
        const MESSAGES: usize = 5_000;
        let (sender, receiver) = bounded(3);
        let eyes = sender.clone();
        let receiving = crew.spawn(move || {
            for expected in 0..MESSAGES {
                assert!(receiver.len() <= 3);
                assert_eq!(receiver.recv(), Ok(expected));
            }
            assert_eq!(receiver.len(), 0);
        });
        let sending = crew.spawn(move || {
            for message in 0..MESSAGES {
                sender.send(message).unwrap();
                assert!(sender.len() <= 3);
            }
        });
        while !sending.is_finished() {
            assert!(eyes.len() <= 3);
            tarae::yield_now();
        }
        sending.join();
        receiving.join();
        assert!(eyes.is_empty());
    });
}

#[test]
fn a_send_that_fits_does_not_look_at_its_deadline() {
    alone(|| {
        let (sender, receiver) = bounded(2);
        assert_eq!(sender.send_timeout(1, Duration::ZERO), Ok(()));
        assert_eq!(sender.send_deadline(2, Instant::now() - ms(5)), Ok(()));
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2]);
    });
}

#[test]
fn a_receive_that_finds_a_message_does_not_look_at_its_deadline() {
    alone(|| {
        let (sender, receiver) = bounded(2);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1));
        assert_eq!(receiver.recv_deadline(Instant::now() - ms(5)), Ok(2));
    });
}

#[test]
fn a_send_into_a_full_channel_waits_for_a_receive() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(2);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        let sending = crew.spawn(move || {
            sender.send(3).unwrap();
            sender.send(4).unwrap();
        });
        tarae::sleep(MOMENT);
        assert!(!sending.is_finished());
        assert_eq!(receiver.len(), 2);
        assert_eq!(receiver.recv(), Ok(1));
        tarae::sleep(MOMENT);
        assert!(!sending.is_finished(), "there was room for one");
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [2, 3, 4]);
        sending.join();
    });
}

#[test]
fn a_receive_waits_for_a_send() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(4);
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
fn try_operations_see_what_others_did() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(1);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let other = sender.clone();
        crew.spawn(move || {
            assert_eq!(other.try_send(1), Ok(()));
            assert_eq!(other.try_send(2), Err(TrySendError::Full(2)));
        })
        .join();
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
        crew.spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(1));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        })
        .join();
        assert_eq!(sender.try_send(4), Err(TrySendError::Disconnected(4)));
    });
}

#[test]
fn messages_of_no_size_are_counted() {
    alone(|| {
        let (sender, receiver) = bounded(3);
        for _ in 0..3 {
            sender.try_send(()).unwrap();
        }
        assert!(sender.try_send(()).is_err());
        assert_eq!(receiver.try_iter().count(), 3);

        let (sender, receiver) = bounded::<[u64; 0]>(1);
        sender.send([]).unwrap();
        assert_eq!(receiver.recv(), Ok([]));
    });
}

#[test]
fn large_and_aligned_messages_arrive_whole() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(64))]
    struct Large([u64; 96]);
    everywhere(|crew| {
        let (sender, receiver) = bounded(2);
        let sending = crew.spawn(move || {
            for number in 0..200 {
                sender.send(Large([number; 96])).unwrap();
            }
        });
        for number in 0..200 {
            let message = receiver.recv().unwrap();
            assert_eq!((&raw const message).addr() % 64, 0);
            assert_eq!(message, Large([number; 96]));
        }
        sending.join();
    });
}

#[test]
fn a_capacity_that_no_memory_holds_panics_or_is_kept() {
    alone(|| {
        for capacity in [usize::MAX, usize::MAX / 8] {
            // One that takes its memory when it is made says so then; one that takes it as needed is as good.
            let made = quietly(|| bounded::<u64>(capacity));
            if let Ok((sender, receiver)) = made {
                assert_eq!((sender.capacity(), receiver.capacity()), (Some(capacity), Some(capacity)));
                sender.try_send(1).unwrap();
                assert_eq!(receiver.try_recv(), Ok(1));
            }
        }
    });
}

/// Receives from its own channel when it is dropped.
struct Nosy {
    receiver: Receiver<Option<Nosy>>,
    sender: Sender<Option<Nosy>>,
}

impl Drop for Nosy {
    fn drop(&mut self) {
        let _ = self.receiver.try_recv();
        let _ = self.sender.try_send(None);
        let _ = self.sender.len();
    }
}

#[test]
fn a_message_may_use_its_channel_while_it_is_dropped() {
    alone(|| {
        let (sender, receiver) = bounded(2);
        let nosy = || Some(Nosy { receiver: receiver.clone(), sender: sender.clone() });
        sender.send(nosy()).unwrap();
        sender.send(nosy()).unwrap();
        // Refused, and dropped by the caller: which receives the first, which sends another.
        drop(sender.try_send(nosy()));
        while receiver.try_recv().is_ok() {}
    });
}

#[test]
fn channels_travel_through_channels() {
    everywhere(|crew| {
        type Any = Box<dyn std::any::Any + Send>;
        let (sender, receiver) = bounded::<Any>(1);
        let sending = crew.spawn(move || {
            let mut sender = sender;
            for _ in 0..200 {
                let (next, its_receiver) = bounded::<Any>(1);
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

fn one_round(crew: &Crew, capacity: usize) {
    let (sender, receiver) = bounded(capacity);
    let sending = crew.spawn(move || sender.send(capacity));
    assert_eq!(receiver.recv(), Ok(capacity));
    assert_eq!(sending.join(), Ok(()));
}

#[test]
fn channels_that_carry_one_message() {
    everywhere(|crew| (0..250).for_each(|round| one_round(crew, round % 4)));
}
