//! The coroutine object, and the handle to it.
//!
//! One allocation holds everything: the [`Header`], whose type does not depend on what the coroutine runs, and behind
//! it the job or its result ([`body`](crate::body)). Handles point to the header and reach the rest through a table of
//! functions.
//!
//! Who may touch what of the header:
//!
//! | field | who |
//! |---|---|
//! | `state`, `reason`, `token` | anyone: atomics |
//! | `schedule`, `attributes`, `table` | anyone: never written after `spawn` |
//! | `context`, `suspender`, `seat`, `remembered`, `stamp(ed)`, `mailbox`, `locks` | whoever owns the stack, as the state word says |
//! | `joiner` | the join handle until it sets `JOINED`, then the completer; or until it sets `WATCHED`, then who sets `RESULT` |

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

use tarae_context::{Context, Pool};

use crate::adrift::Mailbox;
use crate::body::{Body, Table};
use crate::join::JoinHandle;
use crate::park::Reason;
use crate::runnable::Runnable;
use crate::schedule::{Cause, Schedule};
use crate::seat::Tenure;
use crate::state::{State, Woken};

/// What is said about a coroutine when it is spawned.
#[derive(Clone, Debug)]
pub struct Attributes {
    /// Its name, for the user.
    pub name: Option<Box<str>>,
    /// Where it was spawned, for the user.
    pub spawned_at: &'static Location<'static>,
    /// Where its context comes from.
    pub pool: &'static Pool,
}

/// The part of a coroutine that every handle sees.
///
/// # Invariants
///
/// - It is the first field of a `Body<F, T>` in an `Arc`, and `table` is that type's.
/// - `context` is `Some` from the first run until the coroutine has ended.
/// - While the coroutine runs, `seat` is the tenure of the thread that runs it.
///
/// The order of the fields is that of their use: what a switch touches comes first, in as few cache lines as it takes.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) state: State,
    pub(crate) reason: AtomicU8,
    /// The token of `thread::park` and `unpark`.
    token: AtomicBool,
    /// Whether there is a `stamp`.
    pub(crate) stamped: Cell<bool>,
    pub(crate) context: UnsafeCell<Option<Context>>,
    pub(crate) suspender: Cell<tarae_context::context::Suspender>,
    pub(crate) seat: Cell<*const Tenure>,
    /// Where it waits for its turn while it is locked to a kernel thread.
    pub(crate) mailbox: UnsafeCell<Option<Arc<Mailbox>>>,
    /// How many times it is locked to its kernel thread.
    pub(crate) locks: Cell<u32>,
    /// When it was queued, if that is being measured.
    pub(crate) stamp: Cell<u64>,
    pub(crate) schedule: Arc<dyn Schedule>,
    /// The key under which the scheduler remembers it, once it has parked.
    pub(crate) remembered: Cell<Option<u64>>,
    pub(crate) table: &'static Table,
    pub(crate) joiner: UnsafeCell<Option<Waker>>,
    pub(crate) attributes: Attributes,
    /// 0 until somebody asks.
    id: AtomicU64,
}

impl Header {
    fn new(table: &'static Table, schedule: Arc<dyn Schedule>, attributes: Attributes) -> Header {
        Header {
            state: State::new(),
            reason: AtomicU8::new(Reason::Other as u8),
            token: AtomicBool::new(false),
            table,
            schedule,
            attributes,
            id: AtomicU64::new(0),
            context: UnsafeCell::new(None),
            suspender: Cell::new(tarae_context::context::Suspender::NONE),
            seat: Cell::new(ptr::null()),
            stamped: Cell::new(false),
            stamp: Cell::new(0),
            mailbox: UnsafeCell::new(None),
            locks: Cell::new(0),
            remembered: Cell::new(None),
            joiner: UnsafeCell::new(None),
        }
    }

    /// Returns a new handle.
    pub(crate) fn coroutine(&self) -> Coroutine {
        // SAFETY: The header lies in an `Arc` of the table's type, and `&self` keeps it alive meanwhile.
        unsafe { (self.table.retain)(self) };
        // INVARIANT: The count just taken is the handle's.
        Coroutine { header: NonNull::from(self) }
    }

    /// Wakes it; the caller keeps its own count.
    #[inline]
    pub(crate) fn wake(&self) {
        if self.state.wake() == Woken::Schedule {
            self.schedule_now();
        }
    }

    fn schedule_now(&self) {
        // SAFETY: The state word gave the right to run to the caller of `wake` or `cancel`, who got `Schedule`; the
        // count was set aside when the coroutine parked.
        let runnable = unsafe { Runnable::from_parked(NonNull::from(self)) };
        match runnable.mailbox().cloned() {
            None => self.schedule.schedule(runnable, Cause::Woken),
            Some(mailbox) => mailbox.deliver(runnable),
        }
    }

    /// Calls `f` with this coroutine's waker, without counting.
    #[inline]
    pub(crate) fn with_waker<R>(&self, f: impl FnOnce(&Waker) -> R) -> R {
        // SAFETY: The waker is not dropped, so the count it seems to own is not given back; `&self` keeps the
        // header alive while it exists.
        let waker = unsafe { Waker::from_raw(raw_waker(NonNull::from(self))) };
        f(&ManuallyDrop::new(waker))
    }
}

/// A handle to a coroutine: keeps its object alive, not its stack.
///
/// # Invariants
///
/// `header` points to a live header, one count of which belongs to this handle.
pub struct Coroutine {
    header: NonNull<Header>,
}

