//! Channels of capacity zero: a send and a receive meet, or neither happens.
//!
//! Would catch: a message that is kept without anybody to take it; a send that ends before its receive has begun; a `try` or a
//! timed operation that leaves its message, or its place in the queue, behind when it gives up; a meeting of two who have
//! both gone; a pair that waits for each other beside each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::counted::{Ledger, assert_each_once};
use crate::crew::{alone, everywhere, join_all};
use crate::subject::channel::{
    Receiver, RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError, bounded,
};
use crate::support::{MOMENT, eventually, ms};

#[test]
fn nothing_fits() {
    alone(|| {
        let (sender, receiver) = bounded(0);
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(sender.send_timeout(2, ms(3)), Err(SendTimeoutError::Timeout(2)));
        assert_eq!(receiver.recv_timeout(ms(3)), Err(RecvTimeoutError::Timeout));
        assert_eq!(sender.send_deadline(3, Instant::now() - ms(3)), Err(SendTimeoutError::Timeout(3)));
        assert_eq!(receiver.recv_deadline(Instant::now() - ms(3)), Err(RecvTimeoutError::Timeout));
    });
}

#[test]
fn it_is_empty_and_full_at_once() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let expect = |receiver: &Receiver<i32>| {
            assert_eq!((sender.len(), receiver.len()), (0, 0));
            assert_eq!((sender.capacity(), receiver.capacity()), (Some(0), Some(0)));
            assert!(sender.is_empty() && receiver.is_empty() && sender.is_full() && receiver.is_full());
        };
        expect(&receiver);
        let other = sender.clone();
        let sending = crew.spawn(move || other.send(1));
        tarae::sleep(MOMENT);
        // Also while somebody waits.
        expect(&receiver);
        assert_eq!(receiver.recv(), Ok(1));
        sending.join().unwrap();
        expect(&receiver);
    });
}

#[test]
fn a_send_waits_for_its_receive() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let sending = crew.spawn(move || sender.send("met"));
        tarae::sleep(MOMENT);
        assert!(!sending.is_finished());
        assert_eq!(receiver.recv(), Ok("met"));
        assert_eq!(sending.join(), Ok(()));
    });
}

#[test]
fn a_receive_waits_for_its_send() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let receiving = crew.spawn(move || receiver.recv());
        tarae::sleep(MOMENT);
        assert!(!receiving.is_finished());
        sender.send("met").unwrap();
        assert_eq!(receiving.join(), Ok("met"));
    });
}

#[test]
fn a_send_has_happened_when_its_receive_has_and_not_before() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let begun = Arc::new(AtomicUsize::new(0));
        let seen = begun.clone();
        let sending = crew.spawn(move || {
            for round in 1..=500 {
                sender.send(round).unwrap();
                assert!(seen.load(Ordering::SeqCst) >= round, "sent {round} to nobody");
            }
        });
        for round in 1..=500 {
            begun.store(round, Ordering::SeqCst);
            assert_eq!(receiver.recv(), Ok(round));
        }
        sending.join();
    });
}

#[test]
fn try_send_meets_one_who_waits() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let receiving = crew.spawn(move || receiver.recv());
        // It may not wait yet; what is refused comes back and can be sent again.
        let mut message = Box::new(5);
        eventually("somebody waits", || match sender.try_send(std::mem::take(&mut message)) {
            Ok(()) => true,
            Err(refused) => {
                assert!(refused.is_full());
                message = refused.into_inner();
                assert_eq!(*message, 5);
                false
            }
        });
        assert_eq!(receiving.join(), Ok(Box::new(5)));
    });
}

#[test]
fn try_recv_meets_one_who_waits() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let sending = crew.spawn(move || sender.send(5));
        eventually("somebody waits", || match receiver.try_recv() {
            Ok(message) => message == 5,
            Err(error) => {
                assert_eq!(error, TryRecvError::Empty);
                false
            }
        });
        sending.join().unwrap();
    });
}

#[test]
fn try_send_meets_a_receive_with_a_timeout() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let receiving = crew.spawn(move || receiver.recv_timeout(Duration::MAX));
        eventually("somebody waits", || sender.try_send(()).is_ok());
        assert_eq!(receiving.join(), Ok(()));
    });
}

