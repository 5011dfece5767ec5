//! `tarae::thread` beside `std::thread`: scopes, handles and thread-locals, as std documents them.
//!
//! Each test that can be is run against std as well, by [`as_std_does`]: then the test itself is known to be right. What
//! `tests/thread` has is not said again.

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod handles;
mod locals;
mod scope;
mod scope_panics;

use crate::support::{bounded, hush, on_workers};

/// Runs `body` on coroutines of a runtime of 1, 2 and 8 workers, and on a kernel thread, whose coroutines are those of the
/// default runtime.
#[track_caller]
fn everywhere(body: fn()) {
    hush();
    bounded(body);
    on_workers(body);
}

/// Defines a test twice: with `thread` and `scope` from std, once, and from tarae, [`everywhere`].
macro_rules! as_std_does {
    ($($(#[$meta:meta])* fn $name:ident() $body:block)*) => {
        mod std_itself {
            #[allow(unused_imports, reason = "each module uses some of it")]
            use {super::*, std::thread};
            $($(#[$meta])* #[test] fn $name() { crate::support::hush(); crate::support::bounded(|| $body); })*
        }
        mod tarae_as_well {
            #[allow(unused_imports, reason = "each module uses some of it")]
            use {super::*, tarae::thread};
            $($(#[$meta])* #[test] fn $name() { crate::everywhere(|| $body); })*
        }
    };
}
use as_std_does;
