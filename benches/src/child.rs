//! Children: the bench's own program, started again as a contender. They talk in lines.
//!
//! A contender has a process of its own, as may's runtime is one for each process, and what one contender does to the
//! allocator and the address space is none of the others' business. The parent writes `go`, the child answers; a child
//! that does not answer in time is killed, and one whose parent is gone ends.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Returns what tells when the parent says `go`. The process ends when the parent does, whatever it is doing.
pub(crate) fn listen_to_parent() -> Receiver<()> {
    let (go, is_go) = mpsc::channel();
    thread::spawn(move || {
        for _ in io::stdin().lines().map_while(Result::ok).filter(|line| line == "go") {
            // The program may have ended with an error.
            let _ = go.send(());
        }
        std::process::exit(1);
    });
    is_go
}

/// When a child is given up.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    given: Duration,
}

impl Deadline {
    pub(crate) fn after(given: Duration) -> Deadline {
        Deadline { at: Instant::now() + given, given }
    }

    pub(crate) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    pub(crate) fn missed(self) -> String {
        format!("not done within {} s, killed", self.given.as_secs())
    }
}

/// A child, and the lines that it writes; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> io::Result<Process> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            let all = BufReader::new(output).lines().map_while(Result::ok);
            all.take_while(|line| send.send(line.clone()).is_ok()).for_each(drop);
        });
        Ok(Process { child, lines })
    }

    /// Writes the line for which the child waits.
    pub(crate) fn go(&mut self) -> io::Result<()> {
        self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(b"go\n")
    }

    /// The rest of the next line, which begins with `key`; or why there is none.
    pub(crate) fn line(&mut self, key: &str, limit: Deadline) -> Result<String, String> {
        match self.lines.recv_timeout(limit.left()) {
            Ok(line) => match line.strip_prefix(key) {
                Some(rest) => Ok(rest.trim().to_string()),
                None => Err(format!("told {line:?} instead of its {key}")),
            },
            Err(RecvTimeoutError::Timeout) => Err(limit.missed()),
            Err(RecvTimeoutError::Disconnected) => match self.child.wait() {
                Ok(status) => Err(format!("ended early: {status}")),
                Err(error) => Err(format!("ended early: {error}")),
            },
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
