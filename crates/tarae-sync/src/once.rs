//! An initialisation that happens once.
//!
//! | phase        | what who calls does | next |
//! |--------------|---------------------|------|
//! | `Incomplete` | runs the initialiser | `Running` |
//! | `Running`    | stands in line until the one who runs it has ended | `Complete`, or `Poisoned` if it unwound |
//! | `Poisoned`   | panics; or, if forced, runs its own | `Running` |
//! | `Complete`   | returns | |
//!
//! The phase changes under the line's mutex, and the end of a run grants everyone in line a look at it: so one who enters
//! while it is `Running` is in line when that ends. Only the first look, for `Complete`, is without the mutex.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use tarae_task::{Reason, shield};

use crate::queue::{Queue, Standing, Ticket};
use crate::wait::{Wait, wait};

const INCOMPLETE: u8 = 0;
const RUNNING: u8 = 1;
const POISONED: u8 = 2;
const COMPLETE: u8 = 3;

/// Runs an initialisation once, whoever comes first.
///
/// As [`std::sync::Once`].
///
/// # Cancellation
///
/// Who waits unwinds. The initialiser is [shielded](tarae_task::shield()): a deadline of whoever happens to come first does not
/// poison it for all.
///
/// # Examples
///
/// ```
/// # mod tarae { pub use tarae_sync as sync; }
/// static START: tarae::sync::Once = tarae::sync::Once::new();
///
/// let mut runs = 0;
/// START.call_once(|| runs += 1);
/// START.call_once(|| runs += 1);
/// assert_eq!(runs, 1);
/// ```
pub struct Once {
    phase: AtomicU8,
    queue: Queue<()>,
}

impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

/// What the initialiser of [`Once::call_once_force`] is told.
///
/// As [`std::sync::OnceState`].
pub struct OnceState {
    poisoned: bool,
    /// Not `Sync`, as std's.
    kind: PhantomData<Cell<u8>>,
}

impl OnceState {
    /// Whether an initialiser before has unwound.
    ///
    /// As [`std::sync::OnceState::is_poisoned`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::panic::catch_unwind;
    /// use tarae::sync::Once;
    ///
    /// let once = Once::new();
    /// assert!(catch_unwind(|| once.call_once(|| assert_eq!(1, 2, "half done"))).is_err());
    /// once.call_once_force(|state| assert!(state.is_poisoned()));
    /// ```
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

impl fmt::Debug for OnceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceState").field("poisoned", &self.is_poisoned()).finish()
    }
}

/// What one finds who calls.
enum Turn {
    Done,
    /// It is the caller's to run the initialiser.
    Mine(OnceState),
    Poisoned,
}

impl Once {
    /// Returns one whose initialisation has not happened.
    ///
    /// As [`std::sync::Once::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// static ONCE: tarae::sync::Once = tarae::sync::Once::new();
    ///
    /// assert!(!ONCE.is_completed());
    /// ```
    #[allow(clippy::new_without_default, reason = "std's has no default either")]
    #[inline]
    #[must_use]
    pub const fn new() -> Once {
        Once { phase: AtomicU8::new(INCOMPLETE), queue: Queue::new() }
    }

    /// Runs `f`, if nobody has, or waits until the one who does has ended.
    ///
    /// As [`std::sync::Once::call_once`].
    ///
    /// # Parks
    ///
    /// While another one runs its initialiser.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park; `f` is shielded.
    ///
    /// # Panics
    ///
    /// If an initialiser before has unwound; and with the payload of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::panic::catch_unwind;
    /// use tarae::sync::Once;
    ///
    /// let once = Once::new();
    /// once.call_once(|| println!("once"));
    /// once.call_once(|| println!("never"));
    ///
    /// let broken = Once::new();
    /// assert!(catch_unwind(|| broken.call_once(|| assert_eq!(1, 2, "half done"))).is_err());
    /// assert!(catch_unwind(|| broken.call_once(|| ())).is_err()); // poisoned
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once<F>(&self, f: F)
    where
        F: FnOnce(),
    {
        if !self.is_completed() {
            self.call(false, |_| shield(f));
        }
    }

    /// As [`call_once`](Self::call_once), also if an initialiser before has unwound.
    ///
    /// As [`std::sync::Once::call_once_force`].
    ///
    /// # Parks
    ///
    /// While another one runs its initialiser.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park; `f` is shielded.
    ///
    /// # Panics
    ///
    /// With the payload of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::panic::catch_unwind;
    /// use tarae::sync::Once;
    ///
    /// let once = Once::new();
    /// assert!(catch_unwind(|| once.call_once(|| assert_eq!(1, 2, "half done"))).is_err());
    /// once.call_once_force(|state| println!("again, poisoned: {}", state.is_poisoned()));
    /// assert!(once.is_completed());
    /// ```
    #[inline]
    pub fn call_once_force<F>(&self, f: F)
    where
        F: FnOnce(&OnceState),
    {
        if !self.is_completed() {
            self.call(true, |state| shield(|| f(state)));
        }
    }

    /// Whether the initialisation has happened.
    ///
    /// As [`std::sync::Once::is_completed`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let once = tarae::sync::Once::new();
    /// once.call_once(|| assert!(!once.is_completed()));
    /// assert!(once.is_completed());
    /// ```
    #[inline]
    pub fn is_completed(&self) -> bool {
        // Acquire, with the Release of `Run`: what the initialiser wrote is seen.
        self.phase.load(Ordering::Acquire) == COMPLETE
    }

