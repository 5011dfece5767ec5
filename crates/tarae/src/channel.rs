//! Channels for any number of senders and receivers, and waiting for the first of several.
//!
//! Names, signatures and behaviour are those of crossbeam-channel: `use crossbeam_channel as channel` becomes
//! `use tarae::channel`. [`oneshot`] and [`broadcast`] are beside it. What is here lies in the crate `tarae_channel`, whose name the
//! examples have; in a program it is `tarae::channel`.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use tarae::channel::{after, bounded, select};
//!
//! let answer = tarae::run(|| {
//!     let (fast, slow) = (bounded(1), bounded(1));
//!     tarae::spawn(move || fast.0.send("fast"));
//!     tarae::spawn(move || {
//!         tarae::sleep(Duration::from_secs(1));
//!         slow.0.send("slow")
//!     });
//!     select! {
//!         recv(fast.1) -> message => message.unwrap(),
//!         recv(slow.1) -> message => message.unwrap(),
//!         recv(after(Duration::from_secs(10))) -> _ => "late",
//!     }
//! });
//! assert_eq!(answer, "fast");
//! ```

pub use tarae_channel::*;
