//! The line: who waits for one thing, in the order in which they came.
//!
//! Every wait in this crate is a place in a line. A place belongs to the waiter who holds its [`Ticket`]; what it says is
//! changed by others, under the line's mutex only.
//!
//! | standing  | in the line | its waker    | who acts next |
//! |-----------|-------------|--------------|---------------|
//! | `Waiting` | yes         | in the place | whoever calls it or grants it |
//! | `Called`  | yes, first  | was woken    | the waiter: it tries, and takes or waits again |
//! | `Granted` | no          | was woken    | the waiter: it has what it waited for |
//!
//! `Waiting → Called` ([`Line::call_first`]) is "come and try", `→ Granted` ([`Line::grant_first`], [`Line::grant_all`]) is
//! "it is yours". Either is decided under the mutex, and the waker, which leaves the place then, is woken after its release.
//! A waiter leaves its place in one way only, by [`Line::leave`], which says what it was: when it got what it wanted, when its
//! time is up, when it is interrupted. So a grant meets a waiter that gives up under one lock: either the place was gone and
//! somebody else is granted, or the grant was there, and the one who leaves takes it or passes it on. Nothing is given to
//! nobody.
//!
//! A waiter that is woken for no reason finds its standing unchanged, and waits on.
//!
//! Neighbours: [`lock_word`](super::lock_word) calls and grants, the semaphore grants, the rest grants to all. Who waits is a
//! coroutine or a kernel thread: its waker is ours, so it may be cloned under the mutex.

use std::task::Waker;

use crate::sync::{Mutex, MutexGuard, const_fn};

/// Nobody's number.
const NOBODY: u32 = u32::MAX;

/// A line longer than this gives its memory back when it has dissolved.
const KEPT: usize = 64;

/// A line under its mutex. It takes up memory once somebody has waited.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    line: Mutex<Option<Box<Line<W>>>>,
}

impl<W> Queue<W> {
    const_fn! {
        pub(crate) fn new() -> Queue<W> {
            Queue { line: Mutex::new(None) }
        }
    }

    pub(crate) fn lock(&self) -> Locked<'_, W> {
        // What may panic under this lock does so before anything is changed: poison carries no meaning.
        Locked(self.line.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// A line whose mutex is held. Nobody is woken before it is dropped.
pub(crate) struct Locked<'a, W>(MutexGuard<'a, Option<Box<Line<W>>>>);

/// What is asked of a line also where nobody has ever stood in one.
impl<W> Locked<'_, W> {
    /// As [`Line::is_empty`].
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|line| line.is_empty())
    }

    /// As [`Line::grant_all`].
    pub(crate) fn grant_all(&mut self) -> Vec<Waker> {
        self.0.as_mut().map_or_else(Vec::new, |line| line.grant_all())
    }
}

impl<W> std::ops::Deref for Locked<'_, W> {
    type Target = Line<W>;

    fn deref(&self) -> &Line<W> {
        self.0.as_ref().unwrap_or_else(|| unreachable!("somebody has stood in it"))
    }
}

impl<W> std::ops::DerefMut for Locked<'_, W> {
    fn deref_mut(&mut self) -> &mut Line<W> {
        self.0.get_or_insert_with(|| Box::new(Line::new()))
    }
}

/// The right to one place.
#[derive(Debug)]
pub(crate) struct Ticket(u32);

/// How it stands with a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    Called,
    Granted,
}

/// # Invariants
///
/// - The places from `first` by `after` are those that stand in line, and `before` is the way back.
/// - Every other place is granted, or vacant: then it is among those from `vacant` by `after`, and has no waker.
/// - `Called` stands only who is first.
#[derive(Debug)]
pub(crate) struct Line<W> {
    places: Vec<Place<W>>,
    first: u32,
    last: u32,
    vacant: u32,
    /// How many places are not vacant.
    taken: u32,
}

#[derive(Debug)]
struct Place<W> {
    want: Option<W>,
    waker: Option<Waker>,
    standing: Standing,
    before: u32,
    after: u32,
}

impl<W> Line<W> {
    fn new() -> Line<W> {
        Line { places: Vec::new(), first: NOBODY, last: NOBODY, vacant: NOBODY, taken: 0 }
    }

