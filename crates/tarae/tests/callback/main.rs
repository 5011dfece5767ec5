//! `tarae::callback`: called once or many times, from any thread, now or later, or never.

#[path = "../support/mod.rs"]
mod support;

mod many;
mod run;
mod stream;
mod wait;
