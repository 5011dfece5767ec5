//! The search service of a shop: what coroutines are for.
//!
//! ```text
//!                                    ┌─→ user backend    profile and discount
//!  clients ──→ service: check, ask ──┼─→ query backend   matching products, ranked with the profile
//!                three, drop, answer └─→ stock backend   what is in stock
//! ```
//!
//! Each backend is a process of its own that answers after 10 ms, so a request spends nearly all its time
//! waiting. `service/handler.rs` is the service as one would like to write it: one function, top to bottom. It
//! is compiled twice, on `std::thread` and on `tarae::thread`; `models/callback/handler.rs` is what the
//! same function becomes when nothing may wait. This program runs all three under the same load, checks every
//! answer, and prints what each costs.
//!
//! ```sh
//! cargo run --release --example fanout
//! cargo run --release --example fanout -- --model coroutine --concurrency 10000 --requests 100000
//! cargo run --release --example fanout -- --serve        # then talk to it with nc
//! ```
//!
//! Where to read on: `service/` (handler, server, calls to the backends), `models/` (the three ways to run it),
//! `backend.rs`, `load/`, `conduct.rs` (which starts them all as processes).

#![forbid(unsafe_code)]

mod backend;
mod child;
mod cli;
mod conduct;
mod data;
mod lines;
mod load;
mod models;
mod process;
mod report;
mod socket;
mod vitals;
mod wire;

use std::io;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Parser;

use cli::{Cli, Role};

fn main() -> ExitCode {
    let Cli { options, role } = Cli::parse();
    let result = match role {
        Some(role) => be(role),
        None if options.serve => conduct::serve(&options),
        None => conduct::measure(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fanout: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does a child's work, until the parent is gone.
fn be(role: Role) -> io::Result<bool> {
    match role {
        Role::Backend { kind, delay_ms } => {
            let work = move || backend::serve(kind, Duration::from_millis(delay_ms));
            thread::Builder::new().spawn(child::role(kind.name(), work))?;
            child::follow_parent(|_| {})
        }
        Role::Server { model, ports } => {
            models::start(model, ports)?;
            child::follow_parent(|_| {})
        }
        Role::Load { addr, concurrency, requests } => {
            let (sender, go) = mpsc::channel();
            let work = move || load::run(addr, concurrency as usize, requests, &go);
            thread::Builder::new().spawn(child::role("load generator", work))?;
            child::follow_parent(|_go| {
                // The receiver is gone only when the work is done.
                let _ = sender.send(());
            })
        }
    }
}
