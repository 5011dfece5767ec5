//! What ends a wait before what it waits for has happened: a cancellation, or a deadline.
//!
//! Each is a *source*. The root's is the coroutine's own `CANCELLED` flag; the others are frames, which lie on the stack
//! of the functions below and form a list from the innermost outwards:
//!
//! ```text
//!  innermost ──► Deadline(5 s) ──► Shield ──► Flag(token) ──► Deadline(9 s) ──► root: cancelled?
//!                └── seen ───────┘ └── not seen by who waits in here ────────────────────────┘
//! ```
//!
//! A source is *due* when its moment has passed, or its flag is set, and stays due. So nothing is delivered, and nothing can
//! be delivered too late: a wait that would park looks at the sources, up to the innermost shield, and where one is due it
//! does not park.
//!
//! - A wait that returns an error returns one, once for each source: who goes on waiting regardless is unwound by the next
//!   one, or a loop that takes errors for bad luck would never end.
//! - Any other unwinds, with the private payload [`Cancelled`], past the panic hook.
//! - What unwinds already may wait: destructors come to their end. They do not see the sources that were there before, as if there
//!   were a shield. One that they make themselves ends waits that return an error, each time; it cannot unwind the others, as
//!   nobody can tell whether that would leave a destructor, which ends the process.
//!
//! The payload goes up to the function of the *outermost* source that is due, which returns [`Interrupt`]; the root's goes to
//! whoever joins. Each looks for itself whether it is the one, when the payload comes by: the payload carries nothing that
//! could be stale.
//!
//! Where panics abort (`panic = "abort"`) nothing unwinds: only the waits that return errors are interrupted, each time.
//!
//! Who makes a source due wakes the coroutine afterwards. The race is between the look and the park: the wake, which comes
//! after the source is due, is remembered by the state word, so the park returns and the wait looks again.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::Cancelled;
use crate::coroutine::Header;
use crate::here::{HERE, with_current};
use crate::wait::Alarm;

/// Whether a wait can unwind: a program may be built to abort instead.
const UNWINDS: bool = cfg!(panic = "unwind");

/// Why a wait ended before what it waits for has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// It was cancelled.
    Cancelled,
    /// A deadline has passed.
    Elapsed,
}

/// A source, or a shield.
///
/// # Invariants
///
/// - It lies in the stack frame of `within`, which takes it off the list of its thread before it returns or unwinds. So
///   every frame on the list is alive, and `outer`, which was on it before, as well.
/// - `flag`, where it is one, is borrowed by the caller of `within`.
pub(crate) struct Frame {
    outer: *const Frame,
    kind: Kind,
    /// Whether its thread was unwinding when it was made: by a destructor.
    in_destructor: bool,
    /// Whether a wait has returned an error for it.
    told: Cell<bool>,
}

enum Kind {
    Shield,
    Deadline(Instant),
    Flag(*const AtomicBool),
}

/// Calls `f`. Waits in it are not interrupted by what is outside: a cancellation, a deadline, a flag.
///
/// What would have interrupted them interrupts the first wait after it.
pub fn shield<R>(f: impl FnOnce() -> R) -> R {
    match within(Kind::Shield, f) {
        Ok(result) => result,
        Err(_) => unreachable!("a shield is not due"),
    }
}

/// Calls `f`, whose waits are interrupted from `deadline` on.
///
/// # Errors
///
/// If one was, and `f` unwound for it.
pub fn with_deadline<R>(deadline: Instant, f: impl FnOnce() -> R) -> Result<R, Interrupt> {
    // Where one outside is earlier, that one has a timer.
    let is_first = self::deadline().is_none_or(|outer| deadline < outer);
    let _alarm = if is_first { Alarm::arm(deadline) } else { None };
    within(Kind::Deadline(deadline), f)
}

/// Calls `f`, whose waits are interrupted once `flag` is set. Who sets it wakes the caller afterwards.
///
/// # Errors
///
/// If one was, and `f` unwound for it.
pub fn with_flag<R>(flag: &AtomicBool, f: impl FnOnce() -> R) -> Result<R, Interrupt> {
    within(Kind::Flag(flag), f)
}

/// The earliest of the deadlines that waits of the caller have, and that its children inherit.
pub fn deadline() -> Option<Instant> {
    let mut earliest: Option<Instant> = None;
    walk(|frame| {
        if let Kind::Deadline(at) = frame.kind {
            earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
        }
    });
    earliest
}

/// Looks at what may interrupt the caller, as a wait does that returns an error.
///
/// # Errors
///
/// Once for each source that is due.
///
/// # Cancellation
///
/// Unwinds, after that.
pub fn check() -> Result<(), Interrupt> {
    with_current(check_of)
}

/// Unwinds if the caller is interrupted, as a wait would: for what has learned that another one was, and need not tell.
///
/// # Cancellation
///
/// Unwinds; not while it unwinds already.
pub fn heed() {
    with_current(unwind_if_due);
}

/// Whether anything can interrupt a wait of the caller but its own cancellation.
pub fn is_limited() -> bool {
    !HERE.with(|here| here.frame.get()).is_null()
}

