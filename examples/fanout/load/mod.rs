//! The load generator: one process, one event loop, as many connections as there are concurrent clients.
//!
//! Each client sends a request, waits for the answer, compares it byte by byte with the one computed here,
//! and sends the next. All connections are made before the clock starts; from then on everything counts:
//! the first request of each client as much as the last.
//!
//! What it tells its parent: `connected N` while connecting, `ready`, then (after it was told to go) `done N`
//! a few times a second, and at last `result JSON`.

mod ramp;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Poll};
use serde::{Deserialize, Serialize};

use crate::child;
use crate::data::Shop;
use crate::socket::LineSocket;
use crate::wire::{self, REPLY_BYTES_MAX};

/// An answer is about 600 bytes.
const READ_CHUNK: usize = 2 * 1024;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// When nobody has got an answer for so long, the outstanding ones are counted as errors.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Longer latencies are recorded as this: ten minutes.
const LATENCY_US_MAX: u64 = 600_000_000;
/// How many clients send their first request before answers are looked for again.
const STARTS_PER_TURN: usize = 100;

/// What came out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
}

/// Connects, waits for the word, and sends `requests` requests over `concurrency` connections.
pub(crate) fn run(addr: SocketAddr, concurrency: usize, requests: u64, go: &Receiver<()>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let sockets = ramp::connect_all(&mut poll, addr, concurrency)?;
    child::tell("ready");
    if go.recv().is_err() {
        return Ok(());
    }
    let mut load = Load::new(sockets, requests);
    let started = Instant::now();
    load.run(&mut poll)?;
    let outcome = load.outcome(started.elapsed());
    child::tell(&format!("result {}", serde_json::to_string(&outcome)?));
    Ok(())
}

struct Load {
    shop: Shop,
    /// By token; none if the connection was lost.
    clients: Vec<Option<Client>>,
    /// Clients that have not sent anything yet.
    to_start: Range<usize>,
    /// Numbers of the requests not sent yet.
    to_send: Range<u64>,
    /// How many requests have been answered, or never will be.
    done: u64,
    requests: u64,
    errors: u64,
    first_error: Option<String>,
    latency_us: Histogram<u64>,
}

struct Client {
    socket: LineSocket,
    /// The number of the request that waits for its answer, and when it was sent.
    waiting: Option<(u64, Instant)>,
    /// The line that must come.
    expected: Vec<u8>,
}

impl Load {
    fn new(sockets: Vec<LineSocket>, requests: u64) -> Self {
        let to_start = 0..sockets.len();
        let client = |socket| Some(Client { socket, waiting: None, expected: Vec::new() });
        Load {
            shop: Shop::new(),
            clients: sockets.into_iter().map(client).collect(),
            to_start,
            to_send: 0..requests,
            done: 0,
            requests,
            errors: 0,
            first_error: None,
            latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are in order"),
        }
    }

    fn run(&mut self, poll: &mut Poll) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut told = (Instant::now(), 0);
        let mut last_answer = Instant::now();
        while self.done < self.requests {
            let starting: Vec<usize> = self.to_start.by_ref().take(STARTS_PER_TURN).collect();
            for &client in &starting {
                self.send_next(client);
            }
            let timeout = if starting.is_empty() { PROGRESS_INTERVAL } else { Duration::ZERO };
            match poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let done = self.done;
            for event in &events {
                self.hear(event);
            }
            if self.done > done || !starting.is_empty() {
                last_answer = Instant::now();
            }
            if told.0.elapsed() >= PROGRESS_INTERVAL && self.done > told.1 {
                child::tell(&format!("done {}", self.done));
                told = (Instant::now(), self.done);
            }
            if last_answer.elapsed() > SILENCE_MAX {
                self.give_up(&format!("no answer for {} s", SILENCE_MAX.as_secs()));
            } else if self.to_start.is_empty() && self.clients.iter().all(Option::is_none) {
                self.give_up("all connections are lost");
            }
        }
        Ok(())
    }

    /// Lets a client send its next request, if there is one left.
    fn send_next(&mut self, at: usize) {
        let Some(client) = &mut self.clients[at] else { return };
        let Some(number) = self.to_send.next() else { return };
        let request = self.shop.request(number);
        client.expected.clear();
        let expected = self.shop.expected(&request).expect("generated requests have known users");
        wire::push_line(&mut client.expected, &expected);
        wire::push_line(&mut client.socket.output, &request);
        client.waiting = Some((number, Instant::now()));
        if let Err(error) = client.socket.flush() {
            self.lose(at, &error);
        }
    }

    /// Takes a client's answer.
    fn hear(&mut self, event: &Event) {
        let at = event.token().0;
        let Some(client) = &mut self.clients[at] else { return };
        let mut answers = Vec::new();
        let heard = client.socket.flush().and_then(|()| {
            let closing = event.is_read_closed();
            client.socket.read_lines(closing, READ_CHUNK, REPLY_BYTES_MAX, |line| answers.push(line.to_vec()))
        });
        for answer in answers {
            self.take(at, &answer);
        }
        match heard {
            Ok(true) => {}
            Ok(false) => self.lose(at, &io::Error::new(ErrorKind::UnexpectedEof, "the server closed it")),
            Err(error) => self.lose(at, &error),
        }
    }

    fn take(&mut self, at: usize, answer: &[u8]) {
        let Some(client) = &mut self.clients[at] else { return };
        let Some((number, sent)) = client.waiting.take() else {
            return self.count_error(|| "an answer without a request".to_owned());
        };
        self.done += 1;
        if client.expected.strip_suffix(b"\n") == Some(answer) {
            self.latency_us.saturating_record(sent.elapsed().as_micros() as u64);
        } else {
            let expected = String::from_utf8_lossy(&client.expected).trim_end().to_owned();
            self.count_error(|| {
                let answer = String::from_utf8_lossy(answer);
                format!("request {number}: expected {expected}, got {answer}")
            });
        }
        self.send_next(at);
    }

    fn lose(&mut self, at: usize, error: &io::Error) {
        let Some(client) = self.clients[at].take() else { return };
        if let Some((number, _)) = client.waiting {
            self.done += 1;
            self.count_error(|| format!("request {number}: the connection is lost: {error}"));
        }
    }

    /// Counts all that is still to do as errors.
    fn give_up(&mut self, why: &str) {
        let missing = self.requests - self.done;
        self.count_error(|| format!("{why}; {missing} requests were not answered"));
        self.errors += missing - 1;
        self.done = self.requests;
    }

    fn count_error(&mut self, what: impl FnOnce() -> String) {
        self.errors += 1;
        self.first_error.get_or_insert_with(what);
    }

    fn outcome(self, elapsed: Duration) -> Outcome {
        let ms = |quantile| self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0;
        let (p50_ms, p99_ms, p999_ms) = (ms(0.5), ms(0.99), ms(0.999));
        let (errors, seconds) = (self.errors, elapsed.as_secs_f64());
        Outcome { errors, first_error: self.first_error, seconds, p50_ms, p99_ms, p999_ms }
    }
}
