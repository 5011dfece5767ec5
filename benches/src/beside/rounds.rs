//! The rounds: a child for each contender, asked in turn.

use std::time::Duration;

use super::{Bench, Options, Unit};
use crate::child::{Deadline, Process};

/// How long a child may take to start its runtime.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a child may take for a run.
const RUN_LIMIT: Duration = Duration::from_secs(60);

/// What a contender's rounds have shown.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// For each figure, in its unit, one value for each round that came to its end.
    pub(super) figures: Vec<Vec<f64>>,
    /// Why there are no more.
    pub(super) error: Option<String>,
}

/// Starts a child for each contender and runs all rounds, after one to warm up: pages, pools, caches of the allocator.
pub(super) fn run(
    bench: &Bench,
    workers: usize,
    options: &Options,
    mut after_round: impl FnMut(),
) -> Vec<Rounds> {
    let mut results: Vec<Rounds> = Vec::new();
    let mut children = Vec::new();
    for contender in &bench.contenders {
        let child = start(bench, contender.name, workers, options.short);
        let error = child.as_ref().err().cloned();
        results.push(Rounds { figures: vec![Vec::new(); bench.figures.len()], error });
        children.push(child.ok());
    }
    for round in 0..=options.rounds {
        for ((contender, child), results) in bench.contenders.iter().zip(&mut children).zip(&mut results) {
            let Some(process) = child else { continue };
            match measure(process, bench, bench.operations_of(contender, options.short)) {
                Ok(_) if round == 0 => {}
                Ok(values) => {
                    results.figures.iter_mut().zip(values).for_each(|(figure, value)| figure.push(value));
                }
                Err(error) => {
                    results.error = Some(error);
                    *child = None;
                }
            }
        }
        after_round();
    }
    results
}

fn start(bench: &Bench, contender: &str, workers: usize, short: bool) -> Result<Process, String> {
    let workers = workers.to_string();
    let mut arguments = vec!["--child", contender, "--subject", bench.name, "--workers", &workers];
    arguments.extend(short.then_some("--short"));
    let mut child = Process::start(&arguments).map_err(|error| error.to_string())?;
    match child.line("", Deadline::after(START_LIMIT))?.as_str() {
        "ready" => Ok(child),
        why_not => Err(why_not.to_string()),
    }
}

/// Runs the program once; its figures in their units.
fn measure(child: &mut Process, bench: &Bench, operations: u64) -> Result<Vec<f64>, String> {
    child.go().map_err(|error| format!("did not go: {error}"))?;
    let line = child.line("measured", Deadline::after(RUN_LIMIT))?;
    let nanos: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
    let nanos = nanos.map_err(|_| format!("measured {line:?}"))?;
    if nanos.len() != bench.figures.len() {
        return Err(format!("measured {} figures instead of {}", nanos.len(), bench.figures.len()));
    }
    Ok(bench
        .figures
        .iter()
        .zip(nanos)
        .map(|(figure, nanos)| match figure.unit {
            Unit::NanosEach => nanos / operations as f64,
            Unit::Millis => nanos / 1e6,
        })
        .collect())
}
