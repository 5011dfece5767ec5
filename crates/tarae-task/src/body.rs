//! The typed part of a coroutine: the job before and while it runs, the result after.
//!
//! The stage belongs to whoever owns the stack until `RESULT` is set in the state word, then to the join handle, or
//! to the coroutine itself if the handle is gone.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use crate::Cancelled;
use crate::coroutine::Header;
use crate::here::{self, HERE};
use crate::interrupt;
use crate::state::Written;

/// What a job came to, as in `std::thread::Result`.
pub(crate) type Outcome<T> = Result<T, Box<dyn Any + Send + 'static>>;

/// How to reach the typed part from a header.
pub(crate) struct Table {
    /// Takes one more count.
    pub(crate) retain: unsafe fn(*const Header),
    /// Gives one count back.
    pub(crate) release: unsafe fn(*const Header),
    /// Runs the job; called in the context of the coroutine.
    pub(crate) run: unsafe fn(*const ()),
    /// Drops the job without running it, and writes an error as the result.
    pub(crate) discard: unsafe fn(*const Header, Box<dyn Any + Send>),
    /// Moves the result to an `Option<Outcome<T>>`.
    pub(crate) take: unsafe fn(*const Header, *mut ()),
}

/// A coroutine, whole.
#[repr(C)]
pub(crate) struct Body<F, T> {
    header: Header,
    stage: UnsafeCell<Stage<F, T>>,
}

enum Stage<F, T> {
    Job(F),
    Running,
    Result(Outcome<T>),
    Taken,
}

impl<F, T> Body<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    pub(crate) const TABLE: &'static Table = &Table {
        retain: Self::retain,
        release: Self::release,
        run: Self::run,
        discard: Self::discard,
        take: Self::take,
    };

    pub(crate) fn new(header: Header, job: F) -> Body<F, T> {
        Body { header, stage: UnsafeCell::new(Stage::Job(job)) }
    }

    unsafe fn retain(header: *const Header) {
        // SAFETY: The header is the first field of a `Self` in an `Arc`, alive while the caller has a handle.
        unsafe { Arc::increment_strong_count(header.cast::<Self>()) };
    }

    unsafe fn release(header: *const Header) {
        // SAFETY: As above; the caller gives up its count.
        unsafe { Arc::decrement_strong_count(header.cast::<Self>()) };
    }

    unsafe fn run(header: *const ()) {
        let header = header.cast::<Header>();
        // INVARIANT: (of `Here`) This is the coroutine's own thread from now on, and its `Runnable`, which is being
        // run, keeps it alive.
        HERE.with(|here| here.current.set(header));
        interrupt::start();
        // SAFETY: The header is the first field of a live `Self`.
        let body = unsafe { &*header.cast::<Self>() };
        body.run_job();
        // INVARIANT: (of `Here`) It ends on the seat it was run on last.
        HERE.with(|here| {
            here.seat.set(body.header.seat.get());
            here.current.set(std::ptr::null());
        });
    }

    fn run_job(&self) {
        let outcome = if self.header.state.is_cancelled() {
            self.drop_job();
            Err(Box::new(Cancelled::payload()) as _)
        } else {
            let Stage::Job(job) = self.replace_stage(Stage::Running) else {
                unreachable!("a coroutine starts once");
            };
            catch_unwind(AssertUnwindSafe(job))
        };
        here::end();
        self.finish(outcome);
        // There the program's code may have run once more: it leaves nothing to the next coroutine either.
        here::end();
    }

    #[cold]
    fn drop_job(&self) {
        let job = self.replace_stage(Stage::Running);
        // A destructor that panics is reported by the panic hook, and must not hurt whoever shuts down. One that waits may, as
        // in a job that unwinds.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| interrupt::shield(|| drop(job)))) {
            drop_result(panic);
        }
    }

    unsafe fn discard(header: *const Header, payload: Box<dyn Any + Send>) {
        // SAFETY: As in `run`.
        let body = unsafe { &*header.cast::<Self>() };
        body.drop_job();
        body.finish(Err(payload));
    }

    fn finish(&self, outcome: Outcome<T>) {
        self.replace_stage(Stage::Result(outcome));
        match self.header.state.write_result() {
            Written::Leave => {}
            Written::Drop => drop_result(self.replace_stage(Stage::Taken)),
            Written::WakeWatcher => self.wake_watcher(),
        }
    }

    /// The watcher's waker is code of the user's. So this is done here, where such code may run, wait and panic, and not
    /// where the coroutine is done: that is between two coroutines (`run`).
    #[cold]
    fn wake_watcher(&self) {
        // SAFETY: `WakeWatcher` says that the slot is ours.
        let watcher = unsafe { &mut *self.header.joiner.get() }.take();
        // A panic has been told by the panic hook, and is not what this coroutine came to. What has cancelled this one is
        // not the waker's business.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| interrupt::shield(|| watcher.map(Waker::wake))))
        {
            drop_result(panic);
        }
    }

    unsafe fn take(header: *const Header, into: *mut ()) {
        // SAFETY: As in `run`.
        let body = unsafe { &*header.cast::<Self>() };
        // SAFETY: `into` is an `Option<Outcome<T>>`, as the table says.
        let into = unsafe { &mut *into.cast::<Option<Outcome<T>>>() };
        if let Stage::Result(outcome) = body.replace_stage(Stage::Taken) {
            *into = Some(outcome);
        }
    }

    fn replace_stage(&self, stage: Stage<F, T>) -> Stage<F, T> {
        // SAFETY: Called by whom the stage belongs to, as the head of this file says; the reference ends here.
        std::mem::replace(unsafe { &mut *self.stage.get() }, stage)
    }
}

impl<F, T> Drop for Body<F, T> {
    fn drop(&mut self) {
        // Only a handle that was leaked leaves a result here. It is leaked with it: the last count may be given back
        // where no code of the user's may run (`runnable`).
        if let Stage::Result(_) = self.stage.get_mut() {
            std::mem::forget(std::mem::replace(self.stage.get_mut(), Stage::Taken));
        }
    }
}

/// Drops a result that nobody asked for. As in std, a result whose destructor panics ends the process: nobody is
/// there to be told. So one that waits is not interrupted.
pub(crate) fn drop_result<R>(result: R) {
    // Dropped where it lies: it may be large, and unoptimised code would move it to and fro on a coroutine's stack.
    let mut result = Some(result);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| interrupt::shield(|| result = None))) {
        // It may panic on drop again.
        std::mem::forget(panic);
        eprintln!("fatal runtime error: the result of a coroutine panicked on drop, aborting");
        std::process::abort();
    }
}
