//! What happens under a channel's lock: who gets what from whom. Nothing here parks, wakes, or runs the program's code.
//!
//! Two rules make the rest. **Whoever finds a partner completes the operation for both**: a message goes straight from hand to hand; a
//! wake says *done*, never *try again*. So of those who wait, the first is served first, and nobody barges in. **What a select has chosen
//! to send is there from then on**: the program makes the message afterwards, and until it does, a *promise* stands in its place, in the
//! queue or in the hand of a receiver. Who has a promise waits for it, even past a deadline; nobody else gets what was promised.
//!
//! # The invariants, whenever the lock is free
//!
//! 1. Where a receiver is listed that can be claimed, the queue is empty, and with capacity zero no sender is listed who is not
//!    of the same select.
//! 2. Where a sender is listed that can be claimed, there is no room: the queue is as long as the capacity, or longer.
//! 3. Once one end is gone, nobody is listed at the other.
//! 4. Each promise is in one place: a receiver's, which names it, or the queue, once.
//!
//! # The states of a place
//!
//! | receiver    | meaning                                | who moves on                                                   |
//! |-------------|----------------------------------------|----------------------------------------------------------------|
//! | `Waiting`   | listed                                 | a sender gives, or promises; the last sender leaves            |
//! | `Granted`   | the message is here, nowhere else      | the receiver takes it, or puts it back as it unwinds           |
//! | `Promised`  | it has a promise                       | the select sends, or withdraws; the receiver passes the promise on as it unwinds |
//! | `Withdrawn` | the promise was broken                 | the receiver begins anew                                       |
//! | `Closed`    | the senders are gone, and all messages | the receiver                                                   |
//!
//! | sender      | meaning                                     | who moves on                                              |
//! |-------------|---------------------------------------------|-----------------------------------------------------------|
//! | `Waiting`   | listed, with its message if it is no select | a receiver takes it, or has it promised; the last one leaves |
//! | `Granted`   | sent                                        | the sender                                                |
//! | `Promised`  | a select: it has made this promise          | the select sends, or withdraws                            |
//! | `Closed`    | the receivers are gone; the message is here | the sender                                                |
//!
//! # The races that are feared
//!
//! A receiver gives up while a sender hands it a message. Both take the lock. If the sender is first, the receiver finds `Granted` as
//! it leaves: it returns the message if it can return (its deadline has passed), and if it unwinds (it was cancelled) puts it back before all
//! others ([`put_back`](Core::put_back)). If the receiver is first, the sender does not find it. There is no third order, so no
//! message is lost, and none is there twice.
//!
//! A receiver gives up while a select makes the message that it was promised. If it can return, it does not: it waits on, as the select
//! has been told that it sends. If it unwinds, the promise goes to the next who is listed, or before all others into the queue; where it
//! is the select's message will be. So whatever was sent or promised once is received, unless all receivers go. With capacity zero the
//! queue can then hold what was handed over to somebody who unwound, and with others one more than the capacity: its sender has
//! been told that it was sent.
//!
//! A select is listed in several channels; [`record`] says who gets it. While it is listed it claims nobody: finding a
//! partner as it lists itself, it aborts, leaves all lists, and tries again as one who is free ([`can_receive`] is asked for that,
//! under the same lock that lists it, so a partner either is found or finds it).
//!
//! Rejected: one wait list of shared records for all waits, as crossbeam has it: an allocation or a cache, and a
//! compare-and-swap, for waits that have one channel only. Waking to try again: the woken find nothing, and wait anew at the end.
//! Counting the room that selects have reserved, and queueing their messages when they are made: the channel is full then and has nothing
//! to receive, a message overtakes one that was chosen before it, and with room that is neither free nor used both ends can be listed at a time.
//!
//! Model: `channel` in `tarae-models`.
//!
//! [`can_receive`]: Core::can_receive

pub(crate) mod list;
pub(crate) mod queue;
mod rare;
pub(crate) mod record;
pub(crate) mod wakes;

use std::mem;
use std::sync::Arc;
use std::task::Waker;

use list::{Entrant, List, Places, Promise, State};
use queue::{Popped, Queue};
use rare::{Rare, Standing};
use record::Record;
use wakes::Wakes;

/// What a select that sends has of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It has promised a message.
    Promise(Promise),
    /// Nothing: the receivers are gone.
    Closed,
}

