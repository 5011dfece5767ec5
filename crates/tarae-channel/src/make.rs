//! How channels are made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::channel::Channel;
use crate::clock::Clock;
use crate::receiver::{Flavor, Receiver};
use crate::sender::Sender;

/// Makes a channel that holds as many messages as memory allows: sending never waits.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = tarae_channel::unbounded();
/// (0..100).for_each(|n| sender.send(n).unwrap());
/// assert_eq!(receiver.len(), 100);
/// ```
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    make(None)
}

/// Makes a channel that holds `cap` messages; with zero, sender and receiver meet, and the message goes from hand to hand.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = tarae_channel::bounded(0);
/// std::thread::spawn(move || sender.send("hello").unwrap()); // waits for the next line
/// assert_eq!(receiver.recv(), Ok("hello"));
/// ```
pub fn bounded<T>(cap: usize) -> (Sender<T>, Receiver<T>) {
    make(Some(cap))
}

fn make<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel::new(capacity));
    let receiver = Receiver { flavor: Flavor::Channel(Arc::clone(&channel)) };
    (Sender { channel }, receiver)
}

/// Makes a receiver of one message, the moment itself, once `duration` has passed. Its senders are never gone.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tarae_channel::{after, never, select};
///
/// let messages = never::<i32>();
/// select! {
///     recv(messages) -> _ => unreachable!(),
///     recv(after(Duration::from_millis(5))) -> _ => println!("nothing came in time"),
/// }
/// ```
pub fn after(duration: Duration) -> Receiver<Instant> {
    // Further than a clock can tell is never.
    Instant::now().checked_add(duration).map_or_else(never, at)
}

/// Makes a receiver of one message, `when` itself, once it has come. Its senders are never gone.
pub fn at(when: Instant) -> Receiver<Instant> {
    Receiver { flavor: Flavor::Clock(Arc::new(Clock::once(when)), |moment| moment) }
}

/// Makes a receiver of a message each `duration`: the moment at which it was due.
///
/// A message that was not taken is the last until it was: the next one is due a `duration` after that.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let ticks = tarae_channel::tick(Duration::from_millis(5));
/// ticks.recv().unwrap();
/// ticks.recv().unwrap();
/// assert!(start.elapsed() >= Duration::from_millis(10));
/// ```
pub fn tick(duration: Duration) -> Receiver<Instant> {
    match Instant::now().checked_add(duration) {
        Some(next) => {
            Receiver { flavor: Flavor::Clock(Arc::new(Clock::periodic(next, duration)), |moment| moment) }
        }
        None => never(),
    }
}

/// Makes a receiver to which nothing is ever sent; for an operation of a `select!` that is there or not.
///
/// # Examples
///
/// ```
/// use tarae_channel::{never, select, unbounded};
///
/// let (sender, receiver) = unbounded();
/// sender.send(1).unwrap();
/// let urgent: Option<tarae_channel::Receiver<i32>> = None;
/// select! {
///     recv(urgent.as_ref().unwrap_or(&never())) -> _ => unreachable!(),
///     recv(receiver) -> message => assert_eq!(message, Ok(1)),
/// }
/// ```
pub const fn never<T>() -> Receiver<T> {
    Receiver { flavor: Flavor::Never }
}
