//! The memory of the timers: a vec of entries that are reused, and told apart by generation.
//!
//! A vacant entry keeps its generation, raised by one, and waits in a list of vacant entries, last in first
//! out, so that the warmest is reused first. An entry that has used up its generations is retired: 40 bytes
//! lost after four thousand million timers is the price for a key that never names a stranger.
//!
//! The vec does not shrink. What the fields `prev` and `next` of an occupied entry mean is decided by
//! [`ring`](crate::ring), the only other file that touches them.

use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use crate::key::Key;
use crate::tick::Tick;

/// No entry: the end of the list of vacant entries. Never the index of an entry.
const NONE: u32 = u32::MAX;

/// One timer, or the room for one.
pub(crate) struct Entry<T> {
    /// The tick at which the value is due.
    pub(crate) tick: Tick,
    /// Occupied: the entry before this one in its ring.
    pub(crate) prev: u32,
    /// Occupied: the entry after this one in its ring. Vacant: the next vacant entry, or [`NONE`].
    pub(crate) next: u32,
    /// The generation of the present timer; if vacant, of the next.
    generation: NonZeroU32,
    value: Option<T>,
}

/// All entries of a store, occupied and vacant.
///
/// # Invariants
/// - An entry is occupied exactly if its value is `Some`; `occupied` counts these.
/// - Each vacant entry is in the list that begins at `vacant`, unless it is retired.
/// - No pair of index and generation is given to two timers.
pub(crate) struct Entries<T> {
    entries: Vec<Entry<T>>,
    vacant: u32,
    occupied: usize,
}

impl<T> Entries<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), vacant: NONE, occupied: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.occupied
    }

    /// Gives `value` an entry, which is in no ring yet.
    pub(crate) fn occupy(&mut self, tick: Tick, value: T) -> Key {
        let index = match self.vacant {
            NONE => self.grow(),
            vacant => vacant,
        };
        let entry = &mut self[index];
        entry.tick = tick;
        entry.value = Some(value);
        let key = Key { index, generation: entry.generation };
        self.vacant = entry.next;
        self.occupied += 1;
        key
    }

    /// Returns the index of the timer that `key` names, or `None` if that is over.
    pub(crate) fn find(&self, key: Key) -> Option<u32> {
        let entry = self.entries.get(key.index as usize)?;
        (entry.generation == key.generation && entry.value.is_some()).then_some(key.index)
    }

    /// Takes the value out of an occupied entry, which must be in no ring any more.
    pub(crate) fn vacate(&mut self, index: u32) -> T {
        let vacant = self.vacant;
        let entry = &mut self[index];
        let value = entry.value.take().unwrap_or_else(|| unreachable!("entry {index} is vacant already"));
        // INVARIANT: The generation is used up here, by raising it or by not listing the entry again.
        if let Some(next_generation) = entry.generation.checked_add(1) {
            entry.generation = next_generation;
            entry.next = vacant;
            self.vacant = index;
        }
        self.occupied -= 1;
        value
    }

    /// Adds a vacant entry that is the last of its list.
    fn grow(&mut self) -> u32 {
        let index = next_index(self.entries.len());
        self.entries.push(Entry {
            tick: 0,
            prev: NONE,
            next: NONE,
            generation: NonZeroU32::MIN,
            value: None,
        });
        index
    }
}

/// Returns the index of the entry after `count` others.
///
/// # Panics
/// If that is [`NONE`] or more.
fn next_index(count: usize) -> u32 {
    match u32::try_from(count) {
        Ok(index) if index != NONE => index,
        _ => panic!("a timer store holds at most {NONE} timers"),
    }
}

impl<T> Index<u32> for Entries<T> {
    type Output = Entry<T>;

    fn index(&self, index: u32) -> &Entry<T> {
        &self.entries[index as usize]
    }
}

impl<T> IndexMut<u32> for Entries<T> {
    fn index_mut(&mut self, index: u32) -> &mut Entry<T> {
        &mut self.entries[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn an_entry_with_a_waker_is_forty_bytes() {
        assert_eq!(size_of::<Entry<Waker>>(), 40);
    }

    #[test]
    fn the_last_vacated_entry_is_the_first_reused() {
        let mut entries = Entries::new();
        let keys = ['a', 'b', 'c'].map(|value| entries.occupy(0, value));
        entries.vacate(keys[0].index);
        entries.vacate(keys[2].index);
        assert_eq!(entries.occupy(0, 'd').index, keys[2].index);
        assert_eq!(entries.occupy(0, 'e').index, keys[0].index);
        assert_eq!(entries.occupy(0, 'f').index, 3);
        assert_eq!(entries.len(), 4);
    }

    #[test]
    fn a_key_does_not_find_the_next_user_of_its_entry() {
        let mut entries = Entries::new();
        let first = entries.occupy(0, 'a');
        assert_eq!(entries.vacate(first.index), 'a');
        assert_eq!(entries.find(first), None);
        let second = entries.occupy(0, 'b');
        assert_eq!(second.index, first.index);
        assert_eq!(entries.find(first), None);
        assert_eq!(entries.find(second), Some(second.index));
    }

    #[test]
    fn an_entry_out_of_generations_is_retired() {
        let mut entries = Entries::new();
        entries.occupy(0, 'a');
        entries.vacate(0);
        entries[0].generation = NonZeroU32::MAX;
        let last = entries.occupy(0, 'b');
        assert_eq!(last.index, 0);
        assert_eq!(entries.vacate(last.index), 'b');
        assert_eq!(entries.find(last), None);
        assert_eq!(entries.occupy(0, 'c').index, 1);
        assert_eq!(entries.find(last), None);
        assert_eq!(entries.len(), 1);
    }

    #[test]
    #[should_panic(expected = "a timer store holds at most 4294967295 timers")]
    fn running_out_of_indices_panics_with_the_limit() {
        assert_eq!(next_index(u32::MAX as usize - 1), u32::MAX - 1);
        next_index(u32::MAX as usize);
    }
}
