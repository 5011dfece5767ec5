//! `sched/hog_tail`, `sched/blocking_tail`: what tasks that do not give their kernel thread back do to the others, on
//! tarae, on may and on tokio, each with two workers. The same program on kernel threads is the floor that the machine, the
//! kernel and the load set.
//!
//! - `sched/hog_tail`: two tasks loop on the CPU for three seconds. Beside them 1,000 tasks sleep 10 ms, 100 times each,
//!   and a server echoes 64 bytes on 64 connections. The figures: how late the sleeps returned, and how long an echo took,
//!   while the hogs ran.
//! - `sched/blocking_tail`: 100 tasks sleep 100 ms at once, in a call that blocks the kernel thread. `unmarked`: without
//!   a word to the runtime; `marked`: in the way that the runtime offers for such calls. The figures: when the last was
//!   done, and how long an echo took from the burst's start until half a second after its end.
//!
//! A sleep or an echo that is under way when the time is up counts with its time so far, so a contender that stops
//! shows it; `returned` and `answered` count only those that ended, or say `none`. `stuck` is for how long, at the end,
//! nothing ended although something was under way; it is a moment where all goes well.
//!
//! Each run is a process of its own, started afresh, and is killed when it is not done in time.
//!
//! Left out: what the neighbours cost the hogs; more hogs or calls than these; an open load: a connection sends
//! nothing while it waits, so a stall of the server is one late echo a connection, and shows in the count and in the
//! maximum rather than in the percentiles. Two hogs, the server and the load share the machine's CPUs: with two of
//! them, some of each figure is the kernel's, and the floor says how much.

#![forbid(unsafe_code)]

use std::error::Error;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tarae_benches::spread;
use tarae_benches::tail::figures::Figures;
use tarae_benches::tail::program::{BLOCK, BURST_LIMIT, SLEEPERS, Size, Subject, run};
use tarae_benches::tail::trial::Trial;
use tarae_benches::tail::{CONTENDERS, WORKERS, note};

/// Measures what tasks that do not yield do to the others, on tarae and its peers.
#[derive(Debug, Parser)]
struct Options {
    /// Only subjects whose name contains this.
    filter: Option<String>,
    /// How many rounds to run, each contender once in each; the figures are medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these contenders, with commas between.
    #[arg(long, value_delimiter = ',', value_parser = CONTENDERS)]
    only: Vec<String>,
    /// A quick look: hogs for one second, 20 blocking calls.
    #[arg(long)]
    short: bool,
    /// Ignored; cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
    /// Makes this process a child that runs this contender.
    #[arg(long, hide = true, requires = "subject")]
    child: Option<String>,
    /// What the child runs.
    #[arg(long, hide = true)]
    subject: Option<Subject>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let size = if options.short { Size::SHORT } else { Size::FULL };
    if let (Some(contender), Some(subject)) = (&options.child, options.subject) {
        match run(subject, contender, size)? {}
    }
    let contenders: Vec<&str> = CONTENDERS
        .into_iter()
        .filter(|&name| options.only.is_empty() || options.only.iter().any(|only| only == name))
        .collect();
    let subjects: Vec<Subject> = Subject::ALL
        .into_iter()
        .filter(|subject| options.filter.as_ref().is_none_or(|filter| subject.name().contains(filter)))
        .collect();
    // Hidden where the output is no terminal.
    let progress = ProgressBar::new((subjects.len() * options.rounds * contenders.len()) as u64)
        .with_style(ProgressStyle::with_template("{wide_bar} {pos}/{len}  {msg}  {elapsed}")?);
    progress.enable_steady_tick(Duration::from_secs(1));
    for subject in subjects {
        let mut trials: Vec<Vec<_>> = contenders.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.rounds {
            for (contender, trials) in contenders.iter().zip(&mut trials) {
                progress.set_message(format!("{} on {contender}", subject.name()));
                trials.push(Trial::run(subject, contender, options.short));
                progress.inc(1);
            }
        }
        progress.suspend(|| print(subject, &options, size, &contenders, &trials));
    }
    progress.finish_and_clear();
    Ok(())
}

