//! Connecting: refused, too late, to the first of several that answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tarae::net::{TcpListener, TcpStream};

use crate::support::{LIMIT, bounded, ms, on_workers, runtime, within};

/// An address of this machine at which nobody listens.
fn refusing() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A listener that answers nobody any more: its backlog is full.
fn full() -> (Socket, SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    loop {
        let next = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let connected = next.connect_timeout(&address.into(), ms(100));
        queued.push(next);
        if connected.is_err() {
            return (listener, address, queued);
        }
    }
}

#[test]
fn refused_as_in_std() {
    on_workers(|| {
        let address = refusing();
        let expected = std::net::TcpStream::connect(address).unwrap_err();
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(error.raw_os_error(), expected.raw_os_error());
        let error = TcpStream::connect_timeout(&address, ms(1000)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_connect_times_out_and_never_early() {
    on_workers(|| {
        let (_listener, address, _queued) = full();
        let expected = std::net::TcpStream::connect_timeout(&address, ms(20)).unwrap_err();
        for millis in [1, 20, 60] {
            let start = Instant::now();
            let error = TcpStream::connect_timeout(&address, ms(millis)).unwrap_err();
            assert!(start.elapsed() >= ms(millis), "{:?}", start.elapsed());
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::TimedOut, expected.to_string()));
        }
    });
}

#[test]
fn others_run_while_a_connect_waits() {
    bounded(|| {
        runtime(1).run(|| {
            let (_listener, address, _queued) = full();
            let waits =
                tarae::spawn(move || TcpStream::connect_timeout(&address, ms(200)).unwrap_err().kind());
            let start = Instant::now();
            (0..10).for_each(|_| tarae::sleep(ms(1)));
            assert!(start.elapsed() < ms(190), "{:?}", start.elapsed());
            assert_eq!(waits.join().unwrap(), ErrorKind::TimedOut);
        });
    });
}

#[test]
fn a_zero_timeout_is_refused_as_in_std() {
    on_workers(|| {
        let address = refusing();
        let expected = std::net::TcpStream::connect_timeout(&address, Duration::ZERO).unwrap_err();
        let error = TcpStream::connect_timeout(&address, Duration::ZERO).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (expected.kind(), expected.to_string()));
    });
}

#[test]
fn the_first_address_that_answers_is_taken() {
    on_workers(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[refusing(), refusing(), address][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let error = TcpStream::connect(&[refusing(), refusing()][..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn no_address_at_all_is_the_error_of_std() {
    on_workers(|| {
        let none: &[SocketAddr] = &[];
        let expected = std::net::TcpStream::connect(none).unwrap_err();
        let error = TcpStream::connect(none).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (expected.kind(), expected.to_string()));
        let expected = std::net::TcpListener::bind(none).unwrap_err();
        let error = TcpListener::bind(none).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (expected.kind(), expected.to_string()));
        let expected = std::net::TcpStream::connect("no port").unwrap_err();
        let error = TcpStream::connect("no port").unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (expected.kind(), expected.to_string()));
    });
}

/// getaddrinfo(3) runs on the coroutine's own stack.
#[test]
fn a_name_is_looked_up_on_a_coroutine() {
    on_workers(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if ("localhost", port).to_socket_addrs().is_err() {
            eprintln!("skipped: this machine does not know localhost");
            return;
        }
        let stream = TcpStream::connect(("localhost", port)).unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
    });
}

#[test]
fn over_ipv6() {
    on_workers(|| {
        let Ok(listener) = TcpListener::bind("[::1]:0") else {
            eprintln!("skipped: this machine has no IPv6 loopback");
            return;
        };
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, from) = listener.accept().unwrap();
        assert_eq!(from, stream.local_addr().unwrap());
        stream.write_all(b"six").unwrap();
        let mut got = [0; 3];
        accepted.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"six");
    });
}

#[test]
fn a_thousand_connections_at_once_on_one_worker() {
    within(LIMIT, || {
        runtime(1).run(|| {
            const COUNT: usize = 1000;
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = tarae::spawn(move || {
                let handlers: Vec<_> = (0..COUNT)
                    .map(|_| {
                        let (mut stream, _) = listener.accept().unwrap();
                        tarae::spawn(move || {
                            let mut word = [0; 8];
                            while stream.read_exact(&mut word).is_ok() {
                                stream.write_all(&word).unwrap();
                            }
                        })
                    })
                    .collect();
                handlers.into_iter().for_each(|handler| handler.join().unwrap());
            });
            let clients: Vec<_> = (0..COUNT as u64)
                .map(|number| {
                    tarae::spawn(move || {
                        let mut stream = TcpStream::connect(address).unwrap();
                        // All are connected before any asks.
                        tarae::sleep(ms(100));
                        for round in 0..5u64 {
                            let question = (number * 5 + round).to_le_bytes();
                            stream.write_all(&question).unwrap();
                            let mut answer = [0; 8];
                            stream.read_exact(&mut answer).unwrap();
                            assert_eq!(question, answer);
                        }
                    })
                })
                .collect();
            clients.into_iter().for_each(|client| client.join().unwrap());
            server.join().unwrap();
        });
    });
}