    /// Whether nobody stands in line.
    pub(crate) fn is_empty(&self) -> bool {
        self.first == NOBODY
    }

    /// Stands at the end.
    pub(crate) fn enter(&mut self, want: W, waker: &Waker) -> Ticket {
        let place = Place {
            want: Some(want),
            waker: Some(waker.clone()),
            standing: Standing::Waiting,
            before: self.last,
            after: NOBODY,
        };
        let number = self.vacant;
        let number = if number == NOBODY {
            let number = u32::try_from(self.places.len()).unwrap_or(NOBODY);
            assert!(number != NOBODY, "a line of 2^32");
            self.places.push(place);
            number
        } else {
            self.vacant = self.place(number).after;
            *self.place(number) = place;
            number
        };
        match self.last {
            NOBODY => self.first = number,
            last => self.place(last).after = number,
        }
        self.last = number;
        self.taken += 1;
        Ticket(number)
    }

    /// What the first one wants.
    pub(crate) fn first_want(&self) -> Option<&W> {
        self.places.get(self.first as usize).and_then(|place| place.want.as_ref())
    }

    /// As [`first_want`](Self::first_want), to be changed.
    pub(crate) fn first_want_mut(&mut self) -> Option<&mut W> {
        self.places.get_mut(self.first as usize).and_then(|place| place.want.as_mut())
    }

    /// What the holder of the ticket wants.
    pub(crate) fn want(&mut self, ticket: &Ticket) -> Option<&mut W> {
        self.place(ticket.0).want.as_mut()
    }

    pub(crate) fn standing(&self, ticket: &Ticket) -> Standing {
        self.places[ticket.0 as usize].standing
    }

    /// Tells the first one to try; it keeps its place. The caller wakes it.
    pub(crate) fn call_first(&mut self) -> Option<Waker> {
        let place = self.places.get_mut(self.first as usize)?;
        place.standing = Standing::Called;
        place.waker.take()
    }

    /// One who was called has tried in vain, and waits on, where it stands.
    pub(crate) fn wait_on(&mut self, ticket: &Ticket, waker: &Waker) {
        let place = self.place(ticket.0);
        place.standing = Standing::Waiting;
        place.waker = Some(waker.clone());
    }

    /// Gives the first one what it wants; it stands no more. The caller wakes it.
    pub(crate) fn grant_first(&mut self) -> Option<Waker> {
        let number = self.first;
        if number == NOBODY {
            return None;
        }
        self.unlink(number);
        let place = self.place(number);
        place.standing = Standing::Granted;
        place.waker.take()
    }

    /// Gives everyone what they want. The caller wakes them.
    pub(crate) fn grant_all(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while !self.is_empty() {
            wakers.extend(self.grant_first());
        }
        wakers
    }

    /// Leaves, if it was granted: then the ticket is used up.
    pub(crate) fn take_granted(&mut self, ticket: &mut Option<Ticket>) -> bool {
        let is_granted = ticket.as_ref().is_some_and(|ticket| self.standing(ticket) == Standing::Granted);
        if is_granted && let Some(ticket) = ticket.take() {
            self.leave(ticket);
        }
        is_granted
    }

    /// Gives the place up. What it was decides what the caller owes to others.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Standing {
        let Ticket(number) = ticket;
        let standing = self.place(number).standing;
        if standing != Standing::Granted {
            self.unlink(number);
        }
        let vacant = self.vacant;
        let place = self.place(number);
        place.want = None;
        // The waiter's own, who lives: its drop is a count.
        place.waker = None;
        place.after = vacant;
        self.vacant = number;
        self.taken -= 1;
        if self.taken == 0 && self.places.len() > KEPT {
            self.places = Vec::new();
            self.vacant = NOBODY;
        }
        standing
    }

    fn unlink(&mut self, number: u32) {
        let place = self.place(number);
        let (before, after) = (place.before, place.after);
        match before {
            NOBODY => self.first = after,
            before => self.place(before).after = after,
        }
        match after {
            NOBODY => self.last = before,
            after => self.place(after).before = before,
        }
    }

    fn place(&mut self, number: u32) -> &mut Place<W> {
        &mut self.places[number as usize]
    }
}
