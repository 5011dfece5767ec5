//! Timeouts, and waits that are given up: never early, `WouldBlock` as in std, and nobody left waiting.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tarae::net::TcpStream;

use super::peers::{is_cancelled, pair, std_pair};
use crate::support::{MOMENT, bounded, ms, on_workers, runtime};

/// Fills the way to the peer, and returns how long the last write waited.
fn fill(mut stream: impl Write) -> (ErrorKind, Duration) {
    loop {
        let start = Instant::now();
        if let Err(error) = stream.write(&[0; 65_536]) {
            return (error.kind(), start.elapsed());
        }
    }
}

#[test]
fn a_read_timeout_is_would_block_and_never_early() {
    on_workers(|| {
        let (specified, _peer) = std_pair();
        specified.set_read_timeout(Some(ms(5))).unwrap();
        let expected = (&specified).read(&mut [0; 8]).unwrap_err();
        for millis in [1, 2, 5, 20] {
            let (stream, _peer) = pair();
            stream.set_read_timeout(Some(ms(millis))).unwrap();
            for _ in 0..5 {
                let start = Instant::now();
                let error = (&stream).read(&mut [0; 8]).unwrap_err();
                assert!(start.elapsed() >= ms(millis), "{:?}", start.elapsed());
                assert_eq!(error.kind(), expected.kind());
            }
            let start = Instant::now();
            assert_eq!(stream.peek(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
            assert!(start.elapsed() >= ms(millis));
        }
    });
}

#[test]
fn a_read_timeout_error_says_what_std_says() {
    bounded(|| {
        let (specified, _peer) = std_pair();
        specified.set_read_timeout(Some(ms(5))).unwrap();
        let expected = (&specified).read(&mut [0; 8]).unwrap_err();
        let ours = runtime(1).run(|| {
            let (stream, _peer) = pair();
            stream.set_read_timeout(Some(ms(5))).unwrap();
            (&stream).read(&mut [0; 8]).unwrap_err()
        });
        assert_eq!(ours.raw_os_error(), expected.raw_os_error());
        assert_eq!(ours.to_string(), expected.to_string());
    });
}

#[test]
fn a_write_timeout_is_would_block_and_never_early() {
    on_workers(|| {
        let (stream, _peer) = pair();
        stream.set_write_timeout(Some(ms(20))).unwrap();
        for _ in 0..3 {
            let (kind, waited) = fill(&stream);
            assert_eq!(kind, ErrorKind::WouldBlock);
            assert!(waited >= ms(20), "{waited:?}");
        }
    });
}

#[test]
fn what_comes_in_time_is_read_and_the_timeout_stays() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        stream.set_read_timeout(Some(ms(5000))).unwrap();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(ms(10));
            peer.write_all(b"x").unwrap();
            peer
        });
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        let _peer = writer.join().unwrap();
        stream.set_read_timeout(Some(ms(10))).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        stream.set_read_timeout(None).unwrap();
        assert_eq!(stream.read_timeout().unwrap(), None);
    });
}

#[test]
fn a_stream_goes_on_after_a_timeout() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        stream.set_read_timeout(Some(ms(2))).unwrap();
        for round in 0..20u8 {
            assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
            peer.write_all(&[round]).unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_err() {}
            assert_eq!(byte, [round]);
        }
    });
}

#[test]
fn a_zero_timeout_is_refused_and_a_timeout_reads_back_as_in_std() {
    on_workers(|| {
        let ((specified, _peer), (stream, _other)) = (std_pair(), pair());
        let refused = |result: std::io::Result<()>| {
            let error = result.unwrap_err();
            (error.kind(), error.to_string())
        };
        let zero = Some(Duration::ZERO);
        assert_eq!(refused(stream.set_read_timeout(zero)), refused(specified.set_read_timeout(zero)));
        assert_eq!(refused(stream.set_write_timeout(zero)), refused(specified.set_write_timeout(zero)));
        for timeout in [None, Some(ms(1)), Some(ms(1234)), Some(Duration::from_nanos(1))] {
            specified.set_read_timeout(timeout).unwrap();
            specified.set_write_timeout(timeout).unwrap();
            stream.set_read_timeout(timeout).unwrap();
            stream.set_write_timeout(timeout).unwrap();
            assert_eq!(stream.read_timeout().unwrap(), specified.read_timeout().unwrap());
            assert_eq!(stream.write_timeout().unwrap(), specified.write_timeout().unwrap());
        }
    });
}

