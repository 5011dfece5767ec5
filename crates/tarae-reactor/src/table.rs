//! The table of registered descriptors: from an event's token to the sides it is for.
//!
//! A token names a *registration*, not a place: the low 24 bits are the index in the slab, the 40 above
//! count registrations. A place is reused, a token is not (in 10¹² registrations), so an event that was under
//! way when its source went finds nobody, and never the source that took the place.
//!
//! [`Reactor`](crate::Reactor) holds the table in a lock: for a registration, for its end, and for the
//! dispatch of one turn. Waiting and clearing go straight to the [`Descriptor`], past the table.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::Token;
use mio::event::Event;
use slab::Slab;

use crate::side::SideState;
use crate::source::Side;

const INDEX_BITS: u32 = 24;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: usize = usize::MAX >> INDEX_BITS;

/// The bell's token: an index that no source can have.
pub(crate) const BELL: Token = Token(usize::MAX);

/// The most sources one reactor takes: all that the index of a token can name, sixteen times the kernel's
/// default for the descriptors of a process (`fs.nr_open`, 2²⁰), and so never the first limit to be met.
pub(crate) const SOURCES_MAX: usize = INDEX_MASK;

const _: () = assert!(usize::BITS == 64, "a token needs 64 bits");
const _: () = assert!(BELL.0 & INDEX_MASK >= SOURCES_MAX, "the bell must not have a source's index");

/// One registered descriptor: its number, and what is known of its sides.
#[derive(Debug)]
pub(crate) struct Descriptor {
    pub(crate) fd: RawFd,
    pub(crate) token: Token,
    /// Set by the first urgent data: reads stop at the mark from then on, so a short one does not mean *drained*.
    /// Relaxed: whoever reads short at a mark that was not polled yet has an event of its own coming.
    pub(crate) urgent: AtomicBool,
    read: SideState,
    write: SideState,
}

impl Descriptor {
    pub(crate) fn side(&self, side: Side) -> &SideState {
        match side {
            Side::Read => &self.read,
            Side::Write => &self.write,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    slots: Slab<Arc<Descriptor>>,
    generation: usize,
    limit: usize,
}

impl Table {
    pub(crate) fn new(limit: usize) -> Self {
        Table { slots: Slab::new(), generation: 0, limit }
    }

    /// Makes room for `fd`, under a token that was never used before.
    pub(crate) fn insert(&mut self, fd: RawFd) -> io::Result<Arc<Descriptor>> {
        if self.slots.len() >= self.limit {
            let message = format!("this reactor's table is full ({} sources)", self.limit);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, message));
        }
        let slot = self.slots.vacant_entry();
        self.generation = (self.generation + 1) & GENERATION_MASK;
        let token = Token(self.generation << INDEX_BITS | slot.key());
        let descriptor = Arc::new(Descriptor {
            fd,
            token,
            urgent: AtomicBool::new(false),
            read: SideState::new(),
            write: SideState::new(),
        });
        slot.insert(descriptor.clone());
        Ok(descriptor)
    }

    /// Gives the place back; the caller drops what is returned when it has released the table.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Arc<Descriptor>> {
        self.find(token)?;
        self.slots.try_remove(token.0 & INDEX_MASK)
    }

    /// The descriptor of this registration, if it has not ended.
    pub(crate) fn find(&self, token: Token) -> Option<&Descriptor> {
        let descriptor = self.slots.get(token.0 & INDEX_MASK)?;
        (descriptor.token == token).then_some(descriptor)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Descriptor> {
        self.slots.iter().map(|(_, descriptor)| &**descriptor)
    }
}

/// Which sides an event is for: `Some(hangup)` if it is for this one.
///
/// An error is for both, and a half-closed connection for its half.
pub(crate) fn hangup_for(event: &Event, side: Side) -> Option<bool> {
    let (ready, closed) = match side {
        Side::Read => (event.is_readable(), event.is_read_closed()),
        Side::Write => (event.is_writable(), event.is_write_closed()),
    };
    let hangup = closed || event.is_error();
    (ready || hangup).then_some(hangup)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_reused_under_another_token() {
        let mut table = Table::new(8);
        let first = table.insert(10).unwrap().token;
        table.remove(first).unwrap();
        let second = table.insert(10).unwrap().token;
        assert_eq!(first.0 & INDEX_MASK, second.0 & INDEX_MASK, "the same place");
        assert!(table.find(first).is_none());
        assert!(table.remove(first).is_none(), "a stale token ends nobody's registration");
        assert_eq!(table.find(second).unwrap().token, second);
    }

    #[test]
    fn a_full_table_says_so_and_has_room_again_later() {
        let mut table = Table::new(2);
        let first = table.insert(10).unwrap().token;
        table.insert(11).unwrap();
        let error = table.insert(12).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        assert_eq!(error.to_string(), "this reactor's table is full (2 sources)");
        table.remove(first).unwrap();
        table.insert(12).unwrap();
    }
}
