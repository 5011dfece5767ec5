//! The hierarchical timing wheel: which slot a timer waits in, and when a slot is emptied.
//!
//! A timer waits where [`Place::new`] puts its tick, seen from the present. When the present reaches the
//! first tick of a slot at level 0, its timers are due. When it reaches the first tick of a slot higher up,
//! one more digit agrees, so its timers *cascade*: each moves to a lower level, at most seven times in all.
//!
//! The present jumps from occupied slot to occupied slot, and at last to where it was told to go. A stretch
//! without timers costs nothing, however long.
//!
//! A slot can hold all timers there are, and a cascade then moves them all at once. So a slot is first
//! *opened*: its ring leaves the slots and is taken apart timer by timer, in as many calls as the caller likes.
//!
//! Why not simpler: a heap pays O(log n) to insert and needs back-pointers to cancel, and most timers of a
//! server are cancelled. Why not coarser: the wheel of today's Linux (kernel/time/timer.c) never cascades
//! and pays with lateness of one eighth of the wait; a sleep should be on time.
//!
//! [`Timers`](crate::Timers) is the only caller and brings ticks; memory is [`entries`](crate::entries),
//! order within a slot is [`ring`], the arithmetic is [`slots`](crate::slots).

use crate::entries::Entries;
use crate::key::Key;
use crate::ring;
use crate::slots::{Place, Slots};
use crate::tick::Tick;

/// Timers by tick, seen from the present.
///
/// # Invariants
/// - No timer's tick is before `present`.
/// - Each timer is in the ring of the slot `Place::new(tick, present)`, unless it is in the opened ring; each
///   occupied slot holds a ring.
/// - The opened ring is from a slot that begins at `present`. Its timers belong to levels below the slot's,
///   or, if that was level 0, are due.
///
/// It follows that timers of the same tick are in the same ring, in the order they came; or the older ones
/// are in a slot and the younger ones in the opened ring, about to follow them; or the older ones are in
/// the opened ring and due, and go before those in a slot.
pub(crate) struct Wheel<T> {
    present: Tick,
    opened: Option<Opened>,
    slots: Slots,
    entries: Entries<T>,
}

/// The ring of a slot that is being emptied.
#[derive(Clone, Copy)]
struct Opened {
    head: u32,
    /// The level of the slot it is from.
    level: u32,
}

