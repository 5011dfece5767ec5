//! Eight levels of 64 slots, and the bitmaps that find the first occupied slot in two instructions.
//!
//! Read a tick as a number of eight digits to the base 64. A slot is one digit at one level, and a tick that
//! lies ahead is *placed* by the most significant digit in which it differs from the present:
//!
//! ```text
//!     present  0 0 0 0 0 0 5 17
//!     tick     0 0 0 0 0 0 5 40      level 0, slot 40: one tick
//!     tick     0 0 0 0 0 0 9  3      level 1, slot  9: 64 ticks
//!     tick     0 0 0 0 2 0 0  0      level 3, slot  2: 64^3 ticks
//! ```
//!
//! Above that digit the two agree, and in it the tick has the greater one, for it is later. Two things
//! follow. Within a level, a smaller slot is earlier: no slot ever stands for two rounds. And all of a lower
//! level is before all of a higher one, for it is before the higher digit changes. So the first occupied slot
//! is the lowest bit of the lowest level that has any.
//!
//! [`wheel`](crate::wheel) keeps the slots in step with the present; this file only does the arithmetic and
//! remembers which ring each slot holds.

use crate::tick::{NEVER, Tick};

/// The bits of one digit.
const DIGIT_BITS: u32 = 6;
/// The values of one digit: as many as a `u64` has bits.
const SLOTS: usize = 1 << DIGIT_BITS;
/// The digits of a tick.
const LEVELS: usize = 8;

const _: () = assert!(NEVER >> (DIGIT_BITS * LEVELS as u32) == 0, "each tick has a place");
const _: () = assert!(LEVELS <= u8::BITS as usize, "each level has a bit");

/// One slot of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) level: u32,
    slot: u32,
}

impl Place {
    /// Returns where `tick` belongs, seen from `present`, which must not be later.
    pub(crate) fn new(tick: Tick, present: Tick) -> Self {
        debug_assert!(present <= tick);
        // The lowest digit is set to ones: a difference below it, or none at all, is level 0.
        let difference = (tick ^ present) | (SLOTS as u64 - 1);
        let level = difference.ilog2() / DIGIT_BITS;
        let slot = (tick >> (level * DIGIT_BITS)) as u32 % SLOTS as u32;
        Self { level, slot }
    }

    /// Returns the first tick that belongs here, seen from `present`.
    pub(crate) fn first_tick(self, present: Tick) -> Tick {
        let shift = self.level * DIGIT_BITS;
        let above = shift + DIGIT_BITS;
        (present >> above << above) | (Tick::from(self.slot) << shift)
    }
}

/// Which slots are occupied, and with which ring each occupied one begins.
///
/// # Invariants
/// - Bit `l` of `levels` is set exactly if `occupied[l]` is not zero.
/// - `heads[l][s]` means something exactly if bit `s` of `occupied[l]` is set; it then is the first entry of
///   the slot's ring.
pub(crate) struct Slots {
    levels: u8,
    occupied: [u64; LEVELS],
    heads: [[u32; SLOTS]; LEVELS],
}

impl Slots {
    pub(crate) const fn new() -> Self {
        Self { levels: 0, occupied: [0; LEVELS], heads: [[0; SLOTS]; LEVELS] }
    }

    /// Returns the earliest occupied slot.
    pub(crate) fn earliest(&self) -> Option<Place> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros();
        let slot = self.occupied[level as usize].trailing_zeros();
        Some(Place { level, slot })
    }

    /// Returns the first entry of the ring at `place`, if there is one.
    pub(crate) fn head(&self, place: Place) -> Option<u32> {
        let occupied = self.occupied[place.level as usize] >> place.slot & 1 == 1;
        occupied.then(|| self.heads[place.level as usize][place.slot as usize])
    }

    /// Makes `head` the first entry of the ring at `place`.
    pub(crate) fn occupy(&mut self, place: Place, head: u32) {
        self.heads[place.level as usize][place.slot as usize] = head;
        self.occupied[place.level as usize] |= 1 << place.slot;
        self.levels |= 1 << place.level;
    }

    /// Forgets the ring at `place`.
    pub(crate) fn vacate(&mut self, place: Place) {
        let occupied = &mut self.occupied[place.level as usize];
        *occupied &= !(1 << place.slot);
        if *occupied == 0 {
            self.levels &= !(1 << place.level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(digits: [u64; LEVELS]) -> Tick {
        digits.iter().fold(0, |tick, digit| tick << DIGIT_BITS | digit)
    }

    #[test]
    fn a_tick_is_placed_by_the_first_digit_that_differs() {
        let present = tick([0, 0, 0, 0, 0, 0, 5, 17]);
        for (digits, level, slot) in [
            ([0, 0, 0, 0, 0, 0, 5, 17], 0, 17),
            ([0, 0, 0, 0, 0, 0, 5, 40], 0, 40),
            ([0, 0, 0, 0, 0, 0, 9, 3], 1, 9),
            ([0, 0, 0, 0, 2, 0, 0, 0], 3, 2),
            ([63, 63, 63, 63, 63, 63, 63, 63], 7, 63),
        ] {
            assert_eq!(Place::new(tick(digits), present), Place { level, slot }, "{digits:?}");
        }
    }

    #[test]
    fn a_place_begins_with_the_digits_below_at_zero() {
        let present = tick([0, 0, 0, 0, 7, 1, 5, 17]);
        let later = tick([0, 0, 0, 0, 7, 2, 9, 9]);
        let first = tick([0, 0, 0, 0, 7, 2, 0, 0]);
        assert_eq!(Place::new(later, present).first_tick(present), first);
        assert_eq!(Place::new(NEVER, present).first_tick(present), NEVER);
        assert_eq!(Place::new(present, present).first_tick(present), present);
    }

    #[test]
    fn the_earliest_slot_is_the_lowest_bit_of_the_lowest_level() {
        let mut slots = Slots::new();
        let order = [(0, 63), (1, 4), (1, 40), (7, 1)].map(|(level, slot)| Place { level, slot });
        for place in order.into_iter().rev() {
            slots.occupy(place, 8);
            assert_eq!(slots.earliest(), Some(place));
        }
        for place in order {
            assert_eq!(slots.earliest(), Some(place));
            slots.vacate(place);
            assert_eq!(slots.head(place), None);
        }
        assert_eq!(slots.earliest(), None);
    }
}
