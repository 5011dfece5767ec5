//! A runtime that is dropped by one who is interrupted: it ends as any other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tarae::{CancelToken, Runtime, is_cancelled};

use crate::support::{bounded, eventually, ms, runtime};

/// A runtime, of which a coroutine takes its time to end, and says when it has.
fn slow() -> (Runtime, Arc<AtomicBool>) {
    struct Slow(Arc<AtomicBool>);
    impl Drop for Slow {
        fn drop(&mut self) {
            tarae::shield(|| tarae::sleep(ms(100)));
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (runtime, has_ended, waits) =
        (runtime(1), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (slow, theirs) = (Slow(Arc::clone(&has_ended)), Arc::clone(&waits));
    runtime.spawn(move || {
        let _slow = slow;
        theirs.store(true, Ordering::SeqCst);
        tarae::sleep(Duration::MAX);
    });
    eventually("it waits", || waits.load(Ordering::SeqCst));
    (runtime, has_ended)
}

#[test]
fn one_who_was_cancelled_waits_for_the_runtime_that_it_drops() {
    bounded(|| {
        let outer = runtime(1);
        let (inner, has_ended) = slow();
        let ended_first = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&ended_first);
        let dropper = outer.spawn(move || {
            tarae_task::current().expect("a coroutine").cancel();
            drop(inner);
            theirs.store(has_ended.load(Ordering::SeqCst), Ordering::SeqCst);
            tarae::sleep(Duration::MAX);
        });
        assert!(is_cancelled(&*dropper.join().unwrap_err()), "at its first wait afterwards");
        assert!(ended_first.load(Ordering::SeqCst), "the drop has waited");
    });
}

#[test]
fn so_does_one_who_is_out_of_time_or_under_a_token_on_a_kernel_thread_too() {
    fn drops_runtimes() {
        let (inner, has_ended) = slow();
        assert!(tarae::timeout(Duration::ZERO, || drop(inner)).is_ok(), "nothing in it was interrupted");
        assert!(has_ended.load(Ordering::SeqCst));
        let (inner, has_ended) = slow();
        let token = CancelToken::new();
        token.cancel();
        assert!(token.run(|| drop(inner)).is_ok());
        assert!(has_ended.load(Ordering::SeqCst));
    }
    bounded(drops_runtimes);
    bounded(|| runtime(2).run(drops_runtimes));
}

#[test]
fn while_it_unwinds_too() {
    bounded(|| {
        let outer = runtime(1);
        let (inner, has_ended) = slow();
        let holder = outer.spawn(move || {
            let _inner = inner;
            tarae::sleep(Duration::MAX);
        });
        holder.cancel();
        assert!(is_cancelled(&*holder.join().unwrap_err()));
        assert!(has_ended.load(Ordering::SeqCst));
    });
}
