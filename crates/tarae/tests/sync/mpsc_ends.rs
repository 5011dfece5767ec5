//! When the ends of a channel go, at any moment: each message is dropped once, and nobody waits for ever.

use std::sync::Arc;

use crate::counted::{Count, Counted};
use crate::subject::sync::Barrier;
use crate::subject::sync::mpsc::{RecvError, SendError, channel, sync_channel};
use crate::subject::thread;
use crate::support::{ms, panic_on_purpose};
use crate::threads::{Handle, everywhere};

#[test]
fn ends_that_were_never_used_go_in_any_order() {
    everywhere(|_| {
        let (sender, receiver) = channel::<Counted>();
        drop(sender);
        drop(receiver);
        let (sender, receiver) = channel::<Counted>();
        drop(receiver);
        drop(sender);
        for bound in [0, 1] {
            let (sender, receiver) = sync_channel::<Counted>(bound);
            drop((sender.clone(), sender));
            drop(receiver);
        }
    });
}

#[test]
fn messages_that_nobody_received_are_dropped_with_the_receiver() {
    everywhere(|_| {
        let count = Count::default();
        let (sender, receiver) = channel();
        (0..100).for_each(|_| sender.send(count.value()).unwrap());
        drop(receiver.recv().unwrap());
        assert_eq!(count.dropped(), 1);
        drop(receiver);
        assert_eq!(count.dropped(), 100, "also while a sender lives");
        drop(sender.send(count.value()).unwrap_err());
        drop(sender);
        count.all_dropped(101);
    });
}

#[test]
fn messages_stay_when_the_senders_go() {
    everywhere(|_| {
        let count = Count::default();
        let (sender, receiver) = channel();
        (0..10).for_each(|_| sender.send(count.value()).unwrap());
        drop(sender);
        assert_eq!(count.dropped(), 0);
        assert_eq!(
            receiver.iter().map(|value| value.number).collect::<Vec<_>>(),
            (0..10).collect::<Vec<_>>()
        );
        count.all_dropped(10);
    });
}

#[test]
fn a_message_that_holds_its_own_channel_is_dropped_with_the_receiver() {
    everywhere(|_| {
        struct Cycle {
            _counted: Counted,
            _sender: crate::subject::sync::mpsc::Sender<Cycle>,
        }
        let count = Count::default();
        let (sender, receiver) = channel();
        for _ in 0..3 {
            sender.send(Cycle { _counted: count.value(), _sender: sender.clone() }).unwrap();
        }
        drop(sender);
        drop(receiver);
        count.all_dropped(3);
    });
}

#[test]
fn a_message_is_received_or_comes_back_but_never_both_when_the_receiver_goes() {
    everywhere(|threads| {
        for bound in [None, Some(0), Some(1), Some(5)] {
            for round in 0..10 {
                let count = Count::default();
                let start = Arc::new(Barrier::new(4));
                let mut senders = Vec::new();
                let mut spawn = |send: Box<dyn Fn(Counted) -> bool + Send>| {
                    let (start, count) = (Arc::clone(&start), count.clone());
                    senders.push(threads.spawn(move || {
                        start.wait();
                        while send(count.value()) {
                            thread::yield_now();
                        }
                    }));
                };
                let receiver = if let Some(bound) = bound {
                    let (sender, receiver) = sync_channel(bound);
                    (0..3).for_each(|_| {
                        let sender = sender.clone();
                        spawn(Box::new(move |value| match sender.send(value) {
                            Ok(()) => true,
                            Err(SendError(_back)) => false,
                        }));
                    });
                    receiver
                } else {
                    let (sender, receiver) = channel();
                    (0..3).for_each(|_| {
                        let sender = sender.clone();
                        spawn(Box::new(move |value| sender.send(value).is_ok()));
                    });
                    receiver
                };
                start.wait();
                for _ in 0..round {
                    drop(receiver.recv().unwrap());
                }
                drop(receiver);
                senders.into_iter().for_each(Handle::join);
                count.all_dropped(count.made());
            }
        }
    });
}

#[test]
fn a_receiver_races_the_last_sender() {
    everywhere(|threads| {
        for round in 0..30 {
            let count = Count::default();
            let (sender, receiver) = channel();
            let other = threads.spawn({
                let count = count.clone();
                move || {
                    for _ in 0..round {
                        sender.send(count.value()).unwrap();
                    }
                }
            });
            let mut received = 0;
            let end = loop {
                match receiver.recv() {
                    Ok(value) => {
                        assert_eq!(value.number, received);
                        received += 1;
                    }
                    Err(error) => break error,
                }
            };
            assert_eq!((received, end), (round, RecvError));
            other.join();
            count.all_dropped(round);
        }
    });
}

#[test]
fn a_receiver_that_unwinds_is_gone() {
    everywhere(|threads| {
        let (sender, receiver) = sync_channel(0);
        let panicking = threads.spawn(move || -> () {
            assert_eq!(receiver.recv(), Ok(1));
            thread::sleep(ms(5));
            panic_on_purpose()
        });
        sender.send(1).unwrap();
        assert_eq!(sender.send(2), Err(SendError(2)), "who waits is told");
        assert!(panicking.outcome().is_err());
    });
}

#[test]
fn a_destructor_sends_and_receives_while_its_thread_unwinds() {
    everywhere(|threads| {
        struct Farewell {
            to: crate::subject::sync::mpsc::SyncSender<&'static str>,
            from: crate::subject::sync::mpsc::Receiver<&'static str>,
        }
        impl Drop for Farewell {
            fn drop(&mut self) {
                self.to.send("farewell").unwrap();
                assert_eq!(self.from.recv(), Ok("heard"));
            }
        }
        let (to, hear) = sync_channel(0);
        let (answer, from) = sync_channel(0);
        let panicking = threads.spawn(move || -> () {
            let _farewell = Farewell { to, from };
            panic_on_purpose()
        });
        thread::sleep(ms(5));
        assert_eq!(hear.recv(), Ok("farewell"));
        answer.send("heard").unwrap();
        assert!(panicking.outcome().is_err());
    });
}

#[test]
fn messages_that_panic_on_drop_are_the_droppers_panic() {
    everywhere(|_| {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                if !std::thread::panicking() {
                    panic_on_purpose();
                }
            }
        }
        let (sender, receiver) = channel();
        sender.send(Bad).unwrap();
        let received = receiver.recv().unwrap();
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(received)));
        assert!(dropped.is_err());
        sender.send(Bad).unwrap();
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(receiver)));
        assert!(dropped.is_err(), "with the receiver as well");
    });
}

#[test]
fn large_aligned_and_sizeless_messages_arrive_whole() {
    everywhere(|threads| {
        #[repr(align(64))]
        #[derive(Clone, PartialEq, Debug)]
        struct Large([u64; 300]);
        let (large, receive_large) = sync_channel(1);
        let (nothing, receive_nothing) = channel::<[u8; 0]>();
        let other = threads.spawn(move || {
            (0..20u64).for_each(|number| large.send(Large([number; 300])).unwrap());
            (0..20).for_each(|_| nothing.send([]).unwrap());
        });
        for number in 0..20 {
            let received = receive_large.recv().unwrap();
            assert_eq!(received, Large([number; 300]));
            assert_eq!((&raw const received).addr() % 64, 0);
        }
        assert_eq!(receive_nothing.iter().count(), 20);
        other.join();
    });
}
