//! Sockets that are polled.

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use tarae::future::block_on;
use tarae::net::{Place, TcpListener, TcpStream};

use crate::support::{bounded, eventually, ms, on_workers, runtime, with_runtimes};
use crate::wakers::{Count, Panics};

/// A connection: tarae's end, and the peer's.
fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    (stream, peer)
}

/// Polls in a turn of its own: at the end of a turn a poll says that it is to be polled again.
fn poll_read(stream: &TcpStream, place: &mut Place, waker: &Waker) -> Poll<std::io::Result<usize>> {
    tarae::yield_now();
    stream.poll_read(place, &mut Context::from_waker(waker), &mut [0; 64])
}

#[test]
fn a_read_is_told_when_there_is_something_and_of_the_end() {
    fn check() {
        let (stream, mut peer) = pair();
        let (count, waker) = Count::new();
        let mut place = Place::new();
        assert!(poll_read(&stream, &mut place, &waker).is_pending());
        peer.write_all(b"abc").unwrap();
        eventually("it is woken", || count.wakes() == 1);
        assert!(matches!(poll_read(&stream, &mut place, &waker), Poll::Ready(Ok(3))));
        assert!(poll_read(&stream, &mut place, &waker).is_pending());
        drop(peer);
        eventually("it is woken again", || count.wakes() == 2);
        assert!(matches!(poll_read(&stream, &mut place, &waker), Poll::Ready(Ok(0))));
    }
    on_workers(check);
    bounded(check);
}

#[test]
fn several_futures_may_wait_for_one_direction() {
    on_workers(|| {
        let (stream, mut peer) = pair();
        let wakers: Vec<_> = (0..5).map(|_| Count::new()).collect();
        let mut places: Vec<Place> = (0..5).map(|_| Place::new()).collect();
        for (place, (_, waker)) in places.iter_mut().zip(&wakers) {
            assert!(poll_read(&stream, place, waker).is_pending());
        }
        peer.write_all(b"x").unwrap();
        eventually("all are woken", || wakers.iter().all(|(count, _)| count.wakes() == 1));
    });
}

#[test]
fn a_place_is_in_the_list_once_however_often_it_is_polled_and_not_after_it_was_dropped() {
    on_workers(|| {
        let (stream, mut peer) = pair();
        let (count, waker) = Count::new();
        let (kept, kept_waker) = Count::new();
        let (mut place, mut other) = (Place::new(), Place::new());
        for _ in 0..100 {
            assert!(poll_read(&stream, &mut place, &waker).is_pending());
        }
        assert!(Arc::strong_count(&count) <= 3);
        assert!(poll_read(&stream, &mut other, &kept_waker).is_pending());
        drop(place);
        assert_eq!(Arc::strong_count(&count), 2, "the list has let go of it");
        peer.write_all(b"x").unwrap();
        eventually("the other one is woken", || kept.wakes() == 1);
        assert_eq!(count.wakes(), 0);
    });
}

#[test]
fn a_socket_that_is_dropped_wakes_who_polled_it_and_leaves_the_place_usable() {
    on_workers(|| {
        let (count, waker) = Count::new();
        let mut place = Place::new();
        for round in 1..20 {
            // Descriptors are given anew: a registration that stayed would be another socket's.
            let (stream, mut peer) = pair();
            assert!(poll_read(&stream, &mut place, &waker).is_pending());
            drop(stream);
            assert_eq!(count.wakes(), round);
            assert!(matches!(peer.read(&mut [0; 1]), Ok(0)));
        }
        let (stream, mut peer) = pair();
        peer.write_all(b"works").unwrap();
        let read = block_on(poll_fn(|cx| stream.poll_read(&mut place, cx, &mut [0; 64])));
        assert_eq!(read.unwrap(), 5);
    });
}

#[test]
fn a_write_that_fills_the_socket_goes_on_when_there_is_room_while_a_read_waits() {
    on_workers(|| {
        const BYTES: usize = 8 << 20;
        let (stream, mut peer) = pair();
        let (reading, waker) = Count::new();
        let mut read_place = Place::new();
        assert!(poll_read(&stream, &mut read_place, &waker).is_pending());
        let full = Arc::new(AtomicBool::new(false));
        let is_full = Arc::clone(&full);
        let reader = std::thread::spawn(move || {
            eventually("the socket is full", || is_full.load(Ordering::SeqCst));
            let (mut buf, mut count) = (vec![0; 100_000], 0);
            while count < BYTES {
                count += peer.read(&mut buf).unwrap();
            }
            peer
        });
        let (bytes, mut place, mut sent) = (vec![7; BYTES], Place::new(), 0);
        while sent < BYTES {
            sent += block_on(poll_fn(|cx| {
                let poll = stream.poll_write(&mut place, cx, &bytes[sent..]);
                full.fetch_or(poll.is_pending(), Ordering::SeqCst);
                poll
            }))
            .unwrap();
        }
        assert_eq!(reading.wakes(), 0, "there was nothing to read");
        reader.join().unwrap().write_all(b"x").unwrap();
        eventually("the read is woken", || reading.wakes() == 1);
    });
}

