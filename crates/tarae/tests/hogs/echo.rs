//! An echo server in the runtime under test, and its clients on plain kernel threads, who note how long each answer took.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use tarae::Runtime;
use tarae::net::TcpListener;

use super::late::{Late, Sorted};
use crate::support::ms;
use crate::support::seed::Random;

const MESSAGE: usize = 64;

/// A server with clients at work.
pub(crate) struct Echo {
    late: Arc<Late>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Echo {
    /// `threads` threads of clients have `connections` connections in all, and each thread asks something about every
    /// one to two milliseconds. All have had an answer before it returns.
    pub(crate) fn start(runtime: &Runtime, threads: usize, connections: usize) -> Echo {
        let address = serve(runtime);
        let (late, stop) = (Arc::new(Late::default()), Arc::new(AtomicBool::new(false)));
        let each = connections / threads;
        // Before the hogs come: they are to disturb the service, not the accepting.
        let ready: Vec<_> = (0..threads).map(|_| connect(address, each)).collect();
        let mut random = Random::from_environment();
        let clients = ready
            .into_iter()
            .map(|connections| {
                let (late, stop, random) = (Arc::clone(&late), Arc::clone(&stop), random.split());
                std::thread::spawn(move || ask(connections, random, &late, &stop))
            })
            .collect();
        Echo { late, stop, clients }
    }

    /// Ends the clients and returns how long the answers took.
    pub(crate) fn stop(self) -> Sorted {
        self.stop.store(true, Ordering::SeqCst);
        self.clients.into_iter().for_each(|client| client.join().expect("a client"));
        self.late.take()
    }
}

/// Spawns a server that gives back what it gets.
pub(crate) fn serve(runtime: &Runtime) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    runtime.spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            stream.set_nodelay(true).expect("an option of TCP");
            tarae::spawn(move || {
                let mut buf = [0; MESSAGE];
                while stream.read_exact(&mut buf).is_ok() && stream.write_all(&buf).is_ok() {}
            });
        }
    });
    address
}

/// One client's connection.
struct Connection {
    stream: std::net::TcpStream,
    /// When it asked, while it waits for the answer; else when it will ask.
    since: Instant,
    waits: bool,
}

fn connect(address: SocketAddr, count: usize) -> Vec<Connection> {
    let one = || {
        let mut stream = std::net::TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option of TCP");
        stream.set_read_timeout(Some(ms(20_000))).expect("a timeout");
        stream.write_all(&[1; MESSAGE]).expect("the server reads");
        stream.read_exact(&mut [0; MESSAGE]).expect("the first answer");
        Connection { stream, since: Instant::now(), waits: false }
    };
    (0..count).map(|_| one()).collect()
}

/// Asks over all connections in turn, none waiting for another, until told to stop; then waits for the last answers.
fn ask(mut connections: Vec<Connection>, mut random: Random, late: &Late, stop: &AtomicBool) {
    let count = connections.len() as u64;
    let mut pause = || Duration::from_micros(count * 1000 + random.below(count * 1000));
    connections.iter_mut().for_each(|connection| connection.since = Instant::now() + pause());
    let mut took = Vec::new();
    loop {
        let (now, stopped) = (Instant::now(), stop.load(Ordering::SeqCst));
        for connection in connections.iter_mut().filter(|one| !one.waits && one.since <= now && !stopped) {
            connection.since = Instant::now();
            connection.waits = true;
            connection.stream.write_all(&[7; MESSAGE]).expect("the server reads");
        }
        if stopped && connections.iter().all(|connection| !connection.waits) {
            return late.note(took);
        }
        for index in answered(&connections) {
            let connection = &mut connections[index];
            connection.stream.read_exact(&mut [0; MESSAGE]).expect("an answer");
            took.push(connection.since.elapsed());
            connection.since = Instant::now() + pause();
            connection.waits = false;
        }
    }
}

/// Waits for answers, until the next question is due; returns where there are some.
#[track_caller]
fn answered(connections: &[Connection]) -> Vec<usize> {
    let waiting: Vec<usize> = (0..connections.len()).filter(|index| connections[*index].waits).collect();
    let longest = waiting.iter().map(|index| connections[*index].since.elapsed()).max();
    assert!(longest.is_none_or(|longest| longest < ms(20_000)), "no answer for {longest:?}");
    let due = connections.iter().filter(|one| !one.waits).map(|one| one.since).min();
    let due_in = due.map_or(ms(5), |due| due.saturating_duration_since(Instant::now())).min(ms(5));
    let mut polled: Vec<PollFd<'_>> =
        waiting.iter().map(|index| PollFd::new(&connections[*index].stream, PollFlags::IN)).collect();
    let timeout = due_in.try_into().expect("a short time");
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => panic!("poll(2): {error}"),
    }
    let ready = polled.iter().map(|one| !one.revents().is_empty());
    waiting.iter().zip(ready).filter_map(|(index, ready)| ready.then_some(*index)).collect()
}
