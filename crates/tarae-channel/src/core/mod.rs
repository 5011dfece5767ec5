//! What happens under a channel's lock: who gets what from whom. Nothing here parks, wakes, or runs the program's code.
//!
//! One rule makes the rest: **whoever finds a partner completes the operation for both.** A message goes straight from hand to
//! hand; a wake says *done*, never *try again*. So of those who wait, the first is served first, and nobody barges in.
//!
//! # The invariants, whenever the lock is free
//!
//! 1. Where a receiver is listed that can be claimed, the queue is empty, and with capacity zero no sender is listed who is not
//!    of the same select.
//! 2. Where a sender is listed that can be claimed, there is no room: `queue + reserved >= capacity`.
//! 3. Once one end is gone, nobody is listed at the other.
//!
//! # The states of a place
//!
//! | receiver    | meaning                                   | who moves on                                              |
//! |-------------|-------------------------------------------|-----------------------------------------------------------|
//! | `Waiting`   | listed                                    | a sender gives, or promises; the last sender leaves       |
//! | `Given`     | the message is here, nowhere else         | the receiver takes it, or puts it back as it unwinds      |
//! | `Promised`  | a select has chosen to send it one        | that select sends, or withdraws; the receiver abandons it |
//! | `Withdrawn` | the promise was broken                    | the receiver begins anew                                  |
//! | `Abandoned` | the receiver has gone                     | that select: its message goes to the next receiver        |
//! | `Closed`    | the senders are gone, and all messages    | the receiver                                              |
//!
//! | sender      | meaning                                    | who moves on                                             |
//! |-------------|--------------------------------------------|----------------------------------------------------------|
//! | `Waiting`   | listed, with its message if it is no select | a receiver takes it, or reserves room; the last one leaves |
//! | `Taken`     | sent                                       | the sender                                               |
//! | `Reserved`  | a select: a place in the queue, or a receiver | the select sends, or withdraws                        |
//! | `Closed`    | the receivers are gone; the message is here | the sender                                              |
//!
//! A select that sends has no message yet when it is chosen: the program makes it afterwards. Hence promises and
//! reservations, which are for selects alone.
//!
//! # The race that is feared
//!
//! A receiver gives up (its deadline passes, it is cancelled) while a sender hands it a message. Both take the lock. If the sender is
//! first, the receiver finds `Given` as it leaves: it returns the message if it can return, and if it unwinds puts it back
//! before all others ([`put_back`](Core::put_back)). If the receiver is first, the sender does not find it. There is no third order,
//! so no message is lost, and none is there twice. A message that was put back may lie in the queue of a channel of
//! capacity zero, or be one more than the capacity: its sender has been told that it was sent.
//!
//! A select is listed in several channels; [`record`] says who gets it. While it is listed it claims nobody: finding a
//! partner as it lists itself, it aborts, leaves all lists, and tries again as one who is free ([`is_ready`] is asked for that,
//! under the same lock that lists it, so a partner either is found or finds it).
//!
//! Rejected: one wait list of shared records for all waits, as crossbeam has it: an allocation or a cache, and a
//! compare-and-swap, for waits that have one channel only. And waking to try again: the woken find nothing, and wait anew at the end.
//!
//! Model: `channel` in `tarae-models`.
//!
//! [`is_ready`]: Core::can_receive

pub(crate) mod list;
pub(crate) mod record;
pub(crate) mod wakes;

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use list::{Entrant, List};
use record::Record;
use wakes::Wakes;

/// A queue that has been this long is given back when it is empty.
const KEPT_CAPACITY_MAX: usize = 4096;

/// What a selected sender has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// One place in the queue.
    Room,
    /// A receiver, by its place.
    Receiver(usize),
    /// Nothing: the receivers are gone.
    Closed,
}

/// Where a receiver stands.
pub(crate) enum Receiving<T> {
    Waiting,
    Given(T),
    Promised,
    Withdrawn,
    Abandoned,
    Closed,
}

/// Where a sender stands.
pub(crate) enum Sending<T> {
    Waiting(Option<T>),
    Taken,
    Reserved(Reserved),
    Closed(Option<T>),
}

/// What came of sending at once.
pub(crate) enum Sent<T> {
    Done,
    Full(T),
    Closed(T),
}

/// What came of receiving at once.
pub(crate) enum Received<T> {
    Message(T),
    /// A select will send it to this place.
    Promised(usize),
    Empty,
    Closed,
}

/// Whoever wants to know when an end is ready, and claims nothing: by number.
type Watchers = Vec<(u64, Waker)>;

/// All that a channel's lock guards.
pub(crate) struct Core<T> {
    capacity: usize,
    queue: VecDeque<T>,
    /// Places of the queue that selected senders have not used yet.
    reserved: usize,
    /// One end is gone; only the other can see it.
    is_closed: bool,
    pub(crate) senders: List<Sending<T>>,
    pub(crate) receivers: List<Receiving<T>>,
    send_watchers: Watchers,
    receive_watchers: Watchers,
}

