//! `mpsc::channel`: messages in order, and what each end learns of the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::subject::sync::mpsc::{RecvError, RecvTimeoutError, SendError, Sender, TryRecvError, channel};
use crate::subject::thread;
use crate::support::{MOMENT, ms};
use crate::threads::{Handle, everywhere};

#[test]
fn what_is_sent_is_received_in_order() {
    everywhere(|_| {
        let (sender, receiver) = channel();
        for number in 0..200 {
            sender.send(number).unwrap();
        }
        for number in 0..200 {
            assert_eq!(receiver.recv(), Ok(number));
        }
    });
}

#[test]
fn a_receiver_waits_for_a_message() {
    everywhere(|threads| {
        let (sender, receiver) = channel();
        let other = threads.spawn(move || receiver.recv());
        thread::sleep(MOMENT);
        assert!(!other.is_finished());
        sender.send("late").unwrap();
        assert_eq!(other.join(), Ok("late"));
    });
}

#[test]
fn a_receiver_on_another_thread_sees_all_in_order() {
    everywhere(|threads| {
        let (sender, receiver) = channel();
        let other = threads.spawn(move || (0..1000).all(|number| receiver.recv() == Ok(number)));
        (0..1000).for_each(|number| sender.send(number).unwrap());
        assert!(other.join());
    });
}

