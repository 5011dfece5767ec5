//! `net/echo`: the server's CPU time for a request of 64 bytes, over 1,000 connections, against a bare epoll loop.

#![forbid(unsafe_code)]

use std::error::Error;

use clap::Parser;
use tarae_benches::echo::{Load, Server, serve_if_asked};
use tarae_benches::{Options, contender};

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_asked()?;
    let options = Options::parse();
    const REQUESTS: usize = 50_000;
    for connections in [1, 1_000] {
        let mut servers = Vec::new();
        for kind in ["tarae", "may", "tokio", "epoll"] {
            let server = Server::start(kind)?;
            let load = Load::connect(&server, connections)?;
            servers.push((kind, server, load));
        }
        let contenders = servers
            .iter_mut()
            .map(|(kind, server, load)| {
                contender(kind, || load.run(server, REQUESTS).expect("the server answers"))
            })
            .collect();
        options.compare(
            &format!("net/echo/64B_{connections}_conns"),
            REQUESTS as u64,
            "the client, latency: the figure is the server's CPU time",
            contenders,
        );
    }
    Ok(())
}
