//! hyper's HTTP/1 server and client on coroutines, without an async runtime.
//!
//! Each connection is a coroutine that calls hyper's connection future with `block_on`. The handlers are futures, as hyper
//! wants them, and call what waits like any function; a client reads from top to bottom.
//!
//! ```text
//! cargo run --release --example hyper                        # server and clients, ends by itself
//! cargo run --release --example hyper -- --serve             # on 127.0.0.1:8080, until stopped
//! curl -v http://127.0.0.1:8080/                             # what it has
//! ```

#![forbid(unsafe_code)]

mod client;
mod service;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tarae::future::block_on;
use tarae::net::{TcpListener, TcpStream};
use tarae_futures::Timer;

/// How long a client may take to send the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// hyper's HTTP/1 server and client on coroutines.
#[derive(Parser)]
struct Options {
    /// Serves until stopped, instead of making requests of its own.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:8080")]
    serve: Option<SocketAddr>,
    /// How many clients there are, each with a connection of its own.
    #[arg(long, default_value_t = 10)]
    clients: usize,
    /// How many rounds of requests each makes.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = Options::parse();
    tarae::run(move || match options.serve {
        Some(address) => {
            let listener = TcpListener::bind(address)?;
            println!("serving on http://{}", listener.local_addr()?);
            Ok(serve(&listener)?)
        }
        None => demonstrate(options.clients, options.rounds),
    })
}

/// Accepts connections, and gives each a coroutine.
fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                tarae::spawn(move || {
                    if let Err(error) = serve_connection(stream) {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            // Out of descriptors, or a peer that is gone already: the next one may do better.
            Err(error) if is_the_end(&error) => return Err(error),
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

/// Whether an accept was told to end.
fn is_the_end(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<tarae::Cancelled>())
}

fn serve_connection(stream: TcpStream) -> hyper::Result<()> {
    let stream = tarae_futures::TcpStream::new(stream);
    let mut http = http1::Builder::new();
    block_on(
        http.timer(Timer)
            .header_read_timeout(HEAD_WITHIN)
            .serve_connection(stream, service_fn(service::answer)),
    )
}

/// Starts a server, has clients talk to it, and tells.
fn demonstrate(clients: usize, rounds: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = tarae::spawn(move || serve(&listener));
    println!("serving on http://{address}\n");

    client::show(address)?;

    println!("\n{clients} clients, {rounds} rounds of requests each:");
    let start = Instant::now();
    let handles: Vec<_> = (0..clients).map(|_| tarae::spawn(move || client::work(address, rounds))).collect();
    let mut requests = 0;
    for handle in handles {
        requests += handle.join().map_err(|_| "a client panicked")??;
    }
    println!("  {requests} requests in {:.0} ms, each as it should be", start.elapsed().as_secs_f64() * 1e3);

    server.cancel();
    let ended = server.join().map_err(|_| "the server panicked")?;
    println!("the server has ended: {}", ended.expect_err("it serves until cancelled"));
    Ok(())
}
