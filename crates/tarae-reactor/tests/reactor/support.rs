//! What the tests share: a deadline, wakers that count, sockets that are full or empty.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tarae_reactor::{Reactor, Side, Source, Wait, WaitKey};

/// Ample for anything that is not lost.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
/// Long enough to see that something does *not* happen.
pub(crate) const MOMENT: Duration = Duration::from_millis(30);

/// Runs `body` on a thread of its own, and fails if it has not ended by `limit`.
pub(crate) fn within<T: Send + 'static>(limit: Duration, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(catch_unwind(AssertUnwindSafe(body))));
    match result.recv_timeout(limit) {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("not done after {limit:?}"),
    }
}

/// Counts its wakes.
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) fn new() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    pub(crate) fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Both ends of a connection, non-blocking.
pub(crate) fn pair() -> (UnixStream, UnixStream) {
    let (left, right) = UnixStream::pair().unwrap();
    left.set_nonblocking(true).unwrap();
    right.set_nonblocking(true).unwrap();
    (left, right)
}

pub(crate) fn would_block<T: std::fmt::Debug>(result: io::Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Writes until nothing more fits; returns how much did.
pub(crate) fn fill(mut socket: &UnixStream) -> usize {
    let mut total = 0;
    loop {
        match socket.write(&[7; 4096]) {
            Ok(count) => total += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads until nothing is left; returns how much was.
pub(crate) fn empty(mut socket: &UnixStream) -> usize {
    let mut total = 0;
    let mut buf = [0; 4096];
    loop {
        match socket.read(&mut buf) {
            Ok(0) => return total,
            Ok(count) => total += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Takes in the events that are there, and forgets what both sides knew.
pub(crate) fn settle(reactor: &Reactor, source: &Source) {
    while reactor.try_poll().unwrap() != Some(0) {}
    for side in [Side::Read, Side::Write] {
        source.clear(side, source.readiness(side));
        assert!(!source.readiness(side).is_ready());
    }
}

/// Lists `waker`; the side must not be ready.
pub(crate) fn pend(source: &Source, side: Side, waker: &Waker) -> WaitKey {
    match source.wait(side, waker) {
        Wait::Pending(key) => key,
        Wait::Ready => panic!("{side:?} is ready"),
    }
}

/// Polls until `count` has been woken `wakes` times.
pub(crate) fn poll_until(reactor: &Reactor, count: &Count, wakes: usize) {
    let deadline = Instant::now() + LIMIT;
    while count.wakes() < wakes {
        assert!(Instant::now() < deadline, "only {} of {wakes} wakes", count.wakes());
        reactor.poll(Some(MOMENT)).unwrap();
    }
}

/// Polls for a moment, and returns how many waiters were woken.
pub(crate) fn poll_for_a_moment(reactor: &Reactor) -> usize {
    let end = Instant::now() + MOMENT;
    let mut woken = 0;
    while Instant::now() < end {
        woken += reactor.poll(Some(end - Instant::now().min(end))).unwrap();
    }
    woken
}
