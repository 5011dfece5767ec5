//! A pair of memory barriers of unequal weight: one that costs nothing, for what happens at each switch, and one that
//! pays for both, for what happens when a thread is stuck.
//!
//! `light` and `heavy` order each other as two `SeqCst` fences would: of a thread that stores `x`, calls `light` and
//! loads `y`, and one that stores `y`, calls `heavy` and loads `x`, at least one sees the other's store. The heavy one
//! is membarrier(2), which makes every running thread of the process pass a full barrier; so for the light one it is
//! enough that the compiler keeps the order.

use std::sync::OnceLock;
use std::sync::atomic::{Ordering, compiler_fence, fence};

use rustix::thread::{MembarrierCommand, membarrier};

/// Whether the kernel offers the heavy barrier; if it does, the process is prepared for it. It is there since Linux 4.14, if
/// no filter refuses it.
pub(crate) fn is_offered() -> bool {
    static OFFERED: OnceLock<bool> = OnceLock::new();
    *OFFERED.get_or_init(|| membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok() && heavy())
}

/// The barrier of the thread that passes often.
#[inline(always)]
pub(crate) fn light() {
    compiler_fence(Ordering::SeqCst);
}

/// The barrier of the thread that passes seldom: a few microseconds. Returns whether it worked.
#[must_use]
pub(crate) fn heavy() -> bool {
    fence(Ordering::SeqCst);
    membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}
