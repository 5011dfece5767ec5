//! Scopes: coroutines that borrow from the stack of whoever opened the scope.
//!
//! [`scope`] does not return, or unwind, before every child has come to its end, and that is all there is to it: catch, wait
//! for the children, go on. What makes it sound is that nothing short of that can end the wait. It does not unwind: who is
//! interrupted in it cancels the children, waits on, and unwinds afterwards. If it does unwind all the same, by a bug of ours,
//! the process is ended.
//!
//! | who | has | gives it back |
//! |---|---|---|
//! | a child's job | a [`Ticket`]: one of the scope's count | when the job has run, or was dropped, and all that it borrowed with it |
//! | a child's handle | the result, once the job has put it there | any time while the scope lasts, or never |
//!
//! The job is the one thing whose lifetime is taken off. Whoever gets it may run it, drop it or lose it: if it is lost, its
//! ticket is, and the scope waits for ever. (The source: `std::thread::scope`.)
//!
//! A child tells the scope who it is when it starts, so that it can be cancelled; one that starts after that does not run.
//!
//! Children inherit the deadline of the scope, so at that moment owner and children are interrupted in any order, and what the owner sees
//! first may be that all have ended. Yet they have not done what they were to do: an owner that is interrupted, and one of
//! whose children was, unwinds, and does not return as if all were well.

use std::alloc::{Layout, dealloc};
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::Waker;
use std::time::Instant;

use slab::Slab;

use crate::Cancelled;
use crate::body::{Outcome, drop_result};
use crate::coroutine::Coroutine;
use crate::here::current;
use crate::interrupt::{self, Interrupt, shield};
use crate::park::{Reason, park, park_unless_interrupted, waker};

/// Within which coroutines are spawned that borrow.
///
/// Invariant in both lifetimes, as [`std::thread::Scope`].
pub struct Scope<'scope, 'env: 'scope> {
    shared: Arc<Shared>,
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

struct Shared {
    /// How many tickets there are.
    tickets: AtomicUsize,
    /// How many children have panicked, and nobody has taken that.
    panicked: AtomicUsize,
    /// Whether a child was interrupted, or never ran.
    interrupted: AtomicBool,
    owner: Waker,
    children: Mutex<Children>,
    /// What its owner has had since before it was opened. Children inherit it, and no later one: that of a `timeout` in the
    /// scope ends with the call, and they go on.
    deadline: Option<Instant>,
    dress: OnceLock<Dress>,
}

#[derive(Default)]
struct Children {
    /// Those that run.
    running: Slab<Coroutine>,
    cancelled: bool,
}

/// Opens a scope, and calls `f` with it and with `value`, which lives as long as the scope.
///
/// # Parks
///
/// When `f` has ended, until every child has.
///
/// # Cancellation
///
/// Who is interrupted in `f`, or while it waits for the children, cancels them, and waits until they have ended.
///
/// # Panics
///
/// With the payload of `f`; or if a child has panicked and was not joined.
pub fn scope<'env, V, F, T>(value: V, f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>, &'scope V) -> T,
{
    let shared = Arc::new(Shared {
        tickets: AtomicUsize::new(0),
        panicked: AtomicUsize::new(0),
        interrupted: AtomicBool::new(false),
        owner: waker(),
        children: Mutex::default(),
        deadline: interrupt::deadline(),
        dress: OnceLock::new(),
    });
    let scope = Scope { shared, scope: PhantomData, env: PhantomData };
    let outcome = catch_unwind(AssertUnwindSafe(|| f(&scope, &value)));
    // Whatever unwinds from here to the last child's end would take the frames away that the children borrow from.
    let abort = AbortOnUnwind;
    // What interrupted `f` is for the children, too.
    if outcome.as_ref().is_err_and(|payload| payload.is::<Cancelled>()) {
        scope.cancel();
    }
    let interrupted = scope.shared.wait();
    std::mem::forget(abort);
    // Relaxed: the tickets have ordered us after the children.
    match (outcome, interrupted) {
        (Err(payload), _) => resume_unwind(payload),
        (Ok(_), _) if scope.shared.panicked.load(Ordering::Relaxed) > 0 => panic!("a scoped thread panicked"),
        (Ok(_), Some(interrupt)) => interrupt::unwind(interrupt),
        (Ok(result), None) => {
            if scope.shared.interrupted.load(Ordering::Relaxed) {
                interrupt::heed();
            }
            result
        }
    }
}

