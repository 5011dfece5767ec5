//! The life of a coroutine, path by path: what it owns is dropped exactly once on each.

mod common;

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use common::{DEADLINE, Drops, Queue, within};
use tarae_task::{Attributes, Cancelled, Reason, park, yield_now};

fn is_cancelled<T>(outcome: Result<T, Box<dyn Any + Send>>) -> bool {
    outcome.err().is_some_and(|payload| payload.is::<Cancelled>())
}

#[test]
fn finished_and_joined() {
    let (queue, job, result) = (Queue::new(), Drops::default(), Drops::default());
    let handle = queue.spawn({
        let (job, result) = (job.counted(), result.counted());
        move || {
            let _job = job;
            result
        }
    });
    queue.run();
    assert_eq!((job.count(), result.count()), (1, 0));
    let counted = handle.join().unwrap();
    assert_eq!(result.count(), 0);
    drop(counted);
    assert_eq!((job.count(), result.count()), (1, 1));
}

#[test]
fn finished_and_then_detached() {
    let (queue, result) = (Queue::new(), Drops::default());
    let counted = result.counted();
    let handle = queue.spawn(move || counted);
    queue.run();
    assert_eq!(result.count(), 0);
    drop(handle);
    assert_eq!(result.count(), 1);
}

#[test]
fn detached_and_then_finished() {
    let (queue, result) = (Queue::new(), Drops::default());
    let counted = result.counted();
    drop(queue.spawn(move || counted));
    assert_eq!(result.count(), 0);
    queue.run();
    assert_eq!(result.count(), 1);
}

#[test]
fn cancelled_before_it_starts() {
    let (queue, job) = (Queue::new(), Drops::default());
    let counted = job.counted();
    let handle = queue.spawn(move || {
        let _counted = counted;
        unreachable!("it was cancelled");
    });
    handle.coroutine().cancel();
    assert_eq!(job.count(), 0);
    queue.run();
    assert_eq!(job.count(), 1);
    assert!(is_cancelled::<()>(handle.join()));
}

#[test]
fn cancelled_while_parked_runs_its_destructors_inside() {
    struct NotesWhere(std::sync::mpsc::Sender<bool>);
    impl Drop for NotesWhere {
        fn drop(&mut self) {
            let _ = self.0.send(tarae_task::current().is_some());
        }
    }
    let queue = Queue::new();
    let (send, receive) = std::sync::mpsc::channel();
    let handle = queue.spawn(move || {
        let _notes = NotesWhere(send);
        loop {
            park(Reason::Other);
        }
    });
    queue.run();
    assert_eq!((handle.coroutine().phase(), receive.try_recv().is_err()), ("parked", true));
    handle.coroutine().cancel();
    queue.run();
    assert_eq!(receive.try_iter().collect::<Vec<_>>(), [true]);
    assert!(is_cancelled::<()>(handle.join()));
}

#[test]
fn cancelled_while_it_yields() {
    let (queue, local) = (Queue::new(), Drops::default());
    let counted = local.counted();
    let handle = queue.spawn(move || {
        let _counted = counted;
        tarae_task::current().unwrap().cancel();
        yield_now();
        unreachable!("a yield notices");
    });
    queue.run();
    assert_eq!(local.count(), 1);
    assert!(is_cancelled::<()>(handle.join()));
}

/// What unwinds already, waits like everybody else: its destructors may need to.
#[test]
fn a_destructor_that_parks_during_the_unwinding_is_not_unwound_again() {
    struct Waits(Drops);
    impl Drop for Waits {
        fn drop(&mut self) {
            park(Reason::Other);
            drop(self.0.counted());
        }
    }
    let (queue, after) = (Queue::new(), Drops::default());
    let waits = Waits(after.clone());
    let handle = queue.spawn(move || {
        let _waits = waits;
        loop {
            park(Reason::Other);
        }
    });
    queue.run();
    handle.coroutine().cancel();
    queue.run();
    assert_eq!((after.count(), handle.coroutine().phase()), (0, "parked"));
    handle.coroutine().wake();
    queue.run();
    assert_eq!(after.count(), 1);
    assert!(is_cancelled::<()>(handle.join()));
}

#[test]
fn dropped_unrun() {
    let (queue, job) = (Queue::new(), Drops::default());
    let counted = job.counted();
    let (runnable, handle) = queue.make(move || drop(counted));
    drop(runnable);
    assert_eq!(job.count(), 1);
    assert!(handle.coroutine().is_done());
    assert!(is_cancelled(handle.join()));
}

#[test]
fn dropped_unrun_after_its_handle() {
    let (queue, job) = (Queue::new(), Drops::default());
    let counted = job.counted();
    let (runnable, handle) = queue.make(move || drop(counted));
    drop(handle);
    assert_eq!(job.count(), 0);
    drop(runnable);
    assert_eq!(job.count(), 1);
}

#[test]
fn a_joiner_on_another_thread_is_told_of_a_runnable_dropped_unrun() {
    within(DEADLINE, || {
        let (runnable, handle) = Queue::new().make(|| ());
        let joiner = thread::spawn(move || is_cancelled(handle.join()));
        thread::sleep(Duration::from_millis(10));
        drop(runnable);
        assert!(joiner.join().unwrap());
    });
}

