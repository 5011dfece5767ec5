//! Bytes: all of them, in order, until the end, and what the end looks like.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use tarae::net::{TcpListener, TcpStream};

use super::peers::{accepted_pair, check_pattern, fill_pattern, pair, reset, std_pair};
use crate::support::{MOMENT, bounded, ms, on_workers, runtime, within};

/// Sends what comes back.
fn echo(mut stream: impl Read + Write) {
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf).unwrap() {
            0 => return,
            count => stream.write_all(&buf[..count]).unwrap(),
        }
    }
}

fn ask(mut stream: impl Read + Write) {
    for round in 0..100u8 {
        let question = [round; 100];
        stream.write_all(&question).unwrap();
        let mut answer = [0; 100];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(question, answer);
    }
}

#[test]
fn a_coroutine_asks_a_kernel_thread() {
    on_workers(|| {
        let (stream, peer) = pair();
        let server = std::thread::spawn(move || echo(peer));
        ask(&stream);
        drop(stream);
        server.join().unwrap();
    });
}

#[test]
fn a_kernel_thread_asks_a_coroutine() {
    on_workers(|| {
        let (stream, peer) = accepted_pair();
        let client = std::thread::spawn(move || ask(&peer));
        echo(&stream);
        client.join().unwrap();
    });
}

#[test]
fn coroutines_ask_coroutines() {
    on_workers(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = tarae::spawn(move || {
            let handlers: Vec<_> = listener
                .incoming()
                .take(20)
                .map(|stream| {
                    let stream = stream.unwrap();
                    tarae::spawn(move || echo(stream))
                })
                .collect();
            handlers.into_iter().for_each(|handler| handler.join().unwrap());
        });
        let clients: Vec<_> =
            (0..20).map(|_| tarae::spawn(move || ask(TcpStream::connect(address).unwrap()))).collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        server.join().unwrap();
    });
}

#[test]
fn every_call_works_on_a_plain_kernel_thread() {
    bounded(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            echo(stream);
        });
        let stream = TcpStream::connect(address).unwrap();
        ask(&stream);
        (&stream).write_all(b"abc").unwrap();
        assert_eq!(stream.peek(&mut [0; 2]).unwrap(), 2);
        let (mut one, mut two) = ([0; 1], [0; 2]);
        let read = (&stream).read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]);
        assert_eq!((read.unwrap(), one, two), (3, *b"a", *b"bc"));
        assert_eq!((&stream).write_vectored(&[IoSlice::new(b"d"), IoSlice::new(b"e")]).unwrap(), 2);
        (&stream).read_exact(&mut two).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!((&stream).read(&mut one).unwrap(), 0);
        server.join().unwrap();
    });
}

const BIG: usize = 64 << 20;

fn send_pattern(number: u64, stream: &TcpStream) {
    let mut buf = vec![0; 100_003];
    let mut position = 0;
    while position < BIG {
        let count = buf.len().min(BIG - position);
        fill_pattern(number, position, &mut buf[..count]);
        (&mut &*stream).write_all(&buf[..count]).unwrap();
        position += count;
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

/// Both ends are tarae's, each with one coroutine that reads and one that writes.
fn both_directions(workers: usize) {
    within(crate::support::LIMIT * 3, move || {
        runtime(workers).run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let left = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (right, _) = listener.accept().unwrap();
            let ends = [(0, 1, Arc::new(left)), (1, 0, Arc::new(right))];
            let all = ends.into_iter().flat_map(|(sends, receives, stream)| {
                let writer = Arc::clone(&stream);
                [
                    tarae::spawn(move || send_pattern(sends, &writer)),
                    tarae::spawn(move || assert_eq!(check_pattern(receives, &*stream), BIG)),
                ]
            });
            all.collect::<Vec<_>>().into_iter().for_each(|one| one.join().unwrap());
        });
    });
}

#[test]
fn sixty_four_mebibytes_both_ways_at_once_on_one_worker() {
    both_directions(1);
}

#[test]
fn sixty_four_mebibytes_both_ways_at_once_on_two_workers() {
    both_directions(2);
}

#[test]
fn sixty_four_mebibytes_both_ways_at_once_against_a_kernel_thread() {
    within(crate::support::LIMIT * 3, || {
        runtime(1).run(|| {
            let (stream, peer) = pair();
            let stream = Arc::new(stream);
            let peer = Arc::new(TcpStream::from(peer));
            let writer = std::thread::spawn({
                let peer = Arc::clone(&peer);
                move || send_pattern(1, &peer)
            });
            let reader = std::thread::spawn(move || assert_eq!(check_pattern(0, &*peer), BIG));
            let sender = tarae::spawn({
                let stream = Arc::clone(&stream);
                move || send_pattern(0, &stream)
            });
            assert_eq!(check_pattern(1, &*stream), BIG);
            sender.join().unwrap();
            reader.join().unwrap();
            writer.join().unwrap();
        });
    });
}

