//! Certain hand-overs: on one worker, whoever waits without suspending for a coroutine that is not running has lost the
//! worker when its wait is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use tarae::Runtime;

use crate::support::{runtime, spin_while};

/// How a coroutine gives its worker away.
pub(crate) type Leave = fn();

/// The ways to lose the only worker. None calls the C library on the coroutine's behalf but where it says so.
pub(crate) const WAYS: [(&str, Leave); 3] =
    [("spinning", by_spinning), ("a system call", by_a_system_call), ("blocking", by_blocking)];

/// Computes until another coroutine has run.
pub(crate) fn by_spinning() {
    spin_until_another_ran();
}

/// Waits in the kernel until another coroutine has run.
pub(crate) fn by_a_system_call() {
    let (send, receive) = channel();
    tarae::spawn(move || send.send(()).unwrap());
    receive.recv().expect("another coroutine runs");
}

/// Hands the worker over by itself, and waits without it until another coroutine has run.
pub(crate) fn by_blocking() {
    tarae::blocking(spin_until_another_ran);
}

fn spin_until_another_ran() {
    let ran = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&ran);
    tarae::spawn(move || own.store(true, Ordering::SeqCst));
    spin_while(|| !ran.load(Ordering::SeqCst));
}

/// Runs `body` as the coroutine of a runtime with one worker, with each way to lose it. It must end with nobody left
/// behind.
#[track_caller]
pub(crate) fn for_each_way(body: fn(Leave)) {
    for (way, leave) in WAYS {
        println!("by {way}");
        let runtime: Runtime = runtime(1);
        runtime.run(move || (0..20).for_each(|_| body(leave)));
        let metrics = runtime.metrics();
        assert!(metrics.hand_offs > 0, "by {way}: {metrics:?}");
        runtime.shutdown_timeout(crate::support::LIMIT).expect("everyone ends");
    }
}
