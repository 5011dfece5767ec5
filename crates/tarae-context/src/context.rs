//! A context: a slot brought to life, in which one call after another can run, be suspended and be resumed.
//!
//! ```text
//!          new                 start(call)            suspend(signal)
//!  slot ─────────► resting ───────────────► running ─────────────────► suspended
//!                     ▲                       │  ▲                        │
//!                     └──── the call ended ───┘  └──────── resume ────────┘
//! ```
//!
//! The machinery on the stack is made once and lives as long as the context: a loop that waits for a call, runs it,
//! and reports that it ended. So a warm context starts a call with a resume and nothing else.
//!
//! Whoever resumes a context *wears* its identity meanwhile; what runs inside sees one and the same thread for as long
//! as the context lives, whichever kernel thread carries it. [`resume`](Context::resume) puts the identity on and takes
//! it off again. On processors that take long over it (14 ns each on an EPYC 7003) that is most of a switch, so a
//! worker that goes from one context straight to the next changes once: [`wear`](Context::wear),
//! [`enter`](Context::enter), `wear` the next.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::ptr::{self, NonNull};

use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::identity::Identity;
use crate::pool::Pool;
use crate::slab::Region;
use crate::thread_pointer;

/// What a context is to run: a function and its argument, without a type so that a context can serve any.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Called on the context's stack and identity. It must not unwind: an unwinding call aborts the process.
    pub function: unsafe fn(*const ()),
    /// Passed to the function.
    pub argument: *const (),
}

/// Why a resumed context came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspended {
    /// The call returned; the context is at rest.
    Ended,
    /// The call suspended itself with this signal, and goes on at the next resume.
    With(u8),
}

/// A stack and an identity, with the means to run a call on them.
///
/// # Invariants
///
/// - `inner` points to a live [`Inner`] that only this context and the code running inside it reach.
/// - `inner.coroutine` never finishes: its loop has no end.
/// - Nobody else uses the identity: a context is resumed by one kernel thread at a time, as that takes `&mut`.
pub struct Context {
    inner: NonNull<Inner>,
}

/// What a switch touches comes first.
#[repr(C)]
struct Inner {
    thread_pointer: usize,
    coroutine: Coroutine<(), Suspended, (), Ground>,
    /// Set by the loop inside when it first runs.
    yielder: Cell<*const Yielder<(), Suspended>>,
    call: Cell<Option<Call>>,
    /// How often the context was returned to its pool since its unused pages were last given back.
    uses: Cell<u32>,
    region: Region,
    pool: &'static Pool,
    /// Never released: a context lives as long as the process, in a pool. See `docs/design/0001-identity.md`.
    _identity: Identity,
}

// SAFETY: A context at rest, or suspended, is data: a stack, an identity and the box that names them. Nothing in it
// belongs to the kernel thread that last resumed it: the thread pointer and the thread-locals are its own. The code
// suspended inside is, to the compiler, a thread of its own, so moving it needs no more than moving a thread does.
unsafe impl Send for Context {}

impl Context {
    /// Makes a context of a slot: an identity at its top, `colour` bytes below the end, and the loop on its stack.
    ///
    /// # Errors
    ///
    /// As [`Identity::new`], with the region to keep.
    pub(crate) fn new(
        region: Region,
        colour: usize,
        pool: &'static Pool,
    ) -> Result<Context, (io::Error, Region)> {
        // SAFETY: The region is ours, and stays mapped: slabs are never unmapped.
        let identity = match unsafe { Identity::new(region.floor(), region.hi() - colour) } {
            Ok(identity) => identity,
            Err(error) => return Err((error, region)),
        };
        let ground = Ground { base: stack_pointer(identity.stack_top()), limit: stack_pointer(region.lo()) };
        let inner = NonNull::from(Box::leak(Box::<Inner>::new_uninit())).cast::<Inner>();
        let raw = Raw(inner);
        let coroutine = Coroutine::with_stack(ground, move |yielder, ()| serve(raw, yielder));
        // SAFETY: Freshly allocated for an `Inner`, and not yet shown to anyone.
        unsafe {
            inner.write(Inner {
                coroutine,
                thread_pointer: identity.thread_pointer(),
                yielder: Cell::new(ptr::null()),
                call: Cell::new(None),
                uses: Cell::new(0),
                region,
                pool,
                _identity: identity,
            });
        }
        let mut context = Context { inner };
        // The first resume takes the loop to its resting place, and touches the pages that every call will touch.
        let first = context.resume();
        debug_assert_eq!(first, Suspended::Ended);
        Ok(context)
    }

