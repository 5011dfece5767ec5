//! The service without waiting: one event loop, and the handler cut into callbacks.
//!
//! [`handler`] is what to compare with `service/handler.rs`. The rest is what a program in this style needs
//! around it: [`event_loop`] owns the sockets, [`calls`] matches answers to callbacks.

mod calls;
mod event_loop;
mod handler;

pub(super) use event_loop::serve;
