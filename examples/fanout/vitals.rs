//! What a process costs, read from outside: kernel threads, resident memory, CPU time.
//!
//! The parent reads `/proc/PID` of the server under test, so that measuring adds nothing to it.

use std::fs;
use std::io;
use std::time::Duration;

/// The unit of the times in `/proc/PID/stat`: `USER_HZ`, 100 on every Linux platform of today.
const TICK: Duration = Duration::from_millis(10);

/// Highest values seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peaks {
    pub(crate) kernel_threads: u64,
    pub(crate) rss_bytes: u64,
}

impl Peaks {
    /// Looks once more. The kernel itself keeps the peak of the memory; that of the threads is as good as
    /// the looks are frequent.
    pub(crate) fn look(&mut self, pid: u32) -> io::Result<()> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| number_after(&status, name).ok_or_else(|| malformed("status"));
        self.kernel_threads = self.kernel_threads.max(field("Threads:")?);
        self.rss_bytes = self.rss_bytes.max(field("VmHWM:")? * 1024);
        Ok(())
    }
}

/// The CPU time a process has used, in user and kernel mode, by all its threads, ended ones included.
pub(crate) fn cpu_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    cpu_ticks(&stat).map(|ticks| TICK * ticks).ok_or_else(|| malformed("stat"))
}

/// Fields 14 and 15 of proc_pid_stat(5). Field 2, the name, may hold spaces; it ends at the last `)`.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11);
    let user: u32 = times.next()?.parse().ok()?;
    let system: u32 = times.next()?.parse().ok()?;
    Some(user + system)
}

/// How many descriptors this process, and so its children, may open.
pub(crate) fn open_files_max() -> Option<u64> {
    number_after(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
}

/// How many connections there can be from here to one address and port.
pub(crate) fn local_ports_max() -> Option<u64> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = range.split_whitespace().map(|end| end.parse::<u64>().ok());
    let (low, high) = (ends.next()??, ends.next()??);
    Some(high.checked_sub(low)? + 1)
}

/// The first word behind `name` in a text of `name value` lines.
fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn malformed(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc/PID/{file} is not as expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ticks_are_found_behind_any_name() {
        let stat = "42 (a (b) 1 2) S 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 8 0 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(300));
    }

    #[test]
    fn our_own_peaks_are_plausible() {
        let mut peaks = Peaks::default();
        peaks.look(std::process::id()).expect("/proc is mounted");
        assert!(peaks.kernel_threads >= 1);
        assert!(peaks.rss_bytes > 100_000);
    }
}
