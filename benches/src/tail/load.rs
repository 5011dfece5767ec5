//! The echo server's clients: one kernel thread of the bench that keeps all connections busy, each with one message at
//! a time and a pause for thought after each answer.
//!
//! The pauses keep the load from being a hog itself: it takes a fifth of a CPU. They differ at random, or a stall would
//! leave the connections in step for good. They end on the poll's milliseconds, so messages leave in small bunches, and
//! an answer's time includes that of those before it in its bunch: the same for each contender.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::MESSAGE;
use super::figures::{Operation, now};

/// How many connections there are.
pub(super) const CONNECTIONS: usize = 64;

/// How long a connection pauses after an answer, at least and at most: a dozen messages a millisecond in all.
const THINK_US: Range<u64> = 2_500..7_500;

/// How soon the thread sees that it is to stop.
const LOOK: Duration = Duration::from_millis(20);

/// Connections that are kept busy until [`stop`](Load::stop).
pub(super) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<io::Result<Vec<Operation>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    answered: AtomicUsize,
}

struct Connection {
    stream: TcpStream,
    state: State,
    received: usize,
    /// The state of the generator of pauses (xorshift64).
    random: u64,
}

/// In nanoseconds of [`now`].
#[derive(Clone, Copy)]
enum State {
    /// The next message is sent then.
    Thinking { until: u64 },
    /// The message was sent then, and its answer is not whole.
    Waiting { since: u64 },
}

impl Load {
    /// Connects, and begins.
    ///
    /// # Errors
    ///
    /// What connecting reports.
    pub(super) fn start(address: SocketAddr) -> io::Result<Load> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for index in 0..CONNECTIONS {
            let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            connections.push(Connection {
                stream,
                state: State::Thinking { until: 0 },
                received: 0,
                random: (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            });
        }
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || drive(poll, connections, &shared)
        });
        Ok(Load { shared, thread })
    }

    /// How many messages have been answered so far.
    pub(super) fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Ends the load and returns its messages, those without an answer included.
    ///
    /// # Errors
    ///
    /// What the sockets reported; `UnexpectedEof` if the server closed a connection.
    pub(super) fn stop(self) -> io::Result<Vec<Operation>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the load panicked")))
    }
}

fn drive(mut poll: Poll, mut connections: Vec<Connection>, shared: &Shared) -> io::Result<Vec<Operation>> {
    let mut events = Events::with_capacity(CONNECTIONS);
    let mut answered = Vec::new();
    while !shared.stop.load(Ordering::Relaxed) {
        let time = now();
        for connection in &mut connections {
            connection.send_if_due(time)?;
        }
        poll.poll(&mut events, Some(time_to_next(&connections, time)))?;
        for event in &events {
            answered.extend(connections[event.token().0].receive()?);
        }
        shared.answered.store(answered.len(), Ordering::Relaxed);
    }
    answered.extend(connections.iter().filter_map(|connection| match connection.state {
        State::Waiting { since } => Some(Operation { begun: since, ended: None }),
        State::Thinking { .. } => None,
    }));
    Ok(answered)
}

/// How long nothing is to be sent.
fn time_to_next(connections: &[Connection], time: u64) -> Duration {
    let next = connections.iter().filter_map(|connection| match connection.state {
        State::Thinking { until } => Some(until),
        State::Waiting { .. } => None,
    });
    next.min().map_or(LOOK, |next| Duration::from_nanos(next.saturating_sub(time)).min(LOOK))
}

impl Connection {
    fn send_if_due(&mut self, time: u64) -> io::Result<()> {
        if let State::Thinking { until } = self.state
            && until <= time
        {
            self.state = State::Waiting { since: now() };
            // One small message into an empty buffer: it does not come back short.
            self.stream.write_all(&[7; MESSAGE])?;
        }
        Ok(())
    }

    /// Reads what is there and returns the operation that it ends, if it does.
    fn receive(&mut self) -> io::Result<Option<Operation>> {
        let mut buffer = [0; MESSAGE];
        // Edge-triggered: until there is no more, or until the message is whole, after which nothing can come.
        while self.received < MESSAGE {
            match self.stream.read(&mut buffer[self.received..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let State::Waiting { since } = self.state else { return Err(ErrorKind::InvalidData.into()) };
        let time = now();
        self.received = 0;
        self.state = State::Thinking { until: time + self.think() };
        Ok(Some(Operation { begun: since, ended: Some(time) }))
    }

    /// The nanoseconds of the next pause: the same row of them in each run.
    fn think(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        1_000 * (THINK_US.start + self.random % (THINK_US.end - THINK_US.start))
    }
}