#[test]
fn clones_share_timeouts() {
    on_workers(|| {
        let (stream, _peer) = pair();
        let clone = stream.try_clone().unwrap();
        clone.set_read_timeout(Some(ms(3))).unwrap();
        assert_eq!((&stream).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(ms(4))).unwrap();
        assert_eq!(clone.read_timeout().unwrap(), stream.read_timeout().unwrap());
        assert_eq!((&clone).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_converted_stream_keeps_its_timeouts() {
    on_workers(|| {
        let (specified, _peer) = std_pair();
        specified.set_read_timeout(Some(ms(8))).unwrap();
        let stream = TcpStream::from(specified);
        let start = Instant::now();
        assert_eq!((&stream).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() >= ms(8));
        let back = std::net::TcpStream::from(stream);
        assert_eq!(back.read_timeout().unwrap(), Some(ms(8)));
    });
}

#[test]
fn a_reader_and_a_writer_time_out_separately() {
    on_workers(|| {
        let (stream, _peer) = pair();
        let stream = Arc::new(stream);
        stream.set_write_timeout(Some(ms(10))).unwrap();
        let reader = tarae::spawn({
            let stream = Arc::clone(&stream);
            move || {
                stream.set_read_timeout(Some(ms(60))).unwrap();
                let start = Instant::now();
                let kind = (&*stream).read(&mut [0; 8]).unwrap_err().kind();
                (kind, start.elapsed())
            }
        });
        tarae::yield_now();
        assert_eq!(fill(&*stream).0, ErrorKind::WouldBlock);
        let (kind, waited) = reader.join().unwrap();
        assert_eq!(kind, ErrorKind::WouldBlock);
        assert!(waited >= ms(60), "{waited:?}");
    });
}

#[test]
fn a_waiter_that_is_cancelled_does_not_keep_the_stream_from_the_next() {
    bounded(|| {
        for _ in 0..20 {
            let (stream, mut peer) = pair();
            let stream = Arc::new(stream);
            let old = runtime(2);
            let waiters: Vec<_> = (0..10)
                .map(|_| {
                    let stream = Arc::clone(&stream);
                    old.spawn(move || (&*stream).read(&mut [0; 8]).map(drop))
                })
                .collect();
            std::thread::sleep(ms(5));
            drop(old);
            assert!(waiters.into_iter().all(|waiter| is_cancelled(&waiter.join().unwrap().unwrap_err())));
            let new = runtime(1);
            let own = Arc::clone(&stream);
            let reader = new.spawn(move || (&*own).read(&mut [0; 8]).unwrap());
            std::thread::sleep(ms(2));
            peer.write_all(b"abc").unwrap();
            assert_eq!(reader.join().unwrap(), 3);
            // The reader was the last to hold it, but for us: nobody waits on it any more.
            assert_eq!(Arc::strong_count(&stream), 1);
        }
    });
}

#[test]
fn a_timeout_is_served_while_others_wait_for_ever() {
    on_workers(|| {
        let (stream, peer) = pair();
        let stream = Arc::new(stream);
        let forever = tarae::spawn({
            let stream = Arc::clone(&stream);
            move || (&*stream).read(&mut [0; 8]).unwrap()
        });
        tarae::sleep(ms(2));
        stream.set_read_timeout(Some(ms(5))).unwrap();
        assert_eq!((&*stream).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(!forever.is_finished(), "a timeout holds for the reads that begin after it was set");
        tarae::sleep(MOMENT);
        drop(peer);
        assert_eq!(forever.join().unwrap(), 0);
    });
}
