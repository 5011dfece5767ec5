//! The event loop: it owns all sockets and calls the callbacks.
//!
//! A turn reads whatever has come, which calls callbacks, which queue questions and answers; then it sends
//! all that was queued. Nothing in it ever waits but the poll.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::calls::{LANES_TOTAL, Lanes};
use super::handler::handle;
use crate::child;
use crate::models::{Complaints, Ports};
use crate::socket::LineSocket;
use crate::wire::{self, Answer, REQUEST_BYTES_MAX, Refusal, Request};

const LISTENER: Token = Token(LANES_TOTAL);
const READ_CHUNK: usize = 512;
/// How many requests a client may send before it reads the answers. The blocking models need no such limit:
/// they read the next request when the last is answered.
const QUEUE_MAX: usize = 64;
const DISCARD_BYTES_MAX: usize = 1 << 20;
/// How often to look for calls that are late, and for clients to accept after an error.
const TURN_TIME_MAX: Duration = Duration::from_secs(1);

/// What every callback gets to work with.
pub(super) struct EventLoop {
    pub(super) lanes: Lanes,
    clients: HashMap<Token, Client>,
    /// The next client's token. Never used twice, so an answer cannot reach a wrong client.
    next_client: usize,
    /// Clients with something to send.
    to_flush: Vec<Token>,
    complaints: Complaints,
}

struct Client {
    socket: LineSocket,
    /// Requests that have come while one is being answered: answers keep the order of the requests.
    queue: VecDeque<Vec<u8>>,
    busy: bool,
    reads: Reads,
}

/// What to do with what a client sends.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    Requests,
    /// It was refused. Closing now would reset the connection before it has read why, so this many more
    /// bytes are read and thrown away.
    Nothing(usize),
    /// It has sent its last request.
    Ended,
}

/// Serves for ever.
pub(in crate::models) fn serve(ports: &Ports) -> io::Result<Infallible> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut context = EventLoop {
        lanes: Lanes::new(poll.registry().try_clone()?, ports),
        clients: HashMap::new(),
        next_client: LANES_TOTAL + 1,
        to_flush: Vec::new(),
        complaints: Complaints::default(),
    };
    child::announce(listener.local_addr()?);

    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, Some(TURN_TIME_MAX)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => {}
                Token(lane) if lane < LANES_TOTAL => {
                    for (callback, outcome) in context.lanes.read(event) {
                        callback(&mut context, outcome);
                    }
                }
                client => context.read_client(client, event),
            }
        }
        context.accept(&listener, &poll);
        context.flush();
    }
}

impl EventLoop {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) {
        loop {
            let token = Token(self.next_client);
            let client = listener.accept().and_then(|(stream, _)| {
                stream.set_nodelay(true)?;
                LineSocket::new(stream, poll.registry(), token)
            });
            match client {
                Ok(socket) => {
                    self.next_client += 1;
                    let client =
                        Client { socket, queue: VecDeque::new(), busy: false, reads: Reads::Requests };
                    self.clients.insert(token, client);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.complaints.add(&error),
            }
        }
    }

    /// Reads a client's requests, and starts on the first of them if it is idle.
    fn read_client(&mut self, token: Token, event: &Event) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        if client.read(event.is_read_closed()).is_err() {
            self.clients.remove(&token);
            return;
        }
        self.to_flush.push(token);
        self.start_next(token);
    }

    fn start_next(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        if client.busy {
            return;
        }
        let Some(line) = client.queue.pop_front() else { return };
        client.busy = true;
        match Request::parse(&line) {
            Ok(request) => handle(self, request, move |context, answer| context.answer(token, &answer)),
            Err(refusal) => self.answer(token, &Err(refusal)),
        }
    }

    /// Queues an answer, if the client is still there, and goes on with its next request.
    fn answer(&mut self, token: Token, answer: &Result<Answer, Refusal>) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        client.busy = false;
        wire::push_answer(&mut client.socket.output, answer);
        self.to_flush.push(token);
        self.start_next(token);
    }

    /// Sends all that this turn has queued.
    fn flush(&mut self) {
        loop {
            let failed = self.lanes.flush();
            if failed.is_empty() {
                break;
            }
            for (callback, outcome) in failed {
                callback(self, outcome);
            }
        }
        for token in mem::take(&mut self.to_flush) {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            if client.flush().is_err() || client.is_done() {
                self.clients.remove(&token);
            }
        }
    }
}

impl Client {
    fn read(&mut self, closing: bool) -> io::Result<()> {
        match self.reads {
            Reads::Requests => {
                let queue = &mut self.queue;
                let add = |line: &[u8]| queue.push_back(line.to_vec());
                match self.socket.read_lines(closing, READ_CHUNK, REQUEST_BYTES_MAX, add) {
                    Ok(true) if queue.len() > QUEUE_MAX => self.refuse(Refusal::too_many(), closing),
                    Ok(true) => Ok(()),
                    Ok(false) => {
                        self.reads = Reads::Ended;
                        Ok(())
                    }
                    Err(error) if error.kind() == ErrorKind::InvalidData => {
                        self.refuse(Refusal::long_line(), closing)
                    }
                    Err(error) => Err(error),
                }
            }
            Reads::Nothing(left) => self.discard(left, closing),
            Reads::Ended => Ok(()),
        }
    }

    fn refuse(&mut self, why: Refusal, closing: bool) -> io::Result<()> {
        self.queue.clear();
        wire::push_answer(&mut self.socket.output, &Err(why));
        self.discard(DISCARD_BYTES_MAX, closing)
    }

    fn discard(&mut self, mut left: usize, closing: bool) -> io::Result<()> {
        while left > 0 {
            left = left.saturating_sub(REQUEST_BYTES_MAX);
            self.reads = Reads::Nothing(left);
            self.socket.input.clear();
            match self.socket.read_lines(closing, READ_CHUNK, REQUEST_BYTES_MAX, |_| {}) {
                Ok(true) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::InvalidData => {}
                Ok(false) => break,
                Err(error) => return Err(error),
            }
        }
        self.reads = Reads::Ended;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()?;
        if matches!(self.reads, Reads::Nothing(_)) && self.socket.is_flushed() {
            self.socket.shutdown_write()?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.reads == Reads::Ended && !self.busy && self.queue.is_empty() && self.socket.is_flushed()
    }
}
