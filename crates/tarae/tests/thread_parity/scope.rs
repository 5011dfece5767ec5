//! Scopes: children borrow, run at the same time, and have ended when the scope returns.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{MOMENT, ms};

/// Sets a flag when it is dropped.
struct Flag<'a>(&'a AtomicBool);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

crate::as_std_does! {
    fn children_read_what_they_borrow_and_the_parent_goes_on_with_it() {
        let mut words = vec![String::from("one"), String::from("two")];
        let lengths = thread::scope(|scope| {
            let total = scope.spawn(|| words.iter().map(String::len).sum::<usize>());
            let first = scope.spawn(|| words[0].len());
            (total.join().unwrap(), first.join().unwrap())
        });
        words.push(String::from("three"));
        assert_eq!((lengths, words.len()), ((6, 3), 3));
    }

    fn each_child_changes_what_is_its_own() {
        let mut numbers = [0; 16];
        let mut last = 0;
        thread::scope(|scope| {
            for (index, number) in numbers.iter_mut().enumerate() {
                scope.spawn(move || {
                    thread::yield_now();
                    *number = index * index;
                });
            }
            scope.spawn(|| last = 1);
        });
        assert!(numbers.iter().enumerate().all(|(index, number)| *number == index * index));
        assert_eq!(last, 1);
    }

    fn children_that_nobody_joins_are_waited_for() {
        let ended = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    thread::sleep(ms(10));
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(ended.into_inner(), 5);
    }

    fn the_scope_returns_what_its_function_returns() {
        let text = String::from("borrowed");
        let borrowed: &str = thread::scope(|_| text.as_str());
        assert_eq!(borrowed, "borrowed");
        let from_child: &str = thread::scope(|scope| scope.spawn(|| &text[..3]).join().unwrap());
        assert_eq!(from_child, "bor");
        assert_eq!(thread::scope(|scope| scope.spawn(|| vec![1]).join().unwrap()), [1]);
    }

    fn an_empty_scope_returns_at_once() {
        for _ in 0..100 {
            thread::scope(|_| ());
        }
    }

    fn a_child_spawns_its_siblings() {
        let count = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                scope.spawn(|| {
                    scope.spawn(|| {
                        // By now whoever opened it waits for its end.
                        thread::sleep(ms(5));
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                    count.fetch_add(1, Ordering::Relaxed);
                });
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 3);
    }

    fn a_child_opens_a_scope_of_its_own() {
        fn sum(numbers: &[u64]) -> u64 {
            if numbers.len() <= 2 {
                return numbers.iter().sum();
            }
            let (left, right) = numbers.split_at(numbers.len() / 2);
            thread::scope(|scope| {
                let left = scope.spawn(|| sum(left));
                let right = scope.spawn(|| sum(right));
                left.join().unwrap() + right.join().unwrap()
            })
        }
        let numbers: Vec<u64> = (0..64).collect();
        assert_eq!(sum(&numbers), 2016);
    }

    fn a_handle_is_joined_by_a_sibling() {
        let sum = thread::scope(|scope| {
            let first = scope.spawn(|| 1);
            let second = scope.spawn(move || first.join().unwrap() + 1);
            let third = scope.spawn(move || second.join().unwrap() + 1);
            third.join().unwrap()
        });
        assert_eq!(sum, 3);
    }

    fn results_that_nobody_takes_are_dropped_before_the_scope_returns() {
        for kept in [true, false] {
            let dropped = AtomicBool::new(false);
            thread::scope(|scope| {
                let handle = scope.spawn(|| {
                    thread::yield_now();
                    Flag(&dropped)
                });
                if kept {
                    // The child ends first, and its result is dropped with the handle.
                    while !handle.is_finished() {
                        thread::sleep(ms(1));
                    }
                }
            });
            assert!(dropped.into_inner());
        }
    }

    fn captures_are_dropped_before_the_scope_returns() {
        let dropped = AtomicBool::new(false);
        thread::scope(|scope| {
            let flag = Flag(&dropped);
            scope.spawn(move || {
                let _flag = &flag;
                thread::sleep(ms(2));
            });
        });
        assert!(dropped.into_inner());
    }

    fn what_a_child_wrote_is_seen_after_its_join_and_after_the_scope() {
        for _ in 0..50 {
            let (one, other) = (AtomicUsize::new(0), AtomicUsize::new(0));
            thread::scope(|scope| {
                let joined = scope.spawn(|| one.store(1, Ordering::Relaxed));
                scope.spawn(|| other.store(2, Ordering::Relaxed));
                joined.join().unwrap();
                assert_eq!(one.load(Ordering::Relaxed), 1);
            });
            assert_eq!(other.load(Ordering::Relaxed), 2);
        }
    }

    fn is_finished_tells_whether_a_join_would_wait() {
        let go = AtomicBool::new(false);
        thread::scope(|scope| {
            let handle = scope.spawn(|| {
                while !go.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            });
            thread::sleep(MOMENT);
            assert!(!handle.is_finished());
            go.store(true, Ordering::SeqCst);
            while !handle.is_finished() {
                thread::sleep(ms(1));
            }
            handle.join().unwrap();
            let panicking = scope.spawn(|| -> () { crate::support::panic_on_purpose() });
            while !panicking.is_finished() {
                thread::sleep(ms(1));
            }
            assert!(panicking.join().is_err());
        });
    }

    fn a_child_has_a_name_an_id_and_a_token() {
        let seen = Mutex::new(None);
        thread::scope(|scope| {
            let named = thread::Builder::new().name("scoped".into()).stack_size(128 << 10);
            let handle = named
                .spawn_scoped(scope, || {
                    thread::park();
                    *seen.lock().unwrap() = Some(thread::current().id());
                    thread::current().name().map(str::to_owned)
                })
                .unwrap();
            assert_eq!(handle.thread().name(), Some("scoped"));
            assert_ne!(handle.thread().id(), thread::current().id());
            let id = handle.thread().id();
            handle.thread().unpark();
            assert_eq!(handle.join().unwrap().as_deref(), Some("scoped"));
            assert_eq!(*seen.lock().unwrap(), Some(id));
            assert_eq!(scope.spawn(|| thread::current().name().is_none()).thread().name(), None);
        });
    }

    fn unparks_do_not_end_a_scope_early() {
        let ended = AtomicBool::new(false);
        let parent = thread::current();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20 {
                    parent.unpark();
                    thread::sleep(ms(1));
                }
                ended.store(true, Ordering::Relaxed);
            });
        });
        assert!(ended.into_inner());
    }

    fn many_children_at_once() {
        let count = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..200 {
                scope.spawn(|| count.fetch_add(1, Ordering::Relaxed));
            }
        });
        assert_eq!(count.into_inner(), 200);
    }

    fn scopes_of_several_threads_do_not_disturb_each_other() {
        let threads: Vec<_> = (0..6)
            .map(|number| {
                thread::spawn(move || {
                    let mut own = vec![number; 8];
                    for _ in 0..10 {
                        thread::scope(|scope| {
                            own.iter_mut().for_each(|value| {
                                scope.spawn(|| *value += 1);
                            });
                        });
                    }
                    own
                })
            })
            .collect();
        for (number, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), [number + 10; 8]);
        }
    }

    fn a_scope_is_shared_with_functions_by_reference() {
        fn spawn_into<'scope>(scope: &'scope thread::Scope<'scope, '_>, count: &'scope AtomicUsize) {
            scope.spawn(|| count.fetch_add(1, Ordering::Relaxed));
        }
        let count = AtomicUsize::new(0);
        thread::scope(|scope| (0..3).for_each(|_| spawn_into(scope, &count)));
        assert_eq!(count.into_inner(), 3);
    }

    fn a_name_with_a_null_byte_panics_and_the_scope_ends() {
        let dropped = AtomicBool::new(false);
        let panicked = std::panic::catch_unwind(|| {
            thread::scope(|scope| {
                let flag = Flag(&dropped);
                let bad = thread::Builder::new().name(String::from("on purpose\0"));
                drop(bad.spawn_scoped(scope, move || drop(flag)));
            });
        });
        assert!(panicked.is_err() && dropped.into_inner());
    }
}