/// Live frames are never freed under anybody.
#[test]
fn dropped_after_it_started_is_leaked() {
    let (queue, local) = (Queue::new(), Drops::default());
    let counted = local.counted();
    let handle = queue.spawn(move || {
        let _counted = counted;
        park(Reason::Other);
    });
    queue.run();
    handle.coroutine().wake();
    drop(queue.pop().expect("it was woken"));
    drop(handle);
    assert_eq!(local.count(), 0);
}

#[test]
fn a_panic_brings_its_payload_and_drops_its_locals() {
    let (queue, local) = (Queue::new(), Drops::default());
    let counted = local.counted();
    let handle = queue.spawn(move || {
        let _counted = counted;
        resume_unwind(Box::new("payload"));
    });
    queue.run();
    assert_eq!(local.count(), 1);
    let payload: Result<(), _> = handle.join();
    assert_eq!(payload.unwrap_err().downcast_ref::<&str>(), Some(&"payload"));
}

#[test]
fn a_panic_that_nobody_joins_drops_its_payload() {
    let (queue, payload) = (Queue::new(), Drops::default());
    for detach_first in [true, false] {
        let counted = payload.counted();
        let handle = queue.spawn(move || {
            resume_unwind(Box::new(counted));
        });
        let kept = (!detach_first).then_some(handle);
        queue.run();
        drop::<Option<tarae_task::JoinHandle<()>>>(kept);
    }
    assert_eq!(payload.count(), 2);
}

#[test]
fn a_coroutine_joins_another() {
    for straight in [false, true] {
        let queue = Queue::new();
        let inner = queue.spawn(|| {
            yield_now();
            5
        });
        let outer = queue.spawn(move || inner.join().unwrap() + 1);
        queue.run_straight_on(straight);
        assert_eq!(outer.join().unwrap(), 6);
    }
}

/// The joiner unwinds, its handle goes; the coroutine it waited for is detached and its result dropped once.
#[test]
fn a_joiner_that_is_cancelled_detaches() {
    let (queue, result) = (Queue::new(), Drops::default());
    let counted = result.counted();
    let inner = queue.spawn(move || {
        park(Reason::Other);
        counted
    });
    let waited_for = inner.coroutine().clone();
    let outer = queue.spawn(move || drop(inner.join()));
    queue.run();
    outer.coroutine().cancel();
    queue.run();
    assert!(is_cancelled(outer.join()));
    waited_for.wake();
    queue.run();
    assert_eq!(result.count(), 1);
    assert!(waited_for.is_done());
}

#[test]
fn who_has_parked_is_remembered_once_and_forgotten_at_the_end() {
    let queue = Queue::new();
    let parks = queue.spawn(|| (0..3).for_each(|_| park(Reason::Other)));
    let never = queue.spawn(|| ());
    queue.run();
    for _ in 0..3 {
        assert_eq!((queue.remembered.load(Ordering::SeqCst), queue.forgotten.load(Ordering::SeqCst)), (1, 0));
        parks.coroutine().wake();
        queue.run();
    }
    assert_eq!((queue.remembered.load(Ordering::SeqCst), queue.forgotten.load(Ordering::SeqCst)), (1, 1));
    parks.join().unwrap();
    never.join().unwrap();
}

/// A leaked count of the object would keep the scheduler alive.
#[test]
fn nothing_keeps_the_object_alive_after_the_end() {
    let queue = Queue::new();
    let joined = queue.spawn(|| drop(tarae_task::waker()));
    drop(queue.spawn(yield_now));
    let cancelled = queue.spawn(|| park(Reason::Other));
    let panicked: tarae_task::JoinHandle<()> = queue.spawn(|| resume_unwind(Box::new(())));
    let (unrun, unrun_handle) = queue.make(|| ());
    queue.run();
    cancelled.coroutine().cancel();
    queue.run();
    drop(unrun);
    drop((joined.join(), cancelled.join(), panicked.join(), unrun_handle.join()));
    assert_eq!(Arc::strong_count(&queue), 1);
}

#[test]
fn it_tells_what_was_said_at_its_spawn() {
    let queue = Queue::new();
    common::pool().promise(1).unwrap();
    let here = std::panic::Location::caller();
    let attributes = Attributes { name: Some("named".into()), spawned_at: here, pool: common::pool() };
    let (runnable, handle) = tarae_task::spawn(queue.clone(), attributes, || park(Reason::Sleep));
    let coroutine = handle.coroutine().clone();
    assert_eq!((coroutine.name(), coroutine.spawned_at()), (Some("named"), here));
    assert_eq!((coroutine.phase(), coroutine.reason(), coroutine.is_done()), ("ready", Reason::Other, false));
    queue.push(runnable);
    queue.run();
    assert_eq!((coroutine.phase(), coroutine.reason()), ("parked", Reason::Sleep));
    coroutine.wake();
    assert_eq!(coroutine.phase(), "ready");
    queue.run();
    assert_eq!((coroutine.phase(), coroutine.is_done()), ("done", true));
    assert!(format!("{coroutine:?}").contains("named"));
    handle.join().unwrap();
}

#[test]
fn ids_are_distinct_and_stay() {
    let queue = Queue::new();
    let made: Vec<_> = (0..10).map(|_| queue.make(|| ())).collect();
    let ids: std::collections::HashSet<u64> = thread::scope(|scope| {
        let askers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| made.iter().map(|(_, handle)| handle.coroutine().id()).collect::<Vec<_>>())
            })
            .collect();
        askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 10);
}