/// What came of sending at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Done,
    Full,
    Closed,
}

/// What came of receiving at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Message,
    /// A select will send it to this place, where the receiver leaves its waker under the same lock.
    Promised(usize),
    Empty,
    Closed,
}

/// All that a channel's lock guards. What most operations touch comes first.
#[repr(C)]
pub(crate) struct Core<T> {
    capacity: usize,
    queue: Queue<T>,
    receivers: List,
    senders: List,
    places: Places<T>,
    rare: Option<Box<Rare>>,
    /// One end is gone; only the other can see it.
    is_closed: bool,
}

impl<T> Core<T> {
    pub(crate) fn new(capacity: usize) -> Core<T> {
        Core {
            capacity,
            queue: Queue::new(),
            receivers: List::new(),
            senders: List::new(),
            places: Places::new(),
            rare: None,
            is_closed: false,
        }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Wakes those who watch for a chance to send.
    #[inline]
    fn wake_send_watchers(&mut self, wakes: &mut Wakes) {
        if let Some(rare) = &mut self.rare {
            rare.send_watchers.wake(wakes);
        }
    }

    /// Wakes those who watch for a chance to receive.
    #[inline]
    fn wake_receive_watchers(&mut self, wakes: &mut Wakes) {
        if let Some(rare) = &mut self.rare {
            rare.receive_watchers.wake(wakes);
        }
    }

    /// How many messages there are, promised ones included.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    fn has_room(&self) -> bool {
        self.queue.len() < self.capacity
    }

    /// Sends `message` to who waits, or into the queue; leaves it where neither is possible.
    #[inline]
    pub(crate) fn send(&mut self, message: &mut Option<T>, wakes: &mut Wakes) -> Sent {
        if self.is_closed {
            return Sent::Closed;
        }
        if let Some(receiver) = self.receivers.claim_first(&mut self.places) {
            self.give(receiver, message, wakes);
            return Sent::Done;
        }
        if !self.has_room() {
            return Sent::Full;
        }
        self.queue.push(message);
        self.wake_receive_watchers(wakes);
        Sent::Done
    }

    /// Receives from the queue, or from who waits.
    #[inline]
    pub(crate) fn receive(&mut self, into: &mut Option<T>, wakes: &mut Wakes) -> Received {
        match self.queue.pop(into) {
            Popped::Message => {
                self.refill(wakes);
                Received::Message
            }
            Popped::Promise(promise) => {
                let receiver = self.places.add(State::Promised(promise));
                self.rare().move_promise(promise, Standing::With(receiver));
                self.refill(wakes);
                Received::Promised(receiver)
            }
            Popped::Nothing if self.capacity == 0 => self.meet(into, wakes),
            Popped::Nothing if self.is_closed => Received::Closed,
            Popped::Nothing => Received::Empty,
        }
    }

    /// Receives from who waits, where there is no queue between.
    fn meet(&mut self, into: &mut Option<T>, wakes: &mut Wakes) -> Received {
        let Some(sender) = self.senders.claim_first(&mut self.places) else {
            return if self.is_closed { Received::Closed } else { Received::Empty };
        };
        let place = self.places.at(sender);
        wakes.push(place.waker.take());
        if place.message.is_some() {
            mem::swap(&mut place.message, into);
            place.state = State::Granted;
            return Received::Message;
        }
        let receiver = self.places.add(State::Waiting);
        let promise = self.rare().promise(Standing::With(receiver));
        self.places.at(receiver).state = State::Promised(promise);
        self.places.at(sender).state = State::Promised(promise);
        Received::Promised(receiver)
    }

    /// Gives a message to a receiver that was claimed, or was promised one.
    #[inline]
    fn give(&mut self, receiver: usize, message: &mut Option<T>, wakes: &mut Wakes) {
        let place = self.places.at(receiver);
        place.state = State::Granted;
        mem::swap(&mut place.message, message);
        wakes.push(place.waker.take());
    }

    /// Lets senders in, while there is room and somebody waits.
    #[inline]
    fn refill(&mut self, wakes: &mut Wakes) {
        self.queue.shrink();
        if self.senders.is_empty() {
            self.wake_send_watchers(wakes);
        } else {
            self.let_senders_in(wakes);
        }
    }