    /// Waits until the initialisation has happened.
    ///
    /// As [`std::sync::Once::wait`].
    ///
    /// # Parks
    ///
    /// Until then.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Panics
    ///
    /// If an initialiser has unwound.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::Once;
    ///
    /// static MADE: Once = Once::new();
    ///
    /// std::thread::spawn(|| MADE.call_once(|| println!("made")));
    /// MADE.wait();
    /// assert!(MADE.is_completed());
    /// ```
    #[track_caller]
    pub fn wait(&self) {
        if !self.is_completed() {
            self.wait_until_complete(false);
        }
    }

    /// As [`wait`](Self::wait), also if an initialiser has unwound: another one may be forced.
    ///
    /// As [`std::sync::Once::wait_force`].
    ///
    /// # Parks
    ///
    /// Until the initialisation has happened.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::panic::catch_unwind;
    /// use tarae::sync::Once;
    ///
    /// static MADE: Once = Once::new();
    ///
    /// std::thread::spawn(|| {
    ///     assert!(catch_unwind(|| MADE.call_once(|| assert_eq!(1, 2, "half done"))).is_err());
    ///     MADE.call_once_force(|_| println!("made"));
    /// });
    /// MADE.wait_force();
    /// assert!(MADE.is_completed());
    /// ```
    pub fn wait_force(&self) {
        if !self.is_completed() {
            self.wait_until_complete(true);
        }
    }

    /// As `call_once` or `call_once_force`, for one that a wait may interrupt.
    #[cold]
    #[track_caller]
    pub(crate) fn call(&self, force: bool, f: impl FnOnce(&OnceState)) {
        match self.turn(force) {
            Turn::Done => {}
            Turn::Poisoned => panic!("Once instance has previously been poisoned"),
            Turn::Mine(state) => {
                let run = Run { once: self, end: POISONED };
                f(&state);
                run.complete();
            }
        }
    }

    fn turn(&self, force: bool) -> Turn {
        loop {
            let mut found = Found::default();
            wait(
                Reason::Once,
                None,
                Look {
                    once: self,
                    waits_for: |phase| phase == RUNNING,
                    takes: Some(force),
                    found: &mut found,
                },
            );
            match found.phase {
                COMPLETE => return Turn::Done,
                INCOMPLETE => return Turn::Mine(OnceState { poisoned: false, kind: PhantomData }),
                POISONED if force => {
                    return Turn::Mine(OnceState { poisoned: true, kind: PhantomData });
                }
                POISONED => return Turn::Poisoned,
                // One who ran it has ended: look again.
                _ => {}
            }
        }
    }

    #[cold]
    #[track_caller]
    fn wait_until_complete(&self, force: bool) {
        let waits_for = |phase| phase == INCOMPLETE || phase == RUNNING || (force && phase == POISONED);
        loop {
            let mut found = Found::default();
            wait(Reason::Once, None, Look { once: self, waits_for, takes: None, found: &mut found });
            match found.phase {
                COMPLETE => return,
                POISONED if !force => panic!("Once instance has previously been poisoned"),
                _ => {}
            }
        }
    }
}

/// The phase that was found, or `RUNNING` if one had to wait.
struct Found {
    phase: u8,
}

impl Default for Found {
    fn default() -> Found {
        Found { phase: RUNNING }
    }
}

/// One who looks at the phase, and waits for the end of a run if there is nothing to do.
struct Look<'a, P> {
    once: &'a Once,
    waits_for: P,
    /// Whether it runs the initialiser, if it can; and also if it is poisoned.
    takes: Option<bool>,
    found: &'a mut Found,
}

impl<P: Fn(u8) -> bool> Wait for Look<'_, P> {
    type Ticket = Ticket;

    fn enter(&mut self, waker: &Waker) -> Option<Ticket> {
        let mut line = self.once.queue.lock();
        // Acquire, as in `is_completed`.
        let phase = self.once.phase.load(Ordering::Acquire);
        if (self.waits_for)(phase) {
            return Some(line.enter((), waker));
        }
        self.found.phase = phase;
        if phase == INCOMPLETE && self.takes.is_some() || phase == POISONED && self.takes == Some(true) {
            self.once.phase.store(RUNNING, Ordering::Relaxed);
        }
        None
    }

    fn look(&mut self, ticket: &mut Option<Ticket>, _: &Waker) -> bool {
        self.once.queue.lock().take_granted(ticket)
    }

    fn leave(&mut self, ticket: Ticket) -> bool {
        self.once.queue.lock().leave(ticket) == Standing::Granted
    }

    /// A look at the phase is everyone's own.
    fn pass_on(&mut self) {}
}

/// An initialiser runs; its end is told on drop.
struct Run<'a> {
    once: &'a Once,
    end: u8,
}

impl Run<'_> {
    fn complete(mut self) {
        self.end = COMPLETE;
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let woken = {
            let mut line = self.once.queue.lock();
            // Release, with the Acquire of `is_completed`.
            self.once.phase.store(self.end, Ordering::Release);
            line.grant_all()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
