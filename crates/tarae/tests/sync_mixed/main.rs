//! Locks between coroutines and kernel threads, with cancellations in between: each grant counts once.

#[path = "../support/mod.rs"]
mod support;

mod condvar;
mod gatherings;
mod mutex;
mod once;
mod rwlock;
mod semaphore;
