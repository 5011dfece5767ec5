//! What a wait says that was interrupted, where it can say something.

use std::error::Error;
use std::fmt;
use std::io;

use tarae_task::Interrupt;

/// The caller was cancelled, so an operation of its was not done.
///
/// The value of an [`io::Error`] of kind [`Other`](io::ErrorKind::Other), from a wait of a socket; and what
/// [`CancelToken::run`](crate::CancelToken::run) returns.
///
/// # Examples
///
/// ```
/// use std::io::Read;
/// use tarae::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut quiet = TcpStream::connect(listener.local_addr()?)?;
/// let token = tarae::CancelToken::new();
/// token.cancel();
/// let read = tarae::run(move || token.run(|| quiet.read(&mut [0; 8])));
/// let error = read.expect("it returned, with an error").unwrap_err();
/// assert!(error.get_ref().is_some_and(|why| why.is::<tarae::Cancelled>()));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl Error for Cancelled {}

/// A deadline has passed, so something was not done in time.
///
/// What [`timeout`](crate::timeout) returns; and the value of an [`io::Error`] of kind
/// [`TimedOut`](io::ErrorKind::TimedOut), from a wait of a socket in it.
///
/// # Examples
///
/// ```
/// use std::io::{self, Read};
/// use tarae::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut quiet = TcpStream::connect(listener.local_addr()?)?;
/// let late = tarae::timeout(std::time::Duration::from_millis(5), || quiet.read(&mut [0; 8]));
/// let error = late.expect("it returned, with an error").unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// assert!(error.get_ref().is_some_and(|why| why.is::<tarae::Elapsed>()));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}

impl From<Cancelled> for io::Error {
    fn from(cancelled: Cancelled) -> io::Error {
        io::Error::other(cancelled)
    }
}

/// The error of a wait that was interrupted.
pub(crate) fn io_error(interrupt: Interrupt) -> io::Error {
    match interrupt {
        Interrupt::Cancelled => Cancelled.into(),
        Interrupt::Elapsed => Elapsed.into(),
    }
}

/// Whether an error is one that [`io_error`] makes.
pub(crate) fn is_interrupt(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Cancelled>() || inner.is::<Elapsed>())
}
