//! What a registration is for, and what outlives it.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use tarae_reactor::{Reactor, Side};

use crate::support::*;

#[test]
fn registered_counts_what_lives() {
    let reactor = Reactor::new().unwrap();
    let (left, right) = pair();
    assert_eq!(reactor.registered(), 0);
    let first = reactor.register(&left).unwrap();
    let second = reactor.register(&right).unwrap();
    assert_eq!(reactor.registered(), 2);
    drop(first);
    assert_eq!(reactor.registered(), 1);
    drop(second);
    assert_eq!(reactor.registered(), 0);
}

#[test]
fn what_the_kernel_refuses_is_told_and_leaves_no_trace() {
    let reactor = Reactor::new().unwrap();
    let file = File::open("/proc/self/exe").unwrap();
    assert_eq!(reactor.register(&file).unwrap_err().kind(), ErrorKind::PermissionDenied);
    let (socket, _peer) = pair();
    let _source = reactor.register(&socket).unwrap();
    assert_eq!(reactor.register(&socket).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(reactor.registered(), 1);
}

#[test]
fn a_descriptor_may_be_registered_again() {
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    for wakes in 0..100 {
        let source = reactor.register(&socket).unwrap();
        settle(&reactor, &source);
        let (count, waker) = Count::new();
        pend(&source, Side::Read, &waker);
        peer.write_all(&[wakes]).unwrap();
        poll_until(&reactor, &count, 1);
        empty(&socket);
    }
}

/// A registration that outlives its source: the descriptor is closed first, against the rule, and a duplicate
/// keeps the connection open. Its events carry the old token. The new source has the same place in the table
/// and the same descriptor number.
#[test]
fn a_stale_event_does_not_reach_the_source_that_took_the_place() {
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    let stale = reactor.register(&socket).unwrap();
    let _duplicate = socket.try_clone().unwrap();
    drop(socket);
    drop(stale);

    let (fresh, mut fresh_peer) = pair();
    let source = reactor.register(&fresh).unwrap();
    settle(&reactor, &source);
    let (count, waker) = Count::new();
    pend(&source, Side::Read, &waker);
    peer.write_all(b"for the old one").unwrap();
    assert_eq!(poll_for_a_moment(&reactor), 0);
    assert!(!source.readiness(Side::Read).is_ready());
    assert_eq!(count.wakes(), 0);

    fresh_peer.write_all(b"for the new one").unwrap();
    poll_until(&reactor, &count, 1);
}

#[test]
fn a_reused_descriptor_number_gets_its_own_events() {
    let reactor = Reactor::new().unwrap();
    let mut numbers = Vec::new();
    for _ in 0..50 {
        let (socket, mut peer) = pair();
        numbers.push(socket.as_raw_fd());
        let source = reactor.register(&socket).unwrap();
        settle(&reactor, &source);
        let (count, waker) = Count::new();
        pend(&source, Side::Read, &waker);
        peer.write_all(b"x").unwrap();
        poll_until(&reactor, &count, 1);
        // An event that nobody will take: it is under way when the source goes.
        peer.write_all(b"y").unwrap();
        drop(source);
    }
    numbers.sort();
    numbers.dedup();
    assert!(numbers.len() < 50, "no number was reused, so this has tested nothing");
}

#[test]
fn dropping_a_source_wakes_who_still_waits() {
    let reactor = Reactor::new().unwrap();
    let (socket, _peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    let (count, waker) = Count::new();
    pend(&source, Side::Read, &waker);
    pend(&source, Side::Read, &waker);
    pend(&source, Side::Write, &waker);
    drop(source);
    assert_eq!(count.wakes(), 3);
    assert_eq!(Arc::strong_count(&count), 2, "no clone of the waker is left");
}

#[test]
fn a_source_keeps_its_reactor() {
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    let held = Arc::downgrade(&reactor);
    drop(reactor);
    settle(source.reactor(), &source);
    let (count, waker) = Count::new();
    pend(&source, Side::Read, &waker);
    peer.write_all(b"x").unwrap();
    poll_until(source.reactor(), &count, 1);
    drop(source);
    assert!(held.upgrade().is_none());
}