#[test]
fn who_gave_up_is_not_met() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let ledger = Ledger::new(2);
        let first = ledger.value(0);
        let other = sender.clone();
        let giving_up = crew.spawn(move || match other.send_timeout(first, ms(5)) {
            Err(SendTimeoutError::Timeout(message)) => assert_eq!(message.number(), 0),
            outcome => panic!("{outcome:?}"),
        });
        giving_up.join();
        assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
        let other = receiver.clone();
        let giving_up = crew.spawn(move || other.recv_timeout(ms(5)).is_err());
        assert!(giving_up.join());
        assert!(matches!(sender.try_send(ledger.value(1)), Err(TrySendError::Full(_))));
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn two_who_wait_on_one_side_do_not_meet() {
    everywhere(|crew| {
        let (sender, receiver) = bounded::<usize>(0);
        let sending = [0, 1].map(|message| {
            let sender = sender.clone();
            crew.spawn(move || sender.send_timeout(message, MOMENT))
        });
        let refused = join_all(sending);
        assert_eq!(refused, [Err(SendTimeoutError::Timeout(0)), Err(SendTimeoutError::Timeout(1))]);
        let receiving = [(); 2].map(|()| {
            let receiver = receiver.clone();
            crew.spawn(move || receiver.recv_timeout(MOMENT))
        });
        assert_eq!(join_all(receiving), [Err(RecvTimeoutError::Timeout); 2]);
    });
}

#[test]
fn of_many_who_wait_each_is_met_once() {
    everywhere(|crew| {
        const PAIRS: usize = 20;
        let (sender, receiver) = bounded(0);
        let sending: Vec<_> = (0..PAIRS)
            .map(|number| {
                let sender = sender.clone();
                crew.spawn(move || sender.send(number).unwrap())
            })
            .collect();
        tarae::sleep(ms(5));
        let receiving: Vec<_> = (0..PAIRS)
            .map(|_| {
                let receiver = receiver.clone();
                crew.spawn(move || receiver.recv().unwrap())
            })
            .collect();
        assert_each_once(join_all(receiving), PAIRS);
        join_all(sending);
    });
}

#[test]
fn ping_pong_takes_turns() {
    everywhere(|crew| {
        const ROUNDS: usize = 1_000;
        let (ping, pinged) = bounded(0);
        let (pong, ponged) = bounded(0);
        let other = crew.spawn(move || {
            for round in pinged {
                pong.send(round + 1).unwrap();
            }
        });
        let mut ball = 0;
        for _ in 0..ROUNDS {
            ping.send(ball).unwrap();
            ball = ponged.recv().unwrap();
        }
        drop(ping);
        other.join();
        assert_eq!(ball, ROUNDS);
    });
}

#[test]
fn a_pair_of_timed_operations_both_happen_or_neither() {
    everywhere(|crew| {
        const ROUNDS: usize = 100;
        let ledger = Ledger::new(ROUNDS);
        let (sender, receiver) = bounded(0);
        let values = ledger.clone();
        let sending = crew.spawn(move || {
            (0..ROUNDS).filter(|round| sender.send_timeout(values.value(*round), ms(1)).is_ok()).count()
        });
        let receiving = crew.spawn(move || {
            let mut received = 0;
            loop {
                match receiver.recv_timeout(ms(1)) {
                    Ok(_) => received += 1,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return received,
                }
            }
        });
        assert_eq!(sending.join(), receiving.join());
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn messages_of_no_size_and_of_much_size_are_handed_over() {
    everywhere(|crew| {
        let (sender, receiver) = bounded(0);
        let (large, all_of_it) = bounded(0);
        let sending = crew.spawn(move || {
            (0..50).for_each(|_| sender.send(()).unwrap());
            (0..50).for_each(|round| large.send([round; 128]).unwrap());
        });
        assert_eq!(receiver.iter().take(50).count(), 50);
        for round in 0..50_u64 {
            assert_eq!(all_of_it.recv(), Ok([round; 128]));
        }
        sending.join();
    });
}