impl<T> Core<T> {
    pub(crate) fn new(capacity: usize) -> Core<T> {
        Core {
            capacity,
            queue: VecDeque::new(),
            reserved: 0,
            is_closed: false,
            senders: List::new(),
            receivers: List::new(),
            send_watchers: Vec::new(),
            receive_watchers: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    fn has_room(&self) -> bool {
        self.queue.len() + self.reserved < self.capacity
    }

    /// Sends to who waits, or into the queue.
    pub(crate) fn send(&mut self, message: T, wakes: &mut Wakes) -> Sent<T> {
        if self.is_closed {
            return Sent::Closed(message);
        }
        if let Some(receiver) = self.receivers.claim_first() {
            self.give(receiver, message, wakes);
            return Sent::Done;
        }
        if !self.has_room() {
            return Sent::Full(message);
        }
        self.queue.push_back(message);
        wake_watchers(&mut self.receive_watchers, wakes);
        Sent::Done
    }

    /// Receives from the queue, or from who waits. `waker` is for a promise only.
    pub(crate) fn receive(&mut self, waker: &Waker, wakes: &mut Wakes) -> Received<T> {
        if let Some(message) = self.queue.pop_front() {
            self.refill(wakes);
            return Received::Message(message);
        }
        if self.capacity == 0
            && let Some(sender) = self.senders.claim_first()
        {
            let place = self.senders.place(sender);
            wakes.push(place.waker.take());
            match mem::replace(&mut place.state, Sending::Taken) {
                Sending::Waiting(Some(message)) => return Received::Message(message),
                Sending::Waiting(None) => {
                    let receiver = self.receivers.keep(Receiving::Promised, Some(waker.clone()));
                    place.state = Sending::Reserved(Reserved::Receiver(receiver));
                    return Received::Promised(receiver);
                }
                _ => unreachable!("a listed sender waits"),
            }
        }
        if self.is_closed { Received::Closed } else { Received::Empty }
    }

    /// Gives a message to a receiver that was claimed, or was promised one.
    fn give(&mut self, receiver: usize, message: T, wakes: &mut Wakes) {
        let place = self.receivers.place(receiver);
        place.state = Receiving::Given(message);
        wakes.push(place.waker.take());
    }

    /// Lets senders in, while there is room and somebody waits.
    fn refill(&mut self, wakes: &mut Wakes) {
        if self.queue.is_empty() && self.queue.capacity() > KEPT_CAPACITY_MAX {
            self.queue = VecDeque::new();
        }
        while self.has_room() {
            let Some(sender) = self.senders.claim_first() else {
                return wake_watchers(&mut self.send_watchers, wakes);
            };
            let place = self.senders.place(sender);
            wakes.push(place.waker.take());
            match mem::replace(&mut place.state, Sending::Taken) {
                Sending::Waiting(Some(message)) => self.queue.push_back(message),
                Sending::Waiting(None) => {
                    place.state = Sending::Reserved(Reserved::Room);
                    self.reserved += 1;
                }
                _ => unreachable!("a listed sender waits"),
            }
        }
    }

    /// Returns a message that was given to somebody who cannot use it: to the next receiver, or before all others.
    pub(crate) fn put_back(&mut self, message: T, wakes: &mut Wakes) {
        if let Some(receiver) = self.receivers.claim_first() {
            return self.give(receiver, message, wakes);
        }
        self.queue.push_front(message);
        wake_watchers(&mut self.receive_watchers, wakes);
    }

    /// Lists a sender, after `send` or `reserve` found nothing under the same lock.
    pub(crate) fn wait_to_send(
        &mut self,
        message: Option<T>,
        waker: &Waker,
        entrant: Option<Entrant>,
        wakes: &mut Wakes,
    ) -> usize {
        if self.capacity == 0 {
            wake_watchers(&mut self.receive_watchers, wakes);
        }
        self.senders.push(Sending::Waiting(message), waker, entrant)
    }

    /// Lists a receiver, after `receive` found nothing under the same lock.
    pub(crate) fn wait_to_receive(
        &mut self,
        waker: &Waker,
        entrant: Option<Entrant>,
        wakes: &mut Wakes,
    ) -> usize {
        if self.capacity == 0 {
            wake_watchers(&mut self.send_watchers, wakes);
        }
        self.receivers.push(Receiving::Waiting, waker, entrant)
    }

    /// Chooses to send, for a select whose message is to come.
    pub(crate) fn reserve(&mut self) -> Option<Reserved> {
        if self.is_closed {
            return Some(Reserved::Closed);
        }
        if self.has_room() {
            self.reserved += 1;
            return Some(Reserved::Room);
        }
        if self.capacity > 0 {
            return None;
        }
        let receiver = self.receivers.claim_first()?;
        // Not woken: there is nothing to take yet.
        self.receivers.place(receiver).state = Receiving::Promised;
        Some(Reserved::Receiver(receiver))
    }

    /// Sends what was reserved for. Gives the message back if the receivers are gone.
    pub(crate) fn send_reserved(
        &mut self,
        reserved: Reserved,
        message: T,
        wakes: &mut Wakes,
    ) -> Result<(), T> {
        match reserved {
            Reserved::Closed => return Err(message),
            Reserved::Room => self.reserved -= 1,
            Reserved::Receiver(receiver) => match self.receivers.place(receiver).state {
                Receiving::Promised => {
                    self.give(receiver, message, wakes);
                    return Ok(());
                }
                Receiving::Abandoned => drop(self.receivers.remove(receiver)),
                _ => unreachable!("a promise is kept by one, or abandoned by the other"),
            },
        }
        if self.is_closed {
            return Err(message);
        }
        if reserved != Reserved::Room {
            self.put_back(message, wakes);
        } else if let Some(receiver) = self.receivers.claim_first() {
            self.give(receiver, message, wakes);
        } else {
            self.queue.push_back(message);
            wake_watchers(&mut self.receive_watchers, wakes);
        }
        Ok(())
    }

    /// Gives up what was reserved.
    pub(crate) fn withdraw(&mut self, reserved: Reserved, wakes: &mut Wakes) {
        match reserved {
            Reserved::Closed => {}
            Reserved::Room => {
                self.reserved -= 1;
                self.refill(wakes);
            }
            Reserved::Receiver(receiver) => {
                let place = self.receivers.place(receiver);
                match place.state {
                    Receiving::Promised => {
                        place.state = Receiving::Withdrawn;
                        wakes.push(place.waker.take());
                    }
                    Receiving::Abandoned => drop(self.receivers.remove(receiver)),
                    _ => unreachable!("a promise is kept by one, or abandoned by the other"),
                }
            }
        }
    }

    /// A receiver leaves its place. Returns a message if it has been given one, `Closed` if it was told so.
    pub(crate) fn leave_receiver(&mut self, key: usize) -> Receiving<T> {
        let place = self.receivers.place(key);
        if matches!(place.state, Receiving::Promised) {
            // The place is the select's now.
            place.state = Receiving::Abandoned;
            place.waker = None;
            return Receiving::Abandoned;
        }
        self.receivers.remove(key)
    }

    /// The last sender has gone.
    pub(crate) fn close_senders(&mut self, wakes: &mut Wakes) {
        self.is_closed = true;
        while let Some(receiver) = self.receivers.claim_first() {
            let place = self.receivers.place(receiver);
            place.state = Receiving::Closed;
            wakes.push(place.waker.take());
        }
        wake_watchers(&mut self.receive_watchers, wakes);
    }

    /// The last receiver has gone. Returns what nobody will receive, to be dropped without the lock.
    pub(crate) fn close_receivers(&mut self, wakes: &mut Wakes) -> VecDeque<T> {
        self.is_closed = true;
        while let Some(sender) = self.senders.claim_first() {
            let place = self.senders.place(sender);
            wakes.push(place.waker.take());
            let Sending::Waiting(message) = mem::replace(&mut place.state, Sending::Taken) else {
                unreachable!("a listed sender waits");
            };
            place.state = Sending::Closed(message);
        }
        wake_watchers(&mut self.send_watchers, wakes);
        mem::take(&mut self.queue)
    }

    /// Whether sending would not wait; a partner of `own` select does not count.
    pub(crate) fn can_send(&self, own: Option<&Arc<Record>>) -> bool {
        self.is_closed || self.has_room() || self.capacity == 0 && self.receivers.has_partner(own)
    }

    /// Whether receiving would not wait; a partner of `own` select does not count.
    pub(crate) fn can_receive(&self, own: Option<&Arc<Record>>) -> bool {
        self.is_closed || !self.queue.is_empty() || self.capacity == 0 && self.senders.has_partner(own)
    }

    /// Wakes `waker` when sending may have become possible, once.
    pub(crate) fn watch_send(&mut self, number: u64, waker: &Waker) {
        watch(&mut self.send_watchers, number, waker);
    }

    /// Wakes `waker` when receiving may have become possible, once.
    pub(crate) fn watch_receive(&mut self, number: u64, waker: &Waker) {
        watch(&mut self.receive_watchers, number, waker);
    }

    /// Ends what `watch_send` and `watch_receive` began.
    pub(crate) fn unwatch(&mut self, number: u64) {
        self.send_watchers.retain(|(other, _)| *other != number);
        self.receive_watchers.retain(|(other, _)| *other != number);
    }
}

fn watch(watchers: &mut Watchers, number: u64, waker: &Waker) {
    if watchers.iter().all(|(other, _)| *other != number) {
        watchers.push((number, waker.clone()));
    }
}

fn wake_watchers(watchers: &mut Watchers, wakes: &mut Wakes) {
    for (_, waker) in watchers.drain(..) {
        wakes.push(Some(waker));
    }
}
