//! Waiting for the first of several operations, which may be made at run time.
//!
//! | room | what it is for |
//! |---|---|
//! | [`handle`] | what is asked of a sender or a receiver |
//! | [`run`] | try, list, park, leave |
//! | [`operation`] | what was chosen |

pub(crate) mod handle;
pub(crate) mod operation;
pub(crate) mod run;

use std::fmt;
use std::time::{Duration, Instant};

use crate::error::{ReadyTimeoutError, SelectTimeoutError, TryReadyError, TrySelectError};
use crate::receiver::Receiver;
use crate::sender::Sender;
use operation::SelectedOperation;
use run::{Operation, Order, Patience, Portable};

/// A list of operations, to choose one that is possible.
///
/// [`select!`](crate::select!) is the same for a list that is known when the program is written. An operation is possible if it would not
/// wait; one that would return an error, the other end being gone, is.
///
/// Unlike crossbeam-channel's it takes ends of channels whose messages are `Send` alone, as it is `Send` itself; `select!` takes all.
///
/// # Examples
///
/// ```
/// use tarae_channel::{Select, unbounded};
///
/// let channels: Vec<_> = (0..10).map(|_| unbounded()).collect();
/// channels[7].0.send("seven").unwrap();
///
/// let mut select = Select::new();
/// for (_, receiver) in &channels {
///     select.recv(receiver);
/// }
/// let operation = select.select();
/// let index = operation.index();
/// assert_eq!(operation.recv(&channels[index].1), Ok("seven"));
/// assert_eq!(index, 7);
/// ```
#[derive(Clone)]
pub struct Select<'a> {
    operations: Vec<Operation<'a, Portable<'a>>>,
    next_index: usize,
    order: Order,
}

impl<'a> Select<'a> {
    /// Makes an empty list, of which any operation that is possible is chosen.
    pub fn new() -> Select<'a> {
        Select { operations: Vec::with_capacity(4), next_index: 0, order: Order::Random }
    }

    /// Makes an empty list, of which the first operation that is possible is chosen.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae_channel::{Select, unbounded};
    ///
    /// let ((s1, r1), (s2, r2)) = (unbounded(), unbounded());
    /// s1.send("first").unwrap();
    /// s2.send("second").unwrap();
    /// let mut select = Select::new_biased();
    /// select.recv(&r1);
    /// select.recv(&r2);
    /// assert_eq!(select.select().recv(&r1), Ok("first"));
    /// ```
    pub fn new_biased() -> Self {
        Select { order: Order::Biased, ..Select::new() }
    }

    /// Adds a send, and returns its index.
    pub fn send<T: Send>(&mut self, s: &'a Sender<T>) -> usize {
        self.add(s)
    }

    /// Adds a receive, and returns its index.
    pub fn recv<T: Send>(&mut self, r: &'a Receiver<T>) -> usize {
        self.add(r)
    }

    fn add(&mut self, handle: &'a Portable<'a>) -> usize {
        self.operations.push(Operation::new(handle, self.next_index));
        self.next_index += 1;
        self.next_index - 1
    }

    /// Removes an operation. The indices of the others stay what they are.
    ///
    /// # Panics
    ///
    /// If there is no operation with this index, or none any more.
    pub fn remove(&mut self, index: usize) {
        assert!(index < self.next_index, "index out of bounds; {index} >= {}", self.next_index);
        let place = self.operations.iter().position(|operation| operation.index == index);
        self.operations.remove(place.expect("no operation with this index"));
    }

    /// Chooses an operation that is possible at once. It has to be completed.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        run::choose(&mut self.operations, Patience::None, self.order).ok_or(TrySelectError)
    }

    /// Chooses an operation. It has to be completed.
    ///
    /// # Parks
    ///
    /// Until one is possible: once, listed in all channels.
    ///
    /// # Cancellation
    ///
    /// Unwinds. What had been granted at that moment goes back.
    ///
    /// # Panics
    ///
    /// If the list is empty.
    pub fn select(&mut self) -> SelectedOperation<'a> {
        self.assert_not_empty();
        run::choose(&mut self.operations, Patience::Until(None), self.order).expect("it has no deadline")
    }

    /// Chooses an operation, within `timeout`. It has to be completed.
    ///
    /// # Parks
    ///
    /// Until one is possible, or that time has passed.
    ///
    /// # Cancellation
    ///
    /// As [`select`](Self::select).
    ///
    /// # Errors
    ///
    /// If the time has passed.
    pub fn select_timeout(&mut self, timeout: Duration) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.select_until(Instant::now().checked_add(timeout))
    }

    /// Chooses an operation, before `deadline`. It has to be completed.
    ///
    /// # Parks
    ///
    /// Until one is possible, or then.
    ///
    /// # Cancellation
    ///
    /// As [`select`](Self::select).
    ///
    /// # Errors
    ///
    /// If the deadline has passed.
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.select_until(Some(deadline))
    }

    fn select_until(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        run::choose(&mut self.operations, Patience::Until(deadline), self.order).ok_or(SelectTimeoutError)
    }

    /// Returns the index of an operation that is possible, and does not choose it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        run::ready(&mut self.operations, Patience::None, self.order).ok_or(TryReadyError)
    }

    /// Returns the index of an operation once it is possible, and does not choose it: another may be first to use it.
    ///
    /// # Parks
    ///
    /// Until then.
    ///
    /// # Cancellation
    ///
    /// Unwinds.
    ///
    /// # Panics
    ///
    /// If the list is empty.
    pub fn ready(&mut self) -> usize {
        self.assert_not_empty();
        run::ready(&mut self.operations, Patience::Until(None), self.order).expect("it has no deadline")
    }

    /// As [`ready`](Self::ready), within `timeout`.
    ///
    /// # Parks
    ///
    /// Until an operation is possible, or that time has passed.
    ///
    /// # Cancellation
    ///
    /// Unwinds.
    ///
    /// # Errors
    ///
    /// If the time has passed.
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        self.ready_until(Instant::now().checked_add(timeout))
    }

    /// As [`ready`](Self::ready), before `deadline`.
    ///
    /// # Parks
    ///
    /// Until an operation is possible, or then.
    ///
    /// # Cancellation
    ///
    /// Unwinds.
    ///
    /// # Errors
    ///
    /// If the deadline has passed.
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        self.ready_until(Some(deadline))
    }

    fn ready_until(&mut self, deadline: Option<Instant>) -> Result<usize, ReadyTimeoutError> {
        run::ready(&mut self.operations, Patience::Until(deadline), self.order).ok_or(ReadyTimeoutError)
    }

    fn assert_not_empty(&self) {
        assert!(!self.operations.is_empty(), "no operations have been added to `Select`");
    }
}

impl Default for Select<'_> {
    fn default() -> Self {
        Select::new()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Select { .. }")
    }
}