#[test]
fn a_call_that_waits_and_a_poll_may_wait_for_the_same_direction() {
    on_workers(|| {
        let (stream, mut peer) = pair();
        let stream = Arc::new(stream);
        let reader = tarae::spawn({
            let stream = Arc::clone(&stream);
            move || (&*stream).read(&mut [0; 1])
        });
        let (count, waker) = Count::new();
        let mut place = Place::new();
        tarae::sleep(ms(2));
        let _ = poll_read(&stream, &mut place, &waker);
        peer.write_all(b"x").unwrap();
        eventually("woken, or ready", || count.wakes() == 1 || reader.is_finished());
        peer.write_all(b"y").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn a_socket_goes_on_in_another_runtime_when_the_first_has_ended() {
    bounded(|| {
        let (stream, mut peer) = pair();
        let (count, waker) = Count::new();
        let mut place = Place::new();
        let first = runtime(1);
        let (stream, mut place) = first.run(move || {
            assert!(poll_read(&stream, &mut place, &waker).is_pending());
            (stream, place)
        });
        drop(first);
        assert_eq!(count.wakes(), 1, "told to look again");
        // On a kernel thread: with the default runtime.
        let reader =
            std::thread::spawn(move || block_on(poll_fn(|cx| stream.poll_read(&mut place, cx, &mut [0; 9]))));
        std::thread::sleep(ms(5));
        peer.write_all(b"still").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), 5);
    });
}

#[test]
fn connections_are_accepted_by_several_futures_and_none_is_lost() {
    on_workers(|| {
        const CONNECTIONS: usize = 40;
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        let acceptors: Vec<_> = (0..4)
            .map(|_| {
                let listener = Arc::clone(&listener);
                tarae::spawn(move || {
                    for _ in 0..CONNECTIONS / 4 {
                        let mut place = Place::new();
                        let (mut stream, _) =
                            block_on(poll_fn(|cx| listener.poll_accept(&mut place, cx))).unwrap();
                        stream.write_all(b"!").unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..CONNECTIONS {
            let mut byte = [0];
            TcpStream::connect(address).unwrap().read_exact(&mut byte).unwrap();
        }
        acceptors.into_iter().for_each(|acceptor| acceptor.join().unwrap());
    });
}

#[test]
fn errors_reach_the_poll() {
    on_workers(|| {
        let (stream, peer) = pair();
        socket2::Socket::from(peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        let mut place = Place::new();
        let read = block_on(poll_fn(|cx| stream.poll_read(&mut place, cx, &mut [0; 9])));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let written = block_on(poll_fn(|cx| stream.poll_write(&mut place, cx, b"x")));
        assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_waker_that_panics_does_not_keep_other_sockets_from_being_served() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let mut sockets: Vec<_> = (0..20).map(|_| (pair(), Place::new(), Count::new())).collect();
            let panics = Panics::waker();
            let mut theirs: Vec<_> = sockets.iter().map(|_| Place::new()).collect();
            for (((stream, _), place, (_, waker)), bad) in sockets.iter_mut().zip(&mut theirs) {
                assert!(poll_read(stream, bad, &panics).is_pending());
                assert!(poll_read(stream, place, waker).is_pending());
            }
            sockets.iter_mut().for_each(|((_, peer), ..)| peer.write_all(b"x").unwrap());
            eventually("all others are woken", || {
                sockets.iter().all(|(_, _, (count, _))| count.wakes() == 1)
            });
        });
        assert_eq!(runtime.run(|| tarae::spawn(|| 4).join().unwrap()), 4);
    });
}

/// A reader whose socket is never empty would keep its worker from everybody else.
#[test]
fn a_future_that_is_always_ready_lets_others_run() {
    bounded(|| {
        let runtime = runtime(1);
        runtime.run(|| {
            let (stream, mut peer) = pair();
            let writer = std::thread::spawn(move || while peer.write_all(&[0; 100_000]).is_ok() {});
            let reader = tarae::spawn(move || {
                let (mut place, mut buf) = (Place::new(), [0; 16]);
                block_on(async {
                    // One poll, as long as there is something.
                    loop {
                        poll_fn(|cx| stream.poll_read(&mut place, cx, &mut buf)).await.unwrap();
                    }
                })
            });
            for _ in 0..20 {
                tarae::sleep(ms(1));
            }
            reader.cancel();
            let _: Result<(), _> = reader.join();
            writer.join().unwrap();
        });
    });
}
