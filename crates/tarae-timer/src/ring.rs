//! The timers of one slot, in the order they came: a circular list through the entries.
//!
//! ```text
//!     head ─► first ⇄ second ⇄ last ─► first again
//! ```
//!
//! A ring is known by its first entry. The last one is the first one's `prev`, so both ends cost one index.
//! There is no empty ring: whether a slot has one at all is for [`slots`](crate::slots) to know, and
//! [`wheel`](crate::wheel) calls both.

use crate::entries::Entries;

/// Makes a ring of one entry, which is in none.
pub(crate) fn begin<T>(entries: &mut Entries<T>, index: u32) {
    entries[index].prev = index;
    entries[index].next = index;
}

/// Puts an entry, which is in no ring, at the end of the ring that begins with `head`.
pub(crate) fn append<T>(entries: &mut Entries<T>, head: u32, index: u32) {
    let last = entries[head].prev;
    entries[index].prev = last;
    entries[index].next = head;
    entries[last].next = index;
    entries[head].prev = index;
}

/// Takes an entry out of its ring and returns the one that followed, or `None` if the ring is used up.
pub(crate) fn remove<T>(entries: &mut Entries<T>, index: u32) -> Option<u32> {
    let (prev, next) = (entries[index].prev, entries[index].next);
    entries[prev].next = next;
    entries[next].prev = prev;
    (next != index).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring_of(values: &[char]) -> Entries<char> {
        let mut entries = Entries::new();
        for (index, &value) in (0..).zip(values) {
            entries.occupy(0, value);
            if index == 0 { begin(&mut entries, 0) } else { append(&mut entries, 0, index) }
        }
        entries
    }

    /// Walks the ring forwards, and checks the way back.
    fn members(entries: &Entries<char>, head: u32) -> Vec<u32> {
        let mut members = vec![head];
        loop {
            let index = members[members.len() - 1];
            let next = entries[index].next;
            assert_eq!(entries[next].prev, index);
            if next == head {
                return members;
            }
            members.push(next);
        }
    }

    #[test]
    fn a_ring_keeps_the_order_of_arrival() {
        assert_eq!(members(&ring_of(&['a', 'b', 'c']), 0), [0, 1, 2]);
    }

    #[test]
    fn removing_from_the_middle_joins_the_neighbours() {
        let mut entries = ring_of(&['a', 'b', 'c']);
        assert_eq!(remove(&mut entries, 1), Some(2));
        assert_eq!(members(&entries, 0), [0, 2]);
    }

    #[test]
    fn removing_the_first_leaves_a_ring_that_begins_with_the_second() {
        let mut entries = ring_of(&['a', 'b', 'c']);
        assert_eq!(remove(&mut entries, 0), Some(1));
        assert_eq!(members(&entries, 1), [1, 2]);
    }

    #[test]
    fn removing_the_only_entry_uses_the_ring_up() {
        assert_eq!(remove(&mut ring_of(&['a']), 0), None);
    }
}
