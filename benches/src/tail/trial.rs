//! One run of a contender: starts the child, loads its server, and waits no longer than a limit.

use std::io;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;

use super::figures::{Figures, Window};
use super::load::{CONNECTIONS, Load};
use super::program::{BURST_LIMIT, Subject};
use crate::child::{Deadline, Process};

/// How long a child may take to start, and to answer the first messages.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a child may take in all once it is told to go. Its own limits are shorter: a child that comes to this does
/// not even run its kernel threads.
const LIMIT: Duration = BURST_LIMIT.saturating_add(Duration::from_secs(10));

/// What a run showed.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// How long the messages took.
    pub echoes: Figures,
    /// How late the sleeps were, where there were any.
    pub sleeps: Option<Figures>,
    /// How long the burst of blocking calls took, where there was one that came to its end in time.
    pub took: Option<Duration>,
}

impl Trial {
    /// Runs a subject on a contender.
    ///
    /// # Errors
    ///
    /// With what a reader of the table should know: the child did not start, ended early, or was not done in time and
    /// has been killed.
    pub fn run(subject: Subject, contender: &str, short: bool) -> Result<Trial, String> {
        let mut child = start(subject, contender, short).map_err(|error| error.to_string())?;
        let start = Deadline::after(START_LIMIT);
        let address = child.line("address", start)?.parse().map_err(|_| "told no address".to_string())?;
        let load = Load::start(address).map_err(|error| format!("not connected: {error}"))?;
        // Each connection has its task, and has been answered a few times.
        while load.answered() < 10 * CONNECTIONS {
            if start.left().is_zero() {
                return Err(start.missed());
            }
            thread::sleep(Duration::from_millis(1));
        }
        child.go().map_err(|error| format!("did not go: {error}"))?;
        let limit = Deadline::after(LIMIT);
        let (mut sleeps, mut took) = (None, None);
        match subject {
            Subject::HogTail => sleeps = Some(child.line("sleeps", limit)?.parse()?),
            _ => took = child.line("took", limit)?.parse().ok().map(Duration::from_nanos),
        }
        let window: Window = child.line("window", limit)?.parse()?;
        let messages = load.stop().map_err(|error| format!("the load broke: {error}"))?;
        Ok(Trial { echoes: window.figures(messages.into_iter()), sleeps, took })
    }
}

fn start(subject: Subject, contender: &str, short: bool) -> io::Result<Process> {
    let subject = subject.to_possible_value().ok_or(io::ErrorKind::InvalidInput)?;
    let mut arguments = vec!["--child", contender, "--subject", subject.get_name()];
    arguments.extend(short.then_some("--short"));
    Process::start(&arguments)
}
