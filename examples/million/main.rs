//! One million coroutines asleep at the same time.
//!
//! Each has a stack of its own with a guard area below it, and thread-locals of its own. The program starts them,
//! waits until all are asleep, tells what that took, wakes them, and checks that each one ran to its end.
//!
//! ```text
//! cargo run --release --example million
//! cargo run --release --example million -- --coroutines 100000
//! ```

#![forbid(unsafe_code)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tarae_examples::memory;

/// Puts a million coroutines to sleep at the same time, and tells what it takes.
#[derive(Parser)]
struct Options {
    /// How many coroutines to start.
    #[arg(long, default_value_t = 1_000_000)]
    coroutines: u64,
    /// How many workers run them; by default as many as CPUs may be used.
    #[arg(long)]
    workers: Option<usize>,
    /// Prints one line of JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What the sleepers share with the one who counts them.
#[derive(Default)]
struct Census {
    asleep: AtomicU64,
    ended: AtomicU64,
    morning: AtomicBool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut builder = tarae::Runtime::builder();
    if let Some(workers) = options.workers {
        builder = builder.workers(workers);
    }
    let runtime = builder.build()?;
    let before = memory::resident_bytes()?;
    let census = Arc::new(Census::default());
    let count = options.coroutines;

    let started = Instant::now();
    let bar = progress("starting", count, options.json);
    let spawner = runtime.spawn({
        let census = Arc::clone(&census);
        move || spawn_all(count, &census)
    });
    watch(&bar, count, || census.asleep.load(Ordering::Relaxed), || spawner.is_finished());
    let sleepers = spawner.join().expect("the spawner does not panic")?;
    watch(&bar, count, || census.asleep.load(Ordering::Relaxed), || false);
    let starting = started.elapsed();
    let resident = memory::resident_bytes()?.saturating_sub(before);

    // The promise of this example: all of them at the same time.
    assert_eq!(census.asleep.load(Ordering::SeqCst), count);
    assert_eq!(census.ended.load(Ordering::SeqCst), 0);

    let woken = Instant::now();
    census.morning.store(true, Ordering::SeqCst);
    let bar = progress("waking", count, options.json);
    let waker = runtime.spawn(move || {
        sleepers.iter().for_each(|sleeper| sleeper.thread().unpark());
        sleepers.into_iter().filter_map(|sleeper| sleeper.join().err()).count()
    });
    watch(&bar, count, || census.ended.load(Ordering::Relaxed), || waker.is_finished());
    let failed = waker.join().expect("the waker does not panic");
    let waking = woken.elapsed();
    assert_eq!(failed, 0, "coroutines that panicked");
    assert_eq!(census.ended.load(Ordering::SeqCst), count);

    report(&options, &runtime, starting, waking, resident);
    // A runtime with nothing left to do would be dropped at once; what it pooled goes with the process.
    Ok(())
}

fn spawn_all(count: u64, census: &Arc<Census>) -> std::io::Result<Vec<tarae::thread::JoinHandle<()>>> {
    let mut sleepers = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let census = Arc::clone(census);
        sleepers.push(tarae::thread::Builder::new().spawn(move || {
            census.asleep.fetch_add(1, Ordering::SeqCst);
            while !census.morning.load(Ordering::SeqCst) {
                // A timer for each: the longest sleep that a user would write, ended early by an unpark.
                tarae::thread::park_timeout(Duration::from_secs(3600));
            }
            census.ended.fetch_add(1, Ordering::SeqCst);
        })?);
    }
    Ok(sleepers)
}

/// Shows progress until `done` reaches `count`, or `given_up` says that it will not.
fn watch(bar: &ProgressBar, count: u64, done: impl Fn() -> u64, given_up: impl Fn() -> bool) {
    while done() < count && !given_up() {
        bar.set_position(done());
        std::thread::sleep(Duration::from_millis(2));
    }
    bar.set_position(done());
}

fn progress(what: &'static str, count: u64, hidden: bool) -> ProgressBar {
    if hidden {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:>8} {bar:40} {human_pos}/{human_len}  {elapsed}")
        .expect("a template that does not change");
    ProgressBar::new(count).with_style(style).with_message(what)
}

fn report(options: &Options, runtime: &tarae::Runtime, starting: Duration, waking: Duration, resident: u64) {
    let count = options.coroutines;
    let each = resident / count.max(1);
    let (start_s, wake_s) = (starting.as_secs_f64(), waking.as_secs_f64());
    if options.json {
        println!(
            "{{\"coroutines\":{count},\"workers\":{},\"start_s\":{start_s:.3},\"wake_s\":{wake_s:.3},\
             \"resident_bytes\":{resident},\"resident_bytes_per_coroutine\":{each}}}",
            runtime.workers()
        );
        return;
    }
    println!("{count} coroutines were asleep at the same time, on {} workers", runtime.workers());
    println!("  to start them    {start_s:>9.2} s   ({:.1} us each)", start_s * 1e6 / count as f64);
    println!("  to wake and end  {wake_s:>9.2} s   ({:.1} us each)", wake_s * 1e6 / count as f64);
    println!("  resident memory  {:>9.0} MB  ({each} bytes each)", resident as f64 / 1e6);
}
