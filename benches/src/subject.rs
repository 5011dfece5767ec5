//! The subject of the benches of channels and locks: what tarae's contenders use, and no other.

pub(crate) use tarae::{channel, sync};
