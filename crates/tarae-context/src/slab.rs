//! Stack slabs: address space in large pieces, cut into slots.
//!
//! A slab is one mapping of 2^k slots: reserved without accounting (`MAP_NORESERVE`), committed page by page as it
//! is touched, kept off huge pages (one touched byte must not cost 2 MiB). Slots are handed out in address order
//! and never given back to the system: a slot lives as long as its identity, which is pooled.
//!
//! Below each stack lies a guard of [`GUARD_BYTES`]. Linux 6.13 and later make it without splitting the mapping
//! (`MADV_GUARD_INSTALL`), so that a million guarded slots fit under the default `vm.max_map_count`; older kernels
//! get `mprotect`, and a clear error at that ceiling.

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The guard below each stack. Rust probes its frames page by page, C does not: a C frame smaller than this cannot
/// jump over the guard.
pub const GUARD_BYTES: usize = 64 * 1024;

/// The largest slab, unless one slot is larger. A slab is reserved in one system call; more at once would only make
/// a process with a limited address space fail earlier than needed.
const SLAB_BYTES_MAX: usize = 1 << 30;

/// How much address space a slab leaves for others. An allocator that finds none ends the process, so stacks must run out
/// first; glibc's takes it in pieces of 64 MiB.
const LEFT_FOR_OTHERS: usize = 64 << 20;

/// How many slots the first slab of a pool has, unless they are very large. Later slabs double.
const SLOTS_FIRST: usize = 64;

/// How much address space one coroutine reserves: guard, stack and identity together. A power of two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackSize(usize);

impl StackSize {
    /// The smallest slot: 64 KiB of guard, up to 12 KiB of identity, the rest for frames.
    pub const MIN: StackSize = StackSize(128 * 1024);
    /// What a coroutine gets that does not ask: about 180 KiB for frames.
    pub const DEFAULT: StackSize = StackSize(256 * 1024);
    /// The largest slot.
    pub const MAX: StackSize = StackSize(1 << 36);

    /// Returns the size of a slot that reserves at least `bytes`, guard and identity included.
    ///
    /// # Errors
    ///
    /// If `bytes` is below [`MIN`](Self::MIN), which guard and identity need, or above [`MAX`](Self::MAX).
    pub fn reserving(bytes: usize) -> Result<StackSize, StackSizeError> {
        if !(Self::MIN.0..=Self::MAX.0).contains(&bytes) {
            return Err(StackSizeError { asked: bytes });
        }
        Ok(StackSize(bytes.next_power_of_two()))
    }

    /// Returns the size of a slot with at least `bytes` for the coroutine's own frames.
    ///
    /// # Errors
    ///
    /// If the slot would be larger than [`MAX`](Self::MAX).
    pub fn usable(bytes: usize) -> Result<StackSize, StackSizeError> {
        /// Guard, identity and colour, rounded up: what a slot has that frames cannot use.
        const OVERHEAD: usize = GUARD_BYTES + 16 * 1024;
        let reserved = bytes.checked_add(OVERHEAD).ok_or(StackSizeError { asked: bytes })?;
        Self::reserving(reserved.max(Self::MIN.0)).map_err(|_| StackSizeError { asked: bytes })
    }

    /// The size in bytes.
    pub fn bytes(self) -> usize {
        self.0
    }
}

impl Default for StackSize {
    fn default() -> StackSize {
        StackSize::DEFAULT
    }
}

impl fmt::Debug for StackSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StackSize({} KiB)", self.0 / 1024)
    }
}

/// A stack size that no slot can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackSizeError {
    asked: usize,
}

impl fmt::Display for StackSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asked < StackSize::MIN.0 {
            write!(
                f,
                "a stack of {} bytes is too small: guard and thread identity need {} KiB in all",
                self.asked,
                StackSize::MIN.0 / 1024
            )
        } else {
            write!(
                f,
                "a stack of {} bytes is too large: the limit is {} GiB",
                self.asked,
                StackSize::MAX.0 >> 30
            )
        }
    }
}

impl std::error::Error for StackSizeError {}

impl From<StackSizeError> for io::Error {
    fn from(error: StackSizeError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

/// One slot's addresses. Whoever has it owns the memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    lo: usize,
    hi: usize,
}

impl Region {
    /// The lowest address: the guard begins here.
    pub fn lo(&self) -> usize {
        self.lo
    }

    /// The lowest address above the guard.
    pub fn floor(&self) -> usize {
        self.lo + GUARD_BYTES
    }

