//! The thread pointer: the one register that says which thread this is.
//!
//! On x86-64 it is the base of the `fs` segment, on AArch64 `TPIDR_EL0`. Compilers and libc reach every
//! thread-local through it, and read it anew in every function; what they may assume is that it does not change
//! *within* a function. So the functions that write it are few, and touch no thread-local: [`Context::resume`], and the
//! loop in `tarae-task` that goes from one coroutine to the next.
//!
//! x86-64 can write `fs` from user space (FSGSBASE, Linux 5.9 and later) in 4 to 14 ns; without it, each write is a
//! system call. The environment variable `TARAE_THREAD_POINTER=arch_prctl` asks for the system call, for tools
//! that do not know the instruction (valgrind 3.19).
//!
//! [`Context::resume`]: crate::Context::resume

use std::arch::asm;
use std::sync::atomic::{AtomicU8, Ordering};

/// The environment variable that overrides how the thread pointer is written.
pub const ENVIRONMENT: &str = "TARAE_THREAD_POINTER";

/// How the thread pointer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// By one instruction, from user space.
    Instruction = 1,
    /// By a system call (x86-64 only).
    SystemCall = 2,
    /// Not at all. This makes every thread-local shared between coroutines, which is unsound; it exists so that
    /// the soundness tests can show that they fail without the switch.
    LeftOut = 3,
}

/// `0` until [`way`] has chosen, then a [`Way`]. Relaxed: the value depends on nothing else and every thread that
/// races to choose it chooses the same.
static WAY: AtomicU8 = AtomicU8::new(0);

/// Returns how this process writes the thread pointer, choosing on the first call.
#[inline]
pub fn way() -> Way {
    match WAY.load(Ordering::Relaxed) {
        1 => Way::Instruction,
        2 => Way::SystemCall,
        3 => Way::LeftOut,
        _ => choose(),
    }
}

#[cold]
fn choose() -> Way {
    let way = match std::env::var(ENVIRONMENT).as_deref() {
        Ok("left-out-for-soundness-tests") => Way::LeftOut,
        Ok("arch_prctl") if cfg!(target_arch = "x86_64") => Way::SystemCall,
        _ if instruction_available() => Way::Instruction,
        _ => Way::SystemCall,
    };
    WAY.store(way as u8, Ordering::Relaxed);
    way
}

#[cfg(target_arch = "x86_64")]
fn instruction_available() -> bool {
    /// `HWCAP2_FSGSBASE` of `asm/hwcap2.h`: the kernel lets user space use the instructions.
    const HWCAP2_FSGSBASE: libc::c_ulong = 1 << 1;
    // SAFETY: `getauxval` has no preconditions.
    let capabilities = unsafe { libc::getauxval(libc::AT_HWCAP2) };
    capabilities & HWCAP2_FSGSBASE != 0
}

#[cfg(target_arch = "aarch64")]
fn instruction_available() -> bool {
    true
}

/// Reads the thread pointer of the calling thread.
#[inline(always)]
pub(crate) fn read() -> usize {
    let value: usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: In the x86-64 TLS ABI the word at `fs:0` holds the thread pointer itself; reading it changes nothing.
    unsafe {
        asm!("mov {}, fs:[0]", out(reg) value, options(nostack, preserves_flags, readonly));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: Reading the register changes nothing.
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) value, options(nostack, preserves_flags, nomem));
    }
    value
}

/// Makes the calling kernel thread go on under another identity.
///
/// # Safety
///
/// `value` is the thread pointer of a thread identity that no kernel thread uses, or the caller's own. Between this
/// call and the stack switch that goes with it, no thread-local is touched.
#[inline(always)]
pub(crate) unsafe fn write(value: usize, way: Way) {
    if way == Way::Instruction {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: The instruction is available, as `way` says; the rest is the caller's promise.
        unsafe {
            asm!("wrfsbase {}", in(reg) value, options(nostack, preserves_flags));
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: The caller's promise.
        unsafe {
            asm!("msr tpidr_el0, {}", in(reg) value, options(nostack, preserves_flags));
        }
    } else {
        // SAFETY: The caller's promise, passed on.
        unsafe { write_slowly(value, way) };
    }
}

/// # Safety
///
/// As [`write`].
#[cold]
unsafe fn write_slowly(value: usize, way: Way) {
    if way == Way::LeftOut {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `arch_prctl(ARCH_SET_FS)` sets the register and touches no memory; rcx and r11 are declared.
    unsafe {
        const ARCH_SET_FS: usize = 0x1002;
        asm!(
            "syscall",
            inlateout("rax") libc::SYS_arch_prctl as usize => _,
            in("rdi") ARCH_SET_FS,
            in("rsi") value,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    let _ = value;
}
