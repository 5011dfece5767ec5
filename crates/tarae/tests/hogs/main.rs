//! Hogs: coroutines that keep their kernel thread, by computing for long or by calling what blocks, and the others, which
//! must not notice.
//!
//! Every test runs in a process of its own, and one at a time: they count threads and measure time.

#[path = "../support/kernel.rs"]
mod kernel;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/undisturbed.rs"]
mod undisturbed;

mod blocked;
mod bounds;
mod echo;
mod fair;
mod hand_over;
mod identity;
mod late;
mod progress;
mod quiet;
mod spread;

use std::sync::Mutex;
use std::time::Duration;

use support::{child, within};

/// Ample for a test that measures for seconds, several times if it is disturbed.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs `body` in a process of its own while no other test of this program runs. `test` is the caller's full name.
#[track_caller]
fn alone(test: &str, body: impl FnOnce() + Send + 'static) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // A test that failed leaves poison, which says nothing about the next one.
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    child::alone_within(PATIENCE + Duration::from_secs(10), test, move || within(PATIENCE, body));
}
