//! The server: accept, and give each client a thread of its own, whatever a thread is here.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::calls::Backends;
use super::handler::handle;
use super::{net, thread};
use crate::child;
use crate::lines::LineBuffer;
use crate::models::{self, Ports};
use crate::wire::{self, REQUEST_BYTES_MAX, Refusal, Request};

/// One stack. It is only reserved: 10,000 of them cost what is used of each. With its guard it fits a slot of
/// tarae's default size.
const STACK_BYTES: usize = 128 * 1024;
/// A request fits, and 10,000 clients do not need 10,000 large buffers.
const READ_CHUNK: usize = 512;
/// How long to leave the listener alone after an error such as too many open files.
const PAUSE: Duration = Duration::from_millis(10);

/// What to look at when there are no threads left.
const LIMITS: &str =
    "(limits: ulimit -u, ulimit -v, kernel.threads-max, vm.max_map_count, the cgroup's pids.max)";

/// Connects to the backends, announces where it listens, and serves for ever.
pub(crate) fn serve(ports: Ports) -> io::Result<Infallible> {
    let backends = Arc::new(Backends::connect(&ports)?);
    let listener = net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    child::announce(listener.local_addr()?);
    let mut complaints = models::Complaints::default();
    loop {
        if let Err(error) = accept(&listener, &backends) {
            complaints.add(&error);
            thread::sleep(PAUSE);
        }
    }
}

/// Accepts one client and spawns its thread.
fn accept(listener: &net::TcpListener, backends: &Arc<Backends>) -> io::Result<()> {
    let (client, _) = listener.accept()?;
    let backends = Arc::clone(backends);
    // A client that breaks off ends its own thread, and nothing else.
    let converse = move || drop(converse(&client, &backends));
    match thread::Builder::new().stack_size(STACK_BYTES).spawn(converse) {
        Ok(_) => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("no thread for a client: {error} {LIMITS}"))),
    }
}

/// Answers a client's requests, one after the other.
fn converse(mut client: &net::TcpStream, backends: &Backends) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (mut input, mut output) = (LineBuffer::default(), Vec::new());
    loop {
        while let Some(line) = input.next_line() {
            let answer = Request::parse(line).and_then(|request| handle(backends, request));
            output.clear();
            wire::push_answer(&mut output, &answer);
            client.write_all(&output)?;
        }
        if input.len() > REQUEST_BYTES_MAX {
            return refuse_long_line(client);
        }
        if input.read_from(client, READ_CHUNK)? == 0 {
            return Ok(());
        }
    }
}

/// Says so and closes; but not before the client had a chance to read it, since closing a socket with
/// unread input resets the connection.
fn refuse_long_line(mut client: &net::TcpStream) -> io::Result<()> {
    let mut output = Vec::new();
    wire::push_answer(&mut output, &Err(Refusal::long_line()));
    client.write_all(&output)?;
    client.shutdown(Shutdown::Write)?;
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    io::copy(&mut client.take(1 << 20), &mut io::sink())?;
    Ok(())
}
