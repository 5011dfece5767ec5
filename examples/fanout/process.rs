//! The parent's end of a child process: start it, hear from it, end it.
//!
//! A child is this very program with a hidden subcommand (see [`Role`](crate::cli::Role)). Each wait has a
//! deadline, and each error names the process it is about. Dropping a [`Process`] ends it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process may take to say that it is ready.
const START_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a process may take to end after its stdin was closed.
const END_TIME_MAX: Duration = Duration::from_secs(2);

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    /// Starts this program again with other arguments.
    pub(crate) fn start(name: impl Into<String>, arguments: &[String]) -> io::Result<Self> {
        let name = name.into();
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot start the {name}: {error}")))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout was asked to be a pipe");
        let (sender, lines) = mpsc::channel();
        // Bounded by what a child says: a few lines a second. Ends when the child's stdout does.
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Process { name, child, stdin, lines })
    }

    /// Starts a server and waits for the address it listens on.
    pub(crate) fn start_server(
        name: impl Into<String>,
        arguments: &[String],
    ) -> io::Result<(Self, SocketAddr)> {
        let mut process = Self::start(name, arguments)?;
        let line = process.expect_line(START_TIME_MAX)?;
        match line.strip_prefix("listening ").and_then(|addr| addr.parse().ok()) {
            Some(addr) => Ok((process, addr)),
            None => Err(process.error(&format!("said {line:?} instead of its address"))),
        }
    }

    /// The kernel's number for it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line; `None` if there is none within `timeout`.
    pub(crate) fn line(&mut self, timeout: Duration) -> io::Result<Option<String>> {
        match self.lines.recv_timeout(timeout) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                // The exit status comes a moment after the end of the output.
                thread::sleep(Duration::from_millis(100));
                self.check()?;
                Err(self.error("closed its output"))
            }
        }
    }

    /// Waits for the next line; having none within `timeout` is an error.
    pub(crate) fn expect_line(&mut self, timeout: Duration) -> io::Result<String> {
        let line = self.line(timeout)?;
        line.ok_or_else(|| self.silent(timeout))
    }

    /// The error of one that should have said something.
    pub(crate) fn silent(&self, timeout: Duration) -> io::Error {
        self.error(&format!("said nothing for {} s", timeout.as_secs()))
    }

    /// Sends it a line.
    pub(crate) fn tell(&mut self, line: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut().expect("stdin is open until drop");
        writeln!(stdin, "{line}").map_err(|error| self.error(&format!("cannot be told anything: {error}")))
    }

    /// Fails if it has ended.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.error(&format!("ended too early ({status}); what it said is above"))),
        }
    }

    fn error(&self, what: &str) -> io::Error {
        io::Error::other(format!("the {} {what}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let deadline = Instant::now() + END_TIME_MAX;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