#[test]
fn a_spawn_that_fails_is_an_error_and_the_scope_ends() {
    crate::everywhere(|| {
        let dropped = AtomicBool::new(false);
        tarae::scope(|scope| {
            let flag = Flag(&dropped);
            let too_large = tarae::thread::Builder::new().stack_size(usize::MAX);
            let error = too_large.spawn_scoped(scope, move || drop(flag)).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
            assert!(dropped.load(Ordering::Relaxed));
            assert_eq!(scope.spawn(|| 1).join().unwrap(), 1);
        });
    });
}

#[test]
fn a_forgotten_handle_does_not_hold_the_scope_up() {
    crate::everywhere(|| {
        let ended = AtomicBool::new(false);
        tarae::scope(|scope| {
            std::mem::forget(scope.spawn(|| {
                tarae::sleep(ms(2));
                ended.store(true, Ordering::Relaxed);
            }));
        });
        assert!(ended.into_inner());
    });
}

/// The token of [`tarae::thread::park`] is the program's, which std's scope may take.
#[test]
fn a_scope_takes_no_token() {
    crate::support::on_workers(|| {
        tarae::thread::current().unpark();
        tarae::scope(|scope| {
            scope.spawn(|| tarae::sleep(ms(2)));
        });
        tarae::thread::park();
    });
}

#[test]
fn scopes_of_std_and_of_tarae_lie_within_each_other() {
    crate::everywhere(|| {
        let count = AtomicUsize::new(0);
        let add = || count.fetch_add(1, Ordering::Relaxed);
        tarae::scope(|outer| {
            outer.spawn(|| {
                tarae::blocking(|| {
                    std::thread::scope(|kernel| {
                        kernel.spawn(|| tarae::scope(|inner| drop(inner.spawn(add))));
                        // Spawned from a kernel thread into the scope of a coroutine.
                        kernel.spawn(|| drop(outer.spawn(add)));
                    });
                });
                add();
            });
        });
        assert_eq!(count.into_inner(), 3);
    });
}

#[test]
fn a_thousand_children_with_results() {
    crate::everywhere(|| {
        let numbers: Vec<u64> = (0..1000).collect();
        let sum: u64 = tarae::scope(|scope| {
            let handles: Vec<_> = numbers.iter().map(|number| scope.spawn(move || number * 2)).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).sum()
        });
        assert_eq!(sum, 999_000);
    });
}
