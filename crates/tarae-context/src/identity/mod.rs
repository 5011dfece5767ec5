//! Identities: glibc threads that no kernel thread runs.
//!
//! `pthread_create` on memory of ours makes a thread; its start routine notes its thread pointer and its stack
//! pointer and leaves through a raw `exit` system call. The kernel thread is gone; glibc's thread (control
//! block, thread-locals, dtv, list membership) stays valid at the top of the memory until `pthread_join`.
//!
//! ```text
//! unborn ──pthread_create──► newborn ──raw exit, tid cleared──► orphan ──worn by a context──► orphan …
//!                            (a kernel thread for ~20 µs)        tid := a number of our own
//! ```
//!
//! What glibc keeps that would be stale in an orphan is mended once, at birth:
//!
//! * the cached **tid** is 0, which recursive mutexes would take for "unlocked by nobody": it gets a unique number
//!   above every kernel tid ([`FIRST_TID`]);
//! * **rseq**'s `cpu_id` stays at the CPU on which the newborn ran: it is marked unregistered, so that
//!   `sched_getcpu` asks the kernel.
//!
//! Where these fields are is found out at run time ([`layout`]), never assumed.

pub mod desk;
pub mod layout;
pub mod pin;

mod birth;

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use layout::Layout;

/// The first tid given to an identity. Kernel tids end at 2^22 (`PID_MAX_LIMIT`), and futex words hold 30 bits of
/// a tid (`FUTEX_TID_MASK`), so everything between is free for us.
pub const FIRST_TID: i32 = 1 << 24;

/// A glibc thread without a kernel thread.
///
/// # Invariants
///
/// - `thread` was made by `pthread_create` on memory that stays mapped, and its kernel thread has exited.
/// - `thread_pointer` is the value that the thread had in its thread pointer register.
/// - The memory from `stack_top` upwards belongs to glibc; below it nothing is in use.
#[derive(Debug)]
pub struct Identity {
    thread: libc::pthread_t,
    thread_pointer: usize,
    stack_top: usize,
}

impl Identity {
    /// Makes an identity at the top of the memory from `lo` to `hi`.
    ///
    /// # Errors
    ///
    /// What `pthread_create` reports (`EAGAIN` when the process may not have one more thread, `EINVAL` for memory
    /// that is too small), or that this C library is laid out in a way that tarae does not understand.
    ///
    /// # Safety
    ///
    /// The memory is mapped, readable and writable, used by nobody, and stays so for as long as the identity lives.
    pub unsafe fn new(lo: usize, hi: usize) -> io::Result<Identity> {
        let layout = Layout::of_this_process()?;
        // SAFETY: The caller's promise, passed on.
        let identity = unsafe { birth::bear(lo, hi, layout)? };
        // SAFETY: The kernel thread is gone and the identity is not yet shown to anyone: we own its memory.
        unsafe { identity.mend(layout) };
        Ok(identity)
    }

    /// The value to put into the thread pointer register in order to be this thread.
    pub fn thread_pointer(&self) -> usize {
        self.thread_pointer
    }

    /// The address below which the stack is free to use.
    pub fn stack_top(&self) -> usize {
        self.stack_top
    }

    /// Gives the identity what its kernel thread took along: a tid, and an rseq area that says it is unregistered.
    ///
    /// # Safety
    ///
    /// No kernel thread runs under this identity.
    unsafe fn mend(&self, layout: &Layout) {
        static NEXT: AtomicI32 = AtomicI32::new(FIRST_TID);
        /// `RSEQ_CPU_ID_REGISTRATION_FAILED` of linux/rseq.h.
        const REGISTRATION_FAILED: u32 = -2i32 as u32;
        let tid = NEXT.fetch_add(1, Ordering::Relaxed);
        // The identities made in one process's life stay below 2^30 by a wide margin; wrapping is harmless, as two
        // identities 2^30 births apart do not meet in one mutex.
        let tid = FIRST_TID + (tid - FIRST_TID).rem_euclid((1 << 30) - FIRST_TID);
        let field = layout.tid_of(self.thread);
        // SAFETY: `layout` was checked against live threads: the field lies in the control block, which we own.
        unsafe { ptr::write_volatile(field, tid) };
        if let Some(cpu_id) = layout.rseq_cpu_id_of(self.thread_pointer) {
            // SAFETY: glibc publishes the offset of the rseq area from the thread pointer; we own that memory.
            unsafe { ptr::write_volatile(cpu_id, REGISTRATION_FAILED) };
        }
    }

    /// Releases the identity: glibc's bookkeeping for it, and its place in glibc's lists of threads.
    ///
    /// Destructors of thread-locals do not run, as they do not for a thread that is alive when its process ends.
    ///
    /// # Safety
    ///
    /// No kernel thread runs under this identity, now or later.
    pub unsafe fn release(self) {
        let layout = Layout::of_this_process().expect("an identity exists, so the layout was understood");
        // SAFETY: The field lies in the control block, which stays valid until the join below.
        unsafe { ptr::write_volatile(layout.tid_of(self.thread), 0) };
        // SAFETY: The thread is joinable, was never joined, and its tid of 0 says that it has exited.
        let result = unsafe { libc::pthread_join(self.thread, ptr::null_mut()) };
        debug_assert_eq!(result, 0, "pthread_join of an orphan returns at once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(bytes: usize) -> (usize, usize) {
        // SAFETY: A fresh anonymous mapping touches nothing that exists.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(address, libc::MAP_FAILED);
        (address as usize, address as usize + bytes)
    }

    #[test]
    fn an_identity_has_a_tid_of_its_own_and_can_be_released_and_remade() {
        let (lo, hi) = memory(128 * 1024);
        let layout = Layout::of_this_process().expect("this C library is understood");
        let mut seen = Vec::new();
        for _ in 0..50 {
            // SAFETY: The memory is ours, and the identity before was released.
            let identity = unsafe { Identity::new(lo, hi) }.expect("an identity");
            // SAFETY: The field lies in the live control block.
            let tid = unsafe { ptr::read_volatile(layout.tid_of(identity.thread)) };
            assert!(tid >= FIRST_TID, "{tid}");
            assert!(!seen.contains(&tid));
            seen.push(tid);
            assert!(identity.stack_top() > lo && identity.stack_top() < hi);
            // SAFETY: Nobody runs under it.
            unsafe { identity.release() };
        }
    }

    #[test]
    fn memory_too_small_for_a_thread_is_an_error() {
        let (lo, _) = memory(128 * 1024);
        // SAFETY: The memory is ours.
        let error = unsafe { Identity::new(lo, lo + 4096) }.expect_err("a page holds no thread");
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}
