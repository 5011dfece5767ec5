//! Cancellation, flags, shields and scopes, on a scheduler of one queue, where the order of things is the test's.

mod common;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{DEADLINE, Drops, Mailbox, Queue, Worker, within};
use tarae_task::{
    Cancelled, Interrupt, Reason, Scope, check, current, heed, is_limited, park, scope, shield,
    try_wait_until, wait_until, waker, with_flag, with_seat, yield_now,
};

fn is_cancelled<T>(outcome: Result<T, Box<dyn Any + Send>>) -> bool {
    outcome.err().is_some_and(|payload| payload.is::<Cancelled>())
}

/// What children borrow: it notices if it goes while somebody uses it.
struct Canary<'a> {
    users: AtomicUsize,
    faults: &'a AtomicUsize,
}

impl Drop for Canary<'_> {
    fn drop(&mut self) {
        self.faults.fetch_add(self.users.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

struct User<'a>(&'a Canary<'a>);

impl<'a> User<'a> {
    fn of(canary: &'a Canary<'a>) -> User<'a> {
        canary.users.fetch_add(1, Ordering::SeqCst);
        User(canary)
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        // A destructor that waits, and must come to its end also where it is not unwinding that calls it.
        shield(yield_now);
        self.0.users.fetch_sub(1, Ordering::SeqCst);
    }
}

fn spawn<'s, T: Send + 's>(queue: &Arc<Queue>, scope: &'s Scope<'s, '_>, f: impl FnOnce() -> T + Send + 's) {
    let (job, child) = scope.child(f);
    drop(queue.spawn(job));
    drop(child);
}

/// Waits in every way that this layer has, several times.
fn script(queue: &Arc<Queue>, drops: &Drops, faults: &AtomicUsize) {
    let _outer = drops.counted();
    let canary = Canary { users: AtomicUsize::new(0), faults };
    let (mailbox, flag) = (Arc::new(Mailbox::default()), AtomicBool::new(false));
    for round in 0..2u64 {
        let (theirs, own) = (Arc::clone(&mailbox), drops.counted());
        let sender = queue.spawn(move || {
            theirs.send(round);
            own
        });
        assert_eq!(mailbox.receive(), round);
        drop(sender.join());
        scope((), |scope, ()| {
            for _ in 0..2 {
                let (canary, mailbox) = (&canary, Arc::clone(&mailbox));
                spawn(queue, scope, move || {
                    let _user = User::of(canary);
                    let _counted = drops.counted();
                    yield_now();
                    // Children of children, on two frames.
                    let local = Canary { users: AtomicUsize::new(0), faults };
                    tarae_task::scope((), |inner, ()| {
                        for _ in 0..2 {
                            let (local, mailbox) = (&local, Arc::clone(&mailbox));
                            spawn(queue, inner, move || {
                                let (_user, _other) = (User::of(local), User::of(canary));
                                let _counted = drops.counted();
                                mailbox.send(1);
                            });
                        }
                    });
                });
            }
            for _ in 0..4 {
                let _counted = drops.counted();
                mailbox.receive();
            }
        });
        with_flag(&flag, yield_now).unwrap();
        shield(|| {
            let (theirs, counted) = (Arc::clone(&mailbox), drops.counted());
            drop(queue.spawn(move || theirs.send(2)));
            mailbox.receive();
            drop(counted);
        });
    }
}

/// The first time that anybody parks, the second, and so on, until the script ends before.
#[test]
fn a_script_that_is_cancelled_at_any_park_leaves_nothing() {
    within(DEADLINE, || {
        for straight in [false, true] {
            let mut interrupted = 0;
            for at in 0.. {
                let (queue, drops) = (Queue::new(), Drops::default());
                let faults = Arc::new(AtomicUsize::new(0));
                let (own, theirs, count) = (Arc::clone(&queue), drops.clone(), Arc::clone(&faults));
                let made = Arc::new(());
                let held = Arc::clone(&made);
                let handle = queue.spawn(move || {
                    let _held = held;
                    script(&own, &theirs, &count);
                });
                *queue.cancelled_at_park.lock().unwrap() = Some((at, handle.coroutine().clone()));
                queue.run_straight_on(straight);
                let is_over = queue.cancelled_at_park.lock().unwrap().is_some();
                assert!(handle.coroutine().is_done(), "park {at}: it has ended");
                interrupted += usize::from(is_cancelled(handle.join()));
                assert_eq!(
                    faults.load(Ordering::SeqCst),
                    0,
                    "park {at}: frames that went before their users"
                );
                assert_eq!(Arc::strong_count(&made), 1, "park {at}: all of it is dropped");
                if is_over {
                    break;
                }
            }
            assert!(interrupted > 10, "{interrupted}");
        }
    });
}

#[test]
fn a_wait_that_is_told_is_told_once() {
    let queue = Queue::new();
    let handle = queue.spawn(|| {
        let never = |_: &std::task::Waker| None::<()>;
        current().unwrap().cancel();
        assert_eq!(try_wait_until(Reason::Other, None, never), Err(Interrupt::Cancelled));
        // What is there counts, also now.
        assert_eq!(wait_until(Reason::Other, None, |_| Some(1)), Some(1));
        assert_eq!(try_wait_until(Reason::Other, None, |_| Some(2)), Ok(Some(2)));
        shield(|| assert_eq!((check(), yield_now()), (Ok(()), ())));
        let unwound = catch_unwind(AssertUnwindSafe(|| try_wait_until(Reason::Other, None, never)));
        assert!(unwound.is_err_and(|payload| payload.is::<Cancelled>()));
        assert!(catch_unwind(heed).is_err());
        7
    });
    queue.run();
    assert_eq!(handle.join().unwrap(), 7);
}

#[test]
fn sources_are_gone_when_their_function_is_left() {
    let queue = Queue::new();
    let handle = queue.spawn(|| {
        let flag = AtomicBool::new(true);
        for _ in 0..3 {
            assert_eq!(with_flag(&flag, || shield(is_limited)), Ok(true));
            assert_eq!(with_flag(&flag, yield_now), Err(Interrupt::Cancelled));
            let panic = catch_unwind(AssertUnwindSafe(|| {
                with_flag(&flag, || std::panic::resume_unwind(Box::new(3)))
            }));
            assert!(panic.map(|_: Result<(), _>| ()).is_err_and(|payload| payload.is::<i32>()));
            assert!(!is_limited());
        }
        yield_now();
    });
    queue.run();
    handle.join().unwrap();
    // The next one gets the same thread-locals, and none of its sources: one that was left with its frames.
    let left = queue.spawn(|| shield(|| park(Reason::Other)));
    queue.run();
    let next = queue.spawn(is_limited);
    queue.run();
    assert!(!next.join().unwrap());
    left.coroutine().wake();
    queue.run();
    left.join().unwrap();
}

#[test]
fn a_flag_that_is_set_while_it_parks_ends_the_wait() {
    let queue = Queue::new();
    let flag = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&flag);
    let handle = queue.spawn(move || with_flag(&theirs, || wait_until(Reason::Other, None, |_| None::<()>)));
    queue.run();
    assert_eq!(handle.coroutine().phase(), "parked");
    handle.coroutine().wake();
    queue.run();
    assert_eq!(handle.coroutine().phase(), "parked", "a wake alone ends nothing");
    flag.store(true, Ordering::Release);
    handle.coroutine().wake();
    queue.run();
    assert_eq!(handle.join().unwrap(), Err(Interrupt::Cancelled));
}

