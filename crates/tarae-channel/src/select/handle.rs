//! What a select asks of a sender or a receiver, whatever its message is.

use std::task::Waker;
use std::time::Instant;

use crate::channel::Channel;
use crate::core::list::{Entrant, State};
use crate::core::{Core, Received, Reserved};
use crate::receiver::{Flavor, Receiver};
use crate::sender::Sender;

/// What a select has of the operation that it chose.
#[derive(Clone, Copy, Debug)]
pub enum Token {
    /// To send: the promise of a message.
    Send(Reserved),
    /// To receive: the place where the message is, or will be.
    Receive(usize),
    /// A clock's message.
    Moment(Instant),
}

/// What came of listing.
#[derive(Clone, Copy, Debug)]
pub enum Listing {
    /// It waits at this place.
    Place(usize),
    /// It need not wait: there is a partner.
    Ready,
    /// There is nobody whom a place would tell anything: a clock, or nothing.
    Alone,
}

/// A sender or a receiver, in a select. Nameable, for the macros; what it is made of is not.
pub trait Handle {
    /// Itself, whoever may have it.
    fn erase(&self) -> &dyn Handle;

    /// Chooses the operation, if it is possible at once.
    fn choose(&self, waker: &Waker) -> Option<Token>;

    /// Lists the operation, unless it has become possible.
    fn list(&self, waker: &Waker, entrant: Entrant) -> Listing;

    /// Leaves the place of an operation that was not chosen.
    fn leave(&self, place: usize);

    /// Takes what was granted at the place of an operation that was chosen.
    fn accept(&self, place: usize) -> Token;

    /// Gives up what was chosen.
    fn withdraw(&self, token: Token);

    /// When it will be possible without anybody's doing.
    fn next(&self) -> Option<Instant>;

    /// Whether it is possible; if not, `waker` is woken when that may have changed.
    fn watch(&self, number: u64, waker: &Waker) -> bool;

    /// Ends what `watch` began.
    fn unwatch(&self, number: u64);

    /// Whether it is possible.
    fn is_ready(&self) -> bool;
}

impl<T> Handle for Sender<T> {
    fn erase(&self) -> &dyn Handle {
        self
    }

    fn choose(&self, _: &Waker) -> Option<Token> {
        self.channel.with(Core::reserve).map(Token::Send)
    }

    fn list(&self, waker: &Waker, entrant: Entrant) -> Listing {
        self.channel.with(|core, wakes| {
            if core.can_send(Some(&entrant.record)) {
                return Listing::Ready;
            }
            Listing::Place(core.wait_to_send(&mut None, waker, Some(entrant), wakes))
        })
    }

    fn leave(&self, place: usize) {
        self.channel.with(|core, _| core.leave_sender(place, &mut None));
    }

    fn accept(&self, place: usize) -> Token {
        match self.channel.with(|core, _| core.leave_sender(place, &mut None)) {
            State::Promised(promise) => Token::Send(Reserved::Promise(promise)),
            State::Closed => Token::Send(Reserved::Closed),
            _ => unreachable!("a select that was chosen to send has promised to"),
        }
    }

    fn withdraw(&self, token: Token) {
        if let Token::Send(reserved) = token {
            self.channel.with(|core, wakes| core.withdraw(reserved, wakes));
        }
    }

    fn next(&self) -> Option<Instant> {
        None
    }

    fn watch(&self, number: u64, waker: &Waker) -> bool {
        self.channel.with(|core, _| {
            let is_ready = core.can_send(None);
            if !is_ready {
                core.watch_send(number, waker);
            }
            is_ready
        })
    }

    fn unwatch(&self, number: u64) {
        self.channel.with(|core, _| core.unwatch(number));
    }

    fn is_ready(&self) -> bool {
        self.channel.with(|core, _| core.can_send(None))
    }
}

impl<T> Receiver<T> {
    fn channel(&self) -> Option<&Channel<T>> {
        match &self.flavor {
            Flavor::Channel(channel) => Some(channel),
            _ => None,
        }
    }
}

impl<T> Handle for Receiver<T> {
    fn erase(&self) -> &dyn Handle {
        self
    }

    fn choose(&self, waker: &Waker) -> Option<Token> {
        let channel = match &self.flavor {
            Flavor::Channel(channel) => channel,
            Flavor::Clock(clock, _) => return clock.take(Instant::now()).map(Token::Moment),
            Flavor::Never => return None,
        };
        channel.with(|core, wakes| {
            let mut message = None;
            let place = match core.receive(&mut message, wakes) {
                Received::Message => core.keep_received(State::Granted, &mut message),
                Received::Closed => core.keep_received(State::Closed, &mut message),
                Received::Promised(place) => {
                    core.wait_for_promise(place, waker);
                    place
                }
                Received::Empty => return None,
            };
            Some(Token::Receive(place))
        })
    }

    fn list(&self, waker: &Waker, entrant: Entrant) -> Listing {
        let Some(channel) = self.channel() else { return Listing::Alone };
        channel.with(|core, wakes| {
            if core.can_receive(Some(&entrant.record)) {
                return Listing::Ready;
            }
            Listing::Place(core.wait_to_receive(waker, Some(entrant), wakes))
        })
    }

    fn leave(&self, place: usize) {
        if let Some(channel) = self.channel() {
            channel.forsake(place);
        }
    }

    fn accept(&self, place: usize) -> Token {
        Token::Receive(place)
    }

    fn withdraw(&self, token: Token) {
        match (&self.flavor, token) {
            (Flavor::Channel(channel), Token::Receive(place)) => channel.forsake(place),
            (Flavor::Clock(clock, _), _) => clock.put_back(),
            _ => {}
        }
    }

    fn next(&self) -> Option<Instant> {
        match &self.flavor {
            Flavor::Clock(clock, _) => clock.next(),
            _ => None,
        }
    }

    fn watch(&self, number: u64, waker: &Waker) -> bool {
        match &self.flavor {
            Flavor::Channel(channel) => channel.with(|core, _| {
                let is_ready = core.can_receive(None);
                if !is_ready {
                    core.watch_receive(number, waker);
                }
                is_ready
            }),
            Flavor::Clock(clock, _) => clock.is_due(),
            Flavor::Never => false,
        }
    }

    fn unwatch(&self, number: u64) {
        if let Some(channel) = self.channel() {
            channel.with(|core, _| core.unwatch(number));
        }
    }

    fn is_ready(&self) -> bool {
        match &self.flavor {
            Flavor::Channel(channel) => channel.with(|core, _| core.can_receive(None)),
            Flavor::Clock(clock, _) => clock.is_due(),
            Flavor::Never => false,
        }
    }
}
