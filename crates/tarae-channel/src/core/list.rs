//! Those who wait at one end of a channel, first come first served.
//!
//! A *place* is *listed* while its owner can be claimed; it is taken off the list when it was, and stays until its owner
//! takes what it was granted. Places are in a slab, so leaving from the middle costs as little as from the front; their
//! number is bounded by the coroutines and threads that wait.

use std::sync::Arc;
use std::task::Waker;

use slab::Slab;

use super::record::Record;

const NONE: usize = usize::MAX;

/// The competition that a place of a select takes part in, and as which operation.
#[derive(Clone, Debug)]
pub struct Entrant {
    pub(crate) record: Arc<Record>,
    pub(crate) operation: usize,
}

/// One place.
pub(crate) struct Place<S> {
    /// Taken by whoever grants something.
    pub(crate) waker: Option<Waker>,
    pub(crate) state: S,
    /// `None`: it waits for nothing else.
    entrant: Option<Entrant>,
    is_listed: bool,
    previous: usize,
    next: usize,
}

impl<S> Place<S> {
    fn new(state: S, waker: Option<Waker>, entrant: Option<Entrant>) -> Place<S> {
        Place { waker, state, entrant, is_listed: false, previous: NONE, next: NONE }
    }

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
pub(crate) struct List<S> {
    places: Slab<Place<S>>,
    first: usize,
    last: usize,
}

impl<S> List<S> {
    pub(crate) const fn new() -> List<S> {
        List { places: Slab::new(), first: NONE, last: NONE }
    }

    /// Lists somebody who waits.
    pub(crate) fn push(&mut self, state: S, waker: &Waker, entrant: Option<Entrant>) -> usize {
        let key = self.places.insert(Place::new(state, Some(waker.clone()), entrant));
        let last = std::mem::replace(&mut self.last, key);
        let place = &mut self.places[key];
        place.is_listed = true;
        place.previous = last;
        match self.places.get_mut(last) {
            Some(last) => last.next = key,
            None => self.first = key,
        }
        key
    }

    /// Makes a place for somebody who has a grant already.
    pub(crate) fn keep(&mut self, state: S, waker: Option<Waker>) -> usize {
        self.places.insert(Place::new(state, waker, None))
    }

    /// Claims the first who can be claimed, and takes it off the list; those before it are done with elsewhere.
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

    pub(crate) fn place(&mut self, key: usize) -> &mut Place<S> {
        &mut self.places[key]
    }

    /// Ends a place, and returns the state it was in.
    pub(crate) fn remove(&mut self, key: usize) -> S {
        self.unlist(key);
        self.places.remove(key).state
    }

    fn unlist(&mut self, key: usize) {
        let place = &mut self.places[key];
        if !std::mem::replace(&mut place.is_listed, false) {
            return;
        }
        let (previous, next) = (place.previous, place.next);
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
