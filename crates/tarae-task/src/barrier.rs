//! A pair of memory barriers of unequal weight: one that costs nothing, for what happens at each switch, and one that
//! pays for both, for what happens when a thread is stuck.
//!
//! `light` and `heavy` order each other as two `SeqCst` fences would: of a thread that stores `x`, calls `light` and
//! loads `y`, and one that stores `y`, calls `heavy` and loads `x`, at least one sees the other's store. The heavy one
//! is membarrier(2), which makes every running thread of the process pass a full barrier; so for the light one it is
//! enough that the compiler keeps the order. Where the kernel has no membarrier (before 4.14, or refused by a filter),
//! both are full fences.

use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};

use rustix::thread::{MembarrierCommand, membarrier};

const UNKNOWN: u8 = 0;
const UNEQUAL: u8 = 1;
const EQUAL: u8 = 2;

/// Written before the first `light` of the process, and never changed after.
static WAY: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Finds out what the kernel offers. Called before what uses the barriers is made.
pub(crate) fn prepare() {
    if WAY.load(Ordering::Acquire) != UNKNOWN {
        return;
    }
    let registered = membarrier(MembarrierCommand::RegisterPrivateExpedited)
        .and_then(|()| membarrier(MembarrierCommand::PrivateExpedited));
    let way = if registered.is_ok() { UNEQUAL } else { EQUAL };
    // Whoever comes second found the same.
    WAY.store(way, Ordering::Release);
}

/// The barrier of the thread that passes often.
#[inline(always)]
pub(crate) fn light() {
    if WAY.load(Ordering::Relaxed) == UNEQUAL {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The barrier of the thread that passes seldom: a few microseconds. Returns whether it worked.
#[must_use]
pub(crate) fn heavy() -> bool {
    fence(Ordering::SeqCst);
    WAY.load(Ordering::Relaxed) != UNEQUAL || membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}
