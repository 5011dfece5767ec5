//! Child processes, by std and by hand, and names that the C library resolves.

use std::io::{Read, Write};
use std::net::ToSocketAddrs;
use std::process::{Command, Stdio};
use std::ptr;

use super::moved;
use super::moves::leave;

#[test]
fn it_runs_commands() {
    moved(|| {
        let mut shell = Command::new("/bin/sh");
        let output = shell
            .args(["-c", "echo $WORD; pwd; echo oops >&2; exit 7"])
            .env("WORD", "hello")
            .current_dir("/")
            .output()
            .expect("a shell");
        assert_eq!(output.status.code(), Some(7));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n/\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "oops\n");
        leave();
        let missing = Command::new("/nonexistent").status().expect_err("there is no such program");
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    });
}

#[test]
fn it_talks_to_a_command_through_pipes_and_waits_for_it_elsewhere() {
    moved(|| {
        let mut cat =
            Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let mut stdin = cat.stdin.take().expect("piped");
        stdin.write_all(b"through the pipe").expect("room");
        leave();
        drop(stdin);
        let mut text = String::new();
        cat.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
        assert_eq!(text, "through the pipe");
        assert!(cat.wait().expect("a child").success());
    });
}

#[test]
fn it_resolves_names() {
    moved(|| {
        let addresses: Vec<_> = ("localhost", 80).to_socket_addrs().expect("localhost").collect();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
        leave();
        let numeric = "127.0.0.1:443".to_socket_addrs().expect("an address").next();
        assert_eq!(numeric.map(|address| address.port()), Some(443));
        // RFC 6761 has no host resolve under `invalid`.
        assert!(("name.invalid", 80).to_socket_addrs().is_err());
    });
}

#[test]
fn it_forks() {
    moved(|| {
        for _ in 0..10 {
            // SAFETY: No preconditions.
            let parent = unsafe { libc::getpid() };
            // SAFETY: The child makes two system calls, which is what it may do with other threads around.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: As above.
                let is_new = unsafe { libc::getpid() } != parent;
                // SAFETY: As above.
                unsafe { libc::_exit(if is_new { 42 } else { 1 }) };
            }
            assert!(child > 0);
            leave();
            assert_eq!(exit_code_of(child), Some(42));
        }
    });
}

#[test]
fn it_forks_and_executes() {
    moved(|| {
        let arguments = [c"sh".as_ptr(), c"-c".as_ptr(), c"exit 9".as_ptr(), ptr::null()];
        // SAFETY: The child makes system calls only.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: The path is a C string, the arguments are C strings and end with a null.
            unsafe { libc::execv(c"/bin/sh".as_ptr(), arguments.as_ptr()) };
            // SAFETY: `execv` has failed; this ends the child without a trace of the parent's state.
            unsafe { libc::_exit(1) };
        }
        assert!(child > 0);
        leave();
        assert_eq!(exit_code_of(child), Some(9));
    });
}

/// Waits for a child's end; `None` if a signal ended it.
fn exit_code_of(child: libc::pid_t) -> Option<i32> {
    let mut status = 0;
    // SAFETY: `status` is valid for the answer.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(waited, child);
    libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
}
