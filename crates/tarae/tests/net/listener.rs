//! Listeners: many acceptors, mixed acceptors, non-blocking mode hidden and restored.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tarae::net::{TcpListener, TcpStream};

use super::peers::is_nonblocking;
use crate::support::{MOMENT, bounded, eventually, ms, on_workers, runtime, with_runtimes};

fn bound() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn knock(listener: &TcpListener) -> std::net::TcpStream {
    std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap()
}

#[test]
fn several_coroutines_accept_at_once() {
    on_workers(|| {
        const ACCEPTORS: usize = 5;
        const CONNECTIONS: usize = 100;
        let listener = Arc::new(bound());
        let accepted = Arc::new(AtomicUsize::new(0));
        let acceptors: Vec<_> = (0..ACCEPTORS)
            .map(|_| {
                let (listener, accepted) = (Arc::clone(&listener), Arc::clone(&accepted));
                tarae::spawn(move || {
                    // One connection more for each acceptor tells it to stop.
                    while accepted.load(Ordering::SeqCst) < CONNECTIONS {
                        let (mut stream, _) = listener.accept().unwrap();
                        if accepted.fetch_add(1, Ordering::SeqCst) < CONNECTIONS {
                            stream.write_all(b"!").unwrap();
                        }
                    }
                })
            })
            .collect();
        tarae::sleep(MOMENT);
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
        let _last: Vec<_> = (0..ACCEPTORS).map(|_| knock(&listener)).collect();
        acceptors.into_iter().for_each(|acceptor| acceptor.join().unwrap());
    });
}

#[test]
fn coroutines_and_kernel_threads_accept_from_one_listener() {
    with_runtimes(|runtime| {
        let listener = Arc::new(bound());
        let stop = Arc::new(AtomicBool::new(false));
        let accept = |listener: Arc<TcpListener>, stop: Arc<AtomicBool>| {
            move || {
                let mut count = 0;
                loop {
                    listener.accept().unwrap();
                    if stop.load(Ordering::SeqCst) {
                        return count;
                    }
                    count += 1;
                }
            }
        };
        let thread = std::thread::spawn(accept(Arc::clone(&listener), Arc::clone(&stop)));
        let coroutine = runtime.spawn(accept(Arc::clone(&listener), Arc::clone(&stop)));
        std::thread::sleep(MOMENT);
        (0..200).for_each(|_| drop(knock(&listener)));
        eventually("all are accepted", || !pending(&listener));
        std::thread::sleep(MOMENT);
        stop.store(true, Ordering::SeqCst);
        eventually("both have ended", || {
            drop(knock(&listener));
            thread.is_finished() && coroutine.is_finished()
        });
        assert_eq!(thread.join().unwrap() + coroutine.join().unwrap(), 200);
    });
}

