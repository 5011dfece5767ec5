//! The three ways to write the service, each run in a process of its own.

pub(crate) mod callback;
mod coroutine;
mod thread_per_request;

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::time::Duration;
use std::{io, thread};

use clap::{Args, ValueEnum};

use crate::child;

/// How many connections a service keeps to each backend. Two let both cores be busy with different ones.
pub(crate) const LANES: usize = 2;
/// How long a call to a backend may take before its connection is given up.
pub(crate) const CALL_TIME_MAX: Duration = Duration::from_secs(20);

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// One coroutine per client (tarae).
    Coroutine,
    /// One kernel thread per client (std): the same source text.
    ThreadPerRequest,
    /// One event loop, the handler cut into a chain of callbacks (mio).
    Callback,
}

impl Model {
    /// All of them, in the order in which they run.
    pub(crate) const ALL: [Model; 3] = [Model::Coroutine, Model::ThreadPerRequest, Model::Callback];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Model::Coroutine => "coroutine",
            Model::ThreadPerRequest => "thread-per-request",
            Model::Callback => "callback",
        }
    }
}

impl Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where the backends listen.
#[derive(Args, Clone, Debug)]
pub(crate) struct Ports {
    #[arg(long)]
    pub(crate) user: SocketAddr,
    #[arg(long)]
    pub(crate) query: SocketAddr,
    #[arg(long)]
    pub(crate) stock: SocketAddr,
}

/// Starts the service, in the background of the calling thread.
pub(crate) fn start(model: Model, ports: Ports) -> io::Result<()> {
    match model {
        Model::Coroutine => coroutine::start(ports),
        Model::ThreadPerRequest => thread_per_request::start(ports),
        Model::Callback => {
            let work = move || callback::serve(&ports);
            thread::Builder::new().spawn(child::role("callback server", work)).map(drop)
        }
    }
}

/// Prints the first of many equal errors.
#[derive(Debug, Default)]
pub(crate) struct Complaints(bool);

impl Complaints {
    /// Prints it, unless one has been printed.
    pub(crate) fn add(&mut self, error: &dyn Display) {
        if !self.0 {
            eprintln!("fanout, server: {error} (said once)");
            self.0 = true;
        }
    }
}
