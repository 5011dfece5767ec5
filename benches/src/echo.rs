//! Echo servers, each in a process of its own, and the client that loads them.
//!
//! The figure is the CPU time that the *server's process* spends for one request, as the kernel's scheduler accounts
//! it (proc(5), `schedstat`): it does not depend on how busy the rest of the machine is, but for its caches.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// The environment variable that makes this process a server.
const SERVE: &str = "TARAE_BENCH_ECHO_SERVER";

/// The bytes of a request, and of its answer.
const MESSAGE: usize = 64;

/// Becomes the server that the environment names, if it names one; then it does not return before its standard input
/// is closed.
///
/// # Errors
///
/// What the sockets report.
pub fn serve_if_asked() -> io::Result<()> {
    match std::env::var(SERVE).as_deref() {
        Ok("tarae") => serve_with_tarae()?,
        Ok("may") => serve_with_may()?,
        Ok("tokio") => serve_with_tokio()?,
        Ok("epoll") => serve_with_epoll()?,
        Ok(other) => return Err(io::Error::other(format!("no echo server is called {other}"))),
        Err(_) => return Ok(()),
    }
    std::process::exit(0);
}

/// A server's process; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts a server of this kind: `tarae`, `may`, `tokio` or `epoll`, each with one thread that serves.
    ///
    /// # Errors
    ///
    /// If the process cannot be started, or does not tell its address.
    pub fn start(kind: &str) -> io::Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(SERVE, kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| io::Error::other(format!("no address: {line:?}")))?;
        Ok(Server { child, address })
    }

    /// The CPU time that the process has used so far, all threads together.
    ///
    /// # Errors
    ///
    /// If /proc does not tell.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
            let running = stat.split(' ').next().and_then(|field| field.parse::<u64>().ok());
            nanos += running.ok_or_else(|| io::Error::other("schedstat is not a number"))?;
        }
        Ok(Duration::from_nanos(nanos))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Open connections to a server, each of which sends its next request when the answer to the last one is there.
#[derive(Debug)]
pub struct Load {
    poll: Poll,
    connections: Vec<(TcpStream, usize)>,
}

impl Load {
    /// Opens `count` connections.
    ///
    /// # Errors
    ///
    /// What connecting reports.
    pub fn connect(server: &Server, count: usize) -> io::Result<Load> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            let stream = std::net::TcpStream::connect(server.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            connections.push((stream, 0));
        }
        Ok(Load { poll, connections })
    }

    /// Makes `requests` requests over all connections and returns the CPU time that they cost the server.
    ///
    /// # Errors
    ///
    /// What the sockets report; `TimedOut` if the server does not answer.
    pub fn run(&mut self, server: &Server, requests: usize) -> io::Result<Duration> {
        let before = server.cpu()?;
        let (mut sent, mut answered) = (0, 0);
        for (stream, _) in self.connections.iter_mut().take(requests) {
            stream.write_all(&[7; MESSAGE])?;
            sent += 1;
        }
        let mut events = Events::with_capacity(1024);
        while answered < requests {
            self.poll.poll(&mut events, Some(Duration::from_secs(10)))?;
            if events.is_empty() {
                return Err(ErrorKind::TimedOut.into());
            }
            for event in &events {
                let (stream, received) = &mut self.connections[event.token().0];
                let mut buffer = [0; 2 * MESSAGE];
                loop {
                    match stream.read(&mut buffer) {
                        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                        Ok(count) => *received += count,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error),
                    }
                    if *received == MESSAGE {
                        *received = 0;
                        answered += 1;
                        if sent < requests {
                            stream.write_all(&[7; MESSAGE])?;
                            sent += 1;
                        }
                    }
                }
            }
        }
        Ok(server.cpu()? - before)
    }
}

/// Sends back what it reads, up to `BYTES` at a time, until the peer is done: what every server does that is written as if it
/// blocked.
pub(crate) fn echo<const BYTES: usize>(mut stream: impl Read + Write) -> io::Result<()> {
    let mut buffer = [0; BYTES];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

/// Tells the parent where we listen, and ends the process when the parent is gone.
fn announce(address: SocketAddr) -> io::Result<()> {
    println!("{address}");
    io::stdout().flush()?;
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    Ok(())
}

fn serve_with_tarae() -> io::Result<()> {
    let runtime = tarae::Runtime::builder().workers(1).build()?;
    runtime.run(|| {
        let listener = tarae::net::TcpListener::bind("127.0.0.1:0")?;
        announce(listener.local_addr()?)?;
        for stream in listener.incoming() {
            let stream = stream?;
            stream.set_nodelay(true)?;
            tarae::spawn(move || echo::<4096>(stream));
        }
        Ok(())
    })
}

fn serve_with_may() -> io::Result<()> {
    may::config().set_workers(1);
    let served = may::go!(|| -> io::Result<()> {
        let listener = may::net::TcpListener::bind("127.0.0.1:0")?;
        announce(listener.local_addr()?)?;
        for stream in listener.incoming() {
            let stream = stream?;
            stream.set_nodelay(true)?;
            may::go!(move || echo::<4096>(stream));
        }
        Ok(())
    });
    served.join().unwrap_or_else(|_| Err(io::Error::other("the server panicked")))
}

fn serve_with_tokio() -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        tokio::spawn(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            announce(listener.local_addr()?)?;
            loop {
                let (mut stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        })
        .await
        .map_err(io::Error::other)?
    })
}

/// The least that a server on readiness can do: one loop, one buffer, no queues.
fn serve_with_epoll() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    announce(listener.local_addr()?)?;
    const LISTENER: Token = Token(usize::MAX - 1);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: HashMap<Token, TcpStream> = HashMap::new();
    let (mut events, mut next, mut buffer) = (Events::with_capacity(1024), 0, [0; 4096]);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(next), Interest::READABLE)?;
                    connections.insert(Token(next), stream);
                    next += 1;
                }
                continue;
            }
            let Some(stream) = connections.get_mut(&event.token()) else { continue };
            // Edge-triggered: until a read comes back short.
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => {
                        connections.remove(&event.token());
                        break;
                    }
                    Ok(count) => {
                        stream.write_all(&buffer[..count])?;
                        if count < buffer.len() {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