#[test]
fn a_childs_job_that_is_dropped_or_called_elsewhere_gives_its_place_back() {
    within(DEADLINE, || {
        let drops = Drops::default();
        let ran = AtomicBool::new(false);
        // On a kernel thread, which is nobody that could be cancelled.
        scope((), |scope, ()| {
            let counted = drops.counted();
            let (job, child) = scope.child(|| (counted, ran.store(true, Ordering::SeqCst)).1);
            std::thread::spawn(job).join().unwrap();
            assert!(child.take().is_some_and(is_cancelled));
            let counted = drops.counted();
            let (job, child) = scope.child(move || drop(counted));
            drop(job);
            assert!(child.take().is_none());
            let (job, _) = scope.child(|| ());
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(20));
                drop(job);
            });
        });
        assert_eq!((ran.into_inner(), drops.count()), (false, 2));
    });
}

#[test]
fn a_scope_is_dressed_once_and_its_dress_lasts() {
    scope((), |scope, ()| {
        let dress = scope.dress(5u64);
        assert!(catch_unwind(AssertUnwindSafe(|| scope.dress(6u64))).is_err());
        assert_eq!(*dress, 5);
    });
    scope((), |scope, ()| assert_eq!(scope.dress(()), &()));
}

/// Nothing but the end of the children ends the wait: where it cannot be made, the process ends.
#[test]
fn a_scope_that_cannot_wait_ends_the_process() {
    const IN_CHILD: &str = "TARAE_TASK_TEST_SCOPE_CANNOT_WAIT";
    if std::env::var_os(IN_CHILD).is_some() {
        let queue = Queue::new();
        let own = Arc::clone(&queue);
        let handle = queue.spawn(move || {
            with_seat(|_: &Worker| {
                scope((), |scope, ()| spawn(&own, scope, || waker().wake()));
            });
        });
        queue.run();
        drop(handle);
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_scope_that_cannot_wait_ends_the_process", "--nocapture"])
        .env(IN_CHILD, "")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&child.stderr);
    assert!(stderr.contains("a scope unwound before its threads had ended"), "{stderr}");
    assert_eq!(child.status.code(), None, "ended by a signal");
}
