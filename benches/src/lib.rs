//! What the benches share: interleaved rounds, medians, and ratios to a named peer.
//!
//! The machine drifts, so absolute times mean little and ratios of runs side by side a lot: each round runs every
//! contender once, in turn; a contender's figure is the median of its rounds, and its ratio the median of the ratios
//! round by round.

#![forbid(unsafe_code)]

pub mod beside;
pub mod channel;
pub mod echo;
pub mod skynet;
pub mod sync;
pub mod tail;
pub mod timer;

mod child;
mod subject;

use std::time::Duration;

use clap::Parser;

/// The command line of every bench.
#[derive(Debug, Parser)]
pub struct Options {
    /// Only benches whose name contains this.
    pub filter: Option<String>,
    /// How many rounds to run; the figures are medians.
    #[arg(long, default_value_t = 11)]
    pub rounds: usize,
    /// A quick look: no round to warm up.
    #[arg(long)]
    pub short: bool,
    /// Ignored; cargo passes it.
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// Runs a fixed number of operations and tells how long they took together.
pub type Run<'a> = Box<dyn FnMut() -> Duration + 'a>;

/// One implementation of the operation that a bench measures.
pub struct Contender<'a> {
    name: &'static str,
    run: Run<'a>,
}

impl std::fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contender").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Names a contender.
pub fn contender<'a>(name: &'static str, run: impl FnMut() -> Duration + 'a) -> Contender<'a> {
    Contender { name, run: Box::new(run) }
}

impl Options {
    /// Runs a bench and prints a line for each contender. The last one is the peer that the others are compared with.
    ///
    /// `operations` is how many each run makes; `leaves_out` says what the figure does not show.
    pub fn compare(&self, name: &str, operations: u64, leaves_out: &str, mut contenders: Vec<Contender<'_>>) {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            return;
        }
        let mut figures = vec![Vec::with_capacity(self.rounds); contenders.len()];
        // One round to warm up: pages, pools, caches of the allocator.
        for round in usize::from(self.short)..=self.rounds {
            for (contender, figures) in contenders.iter_mut().zip(&mut figures) {
                let nanos = (contender.run)().as_nanos() as f64 / operations as f64;
                if round > 0 {
                    figures.push(nanos);
                }
            }
        }
        println!("{name}  ({operations} operations a run, {} rounds; leaves out: {leaves_out})", self.rounds);
        let peer = figures.last().cloned().unwrap_or_default();
        for (contender, own) in contenders.iter().zip(&figures) {
            let ratios = own.iter().zip(&peer).map(|(own, peer)| own / peer).collect();
            let (low, middle, high) = spread(own.clone());
            println!(
                "  {:<22} {middle:>10.1} ns   [{low:.1} .. {high:.1}]   {:>6.2} of {}",
                contender.name,
                spread(ratios).1,
                contenders.last().map_or("", |peer| peer.name),
            );
        }
    }
}

/// The least, the median and the greatest.
pub fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
    (end(values.first()), middle, end(values.last()))
}
