//! How a select waits: it tries each operation, lists itself in all channels, parks once, and leaves all.
//!
//! | step   | its record | who may choose                                                            |
//! |--------|------------|---------------------------------------------------------------------------|
//! | try    | none       | the select itself: it claims a partner as a single operation does         |
//! | list   | open       | partners, in the channels where it is listed already                      |
//! | park   | open       | partners, in all                                                          |
//! | leave  | chosen, or aborted | nobody any more; the place of what was chosen has what was granted |
//!
//! A partner found while listing sends it back to *try*: it could not claim for two without holding two locks. Two selects that
//! find each other at the same moment may both go back; the order in which they try and list is random, so they part soon.
//! What does not want to wait goes the same way without parking. That each operation was impossible when it was tried does not
//! say that all were at one moment; that nobody chose it while it was listed everywhere does.
//! What unwinds leaves by [`Attempt`]'s drop, and gives back what it was granted. (The rest of the protocol: [`core`](crate::core).)

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use tarae_task::{Reason, wait_until, with_waker};

use super::handle::{Handle, Listing, Token};
use super::operation::SelectedOperation;
use crate::core::list::Entrant;
use crate::core::record::Record;
use crate::receiver::Receiver;
use crate::sender::Sender;

/// A handle that a list may take to another thread: of messages that are `Send`.
pub(crate) type Portable<'a> = dyn Handle + Send + Sync + 'a;

/// One of the operations that a select chooses from: of the macros, or of a `Select`, which is `Send`.
pub struct Operation<'a, H: ?Sized = dyn Handle + 'a> {
    handle: &'a H,
    pub(crate) index: usize,
    /// While it is listed.
    place: Option<usize>,
}

impl<'a> Operation<'a> {
    /// To send.
    pub fn send<T>(sender: &'a Sender<T>, index: usize) -> Operation<'a> {
        Operation::new(sender, index)
    }

    /// To receive.
    pub fn recv<T>(receiver: &'a Receiver<T>, index: usize) -> Operation<'a> {
        Operation::new(receiver, index)
    }
}

impl<'a, H: Handle + ?Sized> Operation<'a, H> {
    pub(crate) fn new(handle: &'a H, index: usize) -> Operation<'a, H> {
        Operation { handle, index, place: None }
    }

    fn selected(&self, token: Token) -> SelectedOperation<'a> {
        SelectedOperation::new(self.handle.erase(), self.index, token)
    }
}

impl<H: ?Sized> Clone for Operation<'_, H> {
    fn clone(&self) -> Self {
        Operation { ..*self }
    }
}

impl<H: ?Sized> fmt::Debug for Operation<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("index", &self.index).finish_non_exhaustive()
    }
}

/// How long a select waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until then; without a moment for ever.
    Until(Option<Instant>),
}

impl Patience {
    /// So long from now.
    pub fn within(duration: Duration) -> Patience {
        // Further than a clock can tell is never.
        Patience::Until(Instant::now().checked_add(duration))
    }
}

/// Which of several operations that are possible is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Any.
    Random,
    /// The first.
    Biased,
}

/// Chooses one of the operations, waiting for it if need be.
pub(crate) fn choose<'a, H: Handle + ?Sized>(
    operations: &mut [Operation<'a, H>],
    patience: Patience,
    order: Order,
) -> Option<SelectedOperation<'a>> {
    if order == Order::Random {
        shuffle(operations);
    }
    loop {
        if let Some(selected) = try_each(operations) {
            return Some(selected);
        }
        if patience == Patience::None && operations.len() < 2 {
            return None;
        }
        match Attempt::new(operations).wait(patience) {
            Outcome::Chosen(selected) => return Some(selected),
            Outcome::Partner => {}
            Outcome::Late if patience == Patience::None => return None,
            Outcome::Late => {
                let Patience::Until(Some(deadline)) = patience else { continue };
                if Instant::now() >= deadline {
                    // A clock may be due, too; nobody else has anything for us.
                    return try_each(operations);
                }
            }
        }
    }
}

/// As [`choose`], for the macros: of handles as they come.
pub fn select<'a>(
    operations: &mut [Operation<'a>],
    patience: Patience,
    order: Order,
) -> Option<SelectedOperation<'a>> {
    choose(operations, patience, order)
}

/// As [`choose`], for the macros, waiting as long as it takes.
pub fn select_for_ever<'a>(operations: &mut [Operation<'a>], order: Order) -> SelectedOperation<'a> {
    choose(operations, Patience::Until(None), order).expect("it has no deadline")
}

fn try_each<'a, H: Handle + ?Sized>(operations: &[Operation<'a, H>]) -> Option<SelectedOperation<'a>> {
    with_waker(|waker| {
        operations.iter().find_map(|operation| {
            let token = operation.handle.choose(waker)?;
            Some(operation.selected(token))
        })
    })
}

/// What came of an attempt.
enum Outcome<'a> {
    /// A partner chose.
    Chosen(SelectedOperation<'a>),
    /// A partner was there as it listed itself.
    Partner,
    /// There was none, in time. At the moment of the last listing no operation was possible.
    Late,
}

/// One time through list, park and leave.
struct Attempt<'o, 'a, H: Handle + ?Sized> {
    operations: &'o mut [Operation<'a, H>],
    record: Arc<Record>,
}

