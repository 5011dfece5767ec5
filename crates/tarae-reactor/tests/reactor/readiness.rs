//! Events, readiness and waiters of one source.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use tarae_reactor::{Reactor, Side, Wait};

use crate::support::*;

#[test]
fn a_fresh_source_is_ready_on_both_sides() {
    let (socket, _peer) = pair();
    let source = Reactor::new().unwrap().register(&socket).unwrap();
    for side in [Side::Read, Side::Write] {
        assert!(source.readiness(side).is_ready());
        assert!(!source.readiness(side).is_hangup());
        assert_eq!(source.wait(side, std::task::Waker::noop()), Wait::Ready);
    }
}

#[test]
fn data_wakes_the_reader() {
    let reactor = Reactor::new().unwrap();
    let (mut socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    let (count, waker) = Count::new();
    let key = pend(&source, Side::Read, &waker);
    peer.write_all(b"x").unwrap();
    poll_until(&reactor, &count, 1);
    assert!(!source.cancel(key), "the event took the waiter");
    assert!(source.readiness(Side::Read).is_ready());
    assert_eq!(socket.read(&mut [0; 8]).unwrap(), 1);
}

#[test]
fn data_wakes_the_reader_of_a_tcp_stream_and_a_connection_that_of_a_listener() {
    let reactor = Reactor::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let accepting = reactor.register(&listener).unwrap();
    settle(&reactor, &accepting);
    let (count, waker) = Count::new();
    pend(&accepting, Side::Read, &waker);
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    poll_until(&reactor, &count, 1);

    let (server, _) = listener.accept().unwrap();
    let reading = reactor.register(&server).unwrap();
    settle(&reactor, &reading);
    pend(&reading, Side::Read, &waker);
    client.write_all(b"x").unwrap();
    poll_until(&reactor, &count, 2);
}

#[test]
fn an_event_between_would_block_and_clear_is_not_lost() {
    let reactor = Reactor::new().unwrap();
    let (mut socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    let seen = source.readiness(Side::Read);
    would_block(socket.read(&mut [0; 8]));
    peer.write_all(b"x").unwrap();
    reactor.poll(Some(LIMIT)).unwrap();
    source.clear(Side::Read, seen);
    assert_eq!(source.wait(Side::Read, std::task::Waker::noop()), Wait::Ready);
}

#[test]
fn an_event_between_clear_and_wait_is_not_lost() {
    let reactor = Reactor::new().unwrap();
    let (mut socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    let seen = source.readiness(Side::Read);
    would_block(socket.read(&mut [0; 8]));
    source.clear(Side::Read, seen);
    peer.write_all(b"x").unwrap();
    reactor.poll(Some(LIMIT)).unwrap();
    assert_eq!(source.wait(Side::Read, std::task::Waker::noop()), Wait::Ready);
}

#[test]
fn data_after_a_short_read_is_a_new_event() {
    let reactor = Reactor::new().unwrap();
    let (mut socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    peer.write_all(b"abc").unwrap();
    settle(&reactor, &source);
    let (count, waker) = Count::new();
    for wakes in 1..=10 {
        let seen = source.readiness(Side::Read);
        assert_eq!(socket.read(&mut [0; 8]).unwrap(), 3);
        source.drained(Side::Read, seen);
        pend(&source, Side::Read, &waker);
        peer.write_all(b"abc").unwrap();
        poll_until(&reactor, &count, wakes);
    }
}

#[test]
fn a_cancelled_waiter_is_not_woken() {
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    let (cancelled, waker) = Count::new();
    let key = pend(&source, Side::Read, &waker);
    let (stays, other) = Count::new();
    pend(&source, Side::Read, &other);
    assert!(source.cancel(key));
    assert!(!source.cancel(key), "the second time does nothing");
    assert_eq!(Arc::strong_count(&cancelled), 2, "the list holds no clone of the waker");
    peer.write_all(b"x").unwrap();
    poll_until(&reactor, &stays, 1);
    assert_eq!(cancelled.wakes(), 0);
}

#[test]
fn a_side_wakes_only_its_own_waiters() {
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    fill(&socket);
    settle(&reactor, &source);
    let (reads, reader) = Count::new();
    let (writes, writer) = Count::new();
    pend(&source, Side::Read, &reader);
    pend(&source, Side::Write, &writer);

    peer.write_all(b"x").unwrap();
    poll_until(&reactor, &reads, 1);
    assert_eq!(writes.wakes(), 0, "nothing has been read, so nothing fits");
    assert!(!source.readiness(Side::Write).is_ready());

    empty(&socket);
    source.clear(Side::Read, source.readiness(Side::Read));
    pend(&source, Side::Read, &reader);
    empty(&peer);
    poll_until(&reactor, &writes, 1);
    assert_eq!(reads.wakes(), 1);
    assert!(!source.readiness(Side::Read).is_ready());
}

#[test]
fn every_waiter_of_a_side_is_woken() {
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    let (count, waker) = Count::new();
    for _ in 0..5 {
        pend(&source, Side::Read, &waker);
    }
    peer.write_all(b"x").unwrap();
    assert_eq!(reactor.poll(Some(LIMIT)).unwrap(), 5);
    assert_eq!(count.wakes(), 5);
}

#[test]
fn a_waiter_that_is_listed_leaves_when_its_place_is_dropped() {
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    let (count, waker) = Count::new();
    assert!(source.list(Side::Read, &waker).is_none(), "it is ready");
    settle(&reactor, &source);
    let [first, kept, last] = [(); 3].map(|()| source.list(Side::Read, &waker).unwrap());
    drop((first, last));
    assert!(reactor.has_waiters());
    peer.write_all(b"x").unwrap();
    assert_eq!(reactor.poll(Some(LIMIT)).unwrap(), 1);
    drop(kept);
    assert_eq!((count.wakes(), reactor.has_waiters()), (1, false));
}

#[test]
fn a_place_in_the_list_outlives_the_source_and_keeps_no_registration() {
    let reactor = Reactor::new().unwrap();
    let (socket, _peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    let (count, waker) = Count::new();
    let listed = source.list(Side::Read, &waker).unwrap();
    drop(source);
    assert_eq!((count.wakes(), reactor.registered()), (1, 0));
    let again = reactor.register(&socket).unwrap();
    drop(listed);
    assert_eq!(reactor.registered(), 1);
    drop(again);
}

#[test]
fn a_waker_that_panics_does_not_end_the_poll_nor_keep_others_asleep() {
    struct Panics;
    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("a waker's panic"));
        }
    }
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    let ((count, waker), panics) = (Count::new(), std::task::Waker::from(Arc::new(Panics)));
    for waker in [&waker, &panics, &panics, &waker] {
        pend(&source, Side::Read, waker);
    }
    peer.write_all(b"x").unwrap();
    assert_eq!(reactor.poll(Some(LIMIT)).unwrap(), 4);
    assert_eq!(count.wakes(), 2);
    // Those who wait when the source or the reactor ends are woken likewise.
    settle_again(&reactor, &source);
    for waker in [&panics, &waker] {
        pend(&source, Side::Read, waker);
    }
    reactor.close();
    settle_again(&reactor, &source);
    for waker in [&panics, &waker] {
        pend(&source, Side::Read, waker);
    }
    drop(source);
    assert_eq!(count.wakes(), 4);
}

/// As `settle`, of one side.
fn settle_again(reactor: &Reactor, source: &tarae_reactor::Source) {
    while reactor.try_poll().unwrap() != Some(0) {}
    source.clear(Side::Read, source.readiness(Side::Read));
}
