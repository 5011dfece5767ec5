//! The state word of a coroutine: who owns its stack, and whether a wake is owed.
//!
//! | phase      | the stack belongs to | a `Runnable` exists            | a wake …                                 |
//! |------------|----------------------|--------------------------------|------------------------------------------|
//! | `Ready`    | a run queue          | yes, in the queue              | changes nothing: it will run and look    |
//! | `Running`  | a worker             | yes, on that worker, or queued after a yield | is remembered: `Notified`  |
//! | `Notified` | a worker             | as above                       | changes nothing: one is remembered       |
//! | `Parked`   | the next waker       | no                             | makes it `Ready`, and gives the waker the `Runnable` |
//! | `Done`     | nobody               | never again                    | changes nothing                          |
//!
//! Beside the phase, five flags that are only ever set:
//!
//! | flag        | set by                  | means                                                          |
//! |-------------|-------------------------|----------------------------------------------------------------|
//! | `CANCELLED` | whoever cancels         | the next wait unwinds                                          |
//! | `JOINED`    | the join handle         | its waker lies in the joiner slot; the slot is the completer's |
//! | `WATCHED`   | the join handle, as a future | its waker lies in the joiner slot; the slot is whoever's who sets `RESULT` |
//! | `RESULT`    | the coroutine           | the result is written; before, the slot is the coroutine's     |
//! | `DETACHED`  | the join handle, dropped| nobody will ask for the result                                 |
//!
//! Of `RESULT` and `DETACHED`, whoever comes second drops the result. Of `RESULT` and `WATCHED`, whoever comes second sees to
//! the watcher: it is woken, or need not wait. A handle sets `JOINED` or `WATCHED`, never both.
//!
//! The race to fear is the lost wake: the coroutine looks at its condition (false), a waker makes it true and
//! wakes, the coroutine parks. It cannot happen: **every wake is a read-modify-write, also when it changes
//! nothing**, and so are [`begin_run`](State::begin_run), [`park`](State::park) and
//! [`take_notification`](State::take_notification). Modifications of one atomic have one order, so a wake either
//! comes before the step that takes the phase away from `Ready` or `Notified`, and that step acquires what the waker
//! wrote before it, or it comes after, and finds `Running` or `Parked`, and is remembered or schedules.
//!
//! A yield leaves the word alone: the coroutine stays `Running` while its `Runnable` is in a queue, and a wake
//! meanwhile makes its next park return early, which every caller allows for.
//!
//! Model-checked in `tarae-models`: `state`.

use crate::sync::{AtomicU32, Ordering};

const PHASE: u32 = 0b111;
const READY: u32 = 0;
const RUNNING: u32 = 1;
const NOTIFIED: u32 = 2;
const PARKED: u32 = 3;
const DONE: u32 = 4;

const CANCELLED: u32 = 1 << 3;
const JOINED: u32 = 1 << 4;
const RESULT: u32 = 1 << 5;
const DETACHED: u32 = 1 << 6;
const WATCHED: u32 = 1 << 7;

/// What a waker must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Woken {
    /// Schedule the coroutine: the caller now owns its one `Runnable`.
    Schedule,
    /// Nothing.
    Leave,
}

/// What a worker must do with a coroutine that suspended itself in order to park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Park {
    /// Forget it: it belongs to the next waker, and may already run elsewhere.
    Parked,
    /// Run it again: a wake came before it was parked.
    Again,
}

/// What the owner of a finished coroutine must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Completed {
    /// Wake the joiner, whose waker lies in the slot.
    WakeJoiner,
    /// Nothing: nobody waits.
    Leave,
}

/// What a joiner must do after it has put its waker into the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Join {
    /// Park until woken.
    Wait,
    /// Go on: what it waits for has come, and the slot is the joiner's again.
    Done,
}

/// What whoever has written the result must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// Drop it: nobody will ask for it.
    Drop,
    /// Wake the watcher, whose waker lies in the slot.
    WakeWatcher,
    /// Nothing: the handle has it.
    Leave,
}

/// Who drops the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Result {
    /// The caller.
    Yours,
    /// The other side.
    Theirs,
}

/// The state word.
#[derive(Debug)]
pub struct State(AtomicU32);

impl State {
    /// The state of a coroutine just spawned: `Ready`, and its `Runnable` exists.
    #[allow(clippy::new_without_default, reason = "a state without its coroutine means nothing")]
    pub fn new() -> State {
        State(AtomicU32::new(READY))
    }

    /// Takes a `Ready` coroutine to `Running`. One that yielded is `Running` already, and stays as it is.
    #[inline]
    pub fn begin_run(&self) {
        // Relaxed: the queue that handed over the `Runnable` ordered us after whoever left the phase so.
        if self.0.load(Ordering::Relaxed) & PHASE == READY {
            // Acquire: pairs with the wakes that found `Ready` and left it so.
            self.0.fetch_add(RUNNING - READY, Ordering::Acquire);
        }
    }

