//! The overflow report: which coroutine ran off its stack, and what to do about it.
//!
//! A fault in a guard area raises `SIGSEGV`. The handler runs on the kernel thread's alternate stack and asks the
//! layer above who runs here and where its slot lies. Is the address in that slot's guard, it prints and aborts, as std
//! does for a thread; if not, it is somebody else's fault and goes to the handler that was there before (std's).

use std::ffi::{c_int, c_void};
use std::fmt::{self, Write};
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr;
use std::sync::OnceLock;

use crate::slab::GUARD_BYTES;

/// Who runs on the calling thread, as far as the report needs to know.
#[derive(Debug)]
pub struct Occupant<'a> {
    /// The lowest address of its slot.
    pub lo: usize,
    /// The size of its slot.
    pub slot_bytes: usize,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
}

/// Tells who runs on the calling thread. Called in a signal handler: reads, and nothing else.
pub type WhoRuns = fn(&mut dyn FnMut(Occupant<'_>));

struct Installed {
    who_runs: WhoRuns,
    before: libc::sigaction,
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Makes overflows of coroutine stacks be reported. Only the first call does anything.
pub fn install(who_runs: WhoRuns) {
    INSTALLED.get_or_init(|| {
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: All zeroes is a valid `sigaction`: no flags, empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_fault as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: Both pointers are valid; a handler that reads `INSTALLED` before it is set passes the signal on.
        let result = unsafe { libc::sigaction(libc::SIGSEGV, &action, before.as_mut_ptr()) };
        assert_eq!(result, 0, "sigaction(SIGSEGV) has valid arguments");
        // SAFETY: Written by the successful call above.
        Installed { who_runs, before: unsafe { before.assume_init() } }
    });
}

/// Gives the calling kernel thread an alternate signal stack, if it has none: on its own, the handler could not run
/// where no stack is left. Threads of std have one.
pub fn prepare_thread() {
    /// Enough for the kernel's frame with every vector register (AVX-512: 3.5 KiB) and the report.
    const BYTES: usize = 64 * 1024;
    let mut current = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: Only asks.
    let asked = unsafe { libc::sigaltstack(ptr::null(), current.as_mut_ptr()) };
    // SAFETY: Written by the call above, if it succeeded.
    if asked != 0 || unsafe { current.assume_init() }.ss_flags & libc::SS_DISABLE == 0 {
        return;
    }
    // Workers are few and live long: their signal stacks are never taken back.
    let memory = Box::leak(vec![0u8; BYTES].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: BYTES };
    // SAFETY: The memory is leaked, so it stays valid for as long as the thread may use it.
    unsafe { libc::sigaltstack(&stack, ptr::null_mut()) };
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, frame: *mut c_void) {
    let Some(installed) = INSTALLED.get() else {
        // SAFETY: Puts back what a process without handlers does; the fault repeats and ends it.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    };
    // SAFETY: The kernel passes a valid siginfo.
    let details = unsafe { &*info };
    // SAFETY: For SIGSEGV the address field is set.
    let address = unsafe { details.si_addr() } as usize;
    (installed.who_runs)(&mut |occupant| {
        if (occupant.lo..occupant.lo + GUARD_BYTES).contains(&address) {
            report(&occupant);
            // SAFETY: No preconditions; does not return.
            unsafe { libc::abort() };
        }
    });
    pass_on(&installed.before, signal, info, frame);
}

/// Does what the handler before ours would have done.
fn pass_on(before: &libc::sigaction, signal: c_int, info: *mut libc::siginfo_t, frame: *mut c_void) {
    type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
    type Plain = extern "C" fn(c_int);
    match before.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: The default action is a valid one; the fault repeats and meets it.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: With SA_SIGINFO the field holds a function of this type.
            let handler = unsafe { std::mem::transmute::<usize, Handler>(handler) };
            handler(signal, info, frame);
        }
        handler => {
            // SAFETY: Without SA_SIGINFO the field holds a function of this type.
            let handler = unsafe { std::mem::transmute::<usize, Plain>(handler) };
            handler(signal);
        }
    }
}

fn report(occupant: &Occupant<'_>) {
    /// A longer name would push out what happened.
    const NAME_BYTES_MAX: usize = 200;
    let mut text = Text { bytes: [0; 1024], length: 0 };
    let kib = occupant.slot_bytes / 1024;
    // Writing into the buffer cannot fail; what does not fit is cut off.
    let _ = match occupant.name {
        Some(name) => write!(text, "\ncoroutine '{}'", &name[..name.floor_char_boundary(NAME_BYTES_MAX)]),
        None => write!(text, "\ncoroutine '<unnamed>'"),
    };
    let _ = write!(
        text,
        " spawned at {} has overflowed its stack\nits slot is {kib} KiB, {} KiB of it guard and identity; for a \
         larger one use tarae::thread::Builder::stack_size, or Runtime::builder().stack_size for all\nfatal runtime \
         error: stack overflow, aborting\n",
        occupant.spawned_at,
        GUARD_BYTES / 1024 + 8,
    );
    // SAFETY: The buffer is valid for its length; write(2) may be called in a signal handler.
    unsafe { libc::write(libc::STDERR_FILENO, text.bytes.as_ptr().cast(), text.length) };
}

/// A text on the stack: a signal handler must not allocate.
struct Text {
    bytes: [u8; 1024],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let fits = part.len().min(self.bytes.len() - self.length);
        self.bytes[self.length..self.length + fits].copy_from_slice(&part.as_bytes()[..fits]);
        self.length += fits;
        Ok(())
    }
}
