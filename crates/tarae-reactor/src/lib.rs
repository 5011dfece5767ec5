//! Readiness of descriptors, two waiter sides each, over mio.
//!
//! A [`Reactor`] tells when a system call that would have blocked is worth another try. A descriptor is
//! registered once, edge-triggered and for both directions, and its owner holds a [`Source`]. Whoever is told
//! *would block* lists a [`Waker`](std::task::Waker) on one [`Side`] of it and parks; a thread in
//! [`Reactor::poll`] wakes it when the kernel says so. That is all a reactor knows of its callers: the waker
//! may be a coroutine's, a kernel thread's, a future's, or one that starts a handler.
//!
//! # One reactor, many threads
//!
//! A worker has a reactor of its own and blocks in [`poll`](Reactor::poll) when it has nothing to run;
//! [`notify`](Reactor::notify) calls it back. When it is busy, any other thread may take a turn for it with
//! [`try_poll`](Reactor::try_poll). Sources may be registered, used and dropped on any thread.
//!
//! # The loop around a system call
//!
//! Note the readiness, try, and if the kernel says *would block*, clear what was noted and wait. An event that
//! comes between the try and the clear is not lost, because the clear is for the noted readiness only.
//!
//! ```
//! use std::io::{self, ErrorKind, Read, Write};
//! use std::os::unix::net::UnixStream;
//! use std::sync::Arc;
//! use std::task::{Wake, Waker};
//! use std::thread::{self, Thread};
//!
//! use tarae_reactor::{Reactor, Side, Source, Wait};
//!
//! struct Unpark(Thread);
//!
//! impl Wake for Unpark {
//!     fn wake(self: Arc<Self>) {
//!         self.0.unpark();
//!     }
//! }
//!
//! fn receive(mut socket: &UnixStream, source: &Source, buf: &mut [u8]) -> io::Result<usize> {
//!     let waker = Waker::from(Arc::new(Unpark(thread::current())));
//!     loop {
//!         let seen = source.readiness(Side::Read);
//!         match socket.read(buf) {
//!             Err(error) if error.kind() == ErrorKind::WouldBlock => source.clear(Side::Read, seen),
//!             result => return result,
//!         }
//!         if let Wait::Pending(key) = source.wait(Side::Read, &waker) {
//!             thread::park();
//!             source.cancel(key); // if it was not an event that ended the park
//!         }
//!     }
//! }
//!
//! let reactor = Reactor::new()?;
//! let (socket, mut peer) = UnixStream::pair()?;
//! socket.set_nonblocking(true)?;
//!
//! let reader = thread::spawn({
//!     let reactor = reactor.clone();
//!     move || {
//!         let source = reactor.register(&socket)?;
//!         let mut buf = [0; 16];
//!         receive(&socket, &source, &mut buf).map(|count| buf[..count].to_vec())
//!     }
//! });
//! peer.write_all(b"hello")?;
//! while !reader.is_finished() {
//!     reactor.poll(Some(std::time::Duration::from_millis(10)))?;
//! }
//! assert_eq!(reader.join().unwrap()?, b"hello");
//! # io::Result::Ok(())
//! ```
//!
//! # The rooms
//!
//! `reactor` polls, `source` is what the owner of a descriptor holds, `table` leads from an event to its
//! descriptor, `batch` wakes. The two protocols have a file each, with the argument for them on top: `side`
//! (readiness and waiters) and `notify` (ending a poll).

#![forbid(unsafe_code)]

mod batch;
mod notify;
mod reactor;
mod side;
mod source;
mod sync;
mod table;
#[cfg(test)]
mod tests;

pub use batch::wake_all;
pub use reactor::Reactor;
pub use side::Readiness;
pub use source::{Listed, Side, Source, Wait, WaitKey};
