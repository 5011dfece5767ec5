//! Options of a socket: non-blocking as the user set it, shared by clones, kept by conversions.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::time::Instant;

use tarae::net::{TcpListener, TcpStream};

use super::peers::{accepted_pair, is_nonblocking, pair, std_pair};
use crate::support::{bounded, ms, on_workers, runtime};

#[test]
fn a_stream_that_waited_in_a_coroutine_is_still_blocking() {
    on_workers(|| {
        for (mut stream, mut peer) in [pair(), accepted_pair()] {
            assert!(!is_nonblocking(&stream), "after connect or accept");
            stream.set_read_timeout(Some(ms(2))).unwrap();
            stream.read(&mut [0; 8]).unwrap_err();
            assert!(!is_nonblocking(&stream), "after a read that waited");
            peer.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(b"y").unwrap();
            assert!(!is_nonblocking(&stream), "after reads and writes");
            let back = std::net::TcpStream::from(stream);
            assert!(!is_nonblocking(&back));
        }
    });
}

#[test]
fn a_nonblocking_stream_says_would_block_at_once() {
    on_workers(|| {
        let (stream, mut peer) = pair();
        stream.set_nonblocking(true).unwrap();
        assert!(is_nonblocking(&stream));
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!((&stream).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
            assert_eq!(stream.peek(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
        assert!(start.elapsed() < ms(1000));
        let full = loop {
            if let Err(error) = (&stream).write(&[0; 65_536]) {
                break error.kind();
            }
        };
        assert_eq!(full, ErrorKind::WouldBlock);
        peer.write_all(b"abc").unwrap();
        crate::support::eventually("it arrives", || {
            (&stream).read(&mut [0; 8]).is_ok_and(|count| count == 3)
        });
        stream.set_nonblocking(false).unwrap();
        assert!(!is_nonblocking(&stream));
        stream.set_read_timeout(Some(ms(3))).unwrap();
        let start = Instant::now();
        (&stream).read(&mut [0; 8]).unwrap_err();
        assert!(start.elapsed() >= ms(3), "it waits again");
    });
}

#[test]
fn clones_share_nonblocking() {
    on_workers(|| {
        let (stream, _peer) = pair();
        let clone = stream.try_clone().unwrap();
        stream.set_nonblocking(true).unwrap();
        assert!(is_nonblocking(&clone));
        assert_eq!((&clone).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        clone.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(ms(3))).unwrap();
        let start = Instant::now();
        (&stream).read(&mut [0; 8]).unwrap_err();
        assert!(start.elapsed() >= ms(3));
    });
}

#[test]
fn a_converted_stream_keeps_nonblocking() {
    on_workers(|| {
        let (specified, _peer) = std_pair();
        specified.set_nonblocking(true).unwrap();
        let stream = TcpStream::from(specified);
        assert_eq!((&stream).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(is_nonblocking(&std::net::TcpStream::from(stream)));
    });
}

/// In std, the mode belongs to the file, whichever descriptor it was set through.
#[test]
fn nonblocking_set_through_a_duplicate_counts_as_in_std() {
    fn try_read(stream: impl Read + AsRawFd + std::os::fd::AsFd) -> ErrorKind {
        let duplicate = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned().unwrap());
        duplicate.set_nonblocking(true).unwrap();
        let mut stream = stream;
        stream.read(&mut [0; 8]).unwrap_err().kind()
    }
    bounded(|| {
        runtime(1).run(|| {
            let (specified, _peer) = std_pair();
            let (stream, _other) = pair();
            specified.set_read_timeout(Some(ms(500))).unwrap();
            stream.set_read_timeout(Some(ms(500))).unwrap();
            let start = Instant::now();
            assert_eq!(try_read(specified), ErrorKind::WouldBlock);
            assert!(start.elapsed() < ms(400));
            let start = Instant::now();
            assert_eq!(try_read(stream), ErrorKind::WouldBlock);
            assert!(start.elapsed() < ms(400), "it waited");
        });
    });
}

#[test]
fn blocking_set_through_a_duplicate_does_not_block_the_worker() {
    bounded(|| {
        runtime(1).run(|| {
            let (mut stream, mut peer) = pair();
            stream.set_nonblocking(true).unwrap();
            let duplicate = std::net::TcpStream::from(OwnedFd::from(stream.try_clone().unwrap()));
            duplicate.set_nonblocking(false).unwrap();
            let other = tarae::spawn(move || {
                tarae::sleep(ms(5));
                peer.write_all(b"x").unwrap();
                peer
            });
            let rescue = std::thread::spawn({
                let mut waits = duplicate;
                move || {
                    std::thread::sleep(ms(1500));
                    // Ends the read of a worker that is blocked, so that the test fails instead of hanging.
                    waits.shutdown(std::net::Shutdown::Both).unwrap();
                    waits.flush().unwrap();
                }
            });
            let start = Instant::now();
            let _ = stream.read(&mut [0; 8]);
            assert!(start.elapsed() < ms(1000), "the coroutine that would have written could not run");
            rescue.join().unwrap();
            drop(other.join().unwrap());
        });
    });
}

#[test]
fn options_are_those_of_the_socket() {
    on_workers(|| {
        let (stream, peer) = pair();
        assert!(!stream.nodelay().unwrap());
        stream.set_nodelay(true).unwrap();
        assert!(stream.nodelay().unwrap());
        stream.set_ttl(42).unwrap();
        assert_eq!(stream.ttl().unwrap(), 42);
        assert!(stream.take_error().unwrap().is_none());
        assert_eq!(stream.peer_addr().unwrap(), peer.local_addr().unwrap());
        assert_eq!(stream.local_addr().unwrap(), peer.peer_addr().unwrap());
    });
}

#[test]
fn debug_is_that_of_std() {
    on_workers(|| {
        let (specified, _peer) = std_pair();
        let expected = format!("{specified:?}");
        assert_eq!(format!("{:?}", TcpStream::from(specified)), expected);
        let specified = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let expected = format!("{specified:?}");
        let listener = TcpListener::from(specified);
        assert_eq!(format!("{listener:?}"), expected);
    });
}

#[test]
fn a_raw_descriptor_leaves_open_and_blocking() {
    on_workers(|| {
        let (stream, mut peer) = pair();
        stream.set_read_timeout(Some(ms(2))).unwrap();
        (&stream).read(&mut [0; 8]).unwrap_err();
        stream.set_read_timeout(None).unwrap();
        let raw = stream.as_raw_fd();
        assert_eq!(stream.into_raw_fd(), raw);
        // SAFETY: `into_raw_fd` has just given the descriptor away, to us.
        let mut back = unsafe { <std::net::TcpStream as std::os::fd::FromRawFd>::from_raw_fd(raw) };
        assert!(!is_nonblocking(&back));
        peer.write_all(b"x").unwrap();
        back.read_exact(&mut [0]).unwrap();
    });
}

/// Sockets are closed when a process starts another one, as std's are.
#[test]
fn descriptors_are_close_on_exec() {
    on_workers(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let clone = stream.try_clone().unwrap();
        let closes = |fd: &dyn AsRawFd| {
            // SAFETY: F_GETFD reads flags of a descriptor that is open.
            let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
            flags & libc::FD_CLOEXEC != 0
        };
        let all: [&dyn AsRawFd; 4] = [&listener, &stream, &accepted, &clone];
        assert!(all.into_iter().all(closes));
    });
}
