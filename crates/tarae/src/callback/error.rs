//! What a wait for a callback says when there is no value.

use std::error::Error;
use std::fmt;
use std::io;

use crate::Elapsed;

/// The callback was dropped, and never called: nobody is left who could.
///
/// # Examples
///
/// ```
/// use tarae::callback::{self, Done, Dropped};
///
/// let forgotten = callback::wait(|done: Done<u8>| drop(done));
/// assert_eq!(forgotten, Err(Dropped));
/// let error: std::io::Error = Dropped.into(); // `?` does it
/// assert_eq!(error.to_string(), "callback was dropped without being called");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("callback was dropped without being called")
    }
}

impl Error for Dropped {}

impl From<Dropped> for io::Error {
    fn from(dropped: Dropped) -> io::Error {
        io::Error::other(dropped)
    }
}

/// Why [`wait_timeout`](super::wait_timeout) has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// The callback was dropped, and never called.
    Dropped,
    /// It was not called in time.
    Elapsed,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitError::Dropped => Dropped.fmt(f),
            WaitError::Elapsed => f.write_str("callback was not called in time"),
        }
    }
}

impl Error for WaitError {}

impl From<Dropped> for WaitError {
    fn from(_: Dropped) -> WaitError {
        WaitError::Dropped
    }
}

impl From<WaitError> for io::Error {
    fn from(error: WaitError) -> io::Error {
        match error {
            WaitError::Dropped => Dropped.into(),
            WaitError::Elapsed => Elapsed.into(),
        }
    }
}