    fn let_senders_in(&mut self, wakes: &mut Wakes) {
        while self.has_room() {
            let Some(sender) = self.senders.claim_first(&mut self.places) else {
                return self.wake_send_watchers(wakes);
            };
            let place = self.places.at(sender);
            wakes.push(place.waker.take());
            if place.message.is_some() {
                place.state = State::Granted;
                self.queue.push(&mut place.message);
            } else {
                let promise = self.rare().promise(Standing::InQueue);
                self.places.at(sender).state = State::Promised(promise);
                self.queue.promise(promise);
            }
        }
    }

    /// Lists a sender, after `send` or `reserve` found nothing under the same lock.
    pub(crate) fn wait_to_send(
        &mut self,
        message: &mut Option<T>,
        waker: &Waker,
        entrant: Option<Entrant>,
        wakes: &mut Wakes,
    ) -> usize {
        if self.capacity == 0 {
            self.wake_receive_watchers(wakes);
        }
        let sender = self.senders.push(&mut self.places, waker, entrant);
        mem::swap(&mut self.places.at(sender).message, message);
        sender
    }

    /// Lists a receiver, after `receive` found nothing under the same lock.
    pub(crate) fn wait_to_receive(
        &mut self,
        waker: &Waker,
        entrant: Option<Entrant>,
        wakes: &mut Wakes,
    ) -> usize {
        if self.capacity == 0 {
            self.wake_send_watchers(wakes);
        }
        self.receivers.push(&mut self.places, waker, entrant)
    }

    /// Leaves the waker of a receiver with the promise that `receive` has found under the same lock.
    pub(crate) fn wait_for_promise(&mut self, receiver: usize, waker: &Waker) {
        self.places.at(receiver).waker = Some(waker.clone());
    }

    /// Where a sender or a receiver stands. If it need not wait, that ends its place, and `message` is what it has there.
    #[inline]
    pub(crate) fn look(&mut self, key: usize, message: &mut Option<T>) -> State {
        let state = self.places.at(key).state;
        if !matches!(state, State::Waiting | State::Promised(_)) {
            self.places.remove(key, message);
        }
        state
    }

    /// Makes a place for a select whose receive was completed, or found all senders gone.
    pub(crate) fn keep_received(&mut self, state: State, message: &mut Option<T>) -> usize {
        let receiver = self.places.add(state);
        mem::swap(&mut self.places.at(receiver).message, message);
        receiver
    }

    /// A sender leaves its place, whatever it stands at. `message` is back if it was not sent.
    pub(crate) fn leave_sender(&mut self, key: usize, message: &mut Option<T>) -> State {
        let state = self.places.at(key).state;
        self.senders.unlist(&mut self.places, key);
        self.places.remove(key, message);
        state
    }

    /// A receiver's deadline has passed: it leaves its place, unless it was promised a message.
    pub(crate) fn expire_receiver(&mut self, key: usize, into: &mut Option<T>) -> State {
        let state = self.places.at(key).state;
        if !matches!(state, State::Promised(_)) {
            self.receivers.unlist(&mut self.places, key);
            self.places.remove(key, into);
        }
        state
    }

    /// A receiver leaves its place as it unwinds. What it was given or promised goes to the next, or before all others.
    pub(crate) fn abandon_receiver(&mut self, key: usize, wakes: &mut Wakes) {
        let mut message = None;
        let state = self.places.at(key).state;
        self.receivers.unlist(&mut self.places, key);
        self.places.remove(key, &mut message);
        if message.is_some() {
            return self.put_back(&mut message, wakes);
        }
        let State::Promised(promise) = state else { return };
        if let Some(next) = self.receivers.claim_first(&mut self.places) {
            // Not woken: there is nothing to take yet.
            self.places.at(next).state = State::Promised(promise);
            self.rare().move_promise(promise, Standing::With(next));
        } else {
            self.rare().move_promise(promise, Standing::InQueue);
            self.queue.promise_first(promise);
            self.wake_receive_watchers(wakes);
        }
    }

    /// Returns a message that was given to somebody who cannot use it: to the next receiver, or before all others.
    fn put_back(&mut self, message: &mut Option<T>, wakes: &mut Wakes) {
        if let Some(receiver) = self.receivers.claim_first(&mut self.places) {
            return self.give(receiver, message, wakes);
        }
        self.queue.push_first(message);
        self.wake_receive_watchers(wakes);
    }

