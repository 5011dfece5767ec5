//! The primitives the protocol files are written against.
//!
//! `notify` and `side` import from here and from nowhere else, so that `tarae-models` can compile
//! the same two files with a `crate::sync` of its own, made of loom's types, and try every interleaving.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