    /// The address after the last.
    pub fn hi(&self) -> usize {
        self.hi
    }
}

/// All address space of one slot size.
///
/// # Invariants
///
/// Every [`Region`] handed out lies within a mapping made here and overlaps no other one. `fresh` is the part of the
/// newest slab that was not handed out; `spare` holds the regions that came back because nothing was made of them.
#[derive(Debug)]
pub struct Slabs {
    size: StackSize,
    fresh: std::ops::Range<usize>,
    spare: Vec<Region>,
    slots: usize,
    handed_out: usize,
}

impl Slabs {
    /// Returns an empty set of slabs for slots of this size; nothing is reserved yet.
    pub fn new(size: StackSize) -> Slabs {
        Slabs { size, fresh: 0..0, spare: Vec::new(), slots: 0, handed_out: 0 }
    }

    /// How many slots are reserved, handed out or not.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// How many slots are handed out.
    pub fn handed_out(&self) -> usize {
        self.handed_out
    }

    /// Reserves another slab.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when the address space or its limit (`RLIMIT_AS`, `vm.max_map_count`) is used up. A smaller slab is
    /// tried before giving up.
    pub fn grow(&mut self) -> io::Result<()> {
        let slot = self.size.bytes();
        // What is left of the newest slab would be forgotten: it becomes spare.
        while let Some(region) = self.cut() {
            self.spare.push(region);
        }
        let mut wanted = self.slots.max(SLOTS_FIRST).min((SLAB_BYTES_MAX / slot).max(1));
        loop {
            match reserve(wanted * slot, slot) {
                Ok(base) => {
                    self.fresh = base..base + wanted * slot;
                    self.slots += wanted;
                    return Ok(());
                }
                Err(_) if wanted > 1 => wanted /= 2,
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands out a slot, with its guard in place; `None` when all are handed out.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the guard; the slot is kept for later.
    pub fn take(&mut self) -> io::Result<Option<Region>> {
        let Some(region) = self.spare.pop().or_else(|| self.cut()) else {
            return Ok(None);
        };
        match install_guard(&region) {
            Ok(()) => {
                self.handed_out += 1;
                Ok(Some(region))
            }
            Err(error) => {
                self.spare.push(region);
                Err(error)
            }
        }
    }

    /// Takes back a slot of which nothing was made.
    pub fn give_back(&mut self, region: Region) {
        self.handed_out -= 1;
        self.spare.push(region);
    }

    fn cut(&mut self) -> Option<Region> {
        let lo = self.fresh.start;
        let hi = lo + self.size.bytes();
        (hi <= self.fresh.end).then(|| {
            self.fresh.start = hi;
            Region { lo, hi }
        })
    }
}

/// Reserves `bytes` of address space at a multiple of `align`.
fn reserve(bytes: usize, align: usize) -> io::Result<usize> {
    let length = bytes.checked_add(align + LEFT_FOR_OTHERS).ok_or(io::ErrorKind::OutOfMemory)?;
    // SAFETY: A fresh anonymous mapping at an address of the kernel's choice touches nothing that exists.
    let address = unsafe {
        libc::mmap(
            ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // The kernel aligns to pages. One slot more was mapped, so that an aligned piece fits, and what others are to find;
    // what sticks out is unmapped. If that fails (a full map count), it stays reserved and unused.
    let start = address as usize;
    let base = start.next_multiple_of(align);
    for (from, to) in [(start, base), (base + bytes, start + length)] {
        if to > from {
            // SAFETY: Both ends lie within the mapping just made, outside of what is returned.
            unsafe { libc::munmap(from as *mut c_void, to - from) };
        }
    }
    // Without this one touched byte could commit 2 MiB. It fails only on kernels without huge pages.
    // SAFETY: Advice about a mapping of ours.
    unsafe { libc::madvise(base as *mut c_void, bytes, libc::MADV_NOHUGEPAGE) };
    Ok(base)
}

/// Makes every access to the lowest [`GUARD_BYTES`] of the region fault.
fn install_guard(region: &Region) -> io::Result<()> {
    /// Linux 6.13; include/uapi/asm-generic/mman-common.h.
    const MADV_GUARD_INSTALL: libc::c_int = 102;
    /// Whether the kernel has turned the advice down. Relaxed: a late reader only asks once more.
    static TOO_OLD: AtomicBool = AtomicBool::new(false);
    let guard = region.lo as *mut c_void;
    if !TOO_OLD.load(Ordering::Relaxed) {
        // SAFETY: The region is ours and unused; the advice discards its pages and marks them.
        if unsafe { libc::madvise(guard, GUARD_BYTES, MADV_GUARD_INSTALL) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINVAL) {
            return Err(error);
        }
        TOO_OLD.store(true, Ordering::Relaxed);
    }
    // SAFETY: The region is ours and unused.
    if unsafe { libc::mprotect(guard, GUARD_BYTES, libc::PROT_NONE) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(match error.raw_os_error() {
        Some(libc::ENOMEM) => io::Error::new(
            io::ErrorKind::OutOfMemory,
            "no more guarded stacks: before Linux 6.13 each takes two memory maps of the process; raise the sysctl \
             vm.max_map_count",
        ),
        _ => error,
    })
}

#[cfg(test)]
mod tests;
