//! Those who wait at the ends of a channel, first come first served.
//!
//! A *place* is *listed* at one end while its owner can be claimed; it is taken off the list when it was, and stays until its owner
//! takes what it was granted. Places that are free are kept and used again: a wait allocates nothing, and a message is moved in and out
//! of a place, not with it. Their number is bounded by the coroutines and threads that wait.
//!
//! Places and lists are small, and both ends share the places: to pass a message on, a thousand coroutines touch a thousand channels, and
//! what counts then is how many cache lines.

use std::mem;
use std::sync::Arc;
use std::task::Waker;

use super::record::Record;

const NONE: u32 = u32::MAX;
/// The place before one that is not listed.
const UNLISTED: u32 = u32::MAX - 1;

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
    Promised(Promise),
    Withdrawn,
    Closed,
}

/// The key of a message to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise(pub(crate) u32);

/// One place.
pub(crate) struct Place<T> {
    /// What it sends, or what it was given.
    pub(crate) message: Option<T>,
    /// Taken by whoever grants something.
    pub(crate) waker: Option<Waker>,
    /// `None`: it waits for nothing else.
    entrant: Option<Entrant>,
    pub(crate) state: State,
    previous: u32,
    /// Of a place that is free: the next such.
    next: u32,
}

impl<T> Place<T> {
    const FREE: Place<T> = Place {
        message: None,
        waker: None,
        entrant: None,
        state: State::Waiting,
        previous: UNLISTED,
        next: NONE,
    };

    #[inline]
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

/// The places of a channel.
pub(crate) struct Places<T> {
    places: Vec<Place<T>>,
    free: u32,
}

impl<T> Places<T> {
    pub(crate) const fn new() -> Places<T> {
        Places { places: Vec::new(), free: NONE }
    }

    /// Makes a place that is not listed.
    #[inline]
    pub(crate) fn add(&mut self, state: State) -> usize {
        let key = match self.free {
            NONE => self.grow(),
            free => free as usize,
        };
        let place = &mut self.places[key];
        self.free = mem::replace(&mut place.next, NONE);
        place.state = state;
        key
    }

    #[cold]
    fn grow(&mut self) -> usize {
        assert!(self.places.len() < UNLISTED as usize, "as many wait as can be counted");
        self.places.push(Place::FREE);
        self.places.len() - 1
    }

    /// A place, by its key. A message that is put there comes back when it ends.
    #[inline]
    pub(crate) fn at(&mut self, key: usize) -> &mut Place<T> {
        &mut self.places[key]
    }

    /// Ends a place that is not listed, by its owner. Its message goes where there is none.
    #[inline]
    pub(crate) fn remove(&mut self, key: usize, message: &mut Option<T>) {
        let place = &mut self.places[key];
        mem::swap(&mut place.message, message);
        if place.waker.is_some() || place.entrant.is_some() {
            // The owner's own: neither is the last one.
            place.waker = None;
            place.entrant = None;
        }
        place.next = mem::replace(&mut self.free, key as u32);
    }

    fn get_mut(&mut self, key: u32) -> Option<&mut Place<T>> {
        self.places.get_mut(key as usize)
    }
}

/// Those who are listed at one end.
pub(crate) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub(crate) const fn new() -> List {
        List { first: NONE, last: NONE }
    }

    /// Lists somebody who waits, in a new place.
    pub(crate) fn push<T>(
        &mut self,
        places: &mut Places<T>,
        waker: &Waker,
        entrant: Option<Entrant>,
    ) -> usize {
        let key = places.add(State::Waiting);
        let last = mem::replace(&mut self.last, key as u32);
        let place = places.at(key);
        place.waker = Some(waker.clone());
        place.entrant = entrant;
        place.previous = last;
        match places.get_mut(last) {
            Some(last) => last.next = key as u32,
            None => self.first = key as u32,
        }
        key
    }

    /// Whether nobody is listed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Claims the first who can be claimed, and takes it off the list; those before it are done with elsewhere.
    #[inline]
    pub(crate) fn claim_first<T>(&mut self, places: &mut Places<T>) -> Option<usize> {
        while self.first != NONE {
            let key = self.first as usize;
            self.unlist(places, key);
            if places.at(key).claim() {
                return Some(key);
            }
        }
        None
    }

    /// Whether there is somebody to claim for others than the select of `own`.
    pub(crate) fn has_partner<T>(&self, places: &Places<T>, own: Option<&Arc<Record>>) -> bool {
        let mut next = self.first;
        while let Some(place) = places.places.get(next as usize) {
            if place.is_open_to(own) {
                return true;
            }
            next = place.next;
        }
        false
    }

    /// Takes a place off the list, if it is there.
    #[inline]
    pub(crate) fn unlist<T>(&mut self, places: &mut Places<T>, key: usize) {
        let place = places.at(key);
        let previous = mem::replace(&mut place.previous, UNLISTED);
        if previous == UNLISTED {
            return;
        }
        let next = mem::replace(&mut place.next, NONE);
        match places.get_mut(previous) {
            Some(previous) => previous.next = next,
            None => self.first = next,
        }
        match places.get_mut(next) {
            Some(next) => next.previous = previous,
            None => self.last = previous,
        }
    }
}
