//! Calls to the backends, over a few connections shared by all handlers.
//!
//! Ten thousand handlers must not need ten thousand sockets per backend. Each [`Backend`] keeps
//! [`LANES`] connections, dealt out in turn; a [`Lane`] is one of them.
//!
//! A lane that lost its connection fails its calls and is replaced by the next one that wants it. While that
//! one connects, others are told so at once instead of queueing up behind a backend that may be gone.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lane::{Lane, lock};
use crate::backend::Kind;
use crate::models::{LANES, Ports};
use crate::wire::{self, Refusal};

/// All that a handler needs to know of the outside.
pub(crate) struct Backends {
    pub(crate) user: Backend,
    pub(crate) query: Backend,
    pub(crate) stock: Backend,
}

impl Backends {
    /// Connects to all three.
    pub(crate) fn connect(ports: &Ports) -> io::Result<Self> {
        Ok(Backends {
            user: Backend::connect(Kind::User, ports.user)?,
            query: Backend::connect(Kind::Query, ports.query)?,
            stock: Backend::connect(Kind::Stock, ports.stock)?,
        })
    }
}

/// One backend and our connections to it.
pub(crate) struct Backend {
    name: &'static str,
    addr: SocketAddr,
    lanes: [Mutex<Slot>; LANES],
    /// Counts calls, to deal them out.
    turn: AtomicUsize,
}

enum Slot {
    Up(Arc<Lane>),
    Down,
    Connecting,
}

impl Backend {
    fn connect(kind: Kind, addr: SocketAddr) -> io::Result<Self> {
        let name = kind.name();
        let lanes = std::array::from_fn(|_| Mutex::new(Slot::Down));
        let backend = Backend { name, addr, lanes, turn: AtomicUsize::new(0) };
        for slot in &backend.lanes {
            let connected = backend.lane(slot);
            connected.map_err(|error| io::Error::new(error.kind(), format!("{name} backend: {error}")))?;
        }
        Ok(backend)
    }

    /// Asks a question and waits for the answer.
    pub(crate) fn call<A: DeserializeOwned>(&self, ask: &impl Serialize) -> Result<A, Refusal> {
        let slot = &self.lanes[self.turn.fetch_add(1, Ordering::Relaxed) % LANES];
        let answer = self.lane(slot).and_then(|lane| lane.call(ask));
        answer.and_then(|line| wire::parse_reply(&line)).map_err(|error| Refusal::Backend(self.name, error))
    }

    /// The lane of a slot, connected anew if it was lost.
    fn lane(&self, slot: &Mutex<Slot>) -> io::Result<Arc<Lane>> {
        {
            let mut slot = lock(slot);
            match &*slot {
                Slot::Up(lane) if !lane.is_lost() => return Ok(Arc::clone(lane)),
                Slot::Connecting => return Err(io::Error::new(ErrorKind::NotConnected, "reconnecting")),
                Slot::Up(_) | Slot::Down => *slot = Slot::Connecting,
            }
        }
        let lane = Lane::connect(self.addr).map(Arc::new);
        *lock(slot) = lane.as_ref().map_or(Slot::Down, |lane| Slot::Up(Arc::clone(lane)));
        lane
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::wire::AskUser;

    #[test]
    fn a_lost_lane_is_replaced_at_the_next_call() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || {
            // The first generation of connections is closed; the next answers each question.
            for _ in 0..LANES {
                drop(listener.accept().expect("a connection"));
            }
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                std::thread::spawn(move || {
                    for line in BufReader::new(stream.try_clone().expect("a descriptor")).lines() {
                        let id = wire::reply_id(line.expect("a line").as_bytes()).expect("a question");
                        writeln!(stream, "{{\"id\":{id},\"ok\":{id}}}").expect("the lane reads");
                    }
                });
            }
        });
        // On a thread of its own, so that a call that never returns fails the test.
        let (finished, result) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let backend = Backend::connect(Kind::User, addr).expect("it listens");
            for _ in 0..LANES {
                assert!(backend.call::<u64>(&AskUser { user: 1 }).is_err(), "it was closed");
            }
            for _ in 0..LANES {
                assert_eq!(backend.call::<u64>(&AskUser { user: 1 }).expect("it was replaced"), 1);
            }
            finished.send(()).expect("the test waits");
        });
        result.recv_timeout(Duration::from_secs(15)).expect("the calls return without a panic");
    }
}
