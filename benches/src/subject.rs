//! The subject of the benches of channels and locks: what tarae's contenders use, and no other.

pub(crate) use std::sync;

pub(crate) use crossbeam_channel as channel;