impl<T> Wheel<T> {
    pub(crate) const fn new() -> Self {
        Self { present: 0, opened: None, slots: Slots::new(), entries: Entries::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Stores `value` until `tick`, or until the present if that is later.
    pub(crate) fn insert(&mut self, tick: Tick, value: T) -> Key {
        // INVARIANT: What is overdue counts as due at present, and the next `advance` begins there.
        let tick = tick.max(self.present);
        let key = self.entries.occupy(tick, value);
        let place = Place::new(tick, self.present);
        match self.opened {
            // INVARIANT: It waits behind those of its tick that are still to be placed.
            Some(opened) if place.level < opened.level => {
                ring::append(&mut self.entries, opened.head, key.index);
            }
            _ => self.put(key.index, place),
        }
        key
    }

    /// Takes back the value of `key`, if it still waits.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<T> {
        let index = self.entries.find(key)?;
        let next = ring::remove(&mut self.entries, index);
        let place = Place::new(self.entries[index].tick, self.present);
        match self.opened {
            Some(opened) if opened.head == index => self.opened = next.map(|head| Opened { head, ..opened }),
            _ if self.slots.head(place) == Some(index) => match next {
                Some(head) => self.slots.occupy(place, head),
                None => self.slots.vacate(place),
            },
            _ => {}
        }
        Some(self.entries.vacate(index))
    }

    /// Returns the first tick at which [`advance`](Self::advance) has something to do.
    pub(crate) fn next_tick(&self) -> Option<Tick> {
        match self.opened {
            Some(_) => Some(self.present),
            None => self.slots.earliest().map(|place| place.first_tick(self.present)),
        }
    }

    /// Moves the present to `to`, never back, and adds all that is due by then to `fired`.
    ///
    /// Stops on the way rather than move or fire more than `moves_max` timers; returns whether it arrived.
    pub(crate) fn advance(&mut self, to: Tick, moves_max: usize, fired: &mut Vec<T>) -> bool {
        let to = to.max(self.present);
        let mut moves_left = moves_max;
        loop {
            if !self.empty_opened(&mut moves_left, fired) {
                return false;
            }
            match self.slots.earliest() {
                Some(place) if place.first_tick(self.present) <= to => self.open(place),
                _ => break,
            }
        }
        // INVARIANT: All slots begin after `to`: see `open`.
        self.present = to;
        true
    }

    /// Moves the present to the earliest slot and takes the ring out of it.
    fn open(&mut self, place: Place) {
        let Some(head) = self.slots.head(place) else { unreachable!("{place:?} is the earliest slot") };
        // INVARIANT: All other slots begin later. So no timer is overtaken, and none there is to be
        // placed anew: the digit by which its tick was placed is still the first to differ.
        self.present = place.first_tick(self.present);
        self.slots.vacate(place);
        self.opened = Some(Opened { head, level: place.level });
    }

    /// Fires or places the timers of the opened ring, if there is one; returns whether it is empty now.
    fn empty_opened(&mut self, moves_left: &mut usize, fired: &mut Vec<T>) -> bool {
        while let Some(Opened { head: index, level }) = self.opened {
            let Some(rest) = moves_left.checked_sub(1) else { return false };
            *moves_left = rest;
            self.opened = ring::remove(&mut self.entries, index).map(|head| Opened { head, level });
            if level == 0 {
                fired.push(self.entries.vacate(index));
                continue;
            }
            let place = Place::new(self.entries[index].tick, self.present);
            debug_assert!(place.level < level, "a cascade must get closer");
            self.put(index, place);
        }
        true
    }

    /// Puts an entry, which is in no ring, into the one at `place`.
    fn put(&mut self, index: u32, place: Place) {
        match self.slots.head(place) {
            Some(head) => ring::append(&mut self.entries, head, index),
            None => {
                ring::begin(&mut self.entries, index);
                self.slots.occupy(place, index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::NEVER;

    fn advance(wheel: &mut Wheel<u64>, to: Tick) -> Vec<u64> {
        let mut fired = Vec::new();
        assert!(wheel.advance(to, usize::MAX, &mut fired));
        fired
    }

    fn advance_by_one_move(wheel: &mut Wheel<u64>, to: Tick) -> Vec<u64> {
        let mut fired = Vec::new();
        assert!(!wheel.advance(to, 1, &mut fired), "there is more to do");
        assert_eq!(wheel.next_tick(), Some(wheel.present));
        fired
    }

    #[test]
    fn a_timer_fires_at_its_tick_on_both_sides_of_each_level_boundary() {
        for level in 1..8 {
            let boundary: Tick = 1 << (6 * level);
            for tick in [boundary - 1, boundary, boundary + 1, 2 * boundary - 1, 63 * boundary, NEVER - 1] {
                for present in [0, boundary / 2, boundary - 2] {
                    if tick >= NEVER || tick <= present {
                        continue;
                    }
                    let mut wheel = Wheel::new();
                    assert_eq!(advance(&mut wheel, present), []);
                    wheel.insert(tick, tick);
                    assert_eq!(advance(&mut wheel, tick - 1), [], "{tick} seen from {present}");
                    assert_eq!(wheel.next_tick(), Some(tick));
                    assert_eq!(advance(&mut wheel, tick), [tick], "{tick} seen from {present}");
                    assert_eq!(wheel.next_tick(), None);
                }
            }
        }
    }

    #[test]
    fn a_timer_cascades_at_most_seven_times() {
        // Each digit differs from the present and from zero, so each level is visited.
        let tick = (0..8).fold(0, |tick, _| tick << 6 | 2);
        let mut wheel = Wheel::new();
        wheel.insert(tick, tick);
        let mut stops = Vec::new();
        while let Some(next) = wheel.next_tick() {
            assert!(stops.last() < Some(&next), "no progress: {stops:?}");
            assert_eq!(advance(&mut wheel, next - 1), []);
            stops.push(next);
            advance(&mut wheel, next);
        }
        assert_eq!(stops.len(), 8, "seven cascades and the end: {stops:?}");
        assert_eq!(stops.last(), Some(&tick));
    }

    #[test]
    fn timers_of_one_tick_keep_their_order_through_cascades() {
        let mut wheel = Wheel::new();
        let tick = 3 * 64 * 64 + 5;
        for (value, present) in (0..).zip([0, 7, 64 * 64, 3 * 64 * 64 - 1, 3 * 64 * 64, tick - 1]) {
            assert_eq!(advance(&mut wheel, present), []);
            wheel.insert(tick, value);
        }
        assert_eq!(advance(&mut wheel, NEVER), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn cancelling_the_first_of_a_slot_keeps_the_others() {
        let mut wheel = Wheel::new();
        let keys = [1, 2, 3].map(|value| wheel.insert(100, value));
        assert_eq!(wheel.cancel(keys[0]), Some(1));
        assert_eq!(advance(&mut wheel, 100), [2, 3]);
    }

    #[test]
    fn cancelling_the_last_of_a_slot_leaves_nothing_to_wait_for() {
        let mut wheel = Wheel::new();
        let key = wheel.insert(100, 1);
        assert_eq!(wheel.cancel(key), Some(1));
        assert_eq!(wheel.next_tick(), None);
    }

    #[test]
    fn an_interrupted_cascade_keeps_the_order_of_a_tick() {
        let mut wheel = Wheel::new();
        for value in [1, 2, 3] {
            wheel.insert(100, value);
        }
        assert_eq!(advance_by_one_move(&mut wheel, 200), []);
        // 1 is placed already, 2 and 3 are not, and 4 comes meanwhile.
        wheel.insert(100, 4);
        assert_eq!(advance(&mut wheel, 200), [1, 2, 3, 4]);
    }

    #[test]
    fn an_interrupted_firing_keeps_the_order_of_a_tick() {
        let mut wheel = Wheel::new();
        for value in [1, 2, 3] {
            wheel.insert(10, value);
        }
        assert_eq!(advance_by_one_move(&mut wheel, 200), [1]);
        wheel.insert(9, 4);
        assert_eq!(advance(&mut wheel, 200), [2, 3, 4]);
    }

    #[test]
    fn each_timer_of_an_interrupted_cascade_can_be_cancelled() {
        for cancelled in 0..4 {
            let mut wheel = Wheel::new();
            let keys = [0, 1, 2, 3].map(|value| wheel.insert(100, value));
            assert_eq!(advance_by_one_move(&mut wheel, 200), []);
            assert_eq!(wheel.cancel(keys[cancelled]), Some(cancelled as u64));
            let others = (0..4).filter(|&value| value != cancelled as u64);
            assert_eq!(advance(&mut wheel, 200), Vec::from_iter(others));
        }
    }

    #[test]
    fn cancelling_all_that_was_left_of_an_opened_slot_closes_it() {
        let mut wheel = Wheel::new();
        let keys = [1, 2].map(|value| wheel.insert(10, value));
        assert_eq!(advance_by_one_move(&mut wheel, 200), [1]);
        assert_eq!(wheel.cancel(keys[1]), Some(2));
        assert_eq!(wheel.next_tick(), None);
        assert_eq!(advance(&mut wheel, 200), []);
    }
}
