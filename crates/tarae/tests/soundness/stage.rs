//! The stage: a runtime of several workers on which a test runs, with a crowd that keeps them stealing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tarae::Runtime;

use super::moves;

/// How many workers the stage has. More than a leaver can block on its way home, with its neighbour's.
const WORKERS: usize = 4;

/// For what is done in milliseconds: steals come by the thousand, neighbours end with their leavers.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs `act` as a coroutine among a crowd, and returns what it returned and how many steals there were, one at least.
pub(crate) fn run<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> (T, u64) {
    let runtime = Runtime::builder().workers(WORKERS).name("stage").build().expect("a runtime");
    let over = Arc::new(AtomicBool::new(false));
    let (result, stolen) = std::thread::scope(|scope| {
        let (_done, watched) = channel();
        scope.spawn(|| watch(&runtime, watched));
        let crowd = {
            let over = Arc::clone(&over);
            runtime.spawn(move || crowd(&over))
        };
        let result = runtime.run(act);
        let deadline = Instant::now() + PATIENCE;
        moves::wait_for_neighbours(deadline);
        while runtime.metrics().stolen == 0 {
            assert!(Instant::now() < deadline, "nobody steals");
            std::thread::sleep(Duration::from_millis(1));
        }
        let stolen = runtime.metrics().stolen;
        over.store(true, Ordering::SeqCst);
        crowd.join().expect("the crowd does not panic");
        (result, stolen)
    });
    runtime.shutdown_timeout(Duration::from_secs(5)).expect("everyone ends");
    (result, stolen)
}

/// Says where a stage is that takes too long, before its deadline ends it.
fn watch(runtime: &Runtime, done: Receiver<()>) {
    while done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        eprintln!("still on stage after {} moves: {runtime:?}", moves::count());
    }
}

/// Comes in bursts, so that workers run dry and look for work elsewhere.
fn crowd(over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        let burst: Vec<_> =
            (0..8).map(|_| tarae::spawn(|| (0..20).for_each(|_| tarae::yield_now()))).collect();
        burst.into_iter().for_each(|one| one.join().expect("yields"));
        tarae::sleep(Duration::from_millis(1));
    }
}
