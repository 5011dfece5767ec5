//! How many workers a runtime has by default: as many as there are CPUs for it.
//!
//! The smaller of two numbers. One is the CPUs in the affinity mask of the calling thread, which the worker threads
//! inherit; a mask too long for the system call's set is read from /proc. The other is the [`quota`] of the cgroup,
//! rounded up: two workers can use 1.5 CPUs up, one cannot. `std::thread::available_parallelism` rounds down.
//!
//! What cannot be read limits nothing, and is no error: a machine that says little must not keep a runtime from
//! starting. Files lie under `root`, which is `/` but in tests.

mod quota;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::thread::{CpuSet, sched_getaffinity};
use tarae_sched::Config;

use crate::thread::available_parallelism;

/// Returns how many workers a runtime has that was not told: at least 1, at most as many as a runtime may have.
pub(super) fn workers_by_default() -> usize {
    workers(sched_getaffinity(None), Path::new("/"))
}

fn workers(mask: rustix::io::Result<CpuSet>, root: &Path) -> usize {
    // The set has room for 1,024 CPUs. Where the kernel numbers more, the call fails with `EINVAL`, however few are in
    // the mask; std's own call fails as well, and std then counts all CPUs that are online.
    let counted = mask.ok().map(|mask| mask.count() as usize).filter(|&cpus| cpus > 0);
    let cpus = counted.or_else(|| listed(root));
    let cpus = cpus.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    cpus.min(quota::cpus(root).unwrap_or(usize::MAX)).clamp(1, Config::WORKERS_MAX)
}

/// Counts the CPUs of the calling thread's mask as proc_pid_status(5) lists them, at any length.
///
/// The list has CPUs that are offline, which sched_getaffinity(2) leaves out; so does this.
fn listed(root: &Path) -> Option<usize> {
    let status = read(&root.join("proc/thread-self/status"))?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let allowed = cpus_in(list)?;
    let online = read(&root.join("sys/devices/system/cpu/online"));
    let usable = match online.as_deref().and_then(cpus_in) {
        Some(online) => allowed.intersection(&online).count(),
        None => allowed.len(),
    };
    (usable > 0).then_some(usable)
}

/// The CPUs of a list as the kernel writes it: `0-3,8,10-11`, ascending.
fn cpus_in(list: &str) -> Option<BTreeSet<u16>> {
    let mut cpus = BTreeSet::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        // Out of order it is not the kernel's, and could keep us busy for long.
        if cpus.last().is_some_and(|&before| before >= first) {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// Reads a small text file; bytes that are no text become U+FFFD.
fn read(path: &Path) -> Option<String> {
    read_bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads what a file begins with: all of it, but where there are thousands of mounts. Those of the cgroups, made when
/// the system or the container starts, are listed among the first.
fn read_bytes(path: &Path) -> Option<Vec<u8>> {
    const BYTES_MAX: u64 = 1024 * 1024;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