fn within<R>(kind: Kind, f: impl FnOnce() -> R) -> Result<R, Interrupt> {
    struct Pop(*const Frame);
    impl Drop for Pop {
        fn drop(&mut self) {
            HERE.with(|here| here.frame.set(self.0));
        }
    }
    let outer = HERE.with(|here| here.frame.get());
    let in_destructor = std::thread::panicking();
    let frame = Frame { outer, kind, in_destructor, told: Cell::new(false) };
    // INVARIANT: (of `Frame`) It is taken off by `pop`, which is dropped before it.
    let pop = Pop(outer);
    HERE.with(|here| here.frame.set(&raw const frame));
    let outcome = catch_unwind(AssertUnwindSafe(f));
    let due_here = match &outcome {
        Err(payload) if payload.is::<Cancelled>() => with_current(due).filter(|(_, source)| {
            // The outermost one that is due. Behind a shield none is.
            matches!(source, Source::Frame(source) if ptr::eq(*source, &raw const frame))
        }),
        _ => None,
    };
    drop(pop);
    match (outcome, due_here) {
        (Ok(result), _) => Ok(result),
        (Err(_), Some((interrupt, _))) => Err(interrupt),
        (Err(payload), None) => resume_unwind(payload),
    }
}

/// What is due: the root, or a frame.
enum Source {
    Root,
    Frame(*const Frame),
}

/// The outermost source that is due, up to the innermost shield.
fn due(header: Option<&Header>) -> Option<(Interrupt, Source)> {
    let mut found = None;
    let mut now = None;
    let shielded = walk(|frame| match frame.kind {
        Kind::Deadline(at) if *now.get_or_insert_with(Instant::now) >= at => {
            found = Some((Interrupt::Elapsed, Source::Frame(frame)));
        }
        // SAFETY: By the invariant of `Frame`.
        // Acquire: what was written before the flag was set is seen by who is interrupted.
        Kind::Flag(flag) if unsafe { &*flag }.load(Ordering::Acquire) => {
            found = Some((Interrupt::Cancelled, Source::Frame(frame)));
        }
        _ => {}
    });
    if !shielded && !std::thread::panicking() && header.is_some_and(|header| header.state.is_cancelled()) {
        return Some((Interrupt::Cancelled, Source::Root));
    }
    found
}

/// Visits the frames from the innermost up to the innermost shield, or what is one to a destructor; whether there is one.
fn walk(mut visit: impl FnMut(&Frame)) -> bool {
    let unwinds = std::thread::panicking();
    let mut next = HERE.with(|here| here.frame.get());
    // SAFETY: By the invariant of `Frame`, those on the list are alive.
    while let Some(frame) = unsafe { next.as_ref() } {
        if matches!(frame.kind, Kind::Shield) || unwinds && !frame.in_destructor {
            return true;
        }
        visit(frame);
        next = frame.outer;
    }
    false
}

/// Whether there is nothing to look at, which is so nearly always.
#[inline(always)]
pub(crate) fn is_undisturbed(header: Option<&Header>) -> bool {
    HERE.with(|here| here.frame.get()).is_null() && !header.is_some_and(|header| header.state.is_cancelled())
}

/// Why a wait that can return an error must not park.
#[inline(always)]
pub(crate) fn check_of(header: Option<&Header>) -> Result<(), Interrupt> {
    if is_undisturbed(header) { Ok(()) } else { check_closely(header) }
}

/// What may unwind the caller. Tells nobody, and does not unwind.
pub(crate) fn pending(header: Option<&Header>) -> Option<Interrupt> {
    if is_undisturbed(header) || std::thread::panicking() || !UNWINDS {
        return None;
    }
    due(header).map(|(interrupt, _)| interrupt)
}

#[cold]
fn check_closely(header: Option<&Header>) -> Result<(), Interrupt> {
    let Some((interrupt, source)) = due(header) else { return Ok(()) };
    let told = match source {
        Source::Root => HERE.with(|here| here.told.replace(true)),
        // SAFETY: By the invariant of `Frame`; nothing has returned since it was found.
        Source::Frame(frame) => unsafe { &*frame }.told.replace(true),
    };
    if told && !std::thread::panicking() && UNWINDS {
        unwind(interrupt);
    }
    Err(interrupt)
}

/// Unwinds if a wait must not park.
#[inline(always)]
pub(crate) fn unwind_if_due(header: Option<&Header>) {
    if !is_undisturbed(header) {
        unwind_if_closely(header);
    }
}

#[cold]
fn unwind_if_closely(header: Option<&Header>) {
    if let Some(interrupt) = pending(header) {
        unwind(interrupt);
    }
}

/// The earliest deadline of a wait on a kernel thread, which has no timers: its own, or one that interrupts it. Of a wait that
/// returns an error.
pub fn deadline_of_wait(own: Option<Instant>) -> Option<Instant> {
    [own, deadline()].into_iter().flatten().min()
}

/// The same of a wait that unwinds, which nothing interrupts while something unwinds already.
pub(crate) fn deadline_of_park(own: Option<Instant>) -> Option<Instant> {
    if std::thread::panicking() { own } else { deadline_of_wait(own) }
}

/// Unwinds with the private payload, past the panic hook.
pub(crate) fn unwind(interrupt: Interrupt) -> ! {
    resume_unwind(Box::new(Cancelled { interrupt }))
}

/// Whether a panic's payload is that of an interrupted wait.
pub fn is_interrupt(payload: &(dyn Any + Send)) -> Option<Interrupt> {
    payload.downcast_ref::<Cancelled>().map(|cancelled| cancelled.interrupt)
}

/// A coroutine starts: no frame is left of whoever had its thread before.
pub(crate) fn start() {
    HERE.with(|here| {
        here.frame.set(ptr::null());
        here.told.set(false);
    });
}
