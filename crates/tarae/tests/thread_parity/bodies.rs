//! What a thread is given and what it gives back, as std's own tests have it.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{eventually, panic_on_purpose};

crate::as_std_does! {
    fn what_is_captured_moves_but_what_it_points_to_does_not() {
        let boxed = Box::new(1);
        let before = (&raw const *boxed).addr();
        let after = thread::spawn(move || ((&raw const *boxed).addr(), boxed)).join().unwrap();
        assert_eq!(after.0, before);
        assert_eq!((&raw const *after.1).addr(), before, "nor on its way back");
    }

    fn a_child_does_not_need_its_parent() {
        fn descend(left: u32, ended: Arc<AtomicUsize>) {
            if left == 0 {
                ended.store(1, Ordering::SeqCst);
                return;
            }
            thread::spawn(move || descend(left - 1, ended));
        }
        let ended = Arc::new(AtomicUsize::new(0));
        descend(16, Arc::clone(&ended));
        eventually("the last one runs", || ended.load(Ordering::SeqCst) == 1);
    }

    fn what_runs_is_what_was_boxed() {
        let job: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send> = Box::new(|| Box::new(5u8));
        let result = thread::spawn(job).join().unwrap();
        assert_eq!(result.downcast_ref::<u8>(), Some(&5));
    }

    fn a_thread_may_return_a_handle_of_another() {
        let inner = thread::spawn(|| thread::spawn(|| 3)).join().unwrap();
        assert_eq!(inner.join().unwrap(), 3);
    }

    fn a_handle_is_joined_by_another_thread_than_its_maker() {
        let handle = thread::spawn(|| "made here");
        let joiner = thread::spawn(move || handle.join().unwrap());
        assert_eq!(joiner.join().unwrap(), "made here");
    }

    fn a_threads_ids_differ_while_and_after_they_live() {
        let mut ids = vec![thread::current().id()];
        for _ in 0..20 {
            let handle = thread::spawn(|| thread::current().id());
            let outside = handle.thread().id();
            assert_eq!(handle.join().unwrap(), outside);
            assert!(!ids.contains(&outside));
            ids.push(outside);
        }
    }

    fn handles_of_one_thread_are_of_one_thread() {
        let current = thread::current();
        assert_eq!(current.id(), thread::current().id());
        assert_eq!(current.clone().id(), current.id());
        let mut set = std::collections::HashSet::new();
        assert!(set.insert(current.id()) && !set.insert(thread::current().id()));
    }

    fn an_unpark_before_the_park_and_one_from_another_thread() {
        for _ in 0..10 {
            thread::current().unpark();
            thread::park();
            let parent = thread::current();
            let other = thread::spawn(move || parent.unpark());
            // May end early without reason: it is only to end.
            thread::park();
            other.join().unwrap();
            thread::park_timeout(std::time::Duration::ZERO);
        }
    }

    fn a_token_ends_a_park_with_any_timeout() {
        for timeout in [std::time::Duration::from_secs(60), std::time::Duration::MAX] {
            let parent = thread::current();
            let other = thread::spawn(move || parent.unpark());
            thread::park_timeout(timeout);
            other.join().unwrap();
            // What came too late is taken here.
            thread::park_timeout(std::time::Duration::ZERO);
        }
    }

    fn a_panic_of_one_is_not_seen_by_the_next() {
        for _ in 0..20 {
            assert!(thread::spawn(|| -> () { panic_on_purpose() }).join().is_err());
            assert!(!thread::spawn(thread::panicking).join().unwrap());
        }
    }

    fn a_name_may_be_anything_but_have_a_null_byte() {
        for name in ["", "a", "with space", "ünïcödé", &"long ".repeat(100)] {
            let handle = thread::Builder::new()
                .name(name.to_owned())
                .spawn(|| thread::current().name().map(str::to_owned))
                .unwrap();
            assert_eq!(handle.thread().name(), Some(name));
            assert_eq!(handle.join().unwrap().as_deref(), Some(name));
        }
    }

    fn sleeps_of_nothing_and_until_now() {
        thread::sleep(std::time::Duration::ZERO);
        thread::yield_now();
        assert!(thread::available_parallelism().unwrap().get() > 0);
    }
}
