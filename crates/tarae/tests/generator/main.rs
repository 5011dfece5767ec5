//! `tarae::generator`: values in and out, in order, on any thread; and an end that leaves nothing behind.

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod left_behind;
mod script;
mod values;
