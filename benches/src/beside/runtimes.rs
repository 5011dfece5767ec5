//! What a number of workers means to each contender, and how it runs a program: on a worker, where tarae's runs too.
//!
//! Defaults for all but that number. Kernel threads have no workers: they get as many CPUs.

use std::io;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{Measured, Run};

/// An hour, for a timer that is not to fire.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// As a coroutine of tarae.
///
/// # Errors
///
/// If the runtime cannot be made.
pub(crate) fn tarae<M: Into<Measured> + Send + 'static>(
    workers: usize,
    program: impl Fn() -> M + Clone + Send + 'static,
) -> io::Result<Run> {
    let runtime = tarae::Runtime::builder().workers(workers).build()?;
    Ok(Box::new(move || runtime.run(program.clone()).into()))
}

/// As a task of tokio.
///
/// # Errors
///
/// If the runtime cannot be made.
pub(crate) fn tokio<M, F>(workers: usize, program: impl Fn() -> F + 'static) -> io::Result<Run>
where
    M: Into<Measured> + Send + 'static,
    F: Future<Output = M> + Send + 'static,
{
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_time().build()?;
    Ok(Box::new(move || {
        let task = runtime.spawn(program());
        runtime.block_on(task).expect("it does not panic").into()
    }))
}

/// As a coroutine of may, of which a process has one runtime.
pub(crate) fn may<M: Into<Measured> + Send + 'static>(
    workers: usize,
    program: impl Fn() -> M + Clone + Send + 'static,
) -> Run {
    may::config().set_workers(workers);
    Box::new(move || {
        let program = program.clone();
        may::go!(program).join().expect("it does not panic").into()
    })
}

/// As [`may()`], where so many coroutines can be alive at a time.
///
/// # Errors
///
/// If the kernel does not allow as many mappings as their stacks take, each of which is one and its guard another: may would
/// panic halfway, or hang.
pub(crate) fn may_with<M: Into<Measured> + Send + 'static>(
    workers: usize,
    coroutines: u64,
    program: impl Fn() -> M + Clone + Send + 'static,
) -> io::Result<Run> {
    const LIMIT: &str = "/proc/sys/vm/max_map_count";
    let limit = std::fs::read_to_string(LIMIT)?.trim().parse::<u64>().map_err(io::Error::other)?;
    if 2 * coroutines > limit {
        let why =
            format!("its stacks take up to {} mappings, and vm.max_map_count is {limit}", 2 * coroutines);
        return Err(io::Error::other(why));
    }
    Ok(may(workers, program))
}

/// As kernel threads, on as many CPUs as the others have workers.
///
/// # Errors
///
/// If the CPUs cannot be chosen.
pub(crate) fn threads<M: Into<Measured>>(
    workers: usize,
    program: impl Fn() -> M + 'static,
) -> io::Result<Run> {
    let allowed = sched_getaffinity(None)?;
    let mut chosen = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).take(workers).for_each(|cpu| chosen.set(cpu));
    // Inherited by the threads that this one will start.
    sched_setaffinity(None, &chosen)?;
    Ok(Box::new(move || program().into()))
}
