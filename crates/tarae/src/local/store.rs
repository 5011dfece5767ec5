//! Where the values of one coroutine, or kernel thread, are; and their end.
//!
//! A list in a `thread_local!`, which in a coroutine is that of its identity. It is searched from end to end: a thread has few
//! of these, and comparing a few numbers is cheaper than hashing one. Values are counted (`Rc`): whoever uses one holds it, so
//! it does not matter what happens to the list meanwhile.
//!
//! | an entry is | from | to |
//! |---|---|---|
//! | missing | the start | its first use |
//! | there | its first use | the end of the coroutine, or of the kernel thread |
//! | dropped | then | all are dropped, and the list is empty for the next coroutine |
//!
//! At the end the values are dropped one by one, the youngest first, none while the list is borrowed: a destructor may use
//! others, those not yet used included, which are then dropped as well. What was dropped does not come back, so that comes to
//! an end.
//!
//! The list itself has no destructor, so it can be reached as long as there is a thread. What drops the values is the hook
//! of the coroutine, or on a kernel thread the destructor of [`AT_EXIT`], after which there are none any more.

use std::any::Any;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;

struct Store {
    entries: ManuallyDrop<Vec<Entry>>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nobody has asked yet for the values to be dropped.
    Fresh,
    /// They will be.
    Live,
    /// They are being dropped.
    Ending,
    /// The kernel thread ends, and nobody would drop one that is made now.
    Over,
}

struct Entry {
    /// The address of the declaration.
    key: usize,
    /// `None` when it was dropped.
    value: Option<Rc<dyn Any>>,
}

thread_local! {
    static STORE: RefCell<Store> =
        const { RefCell::new(Store { entries: ManuallyDrop::new(Vec::new()), phase: Phase::Fresh }) };
    static AT_EXIT: AtExit = const { AtExit };
}

struct AtExit;

impl Drop for AtExit {
    fn drop(&mut self) {
        drop_all(Phase::Over);
    }
}

/// What there is of a value.
pub(super) enum Found {
    Missing,
    There(Rc<dyn Any>),
    Dropped,
}

pub(super) fn find(key: usize) -> Found {
    STORE.with_borrow(|store| match store.entries.iter().find(|entry| entry.key == key) {
        _ if store.phase == Phase::Over => Found::Dropped,
        None => Found::Missing,
        Some(Entry { value: Some(value), .. }) => Found::There(Rc::clone(value)),
        Some(Entry { value: None, .. }) => Found::Dropped,
    })
}

/// Puts a value where there was none. Where the initialiser itself has put one there, that one goes.
pub(super) fn put(key: usize, value: Rc<dyn Any>) {
    let is_fresh = STORE.with_borrow(|store| store.phase == Phase::Fresh);
    if is_fresh {
        if !tarae_task::at_end(|| drop_all(Phase::Fresh)) {
            AT_EXIT.with(|_| ());
        }
        STORE.with_borrow_mut(|store| store.phase = Phase::Live);
    }
    let before = STORE.with_borrow_mut(|store| {
        if let Some(entry) = store.entries.iter_mut().find(|entry| entry.key == key) {
            return entry.value.replace(value);
        }
        store.entries.push(Entry { key, value: Some(value) });
        None
    });
    drop(before);
}

/// The coroutine, or the kernel thread, ends.
fn drop_all(after: Phase) {
    let youngest = || {
        STORE.with_borrow_mut(|store| {
            store.phase = Phase::Ending;
            store.entries.iter_mut().rev().find_map(|entry| entry.value.take())
        })
    };
    while let Some(value) = youngest() {
        drop(value);
    }
    let entries = STORE.with_borrow_mut(|store| {
        store.phase = after;
        std::mem::take(&mut *store.entries)
    });
    drop(entries);
}