    /// Takes a remembered wake, if there is one. The coroutine's own.
    #[inline]
    pub fn take_notification(&self) -> bool {
        let mut seen = self.0.load(Ordering::Relaxed);
        while seen & PHASE == NOTIFIED {
            let next = seen & !PHASE | RUNNING;
            // Acquire: pairs with the wakes that made it `Notified` or left it so.
            match self.0.compare_exchange_weak(seen, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// Parks a coroutine that has suspended itself. The worker's, after the last access to the stack.
    #[inline]
    pub fn park(&self) -> Park {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let (next, outcome) = match seen & PHASE {
                RUNNING => (PARKED, Park::Parked),
                NOTIFIED => (RUNNING, Park::Again),
                phase => unreachable!("phase {phase} parks"),
            };
            // Release: the next owner sees the stack as we left it. Acquire: as in `take_notification`.
            let next = seen & !PHASE | next;
            match self.0.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return outcome,
                Err(now) => seen = now,
            }
        }
    }

    /// Wakes the coroutine.
    #[inline]
    pub fn wake(&self) -> Woken {
        self.wake_with(0)
    }

    /// Cancels the coroutine, and wakes it so that it notices.
    pub fn cancel(&self) -> Woken {
        self.wake_with(CANCELLED)
    }

    #[inline]
    fn wake_with(&self, flags: u32) -> Woken {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let (phase, outcome) = match seen & PHASE {
                PARKED => (READY, Woken::Schedule),
                RUNNING => (NOTIFIED, Woken::Leave),
                DONE => return Woken::Leave,
                same => (same, Woken::Leave),
            };
            let next = seen & !PHASE | phase | flags;
            // Release: the coroutine sees what the waker wrote before. Acquire: from `Parked`, the stack is ours.
            match self.0.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return outcome,
                Err(now) => seen = now,
            }
        }
    }

    /// Sets `CANCELLED` on a coroutine whose `Runnable` the caller has: it will notice by itself.
    pub fn cancel_runnable(&self) {
        self.0.fetch_or(CANCELLED, Ordering::Relaxed);
    }

    /// Whether it was cancelled. Relaxed: the flag guards no memory.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CANCELLED != 0
    }

    /// Says that the result is written.
    pub fn write_result(&self) -> Written {
        // Release: the handle sees the result. Acquire: we see the watcher's waker, and a result dropped here happens after
        // the handle let go of it.
        match self.0.fetch_or(RESULT, Ordering::AcqRel) {
            seen if seen & DETACHED != 0 => Written::Drop,
            seen if seen & WATCHED != 0 => Written::WakeWatcher,
            _ => Written::Leave,
        }
    }

    /// Whether the result is written; if so, it is visible to the caller.
    pub fn has_result(&self) -> bool {
        self.0.load(Ordering::Acquire) & RESULT != 0
    }

    /// Says that a waker lies in the joiner slot, which is to be woken as soon as the result is written. Called once, by a
    /// handle that does not join.
    pub fn watch(&self) -> Join {
        // Release: whoever writes the result sees the waker. Acquire: if it is written, we see it.
        if self.0.fetch_or(WATCHED, Ordering::AcqRel) & RESULT != 0 { Join::Done } else { Join::Wait }
    }

    /// Says that nobody will ask for the result, and who drops it: the handle, if it is written.
    pub fn detach(&self) -> Result {
        if self.0.fetch_or(DETACHED, Ordering::AcqRel) & RESULT != 0 { Result::Yours } else { Result::Theirs }
    }

    /// Takes a `Running` (or, if it never ran, `Ready`) coroutine to `Done`.
    pub fn complete(&self) -> Completed {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let next = seen & !PHASE | DONE;
            // Release: the joiner sees the result and everything before. Acquire: we see the joiner's waker.
            match self.0.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if seen & JOINED != 0 => return Completed::WakeJoiner,
                Ok(_) => return Completed::Leave,
                Err(now) => seen = now,
            }
        }
    }

    /// Says that a waker lies in the joiner slot. Called once.
    pub fn join(&self) -> Join {
        // Release: the completer sees the waker. Acquire: if it is done, we see the result.
        if self.0.fetch_or(JOINED, Ordering::AcqRel) & PHASE == DONE { Join::Done } else { Join::Wait }
    }

    /// Whether it is done; if so, the result is visible to the caller.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire) & PHASE == DONE
    }

    /// The name of the phase, for dumps.
    pub fn phase(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) & PHASE {
            READY => "ready",
            RUNNING | NOTIFIED => "running",
            PARKED => "parked",
            _ => "done",
        }
    }
}