/// What a run showed, or why it showed nothing.
type Outcome = Result<Trial, String>;

fn print(subject: Subject, options: &Options, size: Size, contenders: &[&str], trials: &[Vec<Outcome>]) {
    let what = match subject {
        Subject::HogTail => format!(
            "{WORKERS} hogs for {} s, {SLEEPERS} tasks with {} sleeps each",
            size.hog.as_secs(),
            size.sleeps
        ),
        _ => format!("{} calls of {} ms", size.blocks, BLOCK.as_millis()),
    };
    println!("{}  ({what}, {WORKERS} workers; medians of {} rounds)", subject.name(), options.rounds);
    let all = || contenders.iter().zip(trials).map(|(name, trials)| (*name, trials.iter().flatten()));
    match subject {
        Subject::HogTail => {
            print_heading("sleeps, late by", "returned");
            all().for_each(|(name, trials)| print_figures(name, trials.filter_map(|trial| trial.sleeps)));
        }
        _ => {
            println!("  {:<18} {:>9}", "burst", "all done");
            all().for_each(|(name, trials)| print_bursts(name, trials.map(|trial| trial.took)));
        }
    }
    print_heading("echoes, took", "answered");
    all().for_each(|(name, trials)| print_figures(name, trials.map(|trial| trial.echoes)));
    for (contender, trials) in contenders.iter().zip(trials) {
        for (round, trial) in (1..).zip(trials) {
            if let Err(error) = trial {
                println!("  {contender}, round {round}: {error}");
            }
        }
        if let Some(note) = note(subject, contender) {
            println!("  {contender}: {note}");
        }
    }
    println!();
}

fn print_heading(what: &str, count: &str) {
    println!(
        "  {what:<18} {count:>9} {:>9} {:>9} {:>9} {:>9}   p99, round by round",
        "p50", "p99", "max", "stuck"
    );
}

/// A row of medians.
fn print_figures(contender: &str, rounds: impl Iterator<Item = Figures>) {
    let rounds: Vec<Figures> = rounds.collect();
    if rounds.is_empty() {
        return;
    }
    let median = |of: fn(&Figures) -> f64| spread(rounds.iter().map(of).collect()).1;
    let count = match median(|figures| figures.done as f64) {
        0.0 => "none".to_string(),
        count => format!("{count:.0}"),
    };
    let p99s: Vec<String> = rounds.iter().map(|figures| time(figures.p99 as f64)).collect();
    println!(
        "    {contender:<16} {count:>9} {:>9} {:>9} {:>9} {:>9}   {}",
        time(median(|figures| figures.p50 as f64)),
        time(median(|figures| figures.p99 as f64)),
        time(median(|figures| figures.max as f64)),
        match median(|figures| figures.stuck as f64) {
            0.0 => "no".to_string(),
            stuck => time(stuck),
        },
        p99s.join(", "),
    );
}

/// A row of a burst's lengths; one that was given up counts as endless.
fn print_bursts(contender: &str, rounds: impl Iterator<Item = Option<Duration>>) {
    let rounds: Vec<f64> =
        rounds.map(|took| took.map_or(f64::INFINITY, |took| took.as_nanos() as f64)).collect();
    if !rounds.is_empty() {
        let (low, median, high) = spread(rounds);
        println!("    {contender:<16} {:>9}   [{} .. {}]", time(median), time(low), time(high));
    }
}

fn time(nanos: f64) -> String {
    match nanos {
        f64::INFINITY => format!("> {} s", BURST_LIMIT.as_secs()),
        1e9.. => format!("{:.2} s", nanos / 1e9),
        1e6.. => format!("{:.2} ms", nanos / 1e6),
        _ => format!("{:.0} µs", nanos / 1e3),
    }
}
