//! What the documentation promises, from kernel threads: what happens to a message whose partner goes away.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tarae_channel::{
    Receiver, RecvTimeoutError, Select, SendTimeoutError, Sender, TryRecvError, after, bounded, broadcast,
    never, oneshot, select, tick, unbounded,
};

const MOMENT: Duration = Duration::from_millis(30);
const LIMIT: Duration = Duration::from_secs(20);

/// Runs `body` on a thread of its own; fails if it has not ended in time.
#[track_caller]
fn bounded_time(body: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(body);
    let deadline = Instant::now() + LIMIT;
    while !thread.is_finished() {
        assert!(Instant::now() < deadline, "not done after {LIMIT:?}");
        thread::sleep(Duration::from_millis(1));
    }
    thread.join().unwrap();
}

#[test]
fn a_selected_send_that_is_dropped_leaves_its_receiver_waiting_for_the_next() {
    bounded_time(|| {
        let (sender, receiver): (Sender<i32>, Receiver<i32>) = bounded(0);
        let waiting = thread::spawn(move || receiver.recv());
        thread::sleep(MOMENT);
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            let mut select = Select::new();
            select.send(&sender);
            drop(select.select());
        }));
        let payload = dropped.unwrap_err();
        let text = payload.downcast_ref::<&str>().unwrap();
        assert_eq!(*text, "dropped `SelectedOperation` without completing the operation");
        sender.send(2).unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(2));
    });
}

#[test]
fn a_selected_receive_that_is_dropped_puts_the_message_back_before_the_others() {
    for capacity in [None, Some(3)] {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        (1..=3).for_each(|n| sender.send(n).unwrap());
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let mut select = Select::new();
            select.recv(&receiver);
            drop(select.select());
        }));
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]);
    }
}

