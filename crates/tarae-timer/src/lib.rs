//! A timer store that takes the time as an argument.
//!
//! [`Timers`] keeps values, each until its deadline. It never reads a clock, starts no thread and runs no
//! code of its values: the caller says what time it is and gets back what is due. That makes it a plain
//! data structure, to be tested without waiting and to be kept behind whatever lock the caller likes. In
//! tarae there is one per worker, its values are [`Waker`](std::task::Waker)s, and they are woken after the
//! lock has been released.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use tarae_timer::{RESOLUTION, Timers};
//!
//! let origin = Instant::now();
//! let mut timers = Timers::new(origin);
//!
//! let tea = timers.insert(origin + Duration::from_secs(180), "tea is ready");
//! let egg = timers.insert(origin + Duration::from_secs(300), "egg is ready");
//! assert_eq!(timers.cancel(tea), Some("tea is ready"));
//! assert_eq!(timers.cancel(tea), None);
//!
//! let mut fired = Vec::new();
//! timers.expire(origin + Duration::from_secs(299), &mut fired);
//! assert!(fired.is_empty(), "a value never comes back before its deadline");
//!
//! timers.expire(origin + Duration::from_secs(300) + RESOLUTION, &mut fired);
//! assert_eq!(fired, ["egg is ready"]);
//! assert_eq!(timers.cancel(egg), None);
//! ```
//!
//! # What is promised
//!
//! | call                                      | cost                                                     |
//! |-------------------------------------------|----------------------------------------------------------|
//! | [`insert`](Timers::insert)                | O(1); allocates only when there are more than ever before |
//! | [`cancel`](Timers::cancel)                | O(1)                                                     |
//! | [`next_deadline`](Timers::next_deadline)  | O(1), two bitmaps                                        |
//! | [`expire`](Timers::expire)                | O(1) per value fired, and at most seven moves per value over its life; nothing per tick passed |
//! | [`expire_some`](Timers::expire_some)      | the same, up to a limit, so that no lock is held for long |
//!
//! - *Never early*: a value whose deadline is after `now` is not returned.
//! - *At most one [`RESOLUTION`] late*: `expire(now)` returns all whose deadline is `now - RESOLUTION` or
//!   before.
//! - *Exactly once*: a value leaves through `expire`, or through `cancel`, or is dropped with the store.
//! - *In order*: by tick, and among equal ticks in the order of insertion.
//!
//! # How it works
//!
//! A hierarchical timing wheel, after G. Varghese and T. Lauck, *Hashed and Hierarchical Timing Wheels:
//! Data Structures for the Efficient Implementation of a Timer Facility* (SOSP 1987, scheme 7). Each file
//! keeps one promise:
//!
//! ```text
//!  timers.rs    the public face: instants in, instants out
//!   ├─ tick.rs      instants ⇄ ticks; rounding, so that nothing is early
//!   └─ wheel.rs     the algorithm: which slot a tick belongs to, and when a slot is emptied
//!       ├─ slots.rs     8 levels of 64 slots, and the bitmaps that find the first occupied one
//!       ├─ ring.rs      the entries of one slot, in order, as a circular list of indices
//!       └─ entries.rs   the memory: a vec of entries, reused, told apart by generation
//!           └─ key.rs       what the caller holds: an index and a generation
//! ```

#![forbid(unsafe_code)]

mod entries;
mod key;
mod ring;
mod slots;
mod tick;
mod timers;
mod wheel;

pub use key::Key;
pub use tick::RESOLUTION;
pub use timers::Timers;
