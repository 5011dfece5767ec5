//! Futures and coroutines, each called from the other.
//!
//! - [`block_on`] calls a future: on a coroutine it parks, on a kernel thread it blocks. So what exists only as a future is
//!   one call away, and needs no runtime of its own.
//! - A [`JoinHandle`](crate::thread::JoinHandle) is awaited as it is joined.
//! - [`sleep`] and [`sleep_until`] are futures of a moment; [`TcpStream::poll_read`](crate::net::TcpStream::poll_read) and its
//!   siblings are what futures of a socket are made of. The crate `tarae-futures` has the traits of others on top of these.
//!
//! Code that waits may be called in a future, too: it parks the coroutine that polls, with everything that is polled there.
//!
//! # Wakers
//!
//! Wakers of a program's own (`impl Wake`) are called wherever what they wait for happens: on workers, among others. They
//! should be short, and never wait, as everywhere: one that waits holds up the timers or sockets of a worker, and may
//! wait for ever for what they would bring. One that panics is told of by the panic hook, and hurts nobody else.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use tarae::future::{block_on, sleep};
//!
//! async fn price(of: &'static str) -> usize {
//!     sleep(Duration::from_millis(5)).await;
//!     of.len()
//! }
//!
//! // A handler that reads from top to bottom, and calls a future as if it were a function.
//! let total = tarae::run(|| ["tea", "milk"].into_iter().map(|item| block_on(price(item))).sum::<usize>());
//! assert_eq!(total, 7);
//! ```

mod block_on;
mod join;
mod sleep;

pub use block_on::block_on;
pub use join::Join;
pub use sleep::{Sleep, sleep, sleep_until};
