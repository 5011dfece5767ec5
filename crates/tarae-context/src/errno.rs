//! Keeping `errno` over what a worker does between two coroutines.
//!
//! A worker that makes a stack, or waits for a lock, may do so under the identity of a coroutine that has merely
//! yielded. To that coroutine nothing has happened, so its `errno` must be what it was.

/// The `errno` of the calling thread; put back on drop.
#[derive(Debug)]
pub struct KeepErrno {
    errno: libc::c_int,
    /// Of this thread, for this thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl KeepErrno {
    /// Notes the calling thread's `errno`. To be dropped under the same identity.
    #[allow(clippy::new_without_default, reason = "a note of nothing means nothing")]
    pub fn new() -> KeepErrno {
        // SAFETY: No preconditions.
        let location = unsafe { libc::__errno_location() };
        // SAFETY: The pointer is to the calling thread's own.
        KeepErrno { errno: unsafe { location.read() }, _not_send: std::marker::PhantomData }
    }
}

impl Drop for KeepErrno {
    fn drop(&mut self) {
        // SAFETY: No preconditions.
        let location = unsafe { libc::__errno_location() };
        // SAFETY: The pointer is to the calling thread's own.
        unsafe { location.write(self.errno) };
    }
}