/// Whether a connection waits to be accepted.
fn pending(listener: &TcpListener) -> bool {
    let mut polled = [rustix::event::PollFd::new(listener, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut polled, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
}

/// The first coroutine makes the descriptor non-blocking while threads accept from it.
#[test]
fn a_kernel_thread_never_sees_would_block_of_a_hidden_mode() {
    bounded(|| {
        let runtime = runtime(2);
        for _ in 0..200 {
            let listener = Arc::new(bound());
            let thread = std::thread::spawn({
                let listener = Arc::clone(&listener);
                move || (0..20).for_each(|_| drop(listener.accept().unwrap()))
            });
            let coroutine = runtime.spawn({
                let listener = Arc::clone(&listener);
                move || (0..20).for_each(|_| drop(listener.accept().unwrap()))
            });
            // Connections to spare, for whichever takes more; but no more than the backlog holds, or a knock that finds it
            // full takes seconds.
            let finished = || thread.is_finished() && coroutine.is_finished();
            while !finished() {
                (0..8).for_each(|_| drop(knock(&listener)));
                while pending(&listener) && !finished() {
                    std::thread::yield_now();
                }
            }
            thread.join().unwrap();
            coroutine.join().unwrap();
        }
    });
}

#[test]
fn conversions_give_back_a_blocking_descriptor() {
    on_workers(|| {
        let used = || {
            let listener = bound();
            let _peer = knock(&listener);
            listener.accept().unwrap();
            listener
        };
        assert!(!is_nonblocking(&std::net::TcpListener::from(used())));
        assert!(!is_nonblocking(&OwnedFd::from(used())));
        let raw = used().into_raw_fd();
        // SAFETY: `into_raw_fd` has just given the descriptor away, to us.
        let raw = unsafe { OwnedFd::from_raw_fd(raw) };
        assert!(!is_nonblocking(&raw));
        let listener = TcpListener::from(raw);
        let _peer = knock(&listener);
        listener.accept().unwrap();
    });
}

#[test]
fn a_nonblocking_listener_says_would_block_at_once_and_stays_so() {
    on_workers(|| {
        let listener = bound();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let _peer = knock(&listener);
        let (stream, _) = loop {
            match listener.accept() {
                Ok(accepted) => break accepted,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        };
        assert!(!is_nonblocking(&stream), "it is not inherited");
        let back = std::net::TcpListener::from(listener);
        assert!(is_nonblocking(&back));
        let again = TcpListener::from(back);
        assert_eq!(again.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn clones_share_nonblocking_and_the_queue() {
    on_workers(|| {
        let listener = bound();
        let clone = listener.try_clone().unwrap();
        assert_ne!(clone.as_raw_fd(), listener.as_raw_fd());
        listener.set_nonblocking(true).unwrap();
        assert_eq!(clone.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        clone.set_nonblocking(false).unwrap();
        let peer = knock(&listener);
        let (_, from) = clone.accept().unwrap();
        assert_eq!(from, peer.local_addr().unwrap());
    });
}

#[test]
fn a_parked_acceptor_of_a_clone_is_woken() {
    on_workers(|| {
        let listener = bound();
        let clone = listener.try_clone().unwrap();
        let acceptor = tarae::spawn(move || clone.accept().unwrap().1);
        tarae::sleep(MOMENT);
        let peer = knock(&listener);
        assert_eq!(acceptor.join().unwrap(), peer.local_addr().unwrap());
    });
}

#[test]
fn setting_a_listener_blocking_under_parked_acceptors_blocks_no_worker() {
    bounded(|| {
        runtime(1).run(|| {
            let listener = Arc::new(bound());
            let accept = |listener: Arc<TcpListener>| move || drop(listener.accept().unwrap());
            let acceptors: Vec<_> = (0..2).map(|_| tarae::spawn(accept(Arc::clone(&listener)))).collect();
            tarae::sleep(MOMENT);
            listener.set_nonblocking(false).unwrap();
            let rescue = std::thread::spawn({
                let listener = Arc::clone(&listener);
                move || {
                    // Both are woken by the first, one gets it; the other must not block its kernel thread.
                    let _first = knock(&listener);
                    std::thread::sleep(ms(1500));
                    // Ends the accept of a worker that is blocked, so that the test fails instead of hanging.
                    let _second = knock(&listener);
                    std::thread::sleep(MOMENT);
                }
            });
            let start = Instant::now();
            let mut longest = ms(0);
            let mut last = Instant::now();
            while start.elapsed() < ms(800) {
                tarae::sleep(ms(5));
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            acceptors.into_iter().for_each(|acceptor| acceptor.join().unwrap());
            rescue.join().unwrap();
            assert!(longest < ms(700), "the only worker was blocked for {longest:?}");
        });
    });
}

#[test]
fn incoming_goes_on() {
    on_workers(|| {
        let listener = bound();
        let _peers: Vec<_> = (0..6).map(|_| knock(&listener)).collect();
        assert_eq!(listener.incoming().take(3).filter(|stream| stream.is_ok()).count(), 3);
        assert_eq!(listener.into_incoming().take(3).filter(|stream| stream.is_ok()).count(), 3);
    });
}

#[test]
fn a_port_in_use_is_the_error_of_std() {
    on_workers(|| {
        let listener = bound();
        let address = listener.local_addr().unwrap();
        let expected = std::net::TcpListener::bind(address).unwrap_err();
        let error = TcpListener::bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(error.raw_os_error(), expected.raw_os_error());
        drop(listener);
        // As std's, it may be bound again at once.
        TcpListener::bind(address).unwrap();
    });
}

#[test]
fn options_are_those_of_the_socket() {
    on_workers(|| {
        let listener = bound();
        listener.set_ttl(33).unwrap();
        assert_eq!(listener.ttl().unwrap(), 33);
        assert!(listener.take_error().unwrap().is_none());
    });
}
