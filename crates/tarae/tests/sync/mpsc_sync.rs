//! `mpsc::sync_channel`: no more than its bound, and with a bound of zero a meeting.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::counted::Count;
use crate::subject::sync::mpsc::{
    RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError, sync_channel,
};
use crate::subject::thread;
use crate::support::{MOMENT, eventually, ms};
use crate::threads::{Handle, everywhere};

#[test]
fn up_to_its_bound_nobody_waits() {
    everywhere(|_| {
        for bound in [1, 2, 5, 100] {
            let (sender, receiver) = sync_channel(bound);
            (0..bound).for_each(|number| sender.send(number).unwrap());
            assert_eq!(sender.try_send(99), Err(TrySendError::Full(99)), "the message comes back");
            assert_eq!(receiver.recv(), Ok(0));
            sender.try_send(bound).unwrap();
            drop(sender);
            assert!(receiver.into_iter().eq(1..=bound));
        }
    });
}

#[test]
fn a_send_to_a_full_one_waits_for_room() {
    everywhere(|threads| {
        let (sender, receiver) = sync_channel(1);
        sender.send(1).unwrap();
        let waiter = threads.spawn(move || sender.send(2));
        thread::sleep(MOMENT);
        assert!(!waiter.is_finished());
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(waiter.join(), Ok(()));
        assert_eq!(receiver.recv(), Ok(2));
        assert_eq!(receiver.recv(), Err(RecvError));
    });
}

#[test]
fn it_never_holds_more_than_its_bound() {
    everywhere(|threads| {
        for bound in [1usize, 3] {
            let (sender, receiver) = sync_channel(bound);
            let sent = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&sent);
            let producer = threads.spawn(move || {
                for number in 0..50 {
                    sender.send(number).unwrap();
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
            for received in 0..50 {
                assert!(sent.load(Ordering::SeqCst) <= received + bound);
                assert_eq!(receiver.recv(), Ok(received));
                if received % 16 == 0 {
                    thread::sleep(ms(1));
                }
            }
            producer.join();
        }
    });
}

#[test]
fn with_a_bound_of_zero_a_send_ends_when_its_message_is_received() {
    everywhere(|threads| {
        let (sender, receiver) = sync_channel(0);
        let received = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&received);
        let sending = threads.spawn(move || {
            for number in 1..=20 {
                sender.send(number).unwrap();
                // It has been taken, though who took it may not have counted it yet.
                assert!(counted.load(Ordering::SeqCst) + 1 >= number);
            }
        });
        thread::sleep(ms(5));
        for number in 1..=20 {
            assert_eq!(receiver.recv(), Ok(number));
            received.fetch_add(1, Ordering::SeqCst);
        }
        sending.join();
        assert_eq!(receiver.recv(), Err(RecvError));
    });
}

#[test]
fn with_a_bound_of_zero_both_wait_for_the_other() {
    everywhere(|threads| {
        let (sender, receiver) = sync_channel(0);
        let first = threads.spawn({
            let sender = sender.clone();
            move || sender.send(1)
        });
        thread::sleep(MOMENT);
        assert!(!first.is_finished(), "nobody receives");
        assert_eq!(receiver.recv(), Ok(1));
        first.join().unwrap();
        let second = threads.spawn(move || (receiver.recv(), receiver));
        thread::sleep(MOMENT);
        assert!(!second.is_finished(), "nobody sends");
        sender.send(2).unwrap();
        assert_eq!(second.join().0, Ok(2));
    });
}

#[test]
fn with_a_bound_of_zero_a_try_succeeds_only_if_the_other_waits() {
    everywhere(|threads| {
        let (sender, receiver) = sync_channel(0);
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let waiting = threads.spawn(move || (receiver.recv(), receiver));
        let mut message = 2;
        eventually("the other waits", || match sender.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(back)) => {
                message = back;
                false
            }
            Err(error) => unreachable!("{error:?}"),
        });
        let (received, receiver) = waiting.join();
        assert_eq!(received, Ok(2));
        let sending = threads.spawn(move || sender.send(3));
        let mut received = None;
        eventually("the other waits", || {
            received = receiver.try_recv().ok();
            received.is_some()
        });
        assert_eq!((received, sending.join()), (Some(3), Ok(())));
    });
}

#[test]
fn with_a_bound_of_zero_a_timeout_leaves_nothing_behind() {
    everywhere(|threads| {
        let (sender, receiver) = sync_channel(0);
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        assert_eq!(receiver.recv_timeout(ms(5)), Err(RecvTimeoutError::Timeout));
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)), "it does not wait any more");
        let sending = threads.spawn(move || sender.send(2));
        assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(2));
        sending.join().unwrap();
        assert_eq!(receiver.recv_timeout(Duration::MAX), Err(RecvTimeoutError::Disconnected));
    });
}