#[test]
fn a_read_returns_what_is_there_and_read_exact_waits_for_the_rest() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        peer.write_all(b"abc").unwrap();
        let mut buf = [0; 8];
        assert_eq!(stream.read(&mut buf).unwrap(), 3);
        let rest = std::thread::spawn(move || {
            for byte in *b"defghijk" {
                std::thread::sleep(ms(2));
                peer.write_all(&[byte]).unwrap();
            }
            peer
        });
        stream.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"defghijk");
        drop(rest.join().unwrap());
        assert_eq!(stream.read(&mut buf).unwrap(), 0);
        assert_eq!(stream.read(&mut buf).unwrap(), 0, "the end stays");
        assert_eq!(stream.read_exact(&mut buf).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn reads_smaller_than_what_is_there_lose_nothing() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        // Registered and empty, so that readiness is asked from now on.
        stream.set_read_timeout(Some(ms(2))).unwrap();
        stream.read(&mut [0]).unwrap_err();
        stream.set_read_timeout(None).unwrap();
        for round in 0..200u8 {
            peer.write_all(&[round; 7]).unwrap();
            for piece in [3, 3, 1] {
                let mut buf = vec![0; piece];
                stream.read_exact(&mut buf).unwrap();
                assert!(buf.iter().all(|byte| *byte == round));
            }
        }
    });
}

#[test]
fn a_parked_reader_sees_the_end() {
    on_workers(|| {
        let (mut stream, peer) = pair();
        let closer = std::thread::spawn(move || {
            std::thread::sleep(MOMENT);
            drop(peer);
        });
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
        closer.join().unwrap();
    });
}

#[test]
fn shutdown_of_its_own_reading_half_wakes_a_parked_reader() {
    on_workers(|| {
        let (stream, _peer) = pair();
        let stream = Arc::new(stream);
        let reader = tarae::spawn({
            let stream = Arc::clone(&stream);
            move || (&*stream).read(&mut [0; 8]).unwrap()
        });
        tarae::sleep(MOMENT);
        stream.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reader.join().unwrap(), 0);
    });
}

#[test]
fn after_shutdown_of_its_writing_half_the_other_half_goes_on() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        stream.write_all(b"last").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let peer = std::thread::spawn(move || {
            let mut all = String::new();
            peer.read_to_string(&mut all).unwrap();
            assert_eq!(all, "last");
            peer.write_all(b"answer").unwrap();
        });
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
        peer.join().unwrap();
    });
}

#[test]
fn a_reset_reaches_a_parked_reader_and_then_a_writer_as_in_std() {
    fn after_reset(mut stream: impl Read + Write, peer: std::net::TcpStream) -> [io::Result<usize>; 3] {
        let resetter = std::thread::spawn(move || {
            std::thread::sleep(MOMENT);
            reset(peer);
        });
        let read = stream.read(&mut [0; 8]);
        resetter.join().unwrap();
        [read, stream.read(&mut [0; 8]), stream.write(b"x")]
    }
    on_workers(|| {
        let (stream, peer) = std_pair();
        let specified = after_reset(stream, peer).map(|result| result.map_err(|error| error.kind()));
        let (stream, peer) = pair();
        let ours = after_reset(stream, peer).map(|result| result.map_err(|error| error.kind()));
        assert_eq!(specified[0], Err(ErrorKind::ConnectionReset));
        assert_eq!(ours, specified);
    });
}

#[test]
fn a_reset_reaches_a_parked_writer() {
    on_workers(|| {
        let (mut stream, peer) = pair();
        let resetter = std::thread::spawn(move || {
            std::thread::sleep(MOMENT);
            reset(peer);
        });
        let error = stream.write_all(&vec![0; BIG]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
        resetter.join().unwrap();
    });
}

#[test]
fn vectored_calls_scatter_and_gather() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two"), IoSlice::new(b" three")];
        assert_eq!(stream.write_vectored(&parts).unwrap(), 13);
        let mut all = [0; 13];
        peer.read_exact(&mut all).unwrap();
        assert_eq!(&all, b"one two three");
        peer.write_all(b"0123456789").unwrap();
        while stream.peek(&mut [0; 10]).unwrap() < 10 {}
        let (mut one, mut none, mut two) = ([0; 4], [0; 0], [0; 9]);
        let mut parts = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut none), IoSliceMut::new(&mut two)];
        assert_eq!(stream.read_vectored(&mut parts).unwrap(), 10);
        assert_eq!((&one, &two[..6]), (b"0123", b"456789".as_slice()));
        drop(peer);
        assert_eq!(stream.read_vectored(&mut [IoSliceMut::new(&mut two)]).unwrap(), 0);
    });
}