#[test]
fn each_sender_keeps_its_own_order() {
    everywhere(|threads| {
        const SENDERS: usize = 6;
        const EACH: usize = 200;
        let (sender, receiver) = channel();
        let senders: Vec<_> = (0..SENDERS)
            .map(|who| {
                let sender = sender.clone();
                threads.spawn(move || {
                    for number in 0..EACH {
                        sender.send((who, number)).unwrap();
                        if number % 64 == who {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        let mut next = [0; SENDERS];
        while let Ok((who, number)) = receiver.recv() {
            assert_eq!(number, next[who], "of sender {who}");
            next[who] += 1;
        }
        assert_eq!(next, [EACH; SENDERS]);
        senders.into_iter().for_each(Handle::join);
    });
}

#[test]
fn a_send_to_nobody_gives_the_message_back() {
    everywhere(|threads| {
        let (sender, receiver) = channel();
        sender.send(String::from("kept")).unwrap();
        drop(receiver);
        let SendError(message) = sender.send(String::from("back")).unwrap_err();
        assert_eq!(message, "back");
        let (sender, receiver) = channel();
        threads.spawn(move || drop(receiver)).join();
        assert_eq!(sender.clone().send(1), Err(SendError(1)));
    });
}

#[test]
fn when_the_senders_are_gone_the_rest_is_received_and_then_an_error() {
    everywhere(|_| {
        let (sender, receiver) = channel();
        let other = sender.clone();
        sender.send(1).unwrap();
        drop(sender);
        other.send(2).unwrap();
        drop(other);
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.try_recv(), Ok(2));
        for _ in 0..2 {
            assert_eq!(receiver.recv(), Err(RecvError));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
            assert_eq!(receiver.recv_timeout(ms(5)), Err(RecvTimeoutError::Disconnected));
        }
    });
}

#[test]
fn a_waiting_receiver_is_told_when_the_last_sender_goes() {
    everywhere(|threads| {
        let (sender, receiver) = channel::<u8>();
        let other = sender.clone();
        let waiter = threads.spawn(move || receiver.recv());
        thread::sleep(ms(5));
        drop(sender);
        thread::sleep(MOMENT);
        assert!(!waiter.is_finished(), "there is another one");
        threads.spawn(move || drop(other)).join();
        assert_eq!(waiter.join(), Err(RecvError));
    });
}

#[test]
fn a_sender_that_unwinds_is_gone_as_well() {
    everywhere(|threads| {
        let (sender, receiver) = channel();
        threads.panics(move || {
            sender.send(1).unwrap();
            crate::support::panic_on_purpose()
        });
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.recv(), Err(RecvError));
    });
}

#[test]
fn try_recv_tells_empty_from_disconnected() {
    everywhere(|threads| {
        let (sender, receiver) = channel();
        let (go, next) = channel::<()>();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let (done, is_done) = channel();
        let other = threads.spawn(move || {
            next.recv().unwrap();
            sender.send(1).unwrap();
            done.send(()).unwrap();
            next.recv().unwrap();
            drop(sender);
            done.send(()).unwrap();
        });
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        go.send(()).unwrap();
        is_done.recv().unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        go.send(()).unwrap();
        is_done.recv().unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        other.join();
    });
}

#[test]
fn a_timeout_ends_never_early_and_leaves_the_channel_as_it_was() {
    everywhere(|_| {
        let (sender, receiver) = channel();
        for timeout in [Duration::ZERO, Duration::from_nanos(1), ms(1), ms(10)] {
            let start = Instant::now();
            assert_eq!(receiver.recv_timeout(timeout), Err(RecvTimeoutError::Timeout));
            assert!(start.elapsed() >= timeout);
        }
        sender.send(1).unwrap();
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1), "what is there needs no time");
    });
}

#[test]
fn a_message_ends_a_timeout() {
    everywhere(|threads| {
        for timeout in [ms(20_000), Duration::from_secs(u64::MAX), Duration::MAX] {
            let (sender, receiver) = channel();
            let waiter = threads.spawn(move || {
                let start = Instant::now();
                (receiver.recv_timeout(timeout), receiver.recv_timeout(timeout), start.elapsed())
            });
            thread::sleep(ms(5));
            sender.send(7).unwrap();
            thread::sleep(ms(5));
            drop(sender);
            let (message, end, took) = waiter.join();
            assert_eq!((message, end), (Ok(7), Err(RecvTimeoutError::Disconnected)));
            assert!(took < ms(20_000));
        }
    });
}

#[test]
fn timeouts_and_messages_alternate() {
    everywhere(|threads| {
        let (sender, receiver) = channel();
        let sending = threads.spawn(move || {
            for number in 0..40 {
                if number % 4 == 0 {
                    thread::sleep(ms(3));
                }
                sender.send(number).unwrap();
            }
        });
        let mut next = 0;
        loop {
            match receiver.recv_timeout(ms(1)) {
                Ok(number) => {
                    assert_eq!(number, next);
                    next += 1;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        assert_eq!(next, 40);
        sending.join();
    });
}

#[test]
fn iter_ends_when_the_senders_are_gone() {
    everywhere(|threads| {
        let (sender, receiver) = channel();
        let summing = threads.spawn(move || receiver.iter().sum::<u32>());
        for number in 1..=4 {
            sender.send(number).unwrap();
            thread::yield_now();
        }
        drop(sender);
        assert_eq!(summing.join(), 10);
    });
}

#[test]
fn a_loop_that_breaks_leaves_the_rest() {
    everywhere(|_| {
        let (sender, receiver) = channel();
        (0..5).for_each(|number| sender.send(number).unwrap());
        let mut seen = Vec::new();
        for number in &receiver {
            seen.push(number);
            if number == 2 {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2]);
        assert_eq!(receiver.iter().next(), Some(3));
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [4]);
        drop(sender);
        assert_eq!(receiver.iter().next(), None);
    });
}

#[test]
fn try_iter_takes_what_is_there_and_does_not_wait() {
    everywhere(|threads| {
        let (ask, asked) = channel();
        let (sender, receiver) = channel();
        assert_eq!(receiver.try_iter().next(), None);
        let other = threads.spawn(move || {
            for () in asked {
                if sender.send(2).is_err() {
                    return;
                }
            }
        });
        ask.send(()).unwrap();
        let mut sum = 0;
        while sum < 6 {
            for number in receiver.try_iter() {
                sum += number;
                ask.send(()).unwrap();
            }
            thread::yield_now();
        }
        assert!(sum >= 6 && sum % 2 == 0);
        drop((receiver, ask));
        other.join();
    });
}

#[test]
fn a_receiver_is_turned_into_an_iterator() {
    everywhere(|_| {
        let (sender, receiver) = channel();
        ["a", "b", "c"].into_iter().for_each(|text| sender.send(text).unwrap());
        assert_eq!(IntoIterator::into_iter(&receiver).next(), Some("a"));
        drop(sender);
        let mut rest = receiver.into_iter();
        assert_eq!((rest.next(), rest.next(), rest.next(), rest.next()), (Some("b"), Some("c"), None, None));
    });
}

#[test]
fn a_sender_is_shared_by_reference_as_well() {
    everywhere(|threads| {
        let (sender, receiver) = channel();
        let sender: Arc<Sender<usize>> = Arc::new(sender);
        threads.each(4, move |number| sender.send(number).unwrap());
        let mut received: Vec<_> = receiver.iter().collect();
        received.sort_unstable();
        assert_eq!(received, [0, 1, 2, 3]);
    });
}

#[test]
fn ends_travel_through_channels() {
    everywhere(|threads| {
        let (requests, served) = channel::<(u32, Sender<u32>)>();
        let server = threads.spawn(move || {
            for (number, reply) in served {
                reply.send(number * number).unwrap();
            }
        });
        let client = requests.clone();
        let answers = threads.each(5, move |number| {
            let (reply, answer) = channel();
            client.send((number as u32, reply)).unwrap();
            answer.recv().unwrap()
        });
        assert_eq!(answers, [0, 1, 4, 9, 16]);
        drop(requests);
        server.join();
        // A receiver is sent, with what it holds.
        let (outer, carried) = channel();
        let (inner, receiver) = channel();
        inner.send("inside").unwrap();
        outer.send(receiver).unwrap();
        let other = threads.spawn(move || carried.recv().unwrap().recv());
        assert_eq!(other.join(), Ok("inside"));
    });
}

#[test]
fn what_happened_before_the_send_is_seen_after_the_receipt() {
    everywhere(|threads| {
        for _ in 0..50 {
            let (sender, receiver) = channel();
            let flag = Arc::new(AtomicBool::new(false));
            let own = Arc::clone(&flag);
            let other = threads.spawn(move || {
                receiver.recv().unwrap();
                own.load(Ordering::Relaxed)
            });
            flag.store(true, Ordering::Relaxed);
            sender.send(()).unwrap();
            assert!(other.join());
        }
    });
}

#[test]
fn a_deep_queue_is_not_bounded() {
    everywhere(|_| {
        let (sender, receiver) = channel();
        (0..50_000u32).for_each(|number| sender.send(number).unwrap());
        drop(sender);
        assert!(receiver.into_iter().eq(0..50_000));
    });
}
