//! An operation that was chosen, and is to be completed.

use std::fmt;
use std::ptr;

use super::handle::{Handle, Token};
use crate::error::{RecvError, SendError};
use crate::receiver::{Flavor, Receiver};
use crate::sender::Sender;

/// What is certain of a token.
const KIND: &str = "a token is of the kind of its handle";

/// An operation that a [`Select`](crate::Select) has chosen; [`send`](Self::send) or [`recv`](Self::recv) completes it.
///
/// A send has its place in the channel already, and whoever receives there waits until it is completed.
///
/// # Panics
///
/// If it is dropped without. What it had been granted goes back; a partner goes on waiting.
#[must_use]
pub struct SelectedOperation<'a> {
    handle: &'a dyn Handle,
    index: usize,
    /// `None` once it is completed.
    token: Option<Token>,
}

impl<'a> SelectedOperation<'a> {
    pub(crate) fn new(handle: &'a dyn Handle, index: usize, token: Token) -> SelectedOperation<'a> {
        SelectedOperation { handle, index, token: Some(token) }
    }

    /// Returns the index of the operation.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Completes a send.
    ///
    /// # Errors
    ///
    /// Gives the message back if all receivers are gone.
    ///
    /// # Panics
    ///
    /// If `s` is not the sender that was chosen.
    pub fn send<T>(mut self, s: &Sender<T>, msg: T) -> Result<(), SendError<T>> {
        assert!(self.is_of(ptr::from_ref(s).cast()), "passed a sender that wasn't selected");
        let Some(Token::Send(reserved)) = self.token.take() else { unreachable!("{KIND}") };
        let mut message = Some(msg);
        s.channel.with(|core, wakes| core.send_reserved(reserved, &mut message, wakes));
        message.map_or(Ok(()), |message| Err(SendError(message)))
    }

    /// Completes a receive.
    ///
    /// # Parks
    ///
    /// While another select that has chosen to send makes its message; should it never, until there is another.
    ///
    /// # Errors
    ///
    /// If there is no message, and all senders are gone.
    ///
    /// # Panics
    ///
    /// If `r` is not the receiver that was chosen.
    pub fn recv<T>(mut self, r: &Receiver<T>) -> Result<T, RecvError> {
        assert!(self.is_of(ptr::from_ref(r).cast()), "passed a receiver that wasn't selected");
        match (&r.flavor, self.token.take()) {
            (Flavor::Channel(channel), Some(Token::Receive(place))) => {
                let mut message = None;
                channel.recv_at(place, &mut message)?;
                Ok(message.expect("what is received is there"))
            }
            (Flavor::Clock(_, message), Some(Token::Moment(moment))) => Ok(message(moment)),
            _ => unreachable!("{KIND}"),
        }
    }

    fn is_of(&self, handle: *const ()) -> bool {
        ptr::addr_eq(ptr::from_ref(self.handle), handle)
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SelectedOperation { .. }")
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        let Some(token) = self.token.take() else { return };
        self.handle.withdraw(token);
        if !std::thread::panicking() {
            panic!("dropped `SelectedOperation` without completing the operation");
        }
    }
}
