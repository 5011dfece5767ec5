//! What the code calls that `#[tarae::main]` and `#[tarae::test]` write. Not for anybody else: it may change at any time.

use std::panic::Location;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use crate::runtime::{Builder, Runtime, default_runtime_of};

/// How many coroutines a test tells of that was not done in time.
const TOLD_MAX: usize = 100;

/// What stands in the parentheses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How many workers.
    pub workers: Option<usize>,
    /// How many bytes for each coroutine.
    pub stack_size: Option<usize>,
    /// How long a test may take.
    pub limit: Option<Duration>,
}

impl Options {
    fn builder(self) -> Builder {
        let mut builder = Runtime::builder();
        if let Some(workers) = self.workers {
            builder = builder.workers(workers);
        }
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        builder
    }
}

/// Runs the body of `main` on the default runtime, which has these options.
///
/// # Panics
///
/// With the payload of `body`; if the runtime cannot be started.
#[track_caller]
pub fn main<R: Termination + 'static>(options: Options, body: fn() -> R) -> ExitCode {
    let runtime = default_runtime_of(|| options.builder())
        .unwrap_or_else(|error| panic!("the runtime cannot be started: {error}"));
    let spawned_at = Location::caller();
    runtime.run_to_end(|| runtime.try_spawn(Some("main".into()), None, spawned_at, move || body().report()))
}

/// Runs the body of a test on a runtime of its own.
///
/// # Panics
///
/// With the payload of `body`; with a dump, if it takes too long; if the runtime cannot be started.
#[track_caller]
pub fn test<R: Termination + 'static>(options: Options, body: fn() -> R) -> ExitCode {
    let limit = options.limit.unwrap_or(Duration::from_secs(60));
    let runtime = options
        .builder()
        .name("test")
        .build()
        .unwrap_or_else(|error| panic!("the runtime cannot be started: {error}"));
    let name = std::thread::current().name().map(Box::from);
    let spawned_at = Location::caller();
    let spawn = || runtime.try_spawn(name, None, spawned_at, move || body().report());
    match crate::timeout(limit, || runtime.run_to_end(spawn)) {
        Ok(code) => code,
        Err(crate::Elapsed) => panic!("not done after {limit:?}: {:.TOLD_MAX$}", runtime.dump()),
    }
}
