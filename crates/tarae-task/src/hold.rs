//! The hold: whether a thread still has the seat it sits on, or was left behind.
//!
//! A thread that drives a worker uses the worker's [seat](crate::seat) in short stretches: between two runs, and where
//! a coroutine spawns or wakes. In between, the code of coroutines runs, for as long as it likes, and the seat lies
//! idle. Then another thread may take it.
//!
//! | the holder is | `word` is | the seat belongs to | who can take it |
//! |---------------|-----------|---------------------|-----------------|
//! | inside        | odd       | the holder          | nobody          |
//! | outside       | even      | the holder          | any thread      |
//! | left behind   | even      | whoever took it     | nobody again    |
//!
//! ```text
//!            ┌──enter──► inside ──leave──┐
//!  outside ──┤◄──────────────────────────┘
//!            └──taken, or given up──► left behind        (for good: a thread that sits down again has a new hold)
//! ```
//!
//! **The race to fear: two threads use the seat at once,** the holder, which enters, and a taker, which sees it
//! outside. It cannot happen. The holder writes `word` and then reads `asked`; the taker writes `asked` and then reads
//! `word`; and the [barriers](crate::barrier) between see to it that at least one of them sees what the other wrote.
//! If the holder sees `asked`, it goes to `lost` and waits there, under the lock, for the taker's decision. If the
//! taker sees the holder inside, it takes its question back.
//!
//! **The other race: the seat belongs to nobody,** as each believes the other has it. The decision is one value under
//! one lock, and the taker holds that lock from its question to its answer.
//!
//! What the holder wrote to the seat is seen by the taker: `leave` releases, and the taker's look at `word` acquires.
//! **Without the barriers**, where the kernel has none, `asked` is always set: then the holder takes the lock at each switch,
//! and that orders everything.
//!
//! Which run it is counts in the upper bits of `word`, so that a watcher can tell a holder that is stuck from one
//! that has come back outside. Entering is two instructions and a compiler barrier, paid at each switch.
//!
//! Model-checked in `tarae-models`: `hold`.

use crate::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering, heavy, light};

/// Set in `word` while the holder is inside.
const INSIDE: usize = 1;

/// # Invariants
///
/// - `word` is written by the holder only.
/// - `asked` is set whenever `lost` is, and whenever `always_asked` is.
#[derive(Debug)]
pub struct Hold {
    word: AtomicUsize,
    asked: AtomicBool,
    lost: Mutex<bool>,
    always_asked: bool,
}

/// How a holder came inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Enter {
    /// The seat is the holder's.
    Inside,
    /// Somebody asks for it, or has it already.
    Asked,
}

/// The holder's own copy of the word, outside, through a stretch of runs: so that a switch stores what it knows, and does not
/// wait for what it has just stored.
#[derive(Debug)]
pub struct Runs(usize);

/// What a watcher sees of a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(usize);

impl Seen {
    /// Whether the holder is outside: in the code of a coroutine, if it still has the seat.
    pub fn is_outside(self) -> bool {
        self.0 & INSIDE == 0
    }
}

impl Hold {
    /// A hold of a thread that is inside. Without barriers the holder takes a lock whenever it enters.
    pub fn new(barriers: bool) -> Hold {
        Hold {
            word: AtomicUsize::new(INSIDE),
            asked: AtomicBool::new(!barriers),
            lost: Mutex::new(false),
            always_asked: !barriers,
        }
    }

    /// Goes inside. If somebody asks for the seat, the holder must [`settle`](Hold::settle) before it uses it.
    #[inline(always)]
    pub fn enter(&self) -> Enter {
        self.enter_from(self.word.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn enter_from(&self, word: usize) -> Enter {
        self.word.store(word | INSIDE, Ordering::Relaxed);
        // Pairs with `heavy` in `take`.
        light();
        // Relaxed: what hangs on it is decided under the lock.
        if self.asked.load(Ordering::Relaxed) { Enter::Asked } else { Enter::Inside }
    }

    /// Waits for whoever asks to decide, and returns whether the seat is still the holder's. If not, it is outside.
    #[must_use]
    pub fn settle(&self) -> bool {
        let lost = *self.lock();
        if lost {
            self.leave();
        }
        !lost
    }

    /// Whether the holder is inside. The holder's question.
    #[inline(always)]
    pub fn is_inside(&self) -> bool {
        self.word.load(Ordering::Relaxed) & INSIDE != 0
    }

    /// Goes outside, back into the run it came from.
    #[inline(always)]
    pub fn leave(&self) {
        let word = self.word.load(Ordering::Relaxed);
        // Release: whoever takes the seat sees what was done to it.
        self.word.store(word & !INSIDE, Ordering::Release);
    }

    /// Begins a stretch of runs.
    pub fn begin_runs(&self) -> Runs {
        Runs(self.word.load(Ordering::Relaxed) & !INSIDE)
    }

    /// Goes outside, into a new run.
    #[inline(always)]
    pub fn leave_for_a_run(&self, runs: &mut Runs) {
        runs.0 = runs.0.wrapping_add(2);
        // Release: as in `leave`.
        self.word.store(runs.0, Ordering::Release);
    }

    /// Goes inside when a run has ended; otherwise as [`enter`](Hold::enter).
    #[inline(always)]
    pub fn enter_after_a_run(&self, runs: &Runs) -> Enter {
        self.enter_from(runs.0)
    }

    /// What there is to see without asking. The same again at a later time, and outside: still in the same run.
    pub fn look(&self) -> Seen {
        Seen(self.word.load(Ordering::Relaxed))
    }

    /// How many runs the holder has begun.
    pub fn runs(&self) -> usize {
        self.word.load(Ordering::Relaxed) / 2
    }

    /// Takes the seat, if the holder is outside. `f` runs while the holder, should it come back meanwhile, waits for
    /// the decision.
    pub fn take<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        let mut lost = self.lock();
        if *lost {
            return None;
        }
        self.asked.store(true, Ordering::Relaxed);
        // Pairs with `light` in `enter`. Acquire: we see what the holder did to the seat.
        let ordered = self.always_asked || heavy();
        if !ordered || self.word.load(Ordering::Acquire) & INSIDE != 0 {
            self.asked.store(self.always_asked, Ordering::Relaxed);
            return None;
        }
        *lost = true;
        Some(f())
    }

    /// Gives the seat away. The holder's, which is outside afterwards. Returns whether it still was its own.
    ///
    /// From inside, it does not go outside first: whoever took the seat in between would look for who runs, and find
    /// nobody.
    pub fn give_up(&self) -> bool {
        let mut lost = self.lock();
        self.asked.store(true, Ordering::Relaxed);
        let was_ours = !std::mem::replace(&mut *lost, true);
        self.leave();
        was_ours
    }

    /// No code of the user's runs under this lock, and none that panics.
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.lost.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