    /// Starts a call and runs it until it suspends itself or ends.
    ///
    /// # Safety
    ///
    /// The context is at rest, and is not given back to its pool before the call has ended. `call.function` may be called
    /// with `call.argument` on another thread, and stays callable until it has ended, however often it suspends itself.
    pub unsafe fn start(&mut self, call: Call) -> Suspended {
        // SAFETY: The caller's promise, passed on.
        unsafe { self.prepare(call) };
        self.resume()
    }

    /// Goes on with the call that was suspended, until it suspends itself again or ends. At rest it does nothing.
    // Not inlined: its caller may touch thread-locals.
    #[inline(never)]
    pub fn resume(&mut self) -> Suspended {
        let home = Home::note();
        // SAFETY: We have `&mut self`, so nobody else uses the identity; up to `go` no thread-local is touched.
        unsafe { self.wear() };
        // SAFETY: We wear it.
        let suspended = unsafe { self.enter() };
        // SAFETY: The caller's own thread; since the switch back nothing has touched a thread-local.
        unsafe { home.go() };
        suspended
    }

    /// Makes a call ready to run: the next [`enter`](Self::enter) starts it.
    ///
    /// # Safety
    ///
    /// As [`start`](Self::start).
    pub unsafe fn prepare(&self, call: Call) {
        self.inner().call.set(Some(call));
    }

    /// Puts on the context's identity: from here on the calling kernel thread is the context's thread, on its own stack.
    ///
    /// # Safety
    ///
    /// The caller owns the context. Between this and the return to its own identity the calling function touches no
    /// thread-local, not even by something that is inlined into it: the compiler takes a thread-local's address to be
    /// the same throughout a function. Nor is that function inlined into one that does.
    #[inline(always)]
    pub unsafe fn wear(&self) {
        let identity = self.inner().thread_pointer;
        // SAFETY: By the invariant of `Context` nobody else uses the identity; the rest is the caller's promise.
        unsafe { thread_pointer::write(identity, thread_pointer::way()) };
    }

    /// Switches to the context's stack, and comes back when the call there suspends itself or ends.
    ///
    /// # Safety
    ///
    /// The calling kernel thread wears the context's identity.
    #[inline(always)]
    pub unsafe fn enter(&mut self) -> Suspended {
        let inner = self.inner.as_ptr();
        // SAFETY: `inner` is live, and we have `&mut self`: nobody else uses the coroutine. The code inside reaches
        // the other fields only.
        let coroutine = unsafe { &mut (*inner).coroutine };
        match coroutine.resume(()) {
            CoroutineResult::Yield(suspended) => suspended,
            // By the invariant of `Context` the loop has no end.
            CoroutineResult::Return(()) => unreachable!("the loop of a context ended"),
        }
    }

    /// Returns the handle by which the code inside suspends itself.
    pub fn suspender(&self) -> Suspender {
        Suspender { yielder: self.inner().yielder.get(), lo: self.lo(), slot_bytes: self.slot_bytes() }
    }

    /// The lowest address of the slot, where the guard begins.
    pub fn lo(&self) -> usize {
        self.inner().region.lo()
    }

    /// The size of the slot in bytes, guard and identity included.
    pub fn slot_bytes(&self) -> usize {
        self.inner().region.hi() - self.inner().region.lo()
    }

