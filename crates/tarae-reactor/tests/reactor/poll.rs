//! Turns: who takes them, how they end, what a waker may do in them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tarae_reactor::{Reactor, Side, Source};

use crate::support::*;

#[test]
fn a_poll_without_events_ends_at_its_timeout() {
    let reactor = Reactor::new().unwrap();
    let start = Instant::now();
    assert_eq!(within(LIMIT, move || reactor.poll(Some(MOMENT))).unwrap(), 0);
    assert!(start.elapsed() >= MOMENT);
}

#[test]
fn try_poll_dispatches_what_is_there_and_does_not_wait() {
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    let (count, waker) = Count::new();
    pend(&source, Side::Read, &waker);
    assert_eq!(reactor.try_poll().unwrap(), Some(0));
    peer.write_all(b"x").unwrap();
    assert_eq!(reactor.try_poll().unwrap(), Some(1));
    assert_eq!(count.wakes(), 1);
}

#[test]
fn try_poll_leaves_the_events_to_the_thread_that_polls() {
    let reactor = Reactor::new().unwrap();
    let (socket, mut peer) = pair();
    let source = reactor.register(&socket).unwrap();
    settle(&reactor, &source);
    let (count, waker) = Count::new();
    pend(&source, Side::Read, &waker);
    let poller = thread::spawn({
        let reactor = reactor.clone();
        move || poll_until(&reactor, &count, 1)
    });
    let deadline = Instant::now() + LIMIT;
    while reactor.try_poll().unwrap().is_some() {
        assert!(Instant::now() < deadline, "the other thread does not poll");
    }
    peer.write_all(b"x").unwrap();
    within(LIMIT, || poller.join().unwrap());
}

/// Polls, registers and waits, all from within a wake.
struct Reenter {
    reactor: Arc<Reactor>,
    source: Arc<Source>,
    wakes: AtomicUsize,
}

impl Wake for Reenter {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        assert!(self.reactor.try_poll().unwrap().is_some(), "the turn was over before the wake");
        let (socket, _peer) = pair();
        drop(self.reactor.register(&socket).unwrap());
        for side in [Side::Read, Side::Write] {
            self.source.clear(side, self.source.readiness(side));
            let key = pend(&self.source, side, Waker::noop());
            self.source.cancel(key);
        }
        self.reactor.notify();
    }
}

#[test]
fn a_waker_may_call_the_reactor_it_is_woken_by() {
    within(LIMIT, || {
        let reactor = Reactor::new().unwrap();
        let (socket, mut peer) = pair();
        let source = Arc::new(reactor.register(&socket).unwrap());
        settle(&reactor, &source);
        let reenter = Arc::new(Reenter {
            reactor: reactor.clone(),
            source: source.clone(),
            wakes: AtomicUsize::new(0),
        });
        pend(&source, Side::Read, &Waker::from(reenter.clone()));
        peer.write_all(b"x").unwrap();
        assert_eq!(reactor.poll(Some(LIMIT)).unwrap(), 1);
        assert_eq!(reenter.wakes.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn two_threads_may_poll_at_once_and_share_the_turns() {
    let reactor = Reactor::new().unwrap();
    let start = Arc::new(Barrier::new(2));
    let polls: Vec<_> = (0..2)
        .map(|_| {
            let (reactor, start) = (reactor.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                reactor.poll(Some(MOMENT)).unwrap()
            })
        })
        .collect();
    within(LIMIT, || polls.into_iter().for_each(|poll| assert_eq!(poll.join().unwrap(), 0)));
}

const CHILD: &str = "TARAE_REACTOR_TEST_POLLS";

/// epoll_wait fails with `EINTR` in a process that is stopped and continued (signal(7)): no handler needed.
#[test]
fn an_interrupted_poll_is_a_turn_without_events() {
    if std::env::var_os(CHILD).is_some() {
        let start = Instant::now();
        let result = Reactor::new().unwrap().poll(Some(LIMIT));
        assert_eq!(result.unwrap(), 0);
        assert!(start.elapsed() < LIMIT, "the poll was not interrupted");
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "poll::an_interrupted_poll_is_a_turn_without_events", "--test-threads=1"])
        .env(CHILD, "1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    };
    // Several times, in case that the first came before the poll.
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(100));
        signal("-STOP");
        thread::sleep(MOMENT);
        signal("-CONT");
    }
    assert!(child.wait().unwrap().success());
}
