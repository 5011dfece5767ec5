//! One worker, and a coroutine that waits, without suspending, for another one of the same runtime: the other gets the
//! worker.

use std::io::{Read, Write};
use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Arc, Barrier, Condvar, Mutex};

use tarae::net::TcpListener;

use super::alone;
use crate::support::{LIMIT, ms, runtime, spin_while};

/// Runs `body` as the coroutine of a runtime with one worker.
fn on_one_worker(body: fn()) {
    let runtime = runtime(1);
    runtime.run(body);
    runtime.shutdown_timeout(LIMIT).expect("everyone ends");
}

#[test]
fn a_receiver_of_std_is_fed_by_a_coroutine() {
    alone("progress::a_receiver_of_std_is_fed_by_a_coroutine", || {
        on_one_worker(|| {
            let (send, receive) = channel();
            let feeder = tarae::spawn(move || {
                for number in 0..20 {
                    tarae::sleep(ms(1));
                    send.send(number).unwrap();
                }
            });
            assert_eq!(receive.iter().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
            feeder.join().unwrap();
        });
    });
}

#[test]
fn a_sender_of_std_is_relieved_by_a_coroutine() {
    alone("progress::a_sender_of_std_is_relieved_by_a_coroutine", || {
        on_one_worker(|| {
            let (send, receive) = sync_channel(0);
            let reader = tarae::spawn(move || receive.iter().sum::<u32>());
            (0..20).for_each(|number| send.send(number).unwrap());
            drop(send);
            assert_eq!(reader.join().unwrap(), 190);
        });
    });
}

#[test]
fn a_name_is_looked_up_while_others_go_on() {
    alone("progress::a_name_is_looked_up_while_others_go_on", || {
        on_one_worker(|| {
            let ticking = tarae::spawn(|| (0..20).for_each(|_| tarae::sleep(ms(1))));
            let lookups: Vec<_> = (0..10)
                .map(|_| tarae::spawn(|| ("localhost", 80).to_socket_addrs().map(Iterator::count)))
                .collect();
            for lookup in lookups {
                assert!(lookup.join().unwrap().expect("localhost has an address") > 0);
            }
            ticking.join().unwrap();
        });
    });
}

#[test]
fn a_read_of_std_is_answered_by_a_coroutine() {
    alone("progress::a_read_of_std_is_answered_by_a_coroutine", || {
        on_one_worker(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = tarae::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut word = [0; 5];
                while stream.read_exact(&mut word).is_ok() {
                    word.make_ascii_uppercase();
                    stream.write_all(&word).unwrap();
                }
            });
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            for _ in 0..10 {
                stream.write_all(b"tarae").unwrap();
                let mut answer = [0; 5];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"TARAE");
            }
            drop(stream);
            server.join().unwrap();
        });
    });
}

#[test]
fn a_flag_that_a_spin_loop_waits_for_is_set_by_a_coroutine() {
    alone("progress::a_flag_that_a_spin_loop_waits_for_is_set_by_a_coroutine", || {
        on_one_worker(|| {
            let turn = Arc::new(AtomicU32::new(0));
            let play = |turn: &AtomicU32, mine: u32| {
                for round in 0..10 {
                    spin_while(|| turn.load(Ordering::SeqCst) != 2 * round + mine);
                    turn.fetch_add(1, Ordering::SeqCst);
                }
            };
            let other = tarae::spawn({
                let turn = Arc::clone(&turn);
                move || play(&turn, 1)
            });
            play(&turn, 0);
            other.join().unwrap();
            assert_eq!(turn.load(Ordering::SeqCst), 20);
        });
    });
}

#[test]
fn a_chain_of_twenty_blocked_receivers_comes_undone() {
    alone("progress::a_chain_of_twenty_blocked_receivers_comes_undone", || {
        on_one_worker(|| {
            let (first, mut last): (_, Receiver<u32>) = channel();
            for _ in 0..20 {
                let (send, receive) = channel();
                let before = std::mem::replace(&mut last, receive);
                tarae::spawn(move || send.send(before.recv().unwrap() + 1).unwrap());
            }
            tarae::spawn(move || first.send(0).unwrap());
            assert_eq!(last.recv(), Ok(20));
        });
    });
}

#[test]
fn a_barrier_of_std_lets_ten_coroutines_through() {
    alone("progress::a_barrier_of_std_lets_ten_coroutines_through", || {
        on_one_worker(|| {
            let barrier = Arc::new(Barrier::new(10));
            let one = || {
                let barrier = Arc::clone(&barrier);
                tarae::spawn(move || (0..5).filter(|_| barrier.wait().is_leader()).count())
            };
            let all: Vec<_> = (0..10).map(|_| one()).collect();
            assert_eq!(all.into_iter().map(|one| one.join().unwrap()).sum::<usize>(), 5);
        });
    });
}

#[test]
fn a_condvar_of_std_is_notified_by_a_coroutine() {
    alone("progress::a_condvar_of_std_is_notified_by_a_coroutine", || {
        on_one_worker(|| {
            let shared = Arc::new((Mutex::new(false), Condvar::new()));
            let own = Arc::clone(&shared);
            let other = tarae::spawn(move || {
                *own.0.lock().unwrap() = true;
                own.1.notify_one();
            });
            let ready = shared.0.lock().unwrap();
            drop(shared.1.wait_while(ready, |ready| !*ready).unwrap());
            other.join().unwrap();
        });
    });
}

#[test]
fn a_kernel_thread_is_joined_that_waits_for_a_coroutine() {
    alone("progress::a_kernel_thread_is_joined_that_waits_for_a_coroutine", || {
        on_one_worker(|| {
            let coroutine = tarae::spawn(|| {
                tarae::sleep(ms(5));
                7
            });
            let thread = std::thread::spawn(move || coroutine.join().unwrap());
            assert_eq!(thread.join().unwrap(), 7);
        });
    });
}