#[test]
fn a_receiver_whose_time_is_over_waits_for_the_message_that_a_select_makes() {
    bounded_time(|| {
        let (sender, receiver) = bounded(0);
        let waiting = thread::spawn({
            let receiver = receiver.clone();
            move || receiver.recv_timeout(MOMENT * 2)
        });
        thread::sleep(MOMENT);
        select! {
            send(sender, { thread::sleep(MOMENT * 4); 5 }) -> sent => sent.unwrap(),
        }
        assert_eq!(waiting.join().unwrap(), Ok(5));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn a_select_that_receives_waits_for_the_message_that_a_select_makes() {
    bounded_time(|| {
        let (sender, receiver) = bounded(0);
        let other = never::<()>();
        let waiting = thread::spawn(move || {
            select! {
                recv(receiver) -> message => message.unwrap(),
                recv(other) -> _ => unreachable!(),
            }
        });
        thread::sleep(MOMENT);
        let (unused, _receiver) = bounded::<()>(0);
        select! {
            send(sender, { thread::sleep(MOMENT); 5 }) -> sent => sent.unwrap(),
            send(unused, ()) -> _ => unreachable!(),
        }
        assert_eq!(waiting.join().unwrap(), 5);
    });
}

#[test]
fn a_select_does_not_meet_itself() {
    let (sender, receiver) = bounded(0);
    for _ in 0..100 {
        select! {
            send(sender, 1) -> _ => unreachable!(),
            recv(receiver) -> _ => unreachable!(),
            default(Duration::from_micros(50)) => {}
        }
    }
}

#[test]
fn a_send_that_times_out_gives_the_message_back_and_leaves_no_trace() {
    let (sender, receiver) = bounded(1);
    sender.send(1).unwrap();
    assert_eq!(sender.send_timeout(2, MOMENT), Err(SendTimeoutError::Timeout(2)));
    assert_eq!(sender.send_timeout(3, Duration::ZERO), Err(SendTimeoutError::Timeout(3)));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn those_who_wait_are_served_in_their_order() {
    bounded_time(|| {
        let (sender, receiver) = bounded(0);
        let waiting: Vec<_> = (0..5)
            .map(|number| {
                let receiver = receiver.clone();
                let thread = thread::spawn(move || (number, receiver.recv()));
                thread::sleep(MOMENT);
                thread
            })
            .collect();
        (0..5).for_each(|number| sender.send(number).unwrap());
        for thread in waiting {
            let (number, message) = thread.join().unwrap();
            assert_eq!(message, Ok(number));
        }
    });
}

#[test]
fn messages_are_dropped_with_the_last_receiver_even_if_one_panics() {
    struct Counted(Arc<AtomicUsize>, bool);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            assert!(!self.1, "a panic on purpose");
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = unbounded();
    for number in 0..5 {
        sender.send(Counted(Arc::clone(&dropped), number % 2 == 1)).unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!(dropped.load(Ordering::Relaxed), 5);
}

#[test]
fn a_clock_sends_once_and_a_tick_again_and_again() {
    bounded_time(|| {
        let start = Instant::now();
        let once = after(MOMENT);
        assert_eq!((once.len(), once.try_recv()), (0, Err(TryRecvError::Empty)));
        let moment = once.recv().unwrap();
        assert!(moment >= start + MOMENT && start.elapsed() >= MOMENT);
        assert_eq!(once.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));

        let ticks = tick(MOMENT);
        let other = ticks.clone();
        let first = ticks.recv().unwrap();
        assert!(other.recv().unwrap() >= first + MOMENT, "clones share the ticks");
        assert!(after(Duration::MAX).same_channel(&never()));
    });
}

#[test]
fn oneshot_tells_who_is_gone() {
    let (sender, receiver) = oneshot::channel::<i32>();
    drop(sender);
    assert!(receiver.is_closed());
    assert!(receiver.recv().is_err());

    let (sender, mut receiver) = oneshot::channel();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(receiver.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
    sender.send(1).unwrap();
    assert_eq!(receiver.recv_timeout(MOMENT), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert!(receiver.is_closed());
}

#[test]
fn oneshot_wakes_who_waits() {
    bounded_time(|| {
        for sends in [true, false] {
            let (sender, receiver) = oneshot::channel();
            let waiting = thread::spawn(move || receiver.recv());
            thread::sleep(MOMENT);
            if sends {
                sender.send(7).unwrap();
            } else {
                drop(sender);
            }
            assert_eq!(waiting.join().unwrap().ok(), sends.then_some(7));
        }
    });
}

#[test]
fn a_broadcast_reaches_all_and_tells_who_lags() {
    bounded_time(|| {
        let (sender, mut first) = broadcast::channel(4);
        let mut second = first.resubscribe();
        let waiting = thread::spawn(move || (second.recv(), second));
        thread::sleep(MOMENT);
        for number in 0..10 {
            assert_eq!(sender.send(number), Ok(2));
        }
        let (received, mut second) = waiting.join().unwrap();
        assert!(received == Ok(0) || matches!(received, Err(broadcast::RecvError::Lagged(_))));
        assert_eq!(first.len(), 10);
        assert_eq!(first.recv(), Err(broadcast::RecvError::Lagged(6)));
        assert_eq!([first.recv(), first.recv(), first.recv(), first.recv()], [Ok(6), Ok(7), Ok(8), Ok(9)]);
        assert_eq!(first.try_recv(), Err(broadcast::TryRecvError::Empty));
        assert_eq!(first.recv_timeout(MOMENT), Err(broadcast::RecvTimeoutError::Timeout));
        while second.try_recv() != Ok(9) {}
        assert!(sender.is_empty(), "what everybody has seen is gone");
        drop((first, second));
        assert_eq!(sender.send(1), Err(broadcast::SendError(1)));
        let mut late = sender.subscribe();
        sender.send(2).unwrap();
        drop(sender);
        assert_eq!([late.recv(), late.recv()], [Ok(2), Err(broadcast::RecvError::Closed)]);
    });
}
