//! What a task that will not yield does to its neighbours: one program, run on each contender in a process of its own.
//!
//! The bench (`benches/tail.rs`) starts a [`trial`] for each contender and round; the trial starts the bench's own
//! program again as a child, where [`program`] runs the subject on the contender, and meanwhile makes the [`load`] of
//! its echo server. Loads and servers are in different processes so that no contender sees the load's descriptors and
//! threads. A child that is not done in time is killed, and the trial says so.
//!
//! A contender is a file: [`on_tarae`], [`on_may`], [`on_tokio`], [`on_threads`]. It says in its runtime's own words what a
//! [`Contender`] can do, and nothing else.

pub mod figures;
pub mod program;
pub mod trial;

mod load;
mod on_may;
mod on_tarae;
mod on_threads;
mod on_tokio;
mod sleeps;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use program::Subject;
use sleeps::Sleeper;

/// How many workers each contender gets.
pub const WORKERS: usize = 2;

/// The bytes of an echo, there and back.
const MESSAGE: usize = 64;

/// The contenders, in the order of a round.
pub const CONTENDERS: [&str; 4] = ["tarae", "may", "tokio", "threads"];

/// What the programs need of a runtime with [`WORKERS`] workers. Nothing here waits for a task to run.
trait Contender {
    /// Starts a task that accepts on a loopback port of the system's choice, tells the port, and starts a task for
    /// each connection, which sends back what it reads.
    fn serve(&self, tell: Sender<io::Result<SocketAddr>>);

    /// Starts a task that makes the sleeps of `sleeper`, one after the other.
    fn sleep(&self, sleeper: Sleeper);

    /// Starts a task that calls [`Hog::run`].
    fn hog(&self, hog: Hog);

    /// Starts a task that calls [`Block::run`]; where `marked`, in the way that the runtime has for such calls.
    fn block(&self, block: Block, marked: bool);
}

/// Starts the contender of this name.
///
/// # Errors
///
/// What its runtime reports; `NotFound` if there is none of this name.
fn start(name: &str) -> io::Result<Box<dyn Contender>> {
    match name {
        "tarae" => Ok(Box::new(on_tarae::Tarae::start()?)),
        "may" => Ok(Box::new(on_may::May::start())),
        "tokio" => Ok(Box::new(on_tokio::Tokio::start()?)),
        "threads" => Ok(Box::new(on_threads::Threads)),
        other => Err(io::Error::new(io::ErrorKind::NotFound, format!("no contender is called {other}"))),
    }
}

/// What a reader of a contender's row should know.
pub fn note(subject: Subject, contender: &str) -> Option<&'static str> {
    match (contender, subject) {
        ("tarae", Subject::BlockingMarked) => Some("marked is tarae::blocking"),
        ("may", Subject::BlockingMarked) => Some("has no way to mark a call: the same as unmarked"),
        ("tokio", Subject::BlockingMarked) => {
            Some("marked is spawn_blocking; block_in_place is the other choice")
        }
        ("threads", _) => Some("a kernel thread for each task, no workers: no peer, but the floor"),
        _ => None,
    }
}

/// A loop on the CPU that ends when its flag is set.
#[derive(Clone, Default)]
struct Hog {
    enough: Arc<AtomicBool>,
    running: Arc<AtomicUsize>,
}

impl Hog {
    /// How many clones have begun to loop.
    fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Sets the flag, for this one and its clones.
    fn end(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Loops: no call, no yield, no pause that a runtime could notice.
    fn run(self) {
        self.running.fetch_add(1, Ordering::Relaxed);
        let mut state = 1_u64;
        while !self.enough.load(Ordering::Relaxed) {
            for _ in 0..1_000 {
                state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }
    }
}

/// A call that blocks its kernel thread, and tells when it is over.
struct Block {
    length: Duration,
    done: Sender<()>,
}

impl Block {
    fn run(self) {
        std::thread::sleep(self.length);
        // The program may have given up.
        let _ = self.done.send(());
    }
}
