//! A run of this test binary as a child process: one test, an environment, a deadline.
//!
//! What may crash, hang or end the process runs in a child, and its parent judges. A child that is not done at its
//! deadline is killed; nothing here waits longer than that.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Tells a test that it is the child. The value is of the test's choice.
const ROLE: &str = "TARAE_TEST_ROLE";

/// The role that the calling process was given, if it is a child.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// What came of a child.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How it ended; `None` if it was killed at its deadline.
    pub(crate) status: Option<ExitStatus>,
    /// What it wrote to standard output and standard error, in this order.
    pub(crate) said: String,
}

impl Outcome {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// Runs the test called `test` in a child process, in this role and with these environment variables.
pub(crate) fn run(test: &str, role: &str, environment: &[(&str, &str)], deadline: Duration) -> Outcome {
    let binary = std::env::current_exe().expect("the test binary has a path");
    let mut child = Command::new(binary)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env_remove("RUST_BACKTRACE")
        .env(ROLE, role)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test binary can be started");
    let stdout = collect(child.stdout.take().expect("piped"));
    let stderr = collect(child.stderr.take().expect("piped"));
    let status = wait(&mut child, Instant::now() + deadline);
    let said = [stdout, stderr].map(|reader| reader.join().expect("a reader does not panic"));
    Outcome { status, said: said.concat() }
}

/// Reads all of a pipe while the child runs, so that it never waits for room in it.
fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
