//! Kernel threads as the kernel sees them. A program takes this file with `#[path]`, beside `support`.
#![allow(dead_code, reason = "every test program has its own copy, and none uses all of it")]

use std::collections::BTreeSet;
use std::fs;

/// The kernel thread that runs the caller: asked of the kernel, as whatever libc keeps follows the coroutine.
pub(crate) fn kernel_thread() -> i64 {
    // SAFETY: gettid(2) has no arguments and always succeeds.
    unsafe { libc::syscall(libc::SYS_gettid) }
}

/// The kernel threads of this process.
pub(crate) fn kernel_threads() -> BTreeSet<i64> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted");
    let number = |task: std::io::Result<fs::DirEntry>| task.ok()?.file_name().to_str()?.parse().ok();
    tasks.filter_map(number).collect()
}

/// The kernel threads of this process, but for the one that makes stacks ahead of need, which starts with the first
/// runtime and stays as long as the process, and those that tell of stalls, which start with the first one. A thread bears
/// the name of whoever started it until it runs, so whatever has a monitor's is left out, too.
pub(crate) fn passing_kernel_threads() -> BTreeSet<i64> {
    let mut threads = kernel_threads();
    threads.retain(|thread| {
        // It may have ended meanwhile.
        let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap_or_default();
        name.trim_end() != "tarae-stacks" && !name.contains("-report") && !name.contains("-monit")
    });
    threads
}

/// How often these gave their CPU away to wait, in all, and how many of them live.
pub(crate) fn voluntary_switches(threads: &BTreeSet<i64>) -> (u64, usize) {
    let each: Vec<u64> = threads.iter().filter_map(|thread| voluntary_switches_of(*thread)).collect();
    (each.iter().sum(), each.len())
}

fn voluntary_switches_of(thread: i64) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}
