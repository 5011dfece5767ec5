//! Sockets and runtimes: a socket is registered where it first waits, and outlives that runtime.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tarae::net::{TcpListener, TcpStream};

use super::peers::{is_cancelled, pair};
use crate::support::{LIMIT, MOMENT, bounded, ms, runtime};

/// Has `stream` wait in `runtime`, and so registers it there.
fn register(runtime: &tarae::Runtime, stream: &Arc<TcpStream>) {
    let stream = Arc::clone(stream);
    runtime.run(move || {
        stream.set_read_timeout(Some(ms(2))).unwrap();
        (&*stream).read(&mut [0; 8]).unwrap_err();
        stream.set_read_timeout(None).unwrap();
    });
}

#[test]
fn a_stream_outlives_the_runtime_it_waited_in() {
    bounded(|| {
        let (stream, mut peer) = pair();
        let stream = Arc::new(stream);
        for round in 0..20u8 {
            let runtime = runtime(1 + usize::from(round) % 3);
            register(&runtime, &stream);
            let own = Arc::clone(&stream);
            let reader = runtime.spawn(move || {
                let mut byte = [0];
                (&*own).read_exact(&mut byte).unwrap();
                byte[0]
            });
            std::thread::sleep(ms(2));
            peer.write_all(&[round]).unwrap();
            assert_eq!(reader.join().unwrap(), round);
            drop(runtime);
        }
        // And on a plain kernel thread.
        peer.write_all(&[99]).unwrap();
        (&*stream).read_exact(&mut [0]).unwrap();
    });
}

#[test]
fn a_writer_goes_on_in_another_runtime() {
    bounded(|| {
        let (stream, mut peer) = pair();
        let stream = Arc::new(stream);
        let first = runtime(1);
        let own = Arc::clone(&stream);
        // Fills it, waits, and is cancelled.
        let filler = first.spawn(move || (&*own).write_all(&vec![1; 64 << 20]));
        std::thread::sleep(MOMENT);
        drop(first);
        assert!(is_cancelled(&filler.join().unwrap().unwrap_err()));
        let second = runtime(1);
        let own = Arc::clone(&stream);
        let writer = second.spawn(move || (&*own).write_all(&[2; 1000]).unwrap());
        std::thread::sleep(MOMENT);
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all
        });
        writer.join().unwrap();
        drop(stream);
        assert!(reader.join().unwrap().ends_with(&[2; 1000]));
    });
}

#[test]
fn a_listener_outlives_the_runtime_it_waited_in() {
    bounded(|| {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        for _ in 0..10 {
            let runtime = runtime(2);
            let (first, second) = (Arc::clone(&listener), Arc::clone(&listener));
            let accepted = runtime.spawn(move || drop(first.accept().unwrap()));
            std::thread::sleep(ms(3));
            let address = listener.local_addr().unwrap();
            let _peer = std::net::TcpStream::connect(address).unwrap();
            accepted.join().unwrap();
            let cancelled = runtime.spawn(move || second.accept().map(drop));
            std::thread::sleep(ms(3));
            drop(runtime);
            assert!(is_cancelled(&cancelled.join().unwrap().unwrap_err()));
        }
        let address = listener.local_addr().unwrap();
        let knock = std::thread::spawn(move || std::net::TcpStream::connect(address).unwrap());
        listener.accept().unwrap();
        knock.join().unwrap();
    });
}

#[test]
fn a_waiter_goes_on_when_the_runtime_that_polls_for_it_shuts_down() {
    for (first, second) in [(1, 1), (2, 1), (1, 2), (4, 4)] {
        bounded(move || {
            for _ in 0..10 {
                let (stream, mut peer) = pair();
                let stream = Arc::new(stream);
                let (old, new) = (runtime(first), runtime(second));
                register(&old, &stream);
                let own = Arc::clone(&stream);
                let reader = new.spawn(move || {
                    let mut bytes = [0; 2];
                    (&*own).read_exact(&mut bytes).unwrap();
                    bytes
                });
                std::thread::sleep(ms(2));
                peer.write_all(b"a").unwrap();
                old.shutdown_timeout(LIMIT).unwrap();
                std::thread::sleep(ms(2));
                assert!(!reader.is_finished());
                peer.write_all(b"b").unwrap();
                assert_eq!(reader.join().unwrap(), *b"ab");
            }
        });
    }
}

#[test]
fn two_runtimes_use_one_stream_at_the_same_time() {
    bounded(|| {
        let (stream, peer) = pair();
        let stream = Arc::new(stream);
        let (one, other) = (runtime(1), runtime(2));
        let echo = std::thread::spawn(move || {
            let (mut from, mut to) = (&peer, &peer);
            std::io::copy(&mut from, &mut to).unwrap();
        });
        let (read, write) = (Arc::clone(&stream), Arc::clone(&stream));
        let reader = one.spawn(move || {
            let mut bytes = vec![0; 1 << 20];
            (&*read).read_exact(&mut bytes).unwrap();
            bytes.iter().all(|byte| *byte == 5)
        });
        let writer = other.spawn(move || {
            for _ in 0..1024 {
                (&*write).write_all(&[5; 1024]).unwrap();
                tarae::yield_now();
            }
        });
        assert!(reader.join().unwrap());
        writer.join().unwrap();
        drop(stream);
        echo.join().unwrap();
    });
}

/// Runtimes come and go while a stream of bytes flows through coroutines of whichever lives.
#[test]
fn nothing_is_lost_while_runtimes_come_and_go() {
    bounded(|| {
        let (stream, mut peer) = pair();
        let stream = Arc::new(stream);
        let steady = runtime(1);
        let done = Arc::new(AtomicBool::new(false));
        let churn = std::thread::spawn({
            let (stream, done) = (Arc::clone(&stream), Arc::clone(&done));
            move || {
                while !done.load(Ordering::SeqCst) {
                    let passing = runtime(2);
                    let own = Arc::clone(&stream);
                    // Looks, and takes nothing.
                    let peeker = passing.spawn(move || own.peek(&mut [0]).map(drop));
                    std::thread::sleep(ms(1));
                    drop(passing);
                    drop(peeker.join());
                }
            }
        });
        let own = Arc::clone(&stream);
        let reader = steady.spawn(move || {
            for expected in 0..200u8 {
                let mut byte = [0];
                (&*own).read_exact(&mut byte).unwrap();
                assert_eq!(byte, [expected]);
            }
        });
        for byte in 0..200u8 {
            peer.write_all(&[byte]).unwrap();
            std::thread::sleep(ms(1));
        }
        reader.join().unwrap();
        done.store(true, Ordering::SeqCst);
        churn.join().unwrap();
    });
}
