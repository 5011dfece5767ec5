//! `lock_thread`: a coroutine that stays on its kernel thread, which runs nobody else. Every sentence of its contract.

#[path = "../support/kernel.rs"]
mod kernel;
#[path = "../support/mod.rs"]
mod support;

mod claims;

mod ends;
mod stays;
mod workers;
