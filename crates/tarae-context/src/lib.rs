//! Stack slabs and thread identities: what a coroutine stands on.
//!
//! A [`Context`] is one *slot*: a stack with a guard area below it and, at its top, an orphaned glibc thread,
//! the *identity*. Whoever resumes a context takes on its identity by setting the thread pointer, so that to
//! Rust, to LLVM and to libc the code inside runs on a thread of its own, whichever kernel thread carries it.
//!
//! ```text
//!  lo                                                                     hi (a multiple of the slot size)
//!  ├── guard ──┼── not yet touched … ──┼── the coroutine's frames ──┼─ identity ─┼─ colour ─┤
//!   64 KiB      committed as touched     grow downwards  ◄─────────┘  TLS + control block
//! ```
//!
//! | room | what it is for |
//! |---|---|
//! | [`thread_pointer`] | reads and writes `fs` (x86-64) or `TPIDR_EL0` (AArch64) |
//! | [`identity`] | makes an orphaned thread on a given piece of memory |
//! | [`slab`] | reserves address space, cuts it into guarded slots |
//! | [`context`] | a slot brought to life: start, resume, suspend |
//! | [`pool`] | keeps contexts warm: per-worker cache, shared stock, filled ahead of need |
//! | [`errno`] | keeps `errno` over what a worker does under a coroutine's identity |
//! | [`overflow`] | tells the user which coroutine ran off its stack |
//!
//! The decision and its evidence: `docs/design/0001-identity.md`.
//!
//! Nothing here knows about coroutines' states, queues or wakers: that is `tarae-task`, one layer up.

#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!(
    "tarae runs on Linux with glibc, on x86-64 and AArch64: a coroutine owns a glibc thread identity, and \
     no other C library or processor has been worked through"
);

pub mod context;
pub mod cpu_time;
pub mod errno;
pub mod identity;
pub mod overflow;
pub mod pool;
pub mod slab;
pub mod thread_pointer;

mod stock;

/// The atomics and locks of the protocols in this crate; the crate of loom models puts its own in this place.
mod sync {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
}

pub use context::{Call, Context, Home, Suspended};
pub use pool::{Cache, Pool};
pub use slab::{GUARD_BYTES, StackSize, StackSizeError};