impl<'o, 'a, H: Handle + ?Sized> Attempt<'o, 'a, H> {
    fn new(operations: &'o mut [Operation<'a, H>]) -> Attempt<'o, 'a, H> {
        Attempt { operations, record: spare_record() }
    }

    fn wait(mut self, patience: Patience) -> Outcome<'a> {
        let found = match patience {
            Patience::None => with_waker(|waker| (!self.list(waker)).then_some(())),
            Patience::Until(deadline) => {
                let until = earliest(self.operations, deadline);
                let mut is_listed = false;
                wait_until(Reason::Select, until, |waker| {
                    if !is_listed {
                        is_listed = true;
                        if !self.list(waker) {
                            return Some(());
                        }
                    }
                    self.record.chosen().map(drop)
                })
            }
        };
        match (self.leave(), found) {
            (Some((operation, token)), _) => Outcome::Chosen(operation.selected(token)),
            (None, Some(())) => Outcome::Partner,
            (None, None) => Outcome::Late,
        }
    }

    /// Whether there was no partner.
    fn list(&mut self, waker: &Waker) -> bool {
        for (number, operation) in self.operations.iter_mut().enumerate() {
            let entrant = Entrant { record: Arc::clone(&self.record), operation: number };
            match operation.handle.list(waker, entrant) {
                Listing::Place(place) => operation.place = Some(place),
                Listing::Alone => {}
                Listing::Ready => return false,
            }
        }
        true
    }

    fn leave(&mut self) -> Option<(Operation<'a, H>, Token)> {
        let chosen = self.record.abort();
        let mut granted = None;
        for (number, operation) in self.operations.iter_mut().enumerate() {
            let Some(place) = operation.place.take() else { continue };
            if chosen == Some(number) {
                granted = Some((operation.clone(), operation.handle.accept(place)));
            } else {
                operation.handle.leave(place);
            }
        }
        granted
    }
}

impl<H: Handle + ?Sized> Drop for Attempt<'_, '_, H> {
    fn drop(&mut self) {
        // Nothing is left to leave, unless the wait unwound.
        if let Some((operation, token)) = self.leave() {
            operation.handle.withdraw(token);
        }
        SPARE.try_with(|spare| spare.set(Some(Arc::clone(&self.record)))).ok();
    }
}

/// Waits until one of the operations is possible, and returns its index; it may be another's by the time it is tried.
pub(crate) fn ready(
    operations: &mut [Operation<'_, Portable<'_>>],
    patience: Patience,
    order: Order,
) -> Option<usize> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    if order == Order::Random {
        shuffle(operations);
    }
    let Patience::Until(deadline) = patience else {
        return operations.iter().find(|operation| operation.handle.is_ready()).map(|ready| ready.index);
    };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let watch = Watch { operations, number };
    loop {
        let until = earliest(watch.operations, deadline);
        let found = wait_until(Reason::Select, until, |waker| {
            let ready = watch.operations.iter().find(|operation| operation.handle.watch(number, waker));
            ready.map(|ready| ready.index)
        });
        if found.is_some() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return found;
        }
    }
}

/// Watches the operations; ends that on drop.
struct Watch<'o, 'a> {
    operations: &'o [Operation<'a, Portable<'a>>],
    number: u64,
}

impl Drop for Watch<'_, '_> {
    fn drop(&mut self) {
        self.operations.iter().for_each(|operation| operation.handle.unwatch(self.number));
    }
}

/// The deadline, or when the first of the clocks is due.
fn earliest<H: Handle + ?Sized>(
    operations: &[Operation<'_, H>],
    deadline: Option<Instant>,
) -> Option<Instant> {
    operations.iter().filter_map(|operation| operation.handle.next()).chain(deadline).min()
}

thread_local! {
    /// The record of the last select. It knows nothing of whose it was: a coroutine's thread-locals outlive it.
    static SPARE: Cell<Option<Arc<Record>>> = const { Cell::new(None) };
    static RANDOM: Cell<u32> = const { Cell::new(0) };
}

/// A record that nobody else has.
fn spare_record() -> Arc<Record> {
    let spare = SPARE.try_with(Cell::take).ok().flatten();
    spare
        .and_then(|mut spare| {
            // All have left: nobody lists it.
            *Arc::get_mut(&mut spare)? = Record::new();
            Some(spare)
        })
        .unwrap_or_else(|| Arc::new(Record::new()))
}

fn shuffle<H: ?Sized>(operations: &mut [Operation<'_, H>]) {
    for upper in (1..operations.len()).rev() {
        operations.swap(upper, below(upper + 1));
    }
}

/// A number below `bound`, by xorshift (Marsaglia 2003), one state for each thread.
fn below(bound: usize) -> usize {
    let next = RANDOM.try_with(|random| {
        let mut word = match random.get() {
            0 => seed(),
            word => word,
        };
        word ^= word << 13;
        word ^= word >> 17;
        word ^= word << 5;
        random.set(word);
        word
    });
    // Multiplied and shifted, not divided (Lemire 2016).
    ((u64::from(next.unwrap_or_default()) * bound as u64) >> 32) as usize
}

/// Another one for each thread, and not zero.
fn seed() -> u32 {
    static SEEDS: AtomicU64 = AtomicU64::new(1);
    let number = SEEDS.fetch_add(1, Ordering::Relaxed);
    (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32 | 1
}
