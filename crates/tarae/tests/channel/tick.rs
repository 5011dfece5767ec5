//! `tick`: messages in intervals.
//!
//! Would catch: a tick that comes early; ticks that pile up while nobody receives; an interval counted from the wrong moment
//! (when a tick is late the next counts from its receipt, otherwise from the tick); a tick that two receive; a select that
//! wakes for the first tick only.

use std::time::{Duration, Instant};

use crate::crew::{alone, everywhere, join_all};
use crate::subject::channel::{RecvTimeoutError, Select, TryRecvError, after, select, tick, unbounded};
use crate::support::{LIMIT, ms};

#[test]
fn ticks_come_one_interval_apart() {
    alone(|| {
        let start = Instant::now();
        let ticker = tick(ms(6));
        let mut last = start;
        for beat in 1..=8 {
            let told = ticker.recv().unwrap();
            assert!(told >= last + ms(6), "tick {beat} came {:?} after the last", told - last);
            assert!(told <= Instant::now());
            last = told;
        }
        assert!(start.elapsed() >= ms(48));
    });
}

#[test]
fn who_keeps_up_is_told_exact_moments() {
    alone(|| {
        // At least once in many tries the receiver is on time; then the next tick is an interval after the last.
        let exact = (0..200).any(|_| {
            let ticker = tick(ms(3));
            let [first, second, third] = [(); 3].map(|()| ticker.recv().unwrap());
            second - first == ms(3) && third - second == ms(3)
        });
        assert!(exact);
    });
}

#[test]
fn missed_ticks_do_not_pile_up() {
    alone(|| {
        let ticker = tick(ms(5));
        tarae::sleep(ms(40));
        let first = ticker.try_recv().unwrap();
        let received = Instant::now();
        let second = ticker.recv().unwrap();
        // Counted from when the first was received.
        assert!(second > first + ms(30), "they piled up: {:?}", second - first);
        assert!(second + ms(1) >= received && Instant::now() >= second);
    });
}

#[test]
fn a_ticker_holds_one_at_most() {
    alone(|| {
        let start = Instant::now();
        let ticker = tick(ms(50));
        assert_eq!(ticker.capacity(), Some(1));
        if start.elapsed() < ms(50) {
            let seen = (ticker.len(), ticker.is_empty(), ticker.is_full());
            assert!(seen == (0, true, false) || start.elapsed() >= ms(50), "{seen:?}");
        }
        tarae::sleep(ms(120));
        assert_eq!((ticker.len(), ticker.is_empty(), ticker.is_full()), (1, false, true));
        assert!(ticker.try_recv().is_ok());
        let received = Instant::now();
        let again = ticker.try_recv();
        assert!(again == Err(TryRecvError::Empty) || received.elapsed() >= ms(49), "{again:?}");
    });
}

#[test]
fn timeouts_shorter_than_the_interval_pass_first() {
    alone(|| {
        let ticker = tick(LIMIT);
        let start = Instant::now();
        assert_eq!(ticker.recv_timeout(ms(4)), Err(RecvTimeoutError::Timeout));
        assert_eq!(ticker.recv_deadline(Instant::now() + ms(4)), Err(RecvTimeoutError::Timeout));
        assert_eq!(ticker.recv_deadline(Instant::now() - ms(4)), Err(RecvTimeoutError::Timeout));
        assert_eq!(ticker.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        assert!((ms(8)..LIMIT).contains(&start.elapsed()));
    });
}

#[test]
fn a_timeout_does_not_use_up_the_tick() {
    alone(|| {
        let start = Instant::now();
        let ticker = tick(ms(15));
        assert_eq!(ticker.recv_timeout(ms(2)), Err(RecvTimeoutError::Timeout));
        let told = ticker.recv_timeout(LIMIT).unwrap();
        assert!(told >= start + ms(15) && told < start + LIMIT);
    });
}

#[test]
fn receivers_share_the_ticks() {
    everywhere(|crew| {
        let start = Instant::now();
        let ticker = tick(ms(2));
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let ticker = ticker.clone();
                crew.spawn(move || [(); 4].map(|()| ticker.recv().unwrap()).to_vec())
            })
            .collect();
        let mut told: Vec<Instant> = join_all(waiting).into_iter().flatten().collect();
        told.sort();
        // Twelve different ticks, an interval apart at least.
        assert!(told.windows(2).all(|pair| pair[1] - pair[0] >= ms(2)), "{told:?}");
        assert!(start.elapsed() >= ms(24));
    });
}

#[test]
fn a_select_in_a_loop_receives_every_tick() {
    alone(|| {
        // At least once in many tries the machine is not so busy that several ticks become one.
        let several = (0..50).any(|_| {
            let start = Instant::now();
            let (ticker, end) = (tick(ms(3)), after(ms(40)));
            let mut ticks: u32 = 0;
            loop {
                select! {
                    recv(ticker) -> told => { told.unwrap(); ticks += 1 }
                    recv(end) -> _ => break,
                }
            }
            assert!(start.elapsed() >= ms(40));
            // One more could be due at the same moment.
            assert!(start.elapsed() >= ticks * ms(3), "{ticks} ticks in {:?}", start.elapsed());
            ticks >= 5
        });
        assert!(several);
    });
}

#[test]
fn a_select_with_a_message_and_ticks_has_both() {
    everywhere(|crew| {
        let (sender, receiver) = unbounded();
        let ticker = tick(ms(2));
        let sending = crew.spawn(move || {
            for message in 0..10 {
                tarae::sleep(ms(3));
                sender.send(message).unwrap();
            }
        });
        let (mut ticks, mut messages) = (0, 0);
        while messages < 10 || ticks < 3 {
            select! {
                recv(ticker) -> told => { told.unwrap(); ticks += 1 }
                recv(receiver) -> got => match got {
                    Ok(message) => { assert_eq!(message, messages); messages += 1 }
                    Err(_) => { assert_eq!(messages, 10); tarae::yield_now() }
                }
            }
        }
        sending.join();
    });
}

#[test]
fn ready_waits_for_a_tick() {
    alone(|| {
        let start = Instant::now();
        let ticker = tick(ms(6));
        let mut select = Select::new();
        let index = select.recv(&ticker);
        for beat in 1..=3 {
            assert_eq!(select.ready(), index);
            assert!(start.elapsed() >= beat * ms(6));
            ticker.try_recv().unwrap();
        }
        assert!(select.ready_timeout(LIMIT).is_ok());
    });
}

#[test]
fn an_interval_without_end_never_passes() {
    alone(|| {
        let ticker = tick(Duration::MAX);
        assert_eq!(ticker.recv_timeout(ms(4)), Err(RecvTimeoutError::Timeout));
        assert_eq!(ticker.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn an_interval_of_nothing_is_always_due() {
    alone(|| {
        let ticker = tick(Duration::ZERO);
        let mut last = ticker.recv().unwrap();
        for _ in 0..100 {
            let next = ticker.recv().unwrap();
            assert!(next >= last);
            last = next;
        }
    });
}
