//! What a caller holds of a timer: the index of its entry and the entry's generation.
//!
//! An index is reused, the pair never is (the rule is kept by [`entries`](crate::entries)), so a key can be
//! copied and kept past the end of its timer without harm.

use std::num::NonZeroU32;

/// Names one timer of one [`Timers`](crate::Timers), for [`cancel`](crate::Timers::cancel).
///
/// A key outlives its timer harmlessly: once the timer has expired or been cancelled, the key names nothing,
/// for ever, even when the memory serves another timer. It means something only to the store that made
/// it; another store may take it for one of its own.
///
/// Eight bytes, and `Option<Key>` is no larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub(crate) index: u32,
    pub(crate) generation: NonZeroU32,
}

impl Key {
    /// The key as a number, for callers who pass it on as one.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation.get()) << 32 | u64::from(self.index)
    }

    /// The key of this number; `None` if no key has it.
    pub fn from_bits(bits: u64) -> Option<Key> {
        let generation = NonZeroU32::new((bits >> 32) as u32)?;
        Some(Key { index: bits as u32, generation })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::Key;

    #[test]
    fn a_key_is_its_bits() {
        let key = Key { index: u32::MAX - 1, generation: NonZeroU32::MAX };
        assert_eq!(Key::from_bits(key.to_bits()), Some(key));
        assert_eq!(Key::from_bits(7), None);
    }

    #[test]
    fn an_optional_key_is_eight_bytes() {
        assert_eq!(size_of::<Key>(), 8);
        assert_eq!(size_of::<Option<Key>>(), 8);
    }
}