    /// How many bytes of the stack are resident: what its deepest call touched since it was last trimmed, rounded
    /// up to pages, identity included.
    ///
    /// One system call (mincore(2)) per 4 MiB of slot.
    pub fn resident_bytes(&self) -> usize {
        let region = &self.inner().region;
        let page = page_bytes();
        let mut resident = 0;
        let mut states = [0u8; 1024];
        let mut from = region.floor();
        while from < region.hi() {
            let pages = ((region.hi() - from) / page).min(states.len());
            // SAFETY: The range lies within our mapping, and `states` has a byte for each page.
            let result = unsafe { libc::mincore(from as *mut _, pages * page, states.as_mut_ptr()) };
            debug_assert_eq!(result, 0);
            resident += states[..pages].iter().filter(|state| **state & 1 != 0).count() * page;
            from += pages * page;
        }
        resident
    }

    /// Counts one more use, and every so often gives back the pages that a deep call has touched.
    ///
    /// A system call costs as much as starting ten calls, so it is made once in [`USES_PER_TRIM`] uses: a stack
    /// that once went deep holds its pages for that long, and a stack in constant shallow use pays 5 ns.
    pub(crate) fn count_use(&mut self) {
        /// How many uses share one trimming.
        const USES_PER_TRIM: u32 = 64;
        let uses = self.inner().uses.get() + 1;
        if uses >= USES_PER_TRIM {
            self.trim();
        } else {
            self.inner().uses.set(uses);
        }
    }

    /// Gives back the pages below the [`KEPT_BYTES`] nearest to the stack's top, if it was used since it last did.
    pub(crate) fn trim(&mut self) {
        /// What stays committed: enough for most handlers, so that they never fault a page in twice.
        const KEPT_BYTES: usize = 16 * 1024;
        let inner = self.inner();
        if inner.uses.replace(0) == 0 {
            return;
        }
        let page = page_bytes();
        let keep_from = (inner.coroutine_base() - KEPT_BYTES) & !(page - 1);
        if keep_from > inner.region.floor() {
            // SAFETY: At rest nothing below the loop's frames is in use, and those lie within what is kept.
            unsafe {
                libc::madvise(
                    inner.region.floor() as *mut _,
                    keep_from - inner.region.floor(),
                    libc::MADV_DONTNEED,
                )
            };
        }
    }

    /// Reads one word of the identity, so that the processor knows the address of its page. With many coroutines that takes
    /// longer than all else that is cold; a prefetch waits for it, while several reads in a row wait for it together.
    #[inline(always)]
    pub fn look_up(&self) {
        let control_block = ptr::with_exposed_provenance::<usize>(self.inner().thread_pointer);
        // SAFETY: The thread pointer points to the identity's control block, which lives as long as the process. We have the
        // context, so no kernel thread wears the identity and writes there.
        let _ = unsafe { control_block.read_volatile() };
    }

    /// Asks the processor for the lines that a call touches first, of the identity and of the stack. After
    /// [`look_up`](Self::look_up), or it waits here.
    pub fn prefetch(&self) {
        /// How far the thread-locals reach down from the thread pointer that every call touches.
        const IDENTITY_BYTES: usize = 512;
        /// How far the frames of a shallow call reach down from the top of the stack.
        const STACK_BYTES: usize = 1024;
        let inner = self.inner();
        prefetch(inner.thread_pointer - IDENTITY_BYTES, IDENTITY_BYTES + LINE);
        prefetch(inner.coroutine_base() - STACK_BYTES, STACK_BYTES);
    }

    /// Asks the processor for what says where everything else is.
    pub fn prefetch_inner(&self) {
        prefetch(self.inner.as_ptr().addr(), size_of::<Inner>());
    }

    /// The pool that the context belongs to.
    pub fn pool(&self) -> &'static Pool {
        self.inner().pool
    }

    fn inner(&self) -> &Inner {
        // SAFETY: By the invariant of `Context` it is live. The only `&mut` into it is to the `coroutine` field,
        // in `resume`, which takes `&mut self`.
        unsafe { self.inner.as_ref() }
    }
}

/// A kernel thread's own identity, to come back to.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    thread_pointer: usize,
}

impl Home {
    /// Notes the identity of the calling thread.
    #[inline(always)]
    pub fn note() -> Home {
        Home { thread_pointer: thread_pointer::read() }
    }