#[test]
fn a_waiting_sender_gets_its_message_back_when_the_receiver_goes() {
    everywhere(|threads| {
        for bound in [0, 1, 3] {
            let (sender, receiver) = sync_channel(bound);
            (0..bound).for_each(|_| sender.send(0).unwrap());
            let waiting: Vec<_> = (1..=4)
                .map(|number| {
                    let sender = sender.clone();
                    threads.spawn(move || (number, sender.send(number)))
                })
                .collect();
            thread::sleep(ms(10));
            assert!(waiting.iter().all(|waiter| !waiter.is_finished()));
            drop(receiver);
            for waiter in waiting {
                let (number, result) = waiter.join();
                assert_eq!(result, Err(SendError(number)));
            }
            assert_eq!(sender.try_send(9), Err(TrySendError::Disconnected(9)));
            assert_eq!(sender.send(9), Err(SendError(9)));
        }
    });
}

#[test]
fn a_waiting_receiver_is_told_when_the_senders_go() {
    everywhere(|threads| {
        for bound in [0, 2] {
            let (sender, receiver) = sync_channel::<u8>(bound);
            let waiting = threads.spawn(move || receiver.recv());
            thread::sleep(ms(5));
            assert!(!waiting.is_finished());
            drop(sender);
            assert_eq!(waiting.join(), Err(RecvError));
        }
    });
}

#[test]
fn what_was_sent_is_received_after_the_senders_are_gone() {
    everywhere(|_| {
        let (sender, receiver) = sync_channel(3);
        let other = sender.clone();
        sender.send("a").unwrap();
        other.send("b").unwrap();
        drop((sender, other));
        assert_eq!(receiver.recv(), Ok("a"));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok("b"));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn many_senders_lose_nothing_whatever_the_bound() {
    everywhere(|threads| {
        const SENDERS: usize = 5;
        const EACH: usize = 60;
        for bound in [0, 1, 7] {
            let (sender, receiver) = sync_channel(bound);
            let senders: Vec<_> = (0..SENDERS)
                .map(|who| {
                    let sender = sender.clone();
                    threads.spawn(move || (0..EACH).for_each(|number| sender.send((who, number)).unwrap()))
                })
                .collect();
            drop(sender);
            let mut next = [0; SENDERS];
            for (who, number) in receiver {
                assert_eq!(number, next[who], "of sender {who}, bound {bound}");
                next[who] += 1;
            }
            assert_eq!(next, [EACH; SENDERS]);
            senders.into_iter().for_each(Handle::join);
        }
    });
}

#[test]
fn a_ping_pong_over_a_bound_of_zero() {
    everywhere(|threads| {
        let (ping, pinged) = sync_channel(0);
        let (pong, ponged) = sync_channel(0);
        let other = threads.spawn(move || {
            for number in pinged {
                pong.send(number + 1).unwrap();
            }
        });
        let mut number = 0;
        for _ in 0..200 {
            ping.send(number).unwrap();
            number = ponged.recv().unwrap();
        }
        assert_eq!(number, 200);
        drop(ping);
        other.join();
    });
}

#[test]
fn each_message_is_dropped_once() {
    everywhere(|threads| {
        for bound in [0, 1, 4] {
            let count = Count::default();
            let (sender, receiver) = sync_channel(bound);
            // Some are received, some stay inside, some come back to who waits, some to who tries.
            let senders: Vec<_> = (0..3)
                .map(|_| {
                    let (sender, count) = (sender.clone(), count.clone());
                    threads.spawn(move || while sender.send(count.value()).is_ok() {})
                })
                .collect();
            let trying = threads.spawn({
                let (sender, count) = (sender.clone(), count.clone());
                move || {
                    while !matches!(sender.try_send(count.value()), Err(TrySendError::Disconnected(_))) {
                        thread::yield_now();
                    }
                }
            });
            drop(sender);
            for _ in 0..50 {
                drop(receiver.recv().unwrap());
            }
            drop(receiver);
            senders.into_iter().for_each(Handle::join);
            trying.join();
            count.all_dropped(count.made());
        }
    });
}

#[test]
fn a_message_of_no_size_counts() {
    everywhere(|_| {
        let (sender, receiver) = sync_channel(2);
        sender.send(()).unwrap();
        sender.try_send(()).unwrap();
        assert_eq!(sender.try_send(()), Err(TrySendError::Full(())));
        assert_eq!(receiver.try_iter().count(), 2);
    });
}
