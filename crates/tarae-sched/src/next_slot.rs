//! The next slot: the coroutine that a worker runs next, because what it needs is warm. Others may steal it.
//!
//! | the slot | who may                                                             |
//! |----------|---------------------------------------------------------------------|
//! | empty    | be filled by the owner                                              |
//! | full     | be emptied by the owner, or by a thief; the owner may exchange it    |
//!
//! All three are one exchange each, so whatever lies in the slot leaves it once. The owner keeps beside it whether it
//! has filled the slot since it last emptied it: then a worker that only yields does not look. That note may say *full*
//! where a thief has been, never *empty* where something lies: it is the owner's alone, and only the owner fills.
//!
//! Model-checked in `tarae-models`: `next_slot`.

use std::cell::Cell;

use crate::sync::AtomicCell;

/// The part that all threads reach.
pub(crate) struct NextSlot<T>(AtomicCell<Option<T>>);

/// The owner's note.
#[derive(Debug, Default)]
pub(crate) struct Filled(Cell<bool>);

impl Filled {
    /// Whether something may lie in the slot. The owner's question.
    pub(crate) fn is_set(&self) -> bool {
        self.0.get()
    }
}

impl<T> NextSlot<T> {
    pub(crate) fn new() -> NextSlot<T> {
        NextSlot(AtomicCell::new(None))
    }

    /// Fills the slot, and returns what was there. The owner's.
    pub(crate) fn put(&self, filled: &Filled, value: T) -> Option<T> {
        filled.0.set(true);
        self.0.swap(Some(value))
    }

    /// Empties the slot. The owner's.
    #[inline]
    pub(crate) fn take(&self, filled: &Filled) -> Option<T> {
        if filled.0.replace(false) { self.0.take() } else { None }
    }

    /// Empties the slot of a worker that has not come to it. Anybody's.
    pub(crate) fn steal(&self) -> Option<T> {
        self.0.take()
    }
}