    /// Takes off whatever identity the calling kernel thread wears, and is itself again.
    ///
    /// # Safety
    ///
    /// Called on the kernel thread that noted it, while that one was itself; and as [`Context::wear`].
    #[inline(always)]
    pub unsafe fn go(self) {
        // SAFETY: The caller's promise.
        unsafe { thread_pointer::write(self.thread_pointer, thread_pointer::way()) };
    }
}

impl Inner {
    fn coroutine_base(&self) -> usize {
        self._identity.stack_top()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = &self.inner().region;
        write!(f, "Context({:#x}..{:#x})", region.lo(), region.hi())
    }
}

/// Suspends the call that runs in a context, and knows where its slot lies. Only the code inside uses it.
#[derive(Clone, Copy, Debug)]
pub struct Suspender {
    yielder: *const Yielder<(), Suspended>,
    lo: usize,
    slot_bytes: usize,
}

impl Suspender {
    /// A suspender of no context.
    pub const NONE: Suspender = Suspender { yielder: ptr::null(), lo: 0, slot_bytes: 0 };

    /// The lowest address of the slot, where the guard begins, and the size of the slot in bytes.
    pub fn slot(self) -> (usize, usize) {
        (self.lo, self.slot_bytes)
    }

    /// Whether the caller's frame lies in the slot.
    #[inline(always)]
    pub fn is_on_its_stack(self) -> bool {
        let here = 0u8;
        (&raw const here).addr().wrapping_sub(self.lo) < self.slot_bytes
    }

    /// Suspends the running call: the resume that runs it returns `Suspended::With(signal)`. Returns at the next
    /// resume.
    ///
    /// # Safety
    ///
    /// Called by code that runs in the context this suspender came from.
    #[inline(always)]
    pub unsafe fn suspend(self, signal: u8) {
        // SAFETY: The yielder lives in the context's loop, which never ends.
        let yielder = unsafe { &*self.yielder };
        yielder.suspend(Suspended::With(signal));
    }
}

/// The address of an [`Inner`] on its way into its own loop.
struct Raw(NonNull<Inner>);

/// The loop of a context: run what there is to run, then rest.
fn serve(raw: Raw, yielder: &Yielder<(), Suspended>) {
    let inner = raw.0.as_ptr();
    // SAFETY: The box lives as long as the loop. Only this field is borrowed, not the coroutine beside it.
    let slot_of_yielder = unsafe { &(*inner).yielder };
    // SAFETY: As above.
    let slot_of_call = unsafe { &(*inner).call };
    slot_of_yielder.set(yielder);
    loop {
        if let Some(call) = slot_of_call.take() {
            let abort = AbortOnUnwind;
            // SAFETY: `start` was promised that it may be called, here and now.
            unsafe { (call.function)(call.argument) };
            std::mem::forget(abort);
        }
        yielder.suspend(Suspended::Ended);
    }
}

/// A call must not unwind; if it does, the frames above are not ours to destroy.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}

/// The part of a slot that frames may use, as corosensei wants to see it.
struct Ground {
    base: StackPointer,
    limit: StackPointer,
}

// SAFETY: `base` lies 64-aligned below the identity, `limit` at the start of the guard; between them is memory of
// the slot that nobody else uses, writable above the guard, and it stays mapped.
unsafe impl Stack for Ground {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        self.limit
    }
}

fn stack_pointer(address: usize) -> StackPointer {
    NonZero::new(address).expect("a slot does not lie at address 0")
}

/// The size of a cache line.
const LINE: usize = 64;

/// Asks the processor for the lines of a range. A hint: any address will do.
#[inline]
fn prefetch(from: usize, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for address in (from..from + bytes).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: No preconditions: a prefetch reads nothing, and of what is not mapped it takes no notice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr::without_provenance(address)) };
    }
    // On AArch64 there is no stable way to say it.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, bytes);
}

pub(crate) fn page_bytes() -> usize {
    // SAFETY: No preconditions. glibc answers from memory.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("a page has a size")
}

#[cfg(test)]
mod tests;