#[test]
fn many_slices_are_written_as_far_as_std_does() {
    on_workers(|| {
        // More than IOV_MAX (1,024): std writes the first 1,024.
        let slices: Vec<IoSlice<'_>> = (0..3000).map(|_| IoSlice::new(b"x")).collect();
        let (mut specified, _peer) = std_pair();
        let expected = specified.write_vectored(&slices).unwrap();
        let (mut stream, _peer) = pair();
        assert_eq!(stream.write_vectored(&slices).map_err(|error| error.kind()), Ok(expected));
    });
}

#[test]
fn many_slices_are_read_into_as_far_as_std_does() {
    fn read(mut stream: impl Read, mut peer: std::net::TcpStream) -> Result<usize, ErrorKind> {
        peer.write_all(&[1; 2000]).unwrap();
        std::thread::sleep(ms(5));
        let mut bytes = vec![[0u8; 1]; 3000];
        let mut slices: Vec<_> = bytes.iter_mut().map(|byte| IoSliceMut::new(byte)).collect();
        stream.read_vectored(&mut slices).map_err(|error| error.kind())
    }
    on_workers(|| {
        let (specified, peer) = std_pair();
        let expected = read(specified, peer);
        let (stream, peer) = pair();
        assert_eq!(read(stream, peer), expected);
    });
}

#[test]
fn a_peek_leaves_everything_where_it_is() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(MOMENT);
            peer.write_all(b"peek").unwrap();
        });
        let mut buf = [0; 2];
        assert_eq!((stream.peek(&mut buf).unwrap(), &buf), (2, b"pe"));
        assert_eq!((stream.peek(&mut buf).unwrap(), &buf), (2, b"pe"));
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        assert_eq!(all, "peek");
        assert_eq!(stream.peek(&mut buf).unwrap(), 0);
        writer.join().unwrap();
    });
}

#[test]
fn an_empty_read_or_write_moves_nothing() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        peer.write_all(b"x").unwrap();
        while stream.peek(&mut [0; 1]).unwrap() == 0 {}
        assert_eq!(stream.read(&mut []).unwrap(), 0);
        assert_eq!(stream.write(&[]).unwrap(), 0);
        assert_eq!(stream.read(&mut [0; 4]).unwrap(), 1);
    });
}

/// A read stops at the mark of urgent data (tcp(7)), so that a short read does not mean that the socket was emptied.
#[test]
fn urgent_data_does_not_hide_what_comes_after_it() {
    fn read_all(mut stream: impl Read, peer: std::net::TcpStream, before: impl FnOnce()) -> Vec<u8> {
        let peer = socket2::Socket::from(peer);
        peer.send(b"before").unwrap();
        peer.send_out_of_band(b"!").unwrap();
        peer.send(b"after").unwrap();
        std::thread::sleep(ms(10));
        before();
        let (mut all, mut buf) = (Vec::new(), [0; 100]);
        while !all.ends_with(b"after") {
            let count = stream.read(&mut buf).unwrap();
            all.extend_from_slice(&buf[..count]);
        }
        all
    }
    bounded(|| {
        runtime(1).run(|| {
            let (specified, peer) = std_pair();
            let expected = read_all(specified, peer, || ());
            assert_eq!(expected, b"beforeafter");
            let (stream, peer) = pair();
            // Registered, and asked for events after all has arrived.
            stream.set_read_timeout(Some(ms(2))).unwrap();
            (&stream).read(&mut [0]).unwrap_err();
            stream.set_read_timeout(Some(ms(2000))).unwrap();
            assert_eq!(read_all(&stream, peer, || tarae::sleep(ms(2))), expected);
        });
    });
}

#[test]
fn several_readers_of_one_stream_share_what_comes() {
    on_workers(|| {
        let (stream, mut peer) = pair();
        let stream = Arc::new(stream);
        let readers: Vec<_> = (0..5)
            .map(|_| {
                let stream = Arc::clone(&stream);
                tarae::spawn(move || {
                    let mut sum = 0;
                    loop {
                        let mut buf = [0; 3];
                        match (&*stream).read(&mut buf).unwrap() {
                            0 => return sum,
                            count => sum += count,
                        }
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            peer.write_all(&[1; 10]).unwrap();
            tarae::yield_now();
        }
        drop(peer);
        assert_eq!(readers.into_iter().map(|reader| reader.join().unwrap()).sum::<usize>(), 1000);
    });
}