    /// Chooses to send, for a select whose message is to come.
    pub(crate) fn reserve(&mut self, wakes: &mut Wakes) -> Option<Reserved> {
        if self.is_closed {
            return Some(Reserved::Closed);
        }
        let promise = if let Some(receiver) = self.receivers.claim_first(&mut self.places) {
            // Not woken: there is nothing to take yet.
            let promise = self.rare().promise(Standing::With(receiver));
            self.places.at(receiver).state = State::Promised(promise);
            promise
        } else if self.has_room() {
            let promise = self.rare().promise(Standing::InQueue);
            self.queue.promise(promise);
            self.wake_receive_watchers(wakes);
            promise
        } else {
            return None;
        };
        Some(Reserved::Promise(promise))
    }

    /// Sends what was promised; leaves it where the receivers are gone. Whether it was sent.
    pub(crate) fn send_reserved(
        &mut self,
        reserved: Reserved,
        message: &mut Option<T>,
        wakes: &mut Wakes,
    ) -> bool {
        let Reserved::Promise(promise) = reserved else { return false };
        match self.rare().end_promise(promise) {
            Standing::With(receiver) => {
                self.give(receiver, message, wakes);
                true
            }
            // Not there where the receivers are gone, and the queue with them.
            Standing::InQueue => self.queue.keep_promise(promise, message),
        }
    }

    /// Breaks a promise.
    pub(crate) fn withdraw(&mut self, reserved: Reserved, wakes: &mut Wakes) {
        let Reserved::Promise(promise) = reserved else { return };
        match self.rare().end_promise(promise) {
            Standing::With(receiver) => {
                let place = self.places.at(receiver);
                place.state = State::Withdrawn;
                wakes.push(place.waker.take());
            }
            Standing::InQueue => {
                if self.queue.break_promise(promise) {
                    self.refill(wakes);
                }
            }
        }
    }

    /// The last sender has gone.
    pub(crate) fn close_senders(&mut self, wakes: &mut Wakes) {
        self.is_closed = true;
        // Those whose select was forgotten: it borrows its sender, and there is none.
        while let Some(promise) = self.rare.as_ref().and_then(|rare| rare.any_promise()) {
            self.withdraw(Reserved::Promise(promise), wakes);
        }
        while let Some(receiver) = self.receivers.claim_first(&mut self.places) {
            let place = self.places.at(receiver);
            place.state = State::Closed;
            wakes.push(place.waker.take());
        }
        self.wake_receive_watchers(wakes);
    }

    /// The last receiver has gone. Returns what nobody will receive, to be dropped without the lock.
    pub(crate) fn close_receivers(&mut self, wakes: &mut Wakes) -> Queue<T> {
        self.is_closed = true;
        while let Some(sender) = self.senders.claim_first(&mut self.places) {
            let place = self.places.at(sender);
            place.state = State::Closed;
            wakes.push(place.waker.take());
        }
        self.wake_send_watchers(wakes);
        mem::replace(&mut self.queue, Queue::new())
    }

    /// Whether sending would not wait; a partner of `own` select does not count.
    pub(crate) fn can_send(&self, own: Option<&Arc<Record>>) -> bool {
        self.is_closed
            || self.has_room()
            || self.capacity == 0 && self.receivers.has_partner(&self.places, own)
    }

    /// Whether receiving would not wait but for a message that was promised; a partner of `own` select does not count.
    pub(crate) fn can_receive(&self, own: Option<&Arc<Record>>) -> bool {
        self.is_closed
            || !self.queue.is_empty()
            || self.capacity == 0 && self.senders.has_partner(&self.places, own)
    }

    /// Wakes `waker` when sending may have become possible, once.
    pub(crate) fn watch_send(&mut self, number: u64, waker: &Waker) {
        self.rare().send_watchers.add(number, waker);
    }

    /// Wakes `waker` when receiving may have become possible, once.
    pub(crate) fn watch_receive(&mut self, number: u64, waker: &Waker) {
        self.rare().receive_watchers.add(number, waker);
    }

    /// Ends what `watch_send` and `watch_receive` began.
    pub(crate) fn unwatch(&mut self, number: u64) {
        if let Some(rare) = &mut self.rare {
            rare.send_watchers.remove(number);
            rare.receive_watchers.remove(number);
        }
    }
}
