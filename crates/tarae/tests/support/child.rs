//! Child processes: for what changes or ends a process. A test runs itself again, alone.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{LIMIT, ms};

/// More than [`LIMIT`], so that a test in the child says what it waits for before the child is killed.
const AMPLE: Duration = LIMIT.saturating_add(ms(10_000));

const ROLE: &str = "TARAE_TEST_CHILD";

/// What a child process left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

/// Whether this process is the child of a test.
pub(crate) fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Runs `body` in a process of its own, and fails as it does. `test` is the full name of the calling test.
#[track_caller]
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    alone_within(AMPLE, test, body);
}

/// As [`alone`], with a limit of the caller's choice.
#[track_caller]
pub(crate) fn alone_within(limit: Duration, test: &str, body: impl FnOnce()) {
    if is_child() {
        return body();
    }
    let ended = again_within(limit, test);
    // A body that is skipped says why.
    ended.stderr.lines().filter(|line| line.starts_with("skipped:")).for_each(|line| eprintln!("{line}"));
    let ran = ended.stdout.contains("1 passed");
    assert!(ended.status.success() && ran, "the child failed ({}):\n{}", ended.status, said(&ended));
}

/// Runs the test `test` again, in a process of its own where [`is_child`] says yes, to its end.
#[track_caller]
pub(crate) fn again(test: &str) -> Ended {
    again_within(AMPLE, test)
}

#[track_caller]
fn again_within(limit: Duration, test: &str) -> Ended {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ROLE, test);
    // glibc reserves 64 MiB for each of its arenas, as many as there are threads: where a test limits the address space,
    // it would be about them.
    command.env("MALLOC_ARENA_MAX", "1");
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("this program starts again");
    let stdout = drained(child.stdout.take());
    let stderr = drained(child.stderr.take());
    let status = wait_or_kill(&mut child, limit);
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().expect("a reader")).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    match status {
        Some(status) => Ended { status, stdout, stderr },
        None => panic!("the child did not end within {limit:?}; it said:\n{stdout}\n{stderr}"),
    }
}

pub(crate) fn said(ended: &Ended) -> String {
    format!("{}\n{}", ended.stdout, ended.stderr)
}

fn drained(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is worth showing, whatever ended it.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        bytes
    })
}

fn wait_or_kill(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        thread::sleep(ms(2));
    }
    child.kill().expect("a child can be killed");
    child.wait().expect("a killed child ends");
    None
}
