//! Calls to the backends: each is a question on a shared connection and a callback that waits for its answer.
//!
//! Every callback is called once: with the answer, or with an error when its connection is lost or the
//! deadline has passed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Registry, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::event_loop::EventLoop;
use crate::backend::Kind;
use crate::models::{CALL_TIME_MAX, LANES, Ports};
use crate::socket::LineSocket;
use crate::wire::{self, Question, REPLY_BYTES_MAX, Refusal};

/// How many connections there are to all backends. Their tokens are the numbers below this.
pub(super) const LANES_TOTAL: usize = 3 * LANES;
const READ_CHUNK: usize = 64 * 1024;

/// The line that answers a call, or why there is none.
type Outcome = io::Result<Vec<u8>>;
type Callback = Box<dyn FnOnce(&mut EventLoop, Outcome)>;

/// All connections to the backends.
pub(super) struct Lanes {
    registry: Registry,
    lanes: [Lane; LANES_TOTAL],
    next_id: u64,
}

struct Lane {
    token: Token,
    addr: SocketAddr,
    /// None before the first call and after a loss.
    socket: Option<LineSocket>,
    /// By id; ids grow, so the first has waited longest.
    waiting: BTreeMap<u64, (Instant, Callback)>,
}

impl Lanes {
    pub(super) fn new(registry: Registry, ports: &Ports) -> Self {
        let lanes = std::array::from_fn(|at| {
            let addr = [ports.user, ports.query, ports.stock][at / LANES];
            Lane { token: Token(at), addr, socket: None, waiting: BTreeMap::new() }
        });
        Lanes { registry, lanes, next_id: 0 }
    }

    /// Queues a question. It is sent at the end of the loop's turn, with all others of that turn.
    fn ask(
        &mut self,
        to: Kind,
        ask: &impl Serialize,
        callback: Callback,
    ) -> Result<(), (Callback, io::Error)> {
        let id = self.next_id;
        self.next_id += 1;
        let lane = &mut self.lanes[to as usize * LANES + id as usize % LANES];
        match lane.socket(&self.registry) {
            Ok(socket) => wire::push_line(&mut socket.output, &Question { id, ask }),
            Err(error) => return Err((callback, error)),
        }
        lane.waiting.insert(id, (Instant::now(), callback));
        Ok(())
    }

    /// Reads what came; returns the callbacks to be called, with what.
    #[must_use]
    pub(super) fn read(&mut self, event: &Event) -> Vec<(Callback, Outcome)> {
        let lane = &mut self.lanes[event.token().0];
        match lane.read(event) {
            Ok(answered) => answered,
            Err(error) => lane.lose(&error),
        }
    }

    /// Sends what was queued; returns the callbacks of connections found lost or late.
    #[must_use]
    pub(super) fn flush(&mut self) -> Vec<(Callback, Outcome)> {
        let mut lost = Vec::new();
        for lane in &mut self.lanes {
            let Some(socket) = &mut lane.socket else { continue };
            if let Err(error) = socket.flush() {
                lost.extend(lane.lose(&error));
            } else if lane.is_late() {
                lost.extend(lane.lose(&io::Error::new(ErrorKind::TimedOut, "no answer in time")));
            }
        }
        lost
    }
}

impl Lane {
    fn socket(&mut self, registry: &Registry) -> io::Result<&mut LineSocket> {
        if self.socket.is_none() {
            self.socket = Some(LineSocket::new(TcpStream::connect(self.addr)?, registry, self.token)?);
        }
        Ok(self.socket.as_mut().expect("it was just made"))
    }

    fn read(&mut self, event: &Event) -> io::Result<Vec<(Callback, Outcome)>> {
        let (mut answered, mut nonsense) = (Vec::new(), None);
        let Some(socket) = &mut self.socket else { return Ok(answered) };
        if !socket.connected()? {
            return Ok(answered);
        }
        let open =
            socket.read_lines(
                event.is_read_closed(),
                READ_CHUNK,
                REPLY_BYTES_MAX,
                |line| match wire::reply_id(line) {
                    Ok(id) => {
                        answered.extend(self.waiting.remove(&id).map(|(_, call)| (call, Ok(line.to_vec()))))
                    }
                    Err(error) => nonsense = Some(error),
                },
            );
        let broken = match (open, nonsense) {
            (Ok(true), None) => return Ok(answered),
            (Ok(_), Some(error)) | (Err(error), _) => error,
            (Ok(false), None) => io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed"),
        };
        answered.extend(self.lose(&broken));
        Ok(answered)
    }

    fn is_late(&self) -> bool {
        self.waiting.first_key_value().is_some_and(|(_, (since, _))| since.elapsed() > CALL_TIME_MAX)
    }

    /// Gives the connection up; returns all its callbacks with the error.
    fn lose(&mut self, error: &io::Error) -> Vec<(Callback, Outcome)> {
        self.socket = None;
        let copy = || io::Error::new(error.kind(), error.to_string());
        mem::take(&mut self.waiting).into_values().map(|(_, call)| (call, Err(copy()))).collect()
    }
}

impl EventLoop {
    /// Asks a backend; `then` gets the answer, at some later time.
    pub(super) fn call<A: DeserializeOwned>(
        &mut self,
        to: Kind,
        ask: &impl Serialize,
        then: impl FnOnce(&mut EventLoop, Result<A, Refusal>) + 'static,
    ) {
        let name = to.name();
        let callback = Box::new(move |context: &mut EventLoop, outcome: Outcome| {
            let answer = outcome.and_then(|line| wire::parse_reply(&line));
            then(context, answer.map_err(|error| Refusal::Backend(name, error)));
        });
        if let Err((callback, error)) = self.lanes.ask(to, ask, callback) {
            callback(self, Err(error));
        }
    }
}
