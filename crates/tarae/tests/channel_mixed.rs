//! Channels among coroutines and kernel threads, with cancellations and timeouts at any moment: each message is received, given
//! back, or dropped, exactly once.

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tarae::channel::{Receiver, Select, Sender, bounded, broadcast, oneshot, select, unbounded};
use tarae::sync::mpsc;

use support::seed::Random;
use support::{LIMIT, WORKERS, bounded as within_limit, eventually, ms, on_workers, runtime};

/// What becomes of messages.
#[derive(Default)]
struct Fate {
    made: AtomicUsize,
    received: AtomicUsize,
    dropped: AtomicUsize,
}

/// A message that is counted when it is dropped.
struct Message {
    fate: Arc<Fate>,
}

impl Message {
    fn new(fate: &Arc<Fate>) -> Message {
        fate.made.fetch_add(1, Ordering::Relaxed);
        Message { fate: Arc::clone(fate) }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.fate.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn few(random: &mut Random) -> Duration {
    Duration::from_micros(random.below(200))
}

fn send_somehow(random: &mut Random, senders: &[Sender<Message>; 2], fate: &Arc<Fate>) {
    let one = &senders[random.below(2) as usize];
    match random.below(5) {
        0 => drop(one.try_send(Message::new(fate))),
        1 => drop(one.send_timeout(Message::new(fate), few(random))),
        2 => select! {
            send(senders[0], Message::new(fate)) -> sent => drop(sent),
            send(senders[1], Message::new(fate)) -> sent => drop(sent),
            default(few(random)) => {}
        },
        3 => {
            let mut select = Select::new();
            for sender in senders {
                select.send(sender);
            }
            let selected = select.select();
            let index = selected.index();
            drop(selected.send(&senders[index], Message::new(fate)));
        }
        _ => drop(one.send(Message::new(fate))),
    }
}

/// Who serves both never waits for one of them alone, for longer than a moment.
fn receive_somehow(random: &mut Random, receivers: &[Receiver<Message>; 2], serves_both: bool) {
    let one = &receivers[random.below(2) as usize];
    let received = match random.below(if serves_both { 4 } else { 5 }) {
        0 => one.try_recv().ok(),
        1 => one.recv_timeout(few(random)).ok(),
        2 => select! {
            recv(receivers[0]) -> message => message.ok(),
            recv(receivers[1]) -> message => message.ok(),
            default(few(random)) => None,
        },
        3 => {
            let mut select = Select::new();
            for receiver in receivers {
                select.recv(receiver);
            }
            let selected = select.select();
            let index = selected.index();
            selected.recv(&receivers[index]).ok()
        }
        _ => one.recv().ok(),
    };
    if let Some(message) = received {
        message.fate.received.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether a channel with `receivers` alone will have nothing more.
fn is_over(receivers: &[Receiver<Message>; 2]) -> bool {
    receivers.iter().all(|receiver| receiver.try_recv().is_err_and(|error| error.is_disconnected()))
}

fn storm(workers: usize, capacities: [Option<usize>; 2], mut random: Random) {
    const EACH: usize = 300;
    let runtime = runtime(workers);
    let fate = Arc::new(Fate::default());
    let [one, other] = capacities.map(|capacity| capacity.map_or_else(unbounded, bounded));
    let (senders, receivers) = ([one.0, other.0], [one.1, other.1]);

    let mut coroutines = Vec::new();
    let mut threads = Vec::new();
    for number in 0..6 {
        let (senders, fate, mut random) = (senders.clone(), Arc::clone(&fate), random.split());
        let work = move || (0..EACH).for_each(|_| send_somehow(&mut random, &senders, &fate));
        if number == 0 {
            threads.push(std::thread::spawn(work));
        } else {
            coroutines.push(runtime.spawn(work));
        }
    }
    // The first one is not cancelled, and serves both until all is over: no sender waits for ever.
    for number in 0..6 {
        let (receivers, mut random) = (receivers.clone(), random.split());
        let work = move || {
            while !is_over(&receivers) {
                receive_somehow(&mut random, &receivers, number == 0);
            }
        };
        if number == 0 {
            threads.push(std::thread::spawn(work));
        } else {
            coroutines.push(runtime.spawn(work));
        }
    }
    drop(senders);
    // The storm: cancel half of them, now and then.
    for _ in 0..coroutines.len() / 2 {
        let victim = coroutines.swap_remove(random.below(coroutines.len() as u64) as usize);
        std::thread::sleep(Duration::from_micros(random.below(3000)));
        victim.cancel();
        let _ = victim.join();
    }
    drop(receivers);
    for coroutine in coroutines {
        coroutine.join().expect("nobody panics");
    }
    for thread in threads {
        thread.join().expect("nobody panics");
    }
    let made = fate.made.load(Ordering::Relaxed);
    assert_eq!(fate.dropped.load(Ordering::Relaxed), made, "each is dropped once");
    assert!(fate.received.load(Ordering::Relaxed) <= made);
    runtime.shutdown_timeout(LIMIT).expect("everyone ends");
}

#[test]
fn each_message_is_dropped_once_in_a_storm_of_cancellations() {
    let mut random = Random::from_environment();
    for workers in WORKERS {
        for capacities in [[Some(0), Some(0)], [Some(1), Some(0)], [Some(3), None]] {
            let random = random.split();
            within_limit(move || storm(workers, capacities, random));
        }
    }
}

/// Receivers are cancelled while messages are handed to them; a message that was sent is received by somebody.
#[test]
fn no_message_is_lost_with_a_cancelled_receiver() {
    let mut seeds = Random::from_environment();
    for workers in WORKERS {
        for capacity in [0, 1, 7] {
            let mut random = seeds.split();
            within_limit(move || {
                const MESSAGES: usize = 500;
                let runtime = runtime(workers);
                let (sender, receiver) = bounded(capacity);
                let received = Arc::new(AtomicUsize::new(0));
                let sending = runtime.spawn(move || (0..MESSAGES).for_each(|n| sender.send(n).unwrap()));
                while !sending.is_finished() {
                    let (receiver, received) = (receiver.clone(), Arc::clone(&received));
                    let is_select = random.below(2) == 0;
                    let victim = runtime.spawn(move || {
                        loop {
                            let message = if is_select {
                                let never = tarae::channel::never::<usize>();
                                select! { recv(receiver) -> message => message, recv(never) -> message => message }
                            } else {
                                receiver.recv()
                            };
                            // Between the message and the count there is no wait.
                            match message {
                                Ok(_) => received.fetch_add(1, Ordering::Relaxed),
                                Err(_) => return,
                            };
                        }
                    });
                    std::thread::sleep(Duration::from_micros(random.below(100)));
                    victim.cancel();
                    let _ = victim.join();
                }
                sending.join().unwrap();
                let rest = receiver.iter().count();
                assert_eq!(received.load(Ordering::Relaxed) + rest, MESSAGES);
                runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            });
        }
    }
}

/// A message is handed to somebody who was cancelled a moment ago: while it unwinds it is still in the list.
#[test]
fn a_message_given_to_one_that_unwinds_goes_back() {
    let mut random = Random::from_environment();
    within_limit(move || {
        let runtime = runtime(2);
        let mut put_back = [0, 0];
        let deadline = Instant::now() + ms(1500);
        while Instant::now() < deadline && put_back.iter().any(|count| *count < 20) {
            let (sender, receiver) = bounded(0);
            let is_select = random.below(2) == 0;
            let waits = Arc::new(AtomicBool::new(false));
            let victim = runtime.spawn({
                let (receiver, waits) = (receiver.clone(), Arc::clone(&waits));
                move || {
                    let never = tarae::channel::never::<i32>();
                    waits.store(true, Ordering::Relaxed);
                    if is_select {
                        select! { recv(receiver) -> message => message, recv(never) -> message => message }
                    } else {
                        receiver.recv()
                    }
                }
            });
            support::spin_while(|| !waits.load(Ordering::Relaxed));
            spin_for(Duration::from_micros(20 + random.below(20)));
            victim.cancel();
            spin_for(Duration::from_micros(random.below(40)));
            let sent = sender.try_send(1).is_ok();
            let received = matches!(victim.join(), Ok(Ok(1)));
            let is_left = receiver.try_recv().is_ok();
            assert_eq!(usize::from(sent), usize::from(received) + usize::from(is_left));
            put_back[usize::from(is_select)] += usize::from(is_left);
        }
        println!("put back by a receive and by a select: {put_back:?}");
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}

fn spin_for(duration: Duration) {
    let start = Instant::now();
    support::spin_while(|| start.elapsed() < duration);
}

#[test]
fn kernel_threads_and_coroutines_meet() {
    on_workers(|| {
        let ((to, inbox), (back, outbox)) = (bounded(0), bounded(0));
        let echo = std::thread::spawn(move || inbox.iter().for_each(|n: usize| back.send(n + 1).unwrap()));
        for n in 0..500 {
            to.send(n).unwrap();
            assert_eq!(outbox.recv(), Ok(n + 1));
        }
        drop(to);
        echo.join().unwrap();
    });
}

#[test]
fn a_timeout_interrupts_each_wait_and_the_channel_goes_on() {
    on_workers(|| {
        let (sender, receiver) = bounded(1);
        assert!(tarae::timeout(ms(5), || receiver.recv()).is_err());
        sender.send(1).unwrap();
        assert!(tarae::timeout(ms(5), || sender.send(2)).is_err(), "the second one is dropped");
        let full = sender.clone();
        let waited = tarae::timeout(ms(5), || {
            select! {
                send(full, 3) -> _ => {}
                recv(tarae::channel::never::<()>()) -> _ => {}
            }
        });
        assert!(waited.is_err());
        assert_eq!(receiver.recv(), Ok(1));
        assert!(receiver.try_recv().is_err());
        let mut select = Select::new();
        select.recv(&receiver);
        assert!(tarae::timeout(ms(5), || select.ready()).is_err());
        sender.send(4).unwrap();
        assert_eq!(receiver.recv(), Ok(4));
    });
}

#[test]
fn a_cancelled_select_leaves_all_its_channels() {
    on_workers(|| {
        let (one, other) = (bounded::<i32>(0), bounded::<i32>(0));
        let waits = Arc::new(AtomicBool::new(false));
        let victim = tarae::spawn({
            let (one, other, waits) = (one.1.clone(), other.1.clone(), Arc::clone(&waits));
            move || {
                waits.store(true, Ordering::Relaxed);
                select! { recv(one) -> _ => {}, recv(other) -> _ => {} }
            }
        });
        eventually("it runs", || waits.load(Ordering::Relaxed));
        tarae::sleep(ms(5));
        victim.cancel();
        assert!(victim.join().is_err());
        assert!(one.0.try_send(1).is_err(), "nobody waits");
        assert!(other.0.try_send(1).is_err(), "nobody waits");
    });
}

#[test]
fn oneshot_and_broadcast_outlive_cancelled_receivers() {
    on_workers(|| {
        let (sender, receiver) = oneshot::channel::<i32>();
        let victim = tarae::spawn(move || receiver.recv());
        tarae::sleep(ms(2));
        victim.cancel();
        assert!(victim.join().is_err());
        assert_eq!(sender.send(1), Err(1));

        let (sender, mut receiver) = broadcast::channel(4);
        let mut other = sender.subscribe();
        let victim = tarae::spawn(move || other.recv());
        tarae::sleep(ms(2));
        victim.cancel();
        assert!(victim.join().is_err());
        assert_eq!(sender.send(1), Ok(1));
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn mpsc_is_std_s() {
    on_workers(|| {
        let (sender, receiver) = mpsc::sync_channel(0);
        assert_eq!(sender.try_send(1), Err(std::sync::mpsc::TrySendError::Full(1)));
        let sending = tarae::spawn(move || sender.send(2));
        assert_eq!(receiver.recv(), Ok(2));
        sending.join().unwrap().unwrap();
        assert_eq!(receiver.recv(), Err(std::sync::mpsc::RecvError));
        assert_eq!(receiver.recv_timeout(ms(1)), Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
        assert_eq!(format!("{receiver:?}"), format!("{:?}", std::sync::mpsc::channel::<i32>().1));
        let (sender, receiver) = mpsc::channel();
        drop(receiver);
        assert_eq!(sender.send(1), Err(std::sync::mpsc::SendError(1)));
        assert_eq!(format!("{sender:?}"), format!("{:?}", std::sync::mpsc::channel::<i32>().0));
    });
}
