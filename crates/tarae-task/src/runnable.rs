//! The right to run a coroutine once, and what a worker says about who is next.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

use tarae_context::{Cache, Context};

use crate::Cancelled;
use crate::adrift::Mailbox;
use crate::coroutine::{Coroutine, Header};
use crate::interrupt::Interrupt;
use crate::state::Completed;

/// The right to run a coroutine once: whoever has it owns the coroutine's stack. Not `Clone`.
///
/// Dropping it unrun cancels a coroutine that has not started; one that has is leaked, with its stack: live frames
/// are never freed under anybody.
///
/// # Invariants
///
/// At most one exists for a coroutine at any time, as the state word says.
pub struct Runnable {
    coroutine: ManuallyDrop<Coroutine>,
}

/// Who is to run next.
#[derive(Debug)]
pub enum Next {
    /// This one.
    Run(Runnable),
    /// The one that just yielded: nobody else wants to run.
    Same,
    /// Nobody: the worker is to come back from [`Runnable::run`].
    Home,
}

/// What a worker does between one coroutine and the next.
///
/// The methods that get a seat are called on the worker's stack but under a coroutine's identity: thread-locals are that
/// coroutine's, and a panic aborts the process. They must be short, and must not park. Where the seat may be `None`, the
/// thread may have been left behind: it has no seat any more, and is itself.
pub trait Links {
    /// What the worker works with.
    type Seat: std::any::Any + Send;

    /// Where contexts come from.
    fn cache<'s>(&self, seat: &'s Self::Seat) -> &'s RefCell<Cache>;

    /// Says who is to run next. `yielded` if the one that just ran wants to go on.
    fn next(&self, seat: &Self::Seat, yielded: bool) -> Next;

    /// Queues a coroutine that wants to go on: it yielded, or a wake came before it was parked.
    fn requeue(&self, seat: Option<&Self::Seat>, runnable: Runnable);

    /// Notes that a coroutine is about to park.
    fn parking(&self, seat: Option<&Self::Seat>);

    /// Notes that a coroutine has ended.
    fn finished(&self, seat: Option<&Self::Seat>);

    /// Whether nothing that is requeued will be run any more.
    fn has_stopped(&self) -> bool;

    /// Keeps a coroutine that could not start, as there is no context for it.
    fn starved(&self, seat: &Self::Seat, runnable: Runnable, error: io::Error);
}

impl Runnable {
    /// # Safety
    ///
    /// The coroutine is `Ready` and no other `Runnable` exists for it.
    pub(crate) unsafe fn new(coroutine: Coroutine) -> Runnable {
        // INVARIANT: The caller's promise.
        Runnable { coroutine: ManuallyDrop::new(coroutine) }
    }

    /// Takes back the count that a parked coroutine holds of itself.
    ///
    /// # Safety
    ///
    /// The caller's wake or cancel has just taken the coroutine from `Parked` to `Ready`.
    pub(crate) unsafe fn from_parked(header: NonNull<Header>) -> Runnable {
        // SAFETY: `park` in `run` left a count.
        let coroutine = unsafe { Coroutine::from_raw(header) };
        // SAFETY: The phase was `Parked`, in which no `Runnable` exists, and one caller took it away.
        unsafe { Runnable::new(coroutine) }
    }

    /// The coroutine.
    pub fn coroutine(&self) -> &Coroutine {
        &self.coroutine
    }

    pub(crate) fn header(&self) -> &Header {
        self.coroutine.header()
    }

    /// Cancels the coroutine: it unwinds at its next wait, or, if it has not started, never starts.
    pub fn cancel(&self) {
        self.header().state.cancel_runnable();
    }

    /// Notes when it was queued, in a form of the scheduler's choice.
    pub fn stamp(&mut self, stamp: u64) {
        self.header().stamp.set(stamp);
        self.header().stamped.set(true);
    }

    /// Takes what [`stamp`](Self::stamp) has noted, if anything.
    #[inline]
    pub fn take_stamp(&mut self) -> Option<u64> {
        let header = self.header();
        // A flag beside what a switch touches anyway, so that the stamp itself need not be.
        header.stamped.get().then(|| {
            header.stamped.set(false);
            header.stamp.get()
        })
    }

    /// The context of a coroutine that has started.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the `Runnable` is the right to the context, and there is one")]
    pub(crate) fn context(&self) -> &mut Context {
        // SAFETY: The context belongs to whoever has the `Runnable`. The references made here do not overlap: each is
        // used for one call.
        let context = unsafe { &mut *self.header().context.get() };
        context.as_mut().expect("it has started")
    }

    /// Whether it has run before, so that there are frames on its stack.
    pub fn has_started(&self) -> bool {
        // SAFETY: The context belongs to whoever has the `Runnable`.
        unsafe { &*self.header().context.get() }.is_some()
    }

    /// Has the processor find what a run will touch first, if it has run before: where many wait, it is out of all caches.
    /// The first of three steps: this one, some time later [`look_up`](Self::look_up), then [`prefetch`](Self::prefetch). Each
    /// changes nothing but speed, and is for several in a row: then they wait together.
    #[inline]
    pub fn prefetch_context(&self) {
        if self.has_started() {
            self.context().prefetch_inner();
        }
    }

    /// The second step.
    #[inline]
    pub fn look_up(&self) {
        if self.has_started() {
            self.context().look_up();
        }
    }

    /// The third step.
    #[inline]
    pub fn prefetch(&self) {
        if self.has_started() {
            self.context().prefetch();
        }
    }

    /// Takes the context of a coroutine that has ended.
    pub(crate) fn take_context(&self) -> Context {
        // SAFETY: The context belongs to whoever has the `Runnable`.
        unsafe { &mut *self.header().context.get() }.take().expect("it just ran in it")
    }

    /// Where it waits for its turn, if it is locked to a kernel thread.
    #[inline]
    pub(crate) fn mailbox(&self) -> Option<&Arc<Mailbox>> {
        // SAFETY: The field belongs to whoever has the `Runnable`. It is written by the coroutine's own code only.
        unsafe { &*self.header().mailbox.get() }.as_ref()
    }

    fn discard_job(&self) {
        let header = self.header();
        // SAFETY: The stage belongs to whoever has the `Runnable`, and the job has not started.
        unsafe { (header.table.discard)(header, Box::new(Cancelled { interrupt: Interrupt::Cancelled })) };
    }

    /// Says that it is done, and wakes whoever waits for that.
    pub(crate) fn complete(&self) {
        let header = self.header();
        if let Some(key) = header.remembered.take() {
            header.schedule.forget(key);
        }
        if header.state.complete() == Completed::WakeJoiner {
            // SAFETY: `WakeJoiner` says that the slot is ours.
            let joiner = unsafe { &mut *header.joiner.get() }.take();
            if let Some(joiner) = joiner {
                joiner.wake();
            }
        }
    }

    /// Gives the count back, without the consequences of dropping a `Runnable` unrun.
    pub(crate) fn forget(self) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used or dropped afterwards.
        unsafe { ManuallyDrop::drop(&mut this.coroutine) };
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        if self.has_started() {
            // Its count stays with it: it is leaked.
            return;
        }
        self.discard_job();
        self.complete();
        self.header().attributes.pool.forgo(1);
        // SAFETY: Not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.coroutine) };
    }
}

impl fmt::Debug for Runnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runnable").field(&*self.coroutine).finish()
    }
}

// SAFETY: (`Send` comes with `Coroutine`; `Sync` too.) Running takes the `Runnable` by value; `&Runnable` gives no
// more than `&Coroutine`.
const _: () = {
    const fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<Runnable>();
};
