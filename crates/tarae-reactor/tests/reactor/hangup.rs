//! Ends and errors: whoever waits must learn of them, on the side that they concern.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tarae_reactor::{Reactor, Side, Wait};

use crate::support::*;

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    (client, server)
}

/// A reader and a writer wait on `end`; then `cut` happens; returns who was woken.
fn woken_by(reactor: &std::sync::Arc<Reactor>, end: impl AsFd, cut: impl FnOnce()) -> (usize, usize) {
    let source = reactor.register(&end).unwrap();
    settle(reactor, &source);
    let (reads, reader) = Count::new();
    let (writes, writer) = Count::new();
    pend(&source, Side::Read, &reader);
    pend(&source, Side::Write, &writer);
    cut();
    poll_for_a_moment(reactor);
    (reads.wakes(), writes.wakes())
}

#[test]
fn a_closed_peer_wakes_both_sides() {
    let (socket, peer) = pair();
    fill(&socket);
    assert_eq!(woken_by(&Reactor::new().unwrap(), &socket, || drop(peer)), (1, 1));
}

#[test]
fn a_reset_wakes_both_sides() {
    let (socket, peer) = tcp_pair();
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    assert_eq!(woken_by(&Reactor::new().unwrap(), &socket, || drop(peer)), (1, 1));
}

#[test]
fn a_peer_that_stops_writing_wakes_readers_only() {
    let (socket, peer) = pair();
    fill(&socket);
    let cut = || peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(woken_by(&Reactor::new().unwrap(), &socket, cut), (1, 0));
}

#[test]
fn a_pipe_without_reader_wakes_its_writers() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (_, writes) = woken_by(&Reactor::new().unwrap(), &writer, || drop(reader));
    assert_eq!(writes, 1);
}

#[test]
fn a_pipe_without_writer_wakes_its_readers() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (reads, _) = woken_by(&Reactor::new().unwrap(), &reader, || drop(writer));
    assert_eq!(reads, 1);
}

#[test]
fn an_end_that_came_with_the_last_data_is_still_read() {
    let reactor = Reactor::new().unwrap();
    let (mut socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    peer.write_all(b"last").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    reactor.poll(Some(LIMIT)).unwrap();

    let seen = source.readiness(Side::Read);
    assert!(seen.is_hangup());
    assert_eq!(socket.read(&mut [0; 64]).unwrap(), 4);
    source.drained(Side::Read, seen);
    // No further event will come: to wait now would be for ever.
    assert_eq!(source.wait(Side::Read, std::task::Waker::noop()), Wait::Ready);
    assert_eq!(socket.read(&mut [0; 64]).unwrap(), 0);
}

#[test]
fn a_socket_registered_before_its_connect_can_still_wait_for_it() {
    // A listener that accepts nobody; its queue of one is full, so that the next connect stays in progress.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let queued = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    queued.connect(&address).unwrap();

    let reactor = Reactor::new().unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let source = reactor.register(&socket).unwrap();
    reactor.poll(Some(LIMIT)).unwrap();
    let seen = source.readiness(Side::Write);
    assert!(seen.is_hangup(), "the kernel calls an unconnected socket hung up");
    assert_eq!(socket.connect(&address).unwrap_err().raw_os_error(), Some(115), "EINPROGRESS");
    source.clear(Side::Write, seen);
    let (count, waker) = Count::new();
    pend(&source, Side::Write, &waker);

    listener.accept().unwrap();
    poll_until(&reactor, &count, 1);
    assert!(socket.take_error().unwrap().is_none());
}

#[test]
fn a_refused_connect_wakes_its_writer() {
    // A port that was free a moment ago, and that nobody listens on.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reactor = Reactor::new().unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.connect(&address.into()).unwrap_err().raw_os_error(), Some(115), "EINPROGRESS");
    let source = reactor.register(&socket).unwrap();
    let (count, waker) = Count::new();
    source.clear(Side::Write, source.readiness(Side::Write));
    if let Wait::Pending(_) = source.wait(Side::Write, &waker) {
        poll_until(&reactor, &count, 1);
    }
    assert_eq!(socket.take_error().unwrap().unwrap().kind(), ErrorKind::ConnectionRefused);
}
