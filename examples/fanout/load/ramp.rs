//! Connecting thousands of clients without overrunning the server.
//!
//! A listener's queue holds 128 connections (std's choice), and a connect that does not fit is only tried
//! again by the kernel after a second. So few are in flight at a time; and since the kernel completes a
//! connect before the server has accepted it, a client counts as in flight until it has got its first answer:
//! the refusal of an empty query, which no backend is asked for.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Poll, Registry, Token};

use crate::child;
use crate::socket::LineSocket;
use crate::wire::{self, REPLY_BYTES_MAX, Request};

const IN_FLIGHT_MAX: usize = 64;
const READ_CHUNK: usize = 512;
/// How long to wait after a refused connect.
const PAUSE: Duration = Duration::from_millis(20);
/// When no client has been accepted for so long, there will be no more.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Makes `count` connections, whose tokens are their places in the result.
pub(super) fn connect_all(poll: &mut Poll, addr: SocketAddr, count: usize) -> io::Result<Vec<LineSocket>> {
    let mut ramp = Ramp {
        registry: poll.registry().try_clone()?,
        addr,
        clients: (0..count).map(|_| Client::Absent).collect(),
        to_open: (0..count).rev().collect(),
        in_flight: 0,
        refused: None,
    };
    let mut events = Events::with_capacity(IN_FLIGHT_MAX);
    let (mut last_progress, mut last_told, mut connected) = (Instant::now(), Instant::now(), 0);
    while connected < count {
        ramp.open_some()?;
        match poll.poll(&mut events, Some(PAUSE)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if ramp.step(event)? {
                connected += 1;
                last_progress = Instant::now();
            }
        }
        if last_told.elapsed() > Duration::from_millis(100) {
            child::tell(&format!("connected {connected}"));
            last_told = Instant::now();
        }
        if last_progress.elapsed() > SILENCE_MAX {
            return Err(ramp.stuck(connected));
        }
    }
    Ok(ramp.clients.into_iter().filter_map(Client::into_socket).collect())
}

struct Ramp {
    registry: Registry,
    addr: SocketAddr,
    clients: Vec<Client>,
    to_open: Vec<usize>,
    in_flight: usize,
    /// The last failure, and when.
    refused: Option<(Instant, io::Error)>,
}

enum Client {
    Absent,
    Connecting(LineSocket),
    Greeted(LineSocket),
    Connected(LineSocket),
}

impl Ramp {
    fn open_some(&mut self) -> io::Result<()> {
        if self.refused.as_ref().is_some_and(|(when, _)| when.elapsed() < PAUSE) {
            return Ok(());
        }
        while self.in_flight < IN_FLIGHT_MAX
            && let Some(at) = self.to_open.pop()
        {
            let stream = TcpStream::connect(self.addr).map_err(explain)?;
            self.clients[at] = Client::Connecting(LineSocket::new(stream, &self.registry, Token(at))?);
            self.in_flight += 1;
        }
        Ok(())
    }

    /// Lets a client do its next step; says whether it was the last. A refused one will be tried again.
    fn step(&mut self, event: &Event) -> io::Result<bool> {
        let at = event.token().0;
        match self.clients[at].step(event.is_read_closed()) {
            Ok(connected) => {
                self.in_flight -= usize::from(connected);
                Ok(connected)
            }
            Err(error) if is_refusal(&error) => {
                self.clients[at] = Client::Absent;
                self.to_open.push(at);
                self.in_flight -= 1;
                self.refused = Some((Instant::now(), error));
                Ok(false)
            }
            Err(error) => Err(explain(error)),
        }
    }

    fn stuck(&self, connected: usize) -> io::Error {
        let reason = self.refused.as_ref().map_or("no answer".to_owned(), |(_, error)| error.to_string());
        let count = self.clients.len();
        io::Error::other(format!(
            "the server took {connected} of {count} connections, and none for {} s: {reason}",
            SILENCE_MAX.as_secs()
        ))
    }
}

impl Client {
    /// Returns whether this step was the last one.
    fn step(&mut self, closing: bool) -> io::Result<bool> {
        if let Client::Connecting(socket) = self {
            if !socket.connected()? {
                return Ok(false);
            }
            wire::push_line(&mut socket.output, &Request { user: 0, query: String::new() });
            socket.flush()?;
            self.advance(Client::Greeted);
        }
        let Client::Greeted(socket) = self else { return Ok(false) };
        let mut refused = false;
        let check = |line: &[u8]| refused = line.starts_with(b"{\"error\":");
        if !socket.read_lines(closing, READ_CHUNK, REPLY_BYTES_MAX, check)? {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if refused {
            self.advance(Client::Connected);
        }
        Ok(refused)
    }

    fn advance(&mut self, next: fn(LineSocket) -> Client) {
        if let Some(socket) = std::mem::replace(self, Client::Absent).into_socket() {
            *self = next(socket);
        }
    }

    fn into_socket(self) -> Option<LineSocket> {
        match self {
            Client::Absent => None,
            Client::Connecting(socket) | Client::Greeted(socket) | Client::Connected(socket) => Some(socket),
        }
    }
}

fn is_refusal(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | ConnectionAborted | BrokenPipe | TimedOut)
}

fn explain(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::AddrNotAvailable => io::Error::new(error.kind(), "no local port is left for a connection"),
        _ => error,
    }
}
