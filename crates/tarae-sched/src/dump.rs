//! Who waits for what: a snapshot for people to read.
//!
//! Taken while the scheduler runs, one coroutine after the other: what is said of one was true at some moment of the reading.
//! [`deadlock`](crate::deadlock) writes its lines here, too.

use std::fmt;

use tarae_task::Coroutine;

use crate::metrics::CoroutineCounts;
use crate::scheduler::Scheduler;
use crate::wait::Wait;

/// Who waits for what in a runtime, as it was a moment ago. Its `Display` is the text.
///
/// A line for each coroutine that waits, or has waited and runs now; one that never waited is only counted. With a precision,
/// as in `{:.100}`, at most so many lines are written, and how many are left out.
#[derive(Clone, Debug)]
pub struct Dump {
    name: String,
    workers: usize,
    counts: CoroutineCounts,
    coroutines: Vec<Entry>,
}

/// What is said of one coroutine. Does not keep it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    id: u64,
    text: String,
}

impl Entry {
    fn of(coroutine: &Coroutine) -> Entry {
        let name = coroutine.name().unwrap_or("<unnamed>");
        let (id, place) = (coroutine.id(), coroutine.spawned_at());
        let does = match coroutine.phase() {
            "parked" => format!("waits for {}", coroutine.reason()),
            phase => format!("is {phase}"),
        };
        Entry { id, text: format!("{id} '{name}', spawned at {place}, {does}") }
    }
}

/// Those of `coroutines` that have not ended, the oldest first.
pub(crate) fn entries(coroutines: &[Coroutine]) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        coroutines.iter().filter(|coroutine| !coroutine.is_done()).map(Entry::of).collect();
    entries.sort_by_key(|entry| entry.id);
    entries
}

/// Writes a line for each, `most` at most.
pub(crate) fn write_entries(text: &mut impl fmt::Write, entries: &[Entry], most: usize) -> fmt::Result {
    for entry in entries.iter().take(most) {
        write!(text, "\n  {}", entry.text)?;
    }
    if entries.len() > most {
        write!(text, "\n  and {} more", entries.len() - most)?;
    }
    Ok(())
}

impl<W: Wait> Scheduler<W> {
    /// Who waits for what.
    pub fn dump(&self) -> Dump {
        Dump {
            name: self.name().to_owned(),
            workers: self.workers(),
            counts: self.metrics().coroutines,
            coroutines: entries(&self.parked()),
        }
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dump { name, workers, counts, coroutines } = self;
        let CoroutineCounts { ready, running, parked } = counts;
        write!(f, "runtime '{name}', workers: {workers}, coroutines ready: {ready}, running: {running}, ")?;
        write!(f, "parked: {parked}")?;
        let most = f.precision().unwrap_or(usize::MAX);
        write_entries(f, coroutines, most)
    }
}