/// Nothing may unwind through the wait for the children.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        eprintln!("fatal runtime error: a scope unwound before its threads had ended, aborting");
        std::process::abort();
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Makes a child's job of `f`, to be spawned as a coroutine, and the handle to what `f` will return.
    ///
    /// The job runs `f` with the deadline that the scope has. It is part of the scope until it has run or was dropped.
    pub fn child<F, T>(&'scope self, f: F) -> (impl FnOnce() + Send + 'static, Child<'scope, T>)
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let packet = Arc::new(Packet { shared: Arc::clone(&self.shared), result: Mutex::new(None) });
        let deadline = self.shared.deadline;
        let theirs = Arc::clone(&packet);
        let work = move |run: bool| {
            let outcome = if run {
                catch_unwind(AssertUnwindSafe(|| match deadline {
                    None => Ok(f()),
                    Some(deadline) => interrupt::with_deadline(deadline, f),
                }))
                .and_then(|result| result.map_err(|interrupt| Box::new(Cancelled { interrupt }) as _))
            } else {
                drop(f);
                Err(Box::new(Cancelled { interrupt: Interrupt::Cancelled }) as _)
            };
            if let Err(payload) = &outcome {
                theirs.shared.note(&**payload);
            }
            *theirs.lock() = Some(outcome);
        };
        let work: Box<dyn FnOnce(bool) + Send + 'scope> = Box::new(work);
        // SAFETY: Only the lifetime changes. What is borrowed for `'scope` outlives the call of `scope` that made `self`,
        // and that waits for the ticket, which is given back only after `work` was consumed or dropped: `Job` runs or drops
        // `work` before it drops the ticket.
        let work: Box<dyn FnOnce(bool) + Send + 'static> = unsafe { std::mem::transmute(work) };
        let job = Job { work: Some(work), ticket: Ticket::take(&self.shared) };
        (move || job.run(), Child { packet, scope: PhantomData })
    }

    /// Puts `dress`, a layer's own type of scope, where it lives as long as the scope. Once for each.
    ///
    /// What a layer above calls a scope is a value around a `&'scope Scope`; its users want a `&'scope` of that, which no
    /// local variable gives.
    ///
    /// # Panics
    ///
    /// If it is called again.
    pub fn dress<V: Sync + 'scope>(&'scope self, dress: V) -> &'scope V {
        const { assert!(!std::mem::needs_drop::<V>(), "a dress has no destructor") };
        let dress = Box::into_raw(Box::new(dress));
        // INVARIANT: (of `Dress`) It comes from a box of this layout, and nothing else frees it.
        let value = Dress { value: dress.cast(), layout: Layout::new::<V>() };
        assert!(self.shared.dress.set(value).is_ok(), "a scope is dressed once");
        // SAFETY: It is freed with `shared`, which the scope holds; `V` has no destructor, and nobody writes to it.
        unsafe { &*dress }
    }

    /// Cancels the children: those that run, and those that have not started.
    pub fn cancel(&self) {
        self.shared.cancel();
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("num_running_threads", &self.shared.tickets.load(Ordering::Relaxed))
            .field("a_thread_panicked", &(self.shared.panicked.load(Ordering::Relaxed) > 0))
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn cancel(&self) {
        let running = {
            let mut children = self.lock();
            children.cancelled = true;
            children.running.iter().map(|(_, child)| child.clone()).collect::<Vec<_>>()
        };
        running.iter().for_each(Coroutine::cancel);
    }

    /// Waits until no ticket is out; what interrupted the caller meanwhile is for the children, and comes back. Does not
    /// unwind.
    fn wait(&self) -> Option<Interrupt> {
        let interrupt = loop {
            if self.is_empty() {
                return None;
            }
            if let Some(interrupt) = park_unless_interrupted(Reason::Scope) {
                break interrupt;
            }
        };
        self.cancel();
        shield(|| {
            while !self.is_empty() {
                park(Reason::Scope);
            }
        });
        Some(interrupt)
    }

    fn is_empty(&self) -> bool {
        // Acquire: what the children did is seen by whoever opened the scope.
        self.tickets.load(Ordering::Acquire) == 0
    }

    /// Notes how a child has ended. Relaxed: its ticket is out, and orders it before the end of the scope.
    fn note(&self, payload: &(dyn Any + Send)) {
        if payload.is::<Cancelled>() {
            self.interrupted.store(true, Ordering::Relaxed);
        } else {
            self.panicked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A value that lives as long as the scope.
///
/// # Invariants
///
/// `value` came from a box of this layout, and is this one's to free.
struct Dress {
    value: *mut u8,
    layout: Layout,
}

// SAFETY: It only frees memory; what lies there has no destructor.
unsafe impl Send for Dress {}
// SAFETY: As above.
unsafe impl Sync for Dress {}

impl Drop for Dress {
    fn drop(&mut self) {
        if self.layout.size() > 0 {
            // SAFETY: By the invariant: a box's memory is the global allocator's, of this layout.
            unsafe { dealloc(self.value, self.layout) };
        }
    }
}

/// One of a scope's count.
struct Ticket(Arc<Shared>);

impl Ticket {
    fn take(shared: &Arc<Shared>) -> Ticket {
        // Relaxed: taken by whoever opened the scope, or by a child, whose own ticket is out.
        shared.tickets.fetch_add(1, Ordering::Relaxed);
        Ticket(Arc::clone(shared))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Release, with Acquire in `wait`: as above.
        if self.0.tickets.fetch_sub(1, Ordering::Release) == 1 {
            self.0.owner.wake_by_ref();
        }
    }
}

/// A child's job.
///
/// # Invariants
///
/// The ticket is dropped last, by the order of the fields.
struct Job {
    work: Option<Box<dyn FnOnce(bool) + Send + 'static>>,
    ticket: Ticket,
}

impl Job {
    fn run(mut self) {
        let Some(work) = self.work.take() else { return };
        let shared = &self.ticket.0;
        let listed = current().and_then(|current| {
            let mut children = shared.lock();
            (!children.cancelled).then(|| children.running.insert(current))
        });
        work(listed.is_some());
        if let Some(listed) = listed {
            let child = shared.lock().running.remove(listed);
            drop(child);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            // Relaxed: as in `note`.
            self.ticket.0.interrupted.store(true, Ordering::Relaxed);
            // If what it has captured panics, the ticket is given back all the same.
            drop(work);
        }
    }
}

/// Where a child's result is put.
struct Packet<T> {
    shared: Arc<Shared>,
    result: Mutex<Option<Outcome<T>>>,
}

impl<T> Packet<T> {
    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Option<Outcome<T>>> {
        self.result.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        let result = self.lock().take();
        result.into_iter().for_each(drop_result);
    }
}

/// The handle to the result of a child.
pub struct Child<'scope, T> {
    packet: Arc<Packet<T>>,
    scope: PhantomData<&'scope ()>,
}

impl<T> Child<'_, T> {
    /// Takes the result, once the job has run; `None` if it was dropped without.
    pub fn take(&self) -> Option<Result<T, Box<dyn Any + Send + 'static>>> {
        let result = self.packet.lock().take();
        if let Some(Err(payload)) = &result
            && !payload.is::<Cancelled>()
        {
            // Relaxed: whoever takes it is ordered before the end of the scope.
            self.packet.shared.panicked.fetch_sub(1, Ordering::Relaxed);
        }
        result
    }
}

impl<T> fmt::Debug for Child<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").finish_non_exhaustive()
    }
}
