//! The child: runs a subject on a contender and says what it saw.
//!
//! A kernel thread that the contender knows nothing of conducts: it starts tasks from outside, waits on the clock, reads
//! what the tasks have written down, and the process ends without asking the contender. So whatever the tasks do to each
//! other, this thread goes on.
//!
//! The lines of the talk with the parent, by time: `address`, to which it connects; from the parent `go`, when the load
//! is under way; then `sleeps` of hogs, `took` of blocking calls, and `window`, which is the last.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::figures::{Window, now};
use super::sleeps::Sleeps;
use super::{Block, Contender, Hog, WORKERS};
use crate::child::listen_to_parent;

/// How many tasks sleep beside the hogs.
pub const SLEEPERS: usize = 1_000;

/// How long the sleepers and the load are alone before the hogs start.
const LEAD: Duration = Duration::from_millis(200);

/// How soon both hogs must have started.
const HOG_LIMIT: Duration = Duration::from_secs(1);

/// How long each blocking call lasts.
pub const BLOCK: Duration = Duration::from_millis(100);

/// How long the load goes on after the last blocking call.
const TAIL: Duration = Duration::from_millis(500);

/// When blocking calls that are not over are given up.
pub const BURST_LIMIT: Duration = Duration::from_secs(20);

/// What a child runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Subject {
    /// As many hogs as workers, beside sleepers.
    HogTail,
    /// A burst of blocking calls of which the runtime is not told.
    BlockingUnmarked,
    /// The same, each marked in the runtime's own way.
    BlockingMarked,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// How long the hogs run.
    pub hog: Duration,
    /// How many sleeps each sleeper makes.
    pub sleeps: usize,
    /// How many tasks block.
    pub blocks: usize,
}

impl Size {
    /// The size of the published figures.
    pub const FULL: Size = Size { hog: Duration::from_secs(3), sleeps: 100, blocks: 100 };
    /// A quick look.
    pub const SHORT: Size = Size { hog: Duration::from_secs(1), sleeps: 50, blocks: 20 };
}

impl Subject {
    /// All, in the order in which they run.
    pub const ALL: [Subject; 3] = [Subject::HogTail, Subject::BlockingUnmarked, Subject::BlockingMarked];

    /// The bench's name.
    pub fn name(self) -> &'static str {
        match self {
            Subject::HogTail => "sched/hog_tail",
            Subject::BlockingUnmarked => "sched/blocking_tail/unmarked",
            Subject::BlockingMarked => "sched/blocking_tail/marked",
        }
    }
}

/// Runs as the child, until the parent kills it or is gone.
///
/// # Errors
///
/// If the contender does not start, or the parent is gone.
pub fn run(subject: Subject, contender: &str, size: Size) -> io::Result<Infallible> {
    let go = listen_to_parent();
    let contender = super::start(contender)?;
    let (tell, told) = mpsc::channel();
    contender.serve(tell);
    println!("address {}", told.recv().map_err(io::Error::other)??);
    go.recv().map_err(io::Error::other)?;
    let window = match subject {
        Subject::HogTail => hog_tail(&*contender, size)?,
        Subject::BlockingUnmarked => blocking_tail(&*contender, size, false),
        Subject::BlockingMarked => blocking_tail(&*contender, size, true),
    };
    println!("window {window}");
    // The load must find its server until the parent has stopped it; then the parent ends us.
    loop {
        thread::park();
    }
}

fn hog_tail(contender: &dyn Contender, size: Size) -> io::Result<Window> {
    let sleeps = Sleeps::new(SLEEPERS, size.sleeps);
    sleeps.sleepers().for_each(|sleeper| contender.sleep(sleeper));
    thread::sleep(LEAD);
    let hog = Hog::default();
    (0..WORKERS).for_each(|_| contender.hog(hog.clone()));
    let limit = Instant::now() + HOG_LIMIT;
    while hog.running() < WORKERS {
        if Instant::now() > limit {
            return Err(io::Error::other(format!("only {} of {WORKERS} hogs started", hog.running())));
        }
        thread::sleep(Duration::from_millis(1));
    }
    let from = now();
    thread::sleep(size.hog);
    let window = Window { from, to: now() };
    hog.end();
    println!("sleeps {}", sleeps.figures(window));
    Ok(window)
}

fn blocking_tail(contender: &dyn Contender, size: Size, marked: bool) -> Window {
    let (done, is_done) = mpsc::channel();
    let from = now();
    for _ in 0..size.blocks {
        contender.block(Block { length: BLOCK, done: done.clone() }, marked);
    }
    let limit = Instant::now() + BURST_LIMIT;
    let all = (0..size.blocks)
        .all(|_| is_done.recv_timeout(limit.saturating_duration_since(Instant::now())).is_ok());
    if all {
        println!("took {}", now() - from);
        thread::sleep(TAIL);
    } else {
        println!("took too long");
    }
    Window { from, to: now() }
}