// SAFETY: What a handle reaches is atomic or never written, as the table in the head of this file says.
unsafe impl Send for Coroutine {}
// SAFETY: As above.
unsafe impl Sync for Coroutine {}

impl Coroutine {
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: By the invariant of `Coroutine`.
        unsafe { self.header.as_ref() }
    }

    /// Gives the count away, to whoever gets the pointer.
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).header
    }

    /// # Safety
    ///
    /// The pointer comes from [`into_raw`](Self::into_raw), or the caller owns a count otherwise.
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Coroutine {
        // INVARIANT: The caller's promise.
        Coroutine { header }
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.header().attributes.name.as_deref()
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.header().attributes.spawned_at
    }

    /// A number that no other coroutine of this process has, in the order in which they were first asked.
    pub fn id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: numbers guard no memory. Taken on demand, so that spawning does not share a counter.
        let id = self.header().id.load(Ordering::Relaxed);
        if id != 0 {
            return id;
        }
        let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
        match self.header().id.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => fresh,
            Err(theirs) => theirs,
        }
    }

    /// What it waits for, or was last waiting for.
    pub fn reason(&self) -> Reason {
        Reason::from_number(self.header().reason.load(Ordering::Relaxed))
    }

    /// The name of its state, for dumps.
    pub fn phase(&self) -> &'static str {
        self.header().state.phase()
    }

    /// Whether it has ended.
    pub fn is_done(&self) -> bool {
        self.header().state.is_done()
    }

    /// The scheduler it belongs to.
    pub fn schedule(&self) -> &Arc<dyn Schedule> {
        &self.header().schedule
    }

    /// Wakes it: the park it is in, or its next one, returns.
    pub fn wake(&self) {
        self.header().wake();
    }

    /// Cancels it: the wait it is in, or its next one, unwinds with [`Cancelled`](crate::Cancelled).
    pub fn cancel(&self) {
        if self.header().state.cancel() == Woken::Schedule {
            self.header().schedule_now();
        }
    }

    /// Leaves the token of `thread::unpark`, and wakes it.
    pub fn leave_token(&self) {
        // Release, with Acquire in `take_token`: what was written before `unpark` is seen after `park`.
        self.header().token.store(true, Ordering::Release);
        self.wake();
    }

    /// Takes the token, if it is there.
    pub fn take_token(&self) -> bool {
        self.header().token.swap(false, Ordering::Acquire)
    }
}

impl Clone for Coroutine {
    fn clone(&self) -> Coroutine {
        self.header().coroutine()
    }
}

impl Drop for Coroutine {
    fn drop(&mut self) {
        // SAFETY: By the invariant of `Coroutine` we own one count; it is not used again.
        unsafe { (self.header().table.release)(self.header.as_ptr()) };
    }
}

impl PartialEq for Coroutine {
    fn eq(&self, other: &Coroutine) -> bool {
        self.header == other.header
    }
}

impl Eq for Coroutine {}

impl fmt::Debug for Coroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutine")
            .field("name", &self.name())
            .field("phase", &self.phase())
            .field("spawned_at", &format_args!("{}", self.spawned_at()))
            .finish_non_exhaustive()
    }
}

/// Makes a coroutine of `job`. It does nothing until its [`Runnable`] is run.
///
/// The caller has taken one promise from `attributes.pool`; it goes back when the coroutine ends.
pub fn spawn<F, T>(schedule: Arc<dyn Schedule>, attributes: Attributes, job: F) -> (Runnable, JoinHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let body = Body::new(Header::new(Body::<F, T>::TABLE, schedule, attributes), job);
    // INVARIANT: The header is the first field of a `Body` in an `Arc`, with the right table; the count is the
    // handle's.
    let header = NonNull::new(Arc::into_raw(Arc::new(body)).cast_mut().cast::<Header>());
    let coroutine = Coroutine { header: header.expect("an Arc is not null") };
    let handle = JoinHandle::new(coroutine.clone());
    // SAFETY: The state is `Ready` and no other `Runnable` was made of it.
    (unsafe { Runnable::new(coroutine) }, handle)
}

fn raw_waker(header: NonNull<Header>) -> RawWaker {
    RawWaker::new(header.as_ptr().cast_const().cast(), &WAKER)
}

static WAKER: RawWakerVTable = {
    /// # Safety
    ///
    /// `data` comes from `raw_waker`, and the waker it belongs to owns a count.
    unsafe fn header<'a>(data: *const ()) -> &'a Header {
        // SAFETY: The caller's promise.
        unsafe { &*data.cast::<Header>() }
    }
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: Called by a live waker, with its data.
        raw_waker(unsafe { header(data) }.coroutine().into_raw())
    }
    unsafe fn wake(data: *const ()) {
        // SAFETY: Called by a live waker, with its data.
        let header = NonNull::from(unsafe { header(data) });
        // SAFETY: The waker gives up its count.
        unsafe { Coroutine::from_raw(header) }.wake();
    }
    unsafe fn wake_by_ref(data: *const ()) {
        // SAFETY: Called by a live waker, with its data.
        unsafe { header(data) }.wake();
    }
    unsafe fn drop(data: *const ()) {
        // SAFETY: Called by a live waker, with its data.
        let header = NonNull::from(unsafe { header(data) });
        // SAFETY: The waker gives up its count.
        std::mem::drop(unsafe { Coroutine::from_raw(header) });
    }
    RawWakerVTable::new(clone, wake, wake_by_ref, drop)
};
