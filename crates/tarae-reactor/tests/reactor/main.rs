//! The reactor over real sockets and pipes. Every test is bounded by a deadline: a lost event fails, it does
//! not hang.

mod hangup;
mod notify;
mod poll;
mod readiness;
mod registration;
mod storm;
mod support;
