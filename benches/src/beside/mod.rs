//! One small program, run on tarae and beside it on its peers, each contender in a process of its own.
//!
//! A bench is a row of [`Bench`]es, one for each subject, which say what each contender runs; [`main`] does the rest. For each
//! subject and number of workers it starts a child for each contender ([`child`]), lets each run the program once to warm up,
//! and then once in each round, in turn; while one runs, the others sleep ([`rounds`]). The figures are medians of the
//! rounds, the ratios medians of the ratios round by round ([`table`]). The last contender is the peer that the others are
//! compared with.
//!
//! [`runtimes`] says what a number of workers means to each contender.

pub(crate) mod runtimes;

mod child;
mod rounds;
mod table;

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// What a program has measured: its first figure is the time it took, others are the subject's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Measured(pub(crate) Vec<Duration>);

impl From<Duration> for Measured {
    fn from(took: Duration) -> Measured {
        Measured(vec![took])
    }
}

/// Runs a contender's program once.
pub(crate) type Run = Box<dyn FnMut() -> Measured>;

/// With what a contender starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) workers: usize,
    /// How many operations each run makes.
    pub(crate) operations: u64,
}

/// In which unit a figure is told.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// The time of one operation, in nanoseconds.
    NanosEach,
    /// The time of all, in milliseconds.
    Millis,
}

/// One of the figures that a subject's programs measure.
#[derive(Clone, Copy, Debug)]
struct Figure {
    of: &'static str,
    unit: Unit,
    /// With one worker, and with two.
    aims: [f64; 2],
}

/// A program, on one of the runtimes.
struct Contender {
    name: &'static str,
    /// It makes one operation for so many of the others: it is so much slower.
    thinned: u64,
    start: Box<dyn Fn(Setup) -> io::Result<Run>>,
}

/// What a reader of these contenders' lines should know.
struct Note {
    of: &'static [&'static str],
    text: &'static str,
}

/// A subject: what is run, how often, on what.
pub struct Bench {
    name: &'static str,
    operations: u64,
    leaves_out: &'static str,
    figures: Vec<Figure>,
    contenders: Vec<Contender>,
    notes: Vec<Note>,
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Bench {
    /// A subject of this name. `operations` is how many a run makes, `leaves_out` what the figures do not show.
    pub(crate) fn new(name: &'static str, operations: u64, leaves_out: &'static str) -> Bench {
        Bench { name, operations, leaves_out, figures: Vec::new(), contenders: Vec::new(), notes: Vec::new() }
    }

    /// The time of an operation, which is `of`, and the aims with one worker and with two, in nanoseconds.
    pub(crate) fn each(mut self, of: &'static str, aims: [f64; 2]) -> Bench {
        self.figures.push(Figure { of, unit: Unit::NanosEach, aims });
        self
    }

    /// A time that is not divided by the operations, and the aims with one worker and with two, in milliseconds.
    pub(crate) fn whole(mut self, of: &'static str, aims: [f64; 2]) -> Bench {
        self.figures.push(Figure { of, unit: Unit::Millis, aims });
        self
    }

    /// A contender; the last one is the peer that the others are compared with.
    pub(crate) fn contender(
        self,
        name: &'static str,
        start: impl Fn(Setup) -> io::Result<Run> + 'static,
    ) -> Bench {
        self.thinned(name, 1, start)
    }

    /// A contender that is so slow that it makes one operation for `thinned` of the others.
    pub(crate) fn thinned(
        mut self,
        name: &'static str,
        thinned: u64,
        start: impl Fn(Setup) -> io::Result<Run> + 'static,
    ) -> Bench {
        self.contenders.push(Contender { name, thinned, start: Box::new(start) });
        self
    }

    /// What a reader of these contenders' lines should know.
    pub(crate) fn note(mut self, of: &'static [&'static str], text: &'static str) -> Bench {
        self.notes.push(Note { of, text });
        self
    }
}

/// Measures tarae beside its peers, each contender in a process of its own.
#[derive(Debug, Parser)]
struct Options {
    /// Only subjects whose name contains this.
    filter: Option<String>,
    /// How many rounds to run, each contender once in each; the figures are medians.
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// With how many workers, with commas between.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    workers: Vec<usize>,
    /// Only these contenders, with commas between.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A quick look: a tenth of the operations.
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
    subject: Option<String>,
}

/// The main function of a bench with these subjects.
///
/// # Errors
///
/// If the child's subject or contender is unknown. A contender that fails has a line in the table.
pub fn main(benches: Vec<Bench>) -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if let (Some(contender), Some(subject)) = (&options.child, &options.subject) {
        let workers = *options.workers.first().ok_or("a child without workers")?;
        return Ok(child::run(&benches, subject, contender, workers, options.short)?);
    }
    let mut chosen = benches;
    chosen.retain(|bench| options.filter.as_ref().is_none_or(|filter| bench.name.contains(filter)));
    for bench in &mut chosen {
        bench
            .contenders
            .retain(|one| options.only.is_empty() || options.only.iter().any(|only| only == one.name));
    }
    // Hidden where the output is no terminal.
    let progress = ProgressBar::new((chosen.len() * options.workers.len() * (options.rounds + 1)) as u64)
        .with_style(ProgressStyle::with_template("{wide_bar} {pos}/{len}  {msg}  {elapsed}")?);
    progress.enable_steady_tick(Duration::from_secs(1));
    for bench in &chosen {
        for &workers in &options.workers {
            progress.set_message(bench.name);
            let results = rounds::run(bench, workers, &options, || progress.inc(1));
            progress.suspend(|| table::print(bench, workers, options.rounds, options.short, &results));
        }
    }
    progress.finish_and_clear();
    Ok(())
}

impl Bench {
    /// How many operations a run of this contender makes.
    fn operations_of(&self, contender: &Contender, short: bool) -> u64 {
        self.operations / contender.thinned / if short { 10 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    /// The figures are divided by the operations that were asked for, so no pair, ring or crowd may round them down.
    #[test]
    fn every_contender_can_share_its_operations_out() {
        for bench in [crate::channel::benches(), crate::sync::benches()].into_iter().flatten() {
            for contender in &bench.contenders {
                for short in [false, true] {
                    let tasks = match bench.name {
                        name if name.ends_with("100_pairs") => 100,
                        name if name.starts_with("channel/ring") => 1_000,
                        name if name.starts_with("sync/mutex") => 64,
                        _ => 1,
                    };
                    let operations = bench.operations_of(contender, short);
                    assert!(operations > 0, "{} in {}", contender.name, bench.name);
                    assert_eq!(operations % tasks, 0, "{} in {}", contender.name, bench.name);
                }
            }
        }
    }

    #[test]
    fn no_two_subjects_have_one_name() {
        let all = [
            crate::channel::benches(),
            crate::sync::benches(),
            crate::skynet::benches(),
            crate::timer::benches(),
        ];
        let mut names: Vec<_> = all.iter().flatten().map(|bench| bench.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
