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

use std::sync::Once;

use crate::support::{bounded, on_workers};

/// As [`support::hush`], also for what a scope says of its children.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let expected = ["a scoped thread panicked", "thread name may not contain interior null bytes"];
            if !info.payload_as_str().is_some_and(|text| expected.contains(&text)) {
                loud(info);
            }
        }));
        support::hush();
    });
}

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
            $($(#[$meta])* #[test] fn $name() { crate::hush(); crate::support::bounded(|| $body); })*
        }
        mod tarae_as_well {
            #[allow(unused_imports, reason = "each module uses some of it")]
            use {super::*, tarae::thread};
            $($(#[$meta])* #[test] fn $name() { crate::everywhere(|| $body); })*
        }
    };
}
use as_std_does;
