//! Where glibc keeps a thread's tid and rseq area: found out at run time, once, and checked.
//!
//! The offset of the tid differs between versions of glibc and between processors. Two fresh threads each look
//! through their own control block for the one word that equals the tid the kernel gave them; the offset that fits
//! both is the answer. No such offset, or more than one, and tarae refuses to start.

use std::ffi::{CStr, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

/// How far from its start the control block is searched. `struct pthread` has 2,304 bytes in glibc 2.36 and the tid
/// lies in its first third.
const SEARCHED_BYTES: usize = 1536;

/// Offsets into a thread's control block.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// From the `pthread_t`, which in glibc is the address of the control block, to the tid.
    tid: usize,
    /// From the thread pointer to the rseq area, if this glibc has one (2.35 and later).
    rseq: Option<isize>,
}

impl Layout {
    /// Returns the layout of the C library this process runs on.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the tid cannot be located beyond doubt, or whatever made the search fail. Either is
    /// remembered: a process does not change its C library.
    pub fn of_this_process() -> io::Result<&'static Layout> {
        static LAYOUT: OnceLock<Result<Layout, String>> = OnceLock::new();
        let found = LAYOUT.get_or_init(|| Layout::search().map_err(|error| error.to_string()));
        found.as_ref().map_err(|message| io::Error::new(io::ErrorKind::Unsupported, message.clone()))
    }

    fn search() -> io::Result<Layout> {
        let first = candidates()?;
        let second = candidates()?;
        let mut both = first.iter().filter(|offset| second.contains(offset));
        match (both.next(), both.next()) {
            (Some(&tid), None) => Ok(Layout { tid, rseq: rseq_offset() }),
            _ => Err(io::Error::other(
                "this C library keeps the thread id where tarae does not find it (glibc 2.31 to 2.41 are known)",
            )),
        }
    }

    /// The address of the tid in the control block of `thread`.
    pub(super) fn tid_of(&self, thread: libc::pthread_t) -> *mut i32 {
        (thread as usize + self.tid) as *mut i32
    }

    /// The address of the `cpu_id` in the rseq area of the thread with this thread pointer, if there is an area.
    pub(super) fn rseq_cpu_id_of(&self, thread_pointer: usize) -> Option<*mut u32> {
        /// `offsetof(struct rseq, cpu_id)`, part of the kernel's ABI.
        const CPU_ID: usize = 4;
        self.rseq.map(|offset| (thread_pointer.wrapping_add_signed(offset) + CPU_ID) as *mut u32)
    }
}

/// The offset of the rseq area from the thread pointer, which glibc publishes as `__rseq_offset` (glibc manual,
/// "Restartable Sequences"). Absent before 2.35.
fn rseq_offset() -> Option<isize> {
    const NAME: &CStr = c"__rseq_offset";
    // SAFETY: Looks up a symbol by a valid C string.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, NAME.as_ptr()) };
    if symbol.is_null() {
        return None;
    }
    // SAFETY: The symbol is documented as `const ptrdiff_t`.
    Some(unsafe { symbol.cast::<isize>().read() })
}

/// The offsets at which a fresh thread finds its own tid in its own control block.
fn candidates() -> io::Result<Vec<usize>> {
    let mut thread = MaybeUninit::uninit();
    let mut found: Vec<usize> = Vec::with_capacity(SEARCHED_BYTES / size_of::<i32>());
    // SAFETY: The start routine gets a pointer to `found`, which outlives the join below.
    let code = unsafe {
        libc::pthread_create(thread.as_mut_ptr(), ptr::null(), look_for_own_tid, (&raw mut found).cast())
    };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code));
    }
    // SAFETY: `pthread_create` succeeded, so it wrote the thread.
    let thread = unsafe { thread.assume_init() };
    // SAFETY: The thread is joinable and joined once.
    unsafe { libc::pthread_join(thread, ptr::null_mut()) };
    Ok(found)
}

extern "C" fn look_for_own_tid(found: *mut c_void) -> *mut c_void {
    // SAFETY: `candidates` passes its vector and waits for us.
    let found = unsafe { &mut *found.cast::<Vec<usize>>() };
    // SAFETY: No preconditions.
    let block = unsafe { libc::pthread_self() } as usize;
    // SAFETY: No preconditions.
    let tid = unsafe { libc::gettid() };
    for offset in (0..SEARCHED_BYTES).step_by(align_of::<i32>()) {
        // SAFETY: The control block is `SEARCHED_BYTES` long at least, and belongs to this thread.
        let word = unsafe { ptr::read_volatile((block + offset) as *const i32) };
        if word == tid {
            // The capacity was set aside by `candidates`: a newborn that does not allocate stays cheap.
            found.push(offset);
        }
    }
    ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tid_is_found_where_a_third_thread_confirms_it() {
        let layout = Layout::of_this_process().expect("this C library is understood");
        assert!(candidates().expect("a thread").contains(&layout.tid));
    }
}
