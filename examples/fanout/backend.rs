//! The three backends: each a process that answers every question after the same delay.
//!
//! Since the delays are equal, answers are due in the order of their questions: a queue is enough, and its
//! front tells how long to sleep. What is due together is sent together.
//!
//! The queue is bounded by the callers: each waits for its answer before it asks again.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::child;
use crate::data::Shop;
use crate::socket::LineSocket;
use crate::wire::{self, AskQuery, AskStock, AskUser, Question, REPLY_BYTES_MAX, Reply};

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    User,
    Query,
    Stock,
}

impl Kind {
    /// Its name, on the command line and in errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Query => "query",
            Kind::Stock => "stock",
        }
    }
}

const LISTENER: Token = Token(0);
const READ_CHUNK: usize = 64 * 1024;

/// Serves until the process ends.
pub(crate) fn serve(kind: Kind, delay: Duration) -> io::Result<Infallible> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    child::announce(listener.local_addr()?);

    let mut backend =
        Backend { kind, delay, shop: Shop::new(), callers: HashMap::new(), due: VecDeque::new(), next: 1 };
    let mut events = Events::with_capacity(256);
    loop {
        match poll.poll(&mut events, backend.until_due()) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => backend.accept(&listener, &poll)?,
                caller => backend.hear(caller, event),
            }
        }
        backend.answer_due();
    }
}

struct Backend {
    kind: Kind,
    delay: Duration,
    shop: Shop,
    callers: HashMap<Token, LineSocket>,
    /// When, to whom, what.
    due: VecDeque<(Instant, Token, Vec<u8>)>,
    /// The next caller's token. Never used twice, so an answer cannot reach a wrong caller.
    next: usize,
}

impl Backend {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> io::Result<()> {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nodelay(true)?;
                    let token = Token(self.next);
                    self.next += 1;
                    self.callers.insert(token, LineSocket::new(stream, poll.registry(), token)?);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads questions, works the answers out and queues them. A caller that breaks off is forgotten.
    fn hear(&mut self, token: Token, event: &Event) {
        let Some(caller) = self.callers.get_mut(&token) else { return };
        let due = Instant::now() + self.delay;
        let queue = |line: &[u8]| {
            let mut answer = Vec::new();
            answer_to(self.kind, &self.shop, line, &mut answer);
            self.due.push_back((due, token, answer));
        };
        let open = caller.read_lines(event.is_read_closed(), READ_CHUNK, REPLY_BYTES_MAX, queue);
        let open = open.and_then(|open| caller.flush().map(|()| open));
        if !open.unwrap_or(false) {
            self.callers.remove(&token);
        }
    }

    fn until_due(&self) -> Option<Duration> {
        self.due.front().map(|(due, ..)| due.saturating_duration_since(Instant::now()))
    }

    fn answer_due(&mut self) {
        let now = Instant::now();
        let mut answered = Vec::new();
        while let Some((_, token, answer)) = self.due.pop_front_if(|(due, ..)| *due <= now) {
            let Some(caller) = self.callers.get_mut(&token) else { continue };
            caller.output.extend_from_slice(&answer);
            if !answered.contains(&token) {
                answered.push(token);
            }
        }
        for token in answered {
            if self.callers.get_mut(&token).is_some_and(|caller| caller.flush().is_err()) {
                self.callers.remove(&token);
            }
        }
    }
}

/// Appends the answer to one question.
fn answer_to(kind: Kind, shop: &Shop, line: &[u8], answer: &mut Vec<u8>) {
    match kind {
        Kind::User => reply(line, answer, |ask: AskUser| {
            shop.user(ask.user).cloned().ok_or_else(|| format!("no such user: {}", ask.user))
        }),
        Kind::Query => reply(line, answer, |ask: AskQuery| Ok(shop.search(&ask.query, &ask.favourites))),
        Kind::Stock => reply(line, answer, |mut ask: AskStock| {
            ask.products.retain(|&product| shop.stock(product) > 0);
            Ok(ask.products)
        }),
    }
}

fn reply<Q: DeserializeOwned, A: Serialize>(
    line: &[u8],
    answer: &mut Vec<u8>,
    work: impl FnOnce(Q) -> Result<A, String>,
) {
    let reply = match serde_json::from_slice::<Question<Q>>(line) {
        Ok(Question { id, ask }) => match work(ask) {
            Ok(ok) => Reply { id, ok: Some(ok), error: None },
            Err(error) => Reply { id, ok: None, error: Some(error) },
        },
        Err(error) => {
            let id = wire::reply_id(line).unwrap_or(0);
            Reply { id, ok: None, error: Some(format!("not a question: {error}")) }
        }
    };
    wire::push_line(answer, &reply);
}
