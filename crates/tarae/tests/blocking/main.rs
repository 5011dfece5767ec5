//! `blocking`: hands the worker over, calls in place, and comes back. Every sentence of its contract.

#[path = "../support/kernel.rs"]
mod kernel;
#[path = "../support/mod.rs"]
mod support;

mod turns;

mod calls;
mod ends;
mod workers;
