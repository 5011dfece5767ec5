//! What the kernel says of this process's memory: proc(5).

use std::io;

/// Returns how many bytes of this process are resident.
///
/// # Errors
///
/// If /proc is not mounted, or says something unheard of.
pub fn resident_bytes() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("/proc/self/status has no VmRSS in kB"))
}
