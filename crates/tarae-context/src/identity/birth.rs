//! Birth: from `pthread_create` to the moment the kernel thread is gone.
//!
//! The start routine is a few instructions of assembly, so that the newborn leaves no frame of unknown size behind
//! and touches as little of its stack as possible. It writes a [`Record`] and exits. Its creator waits until the
//! kernel has cleared the newborn's tid (`CLONE_CHILD_CLEARTID`), which the kernel does after its last access to
//! the thread's user memory: from then on nobody but us uses the stack.

use std::arch::global_asm;
use std::ffi::c_void;
use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use super::Identity;
use super::layout::Layout;

/// What a newborn tells about itself before it leaves.
#[repr(C)]
#[derive(Default)]
struct Record {
    stack_pointer: usize,
    thread_pointer: usize,
}

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .text.tarae_newborn,\"ax\",@progbits",
    ".globl tarae_context_newborn",
    ".hidden tarae_context_newborn",
    ".type tarae_context_newborn,@function",
    "tarae_context_newborn:",
    "mov [rdi + {stack_pointer}], rsp",
    "mov rax, fs:[0]",
    "mov [rdi + {thread_pointer}], rax",
    "2: xor edi, edi",
    "mov eax, {exit}",
    "syscall",
    "jmp 2b",
    ".size tarae_context_newborn, . - tarae_context_newborn",
    ".popsection",
    stack_pointer = const offset_of!(Record, stack_pointer),
    thread_pointer = const offset_of!(Record, thread_pointer),
    exit = const libc::SYS_exit,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .text.tarae_newborn,\"ax\",@progbits",
    ".globl tarae_context_newborn",
    ".hidden tarae_context_newborn",
    ".type tarae_context_newborn,@function",
    "tarae_context_newborn:",
    "mov x1, sp",
    "str x1, [x0, #{stack_pointer}]",
    "mrs x1, tpidr_el0",
    "str x1, [x0, #{thread_pointer}]",
    "2: mov x0, #0",
    "mov x8, #{exit}",
    "svc #0",
    "b 2b",
    ".size tarae_context_newborn, . - tarae_context_newborn",
    ".popsection",
    stack_pointer = const offset_of!(Record, stack_pointer),
    thread_pointer = const offset_of!(Record, thread_pointer),
    exit = const libc::SYS_exit,
);

unsafe extern "C" {
    /// A thread's start routine: fills the [`Record`] and leaves through the raw `exit` system call.
    fn tarae_context_newborn(record: *mut c_void) -> *mut c_void;
}

extern "C" fn start_routine(record: *mut c_void) -> *mut c_void {
    // SAFETY: `create` was given a record that lives until the kernel thread is gone.
    unsafe { tarae_context_newborn(record) }
}

/// Creates a thread whose stack, thread-locals and control block lie between `lo` and `hi`, waits until its kernel
/// thread is gone, and returns what stays: the identity.
///
/// # Safety
///
/// As [`Identity::new`].
pub(super) unsafe fn bear(lo: usize, hi: usize, layout: &Layout) -> io::Result<Identity> {
    let mut record = Record::default();
    // SAFETY: The memory is the caller's; the record outlives the newborn, as nothing between here and the wait
    // below returns or unwinds once the thread exists.
    let thread = unsafe { create(lo, hi, &raw mut record)? };
    wait_until_gone(thread, layout);
    // SAFETY: The newborn wrote its record before it left, and it has left.
    let record = unsafe { (&raw const record).read_volatile() };
    // The x86-64 ABI lets code use 128 bytes below the stack pointer; nothing of the newborn's is there, but the
    // distance costs nothing. AArch64 wants 16-byte alignment; 64 keeps frames off the last line in use.
    let stack_top = (record.stack_pointer - 128) & !63;
    Ok(Identity { thread, thread_pointer: record.thread_pointer, stack_top })
}

/// # Safety
///
/// As [`Identity::new`]; and `record` lives until the kernel thread is gone.
unsafe fn create(lo: usize, hi: usize, record: *mut Record) -> io::Result<libc::pthread_t> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: The pointer is to memory for one attribute object.
    check(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) })?;
    // SAFETY: Initialised by the call above.
    let attributes = unsafe { attributes.assume_init_mut() };
    // SAFETY: The attribute object is initialised; the memory is the caller's.
    let placed = check(unsafe { libc::pthread_attr_setstack(attributes, lo as *mut c_void, hi - lo) });
    let mut thread: libc::pthread_t = 0;
    let created = placed.and_then(|()| {
        // SAFETY: All pointers are valid; the record lives until the newborn is gone.
        check(unsafe { libc::pthread_create(&raw mut thread, attributes, start_routine, record.cast()) })
    });
    // SAFETY: Initialised above and not used afterwards.
    unsafe { libc::pthread_attr_destroy(attributes) };
    created.map(|()| thread)
}

fn wait_until_gone(thread: libc::pthread_t, layout: &Layout) {
    let tid = layout.tid_of(thread).cast::<AtomicI32>();
    // SAFETY: The field lies in the control block of a thread that was not joined; only the kernel writes it.
    let tid = unsafe { &*tid };
    loop {
        let alive = tid.load(Ordering::Acquire);
        if alive == 0 {
            return;
        }
        // SAFETY: FUTEX_WAIT reads the word and sleeps while it equals `alive`. The kernel wakes it when it clears
        // the tid, as `pthread_join` relies on; that wake is not a private one.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                tid.as_ptr(),
                libc::FUTEX_WAIT,
                alive,
                ptr::null::<libc::timespec>(),
            )
        };
    }
}

fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}
