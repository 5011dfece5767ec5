//! Threads of std, and std's own means of waiting for them. These block the kernel thread, so they wait briefly.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::moved;
use super::moves::{leave, leave_to};

#[test]
fn it_starts_threads_and_joins_them_elsewhere() {
    moved(|| {
        let thread = thread::Builder::new().name("plain".into());
        let thread = thread.spawn(|| thread::current().name().map(str::to_owned)).expect("a thread");
        leave();
        assert_eq!(thread.join().expect("it does not panic").as_deref(), Some("plain"));
    });
}

#[test]
fn it_starts_scoped_threads_that_borrow_from_its_stack() {
    moved(|| {
        let numbers = [1, 2, 3, 4];
        let (left, right) = numbers.split_at(2);
        let sum = thread::scope(|scope| {
            let left = scope.spawn(|| left.iter().sum::<i32>());
            let right = scope.spawn(|| right.iter().sum::<i32>());
            leave();
            left.join().expect("it does not panic") + right.join().expect("it does not panic")
        });
        assert_eq!(sum, 10);
    });
}

#[test]
fn it_learns_of_a_panic_in_a_thread_that_it_started() {
    moved(|| {
        let thread = thread::spawn(|| std::panic::resume_unwind(Box::new("gone")));
        leave();
        let payload = thread.join().map(|_: ()| ()).expect_err("it panics");
        assert_eq!(payload.downcast_ref(), Some(&"gone"));
    });
}

#[test]
fn it_shares_a_mutex_with_threads() {
    moved(|| {
        let count = Arc::new(Mutex::new(0));
        let add = |count: &Mutex<u32>| (0..1000).for_each(|_| *count.lock().expect("not poisoned") += 1);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let count = Arc::clone(&count);
                thread::spawn(move || add(&count))
            })
            .collect();
        add(&count);
        leave();
        add(&count);
        threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        assert_eq!(*count.lock().expect("not poisoned"), 4000);
    });
}

#[test]
fn it_waits_on_a_condvar_that_a_thread_notifies() {
    moved(|| {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                *shared.0.lock().expect("not poisoned") = true;
                shared.1.notify_one();
            })
        };
        let guard = shared.0.lock().expect("not poisoned");
        drop(shared.1.wait_while(guard, |ready| !*ready).expect("not poisoned"));
        leave();
        thread.join().expect("it does not panic");
    });
}

#[test]
fn it_receives_from_a_channel_of_std() {
    moved(|| {
        let (sender, receiver) = channel();
        let thread = thread::spawn(move || {
            for number in 0..10 {
                thread::sleep(Duration::from_millis(1));
                sender.send(number).expect("the receiver is there");
            }
        });
        for number in 0..5 {
            assert_eq!(receiver.recv(), Ok(number));
        }
        leave();
        assert_eq!(receiver.iter().collect::<Vec<i32>>(), [5, 6, 7, 8, 9]);
        thread.join().expect("it does not panic");
    });
}

#[test]
fn a_thread_unparks_it_by_a_handle_from_before_a_move() {
    moved(|| {
        let unparked = Arc::new(AtomicBool::new(false));
        let thread = {
            let (me, unparked) = (thread::current(), Arc::clone(&unparked));
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                unparked.store(true, Ordering::Release);
                me.unpark();
            })
        };
        leave();
        while !unparked.load(Ordering::Acquire) {
            thread::park();
        }
        thread.join().expect("it does not panic");
    });
}

#[test]
fn its_std_thread_id_stays_the_same_and_is_its_own() {
    const ALIVE: usize = 8;
    moved(|| {
        let ids: Arc<Mutex<HashSet<ThreadId>>> = Arc::default();
        let everyone_is_in = Arc::new(AtomicBool::new(false));
        let coroutines: Vec<_> = (0..ALIVE)
            .map(|_| {
                let (ids, everyone_is_in) = (Arc::clone(&ids), Arc::clone(&everyone_is_in));
                tarae::spawn(move || {
                    let id = thread::current().id();
                    leave_to(move |_| assert_ne!(thread::current().id(), id));
                    assert_eq!(thread::current().id(), id);
                    ids.lock().expect("not poisoned").insert(id);
                    while !everyone_is_in.load(Ordering::Acquire) {
                        tarae::yield_now();
                    }
                    leave();
                    assert_eq!(thread::current().id(), id);
                    id
                })
            })
            .collect();
        while ids.lock().expect("not poisoned").len() < ALIVE {
            tarae::yield_now();
        }
        everyone_is_in.store(true, Ordering::Release);
        let mut ids: HashSet<_> =
            coroutines.into_iter().map(|coroutine| coroutine.join().expect("no panic")).collect();
        ids.insert(thread::current().id());
        assert_eq!(ids.len(), ALIVE + 1);
    });
}
