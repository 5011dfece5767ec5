//! What each child process does to live and die with its parent.
//!
//! A child tells its parent things as lines on stdout and hears as lines on stdin. The parent never closes
//! that pipe while it lives, so its end means that the parent is gone, however it went, and the child
//! goes too: Ctrl-C, a panic or a kill leave nothing behind.
//!
//! [`process`](crate::process) is the parent's end.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::process;

/// Tells the parent where this process listens.
pub(crate) fn announce(addr: SocketAddr) {
    tell(&format!("listening {addr}"));
}

/// Sends the parent a line. A parent that is gone is noticed by [`follow_parent`].
pub(crate) fn tell(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Wraps the work of a process: if it fails or panics, the process ends and says why.
pub(crate) fn role<T>(name: &'static str, work: impl FnOnce() -> io::Result<T>) -> impl FnOnce() -> T {
    move || match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => give_up(name, &error.to_string()),
        Err(_) => give_up(name, "panicked, see above"),
    }
}

/// Passes on what the parent says, and exits when it is gone. For the main thread of a child.
pub(crate) fn follow_parent(mut heard: impl FnMut(&str)) -> ! {
    for line in io::stdin().lock().lines() {
        match line {
            Ok(line) => heard(&line),
            Err(_) => break,
        }
    }
    process::exit(0)
}

fn give_up(name: &str, why: &str) -> ! {
    eprintln!("fanout, {name}: {why}");
    process::exit(1)
}
