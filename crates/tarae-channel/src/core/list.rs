//! Those who wait at one end of a channel, first come first served.
//!
//! A *place* is *listed* while its owner can be claimed; it is taken off the list when it was, and stays until its owner
//! takes what it was granted. Places that are free are kept and used again: a wait allocates nothing, and a message is moved in and out
//! of a place, not with it. Their number is bounded by the coroutines and threads that wait.

use std::mem;
use std::sync::Arc;
use std::task::Waker;

use super::record::Record;

const NONE: usize = usize::MAX;

/// The competition that a place of a select takes part in, and as which operation.
#[derive(Clone, Debug)]
pub struct Entrant {
    pub(crate) record: Arc<Record>,
    pub(crate) operation: usize,
}

/// Where the owner of a place stands; the table is in [`core`](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Granted,
    /// By its key.
    Promised(usize),
    Withdrawn,
    Closed,
}

/// One place.
pub(crate) struct Place<T> {
    pub(crate) state: State,
    /// What it sends, or what it was given.
    pub(crate) message: Option<T>,
    /// Taken by whoever grants something.
    pub(crate) waker: Option<Waker>,
    /// `None`: it waits for nothing else.
    entrant: Option<Entrant>,
    is_listed: bool,
    previous: usize,
    /// Of a place that is free: the next such.
    next: usize,
}

impl<T> Place<T> {
    const FREE: Place<T> = Place {
        state: State::Waiting,
        message: None,
        waker: None,
        entrant: None,
        is_listed: false,
        previous: NONE,
        next: NONE,
    };

    fn claim(&self) -> bool {
        self.entrant.as_ref().is_none_or(|entrant| entrant.record.claim(entrant.operation))
    }

    /// Whether somebody else than the select of `own` can claim it.
    fn is_open_to(&self, own: Option<&Arc<Record>>) -> bool {
        self.entrant.as_ref().is_none_or(|entrant| {
            entrant.record.is_open() && own.is_none_or(|own| !Arc::ptr_eq(own, &entrant.record))
        })
    }
}

/// Those who wait at one end.
pub(crate) struct List<T> {
    places: Vec<Place<T>>,
    first: usize,
    last: usize,
    free: usize,
}

impl<T> List<T> {
    pub(crate) const fn new() -> List<T> {
        List { places: Vec::new(), first: NONE, last: NONE, free: NONE }
    }

    /// Lists somebody who waits.
    pub(crate) fn push(&mut self, waker: &Waker, entrant: Option<Entrant>) -> usize {
        let key = self.keep(State::Waiting);
        let last = mem::replace(&mut self.last, key);
        let place = &mut self.places[key];
        place.waker = Some(waker.clone());
        place.entrant = entrant;
        place.is_listed = true;
        place.previous = last;
        match self.places.get_mut(last) {
            Some(last) => last.next = key,
            None => self.first = key,
        }
        key
    }

    /// Makes a place for somebody who has been granted something already.
    #[inline]
    pub(crate) fn keep(&mut self, state: State) -> usize {
        let key = match self.free {
            NONE => {
                self.places.push(Place::FREE);
                self.places.len() - 1
            }
            free => free,
        };
        let place = &mut self.places[key];
        self.free = mem::replace(&mut place.next, NONE);
        place.state = state;
        key
    }

    /// Whether nobody is listed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Claims the first who can be claimed, and takes it off the list; those before it are done with elsewhere.
    #[inline]
    pub(crate) fn claim_first(&mut self) -> Option<usize> {
        while self.first != NONE {
            let key = self.first;
            self.unlist(key);
            if self.places[key].claim() {
                return Some(key);
            }
        }
        None
    }

    /// Whether there is somebody to claim for others than the select of `own`.
    pub(crate) fn has_partner(&self, own: Option<&Arc<Record>>) -> bool {
        let mut next = self.first;
        while let Some(place) = self.places.get(next) {
            if place.is_open_to(own) {
                return true;
            }
            next = place.next;
        }
        false
    }

    /// A place, by its key. A message that is put there comes back when it ends.
    pub(crate) fn place(&mut self, key: usize) -> &mut Place<T> {
        &mut self.places[key]
    }

    /// Ends a place, by its owner, and returns the state it was in. Its message goes where there is none.
    pub(crate) fn remove(&mut self, key: usize, message: &mut Option<T>) -> State {
        self.unlist(key);
        let place = &mut self.places[key];
        mem::swap(&mut place.message, message);
        // The owner's own: it is not the last one.
        place.waker = None;
        place.entrant = None;
        place.next = mem::replace(&mut self.free, key);
        place.state
    }

    fn unlist(&mut self, key: usize) {
        let place = &mut self.places[key];
        if !mem::replace(&mut place.is_listed, false) {
            return;
        }
        let (previous, next) = (place.previous, mem::replace(&mut place.next, NONE));
        match self.places.get_mut(previous) {
            Some(previous) => previous.next = next,
            None => self.first = next,
        }
        match self.places.get_mut(next) {
            Some(next) => next.previous = previous,
            None => self.last = previous,
        }
    }
}
