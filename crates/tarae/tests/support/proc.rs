//! What /proc says about this process.

use std::fs;
use std::path::PathBuf;

/// How many descriptors are open.
pub(crate) fn open_descriptors() -> usize {
    // One of them is the directory's own.
    fs::read_dir("/proc/self/fd").expect("/proc is mounted").count() - 1
}

/// A kernel thread of this process.
#[derive(Debug)]
pub(crate) struct Task {
    status: PathBuf,
}

impl Task {
    /// How often it gave its CPU away to wait; `None` if it has ended.
    pub(crate) fn voluntary_switches(&self) -> Option<u64> {
        let status = fs::read_to_string(&self.status).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse().ok()
    }
}

/// The kernel threads whose names begin with `prefix`. The kernel keeps 15 bytes of a name.
pub(crate) fn tasks_named(prefix: &str) -> Vec<Task> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted");
    tasks
        .filter_map(|task| {
            let task = task.ok()?.path();
            // It may have ended meanwhile.
            let name = fs::read_to_string(task.join("comm")).ok()?;
            name.starts_with(prefix).then(|| Task { status: task.join("status") })
        })
        .collect()
}

/// A line of /proc/self/status, in its own unit.
pub(crate) fn status_of_self(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line =
        status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("the field");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}
