//! What was held fast panics, or was cancelled meanwhile.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use tarae_task::{Cancelled, Reason, park, yield_now};

use crate::common::stuck::{alone, stuck};
use crate::common::{Drops, Drove};

fn is_cancelled<T>(outcome: thread::Result<T>) -> bool {
    outcome.err().is_some_and(|payload| payload.is::<Cancelled>())
}

#[test]
fn one_that_panics_brings_its_payload_and_drops_its_locals() {
    alone(|| {
        let local = Drops::default();
        let counted = local.counted();
        let stuck = stuck(move |gate| -> () {
            let _counted = counted;
            gate.spin();
            resume_unwind(Box::new("payload"));
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, local.count()), (Drove::LeftBehind, 1));
        assert_eq!(handle.join().unwrap_err().downcast_ref::<&str>(), Some(&"payload"));
        assert_eq!(queue.finished.load(Ordering::SeqCst), 1);
        drop(seat);
        assert_eq!(Arc::strong_count(&queue), 1, "nothing keeps its object alive");
    });
}

/// It suspends while it unwinds, and goes on unwinding elsewhere; nobody else panics meanwhile.
#[test]
fn one_that_yields_while_it_unwinds_goes_on_unwinding_elsewhere() {
    struct Yields;
    impl Drop for Yields {
        fn drop(&mut self) {
            assert!(thread::panicking());
            yield_now();
            assert!(thread::panicking());
        }
    }
    alone(|| {
        let stuck = stuck(|gate| -> () {
            let _yields = Yields;
            gate.spin();
            resume_unwind(Box::new(()));
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, thread::panicking()), (Drove::LeftBehind, false));
        let other = queue.spawn(thread::panicking);
        assert_eq!(queue.drive(seat, true, |_| ()), Drove::Idle);
        assert!(handle.join().is_err() && !other.join().unwrap());
    });
}

#[test]
fn one_that_was_cancelled_meanwhile_unwinds_where_it_waits() {
    alone(|| {
        let stuck = stuck(|gate| {
            gate.sleep();
            park(Reason::Other);
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        stuck.handle.coroutine().cancel();
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, queue.adrift.counts()), (Drove::LeftBehind, [0, 0, 1, 0]));
        assert!(is_cancelled(handle.join()));
        drop(seat);
    });
}

#[test]
fn one_that_is_cancelled_after_it_parked_unwinds_elsewhere() {
    alone(|| {
        let local = Drops::default();
        let counted = local.counted();
        let stuck = stuck(move |gate| {
            let _counted = counted;
            gate.sleep();
            // It is looked at before a wait, so the second one unwinds.
            loop {
                park(Reason::Other);
            }
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (drove, handle) = stuck.go_on();
        handle.coroutine().cancel();
        assert_eq!((drove, local.count(), queue.len()), (Drove::LeftBehind, 0, 1));
        assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
        assert!(is_cancelled::<()>(handle.join()));
        assert_eq!(local.count(), 1);
    });
}
