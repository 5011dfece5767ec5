//! Who waits for whom, and what is to be said of it.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tarae::thread;

use crate::waits::{
    A_WHILE, Hogs, accept_late, deadlock_after_a_busy_life, hen_and_egg, join_each_other,
    last_in_line_for_a_cpu, line_of, named, read_late, runtime, spin, unparked_after,
};
use Expected::{Report, Success};

/// A scenario, for some number of workers, and what its process must leave.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) body: fn(usize),
    pub(crate) expected: Expected,
}

pub(crate) enum Expected {
    /// It ends by itself, and nothing is said of deadlocks.
    Success,
    /// `run` panics with a message that contains all of these, whatever their case.
    Report(fn() -> Vec<String>),
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "two_that_join_each_other_are_reported",
        body: |workers| {
            let runtime = runtime(workers);
            join_each_other(&runtime, &runtime);
        },
        expected: Report(hen_and_egg),
    },
    Scenario {
        name: "two_of_different_runtimes_that_join_each_other_are_reported",
        body: |workers| join_each_other(&runtime(1), &runtime(workers)),
        expected: Report(hen_and_egg),
    },
    Scenario {
        name: "a_park_without_anyone_to_unpark_is_reported",
        body: |workers| runtime(workers).run(thread::park), // the lonely park
        expected: Report(|| vec![here("the lonely park"), "unpark".into()]),
    },
    Scenario {
        name: "a_scope_whose_child_nobody_unparks_is_reported",
        body: |workers| runtime(workers).run(|| tarae::scope(|scope| drop(scope.spawn(thread::park)))), // the nursery
        expected: Report(|| vec![here("the nursery"), "the children of a scope".into(), "unpark".into()]),
    },
    Scenario {
        name: "a_park_with_a_timeout_around_it_is_not_reported",
        body: |workers| {
            let late = runtime(workers)
                .run(|| tarae::timeout(A_WHILE, || tarae::scope(|scope| drop(scope.spawn(thread::park)))));
            assert_eq!(late, Err(tarae::Elapsed));
        },
        expected: Success,
    },
    Scenario {
        name: "the_default_runtime_reports_too",
        body: |_| tarae::run(thread::park), // the default park
        expected: Report(|| vec![here("the default park"), "unpark".into()]),
    },
    Scenario {
        name: "a_deadlock_after_a_busy_life_is_reported",
        body: deadlock_after_a_busy_life,
        expected: Report(|| vec!["survivor".into(), "unpark".into()]),
    },
    Scenario {
        name: "a_locked_coroutine_in_a_deadlock_is_reported",
        body: |workers| {
            runtime(workers).run(|| {
                let _lock = tarae::lock_thread().unwrap();
                named("locksmith", thread::park).join().unwrap();
            });
        },
        expected: Report(|| vec!["locksmith".into(), "unpark".into(), "join".into()]),
    },
    Scenario {
        name: "a_kernel_thread_in_a_join_does_not_hide_a_deadlock",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            std::thread::spawn(|| parked.join());
            runtime.run(thread::park);
        },
        expected: Report(|| vec!["unpark".into()]),
    },
    Scenario {
        name: "a_report_can_be_caught_and_the_runtime_goes_on",
        body: |workers| {
            let runtime = runtime(workers);
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.run(thread::park)));
            assert!(caught.is_err());
            assert_eq!(runtime.run(|| tarae::spawn(|| 7).join().unwrap()), 7);
            panic!("caught, and gone on");
        },
        expected: Report(|| vec!["unpark".into(), "caught, and gone on".into()]),
    },
    Scenario {
        name: "a_kernel_thread_that_will_unpark_is_waited_for",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            let waker = parked.thread().clone();
            std::thread::spawn(move || {
                std::thread::sleep(A_WHILE);
                waker.unpark();
            });
            runtime.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_kernel_thread_blocked_in_std_is_waited_for",
        body: |workers| {
            let (send, receive) = channel::<()>();
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            let waker = parked.thread().clone();
            // One waits for the other, in ways that nobody can look into.
            std::thread::spawn(move || {
                receive.recv().unwrap();
                waker.unpark();
            });
            std::thread::spawn(move || {
                std::thread::sleep(A_WHILE);
                send.send(()).unwrap();
            });
            runtime.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_main_thread_that_does_something_else_is_waited_for",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            std::thread::sleep(A_WHILE);
            parked.thread().unpark();
            parked.join().unwrap();
        },
        expected: Success,
    },
    Scenario { name: "a_listener_is_waited_for", body: accept_late, expected: Success },
    Scenario { name: "a_stream_is_waited_for", body: read_late, expected: Success },
    Scenario {
        name: "a_sleep_is_waited_for",
        body: |workers| unparked_after(workers, || tarae::sleep(A_WHILE)),
        expected: Success,
    },
    Scenario {
        name: "a_timed_park_is_waited_for",
        body: |workers| unparked_after(workers, || thread::park_timeout(A_WHILE)),
        expected: Success,
    },
    Scenario {
        name: "a_blocking_call_is_waited_for",
        body: |workers| unparked_after(workers, || tarae::blocking(|| std::thread::sleep(A_WHILE))),
        expected: Success,
    },
    Scenario {
        name: "an_unmarked_blocking_call_is_waited_for",
        body: |workers| unparked_after(workers, || std::thread::sleep(A_WHILE)),
        expected: Success,
    },
    Scenario {
        name: "a_loop_is_waited_for",
        body: |workers| unparked_after(workers, spin),
        expected: Success,
    },
    Scenario {
        name: "a_loop_of_yields_is_waited_for",
        body: |workers| {
            unparked_after(workers, || {
                let end = Instant::now() + A_WHILE;
                while Instant::now() < end {
                    thread::yield_now();
                }
            });
        },
        expected: Success,
    },
    Scenario {
        name: "a_locked_coroutine_that_blocks_is_waited_for",
        body: |workers| {
            unparked_after(workers, || {
                let _lock = tarae::lock_thread().unwrap();
                std::thread::sleep(A_WHILE);
                thread::yield_now();
            });
        },
        expected: Success,
    },
    Scenario {
        name: "a_coroutine_of_another_runtime_is_waited_for",
        body: |workers| {
            let (one, other) = (runtime(workers), runtime(1));
            let parked = one.spawn(thread::park);
            let waker = parked.thread().clone();
            other.spawn(move || {
                tarae::sleep(A_WHILE);
                waker.unpark();
            });
            one.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_woken_kernel_thread_that_gets_no_cpu_is_waited_for",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            let waker = parked.thread().clone();
            let _hogs = Hogs::start();
            let runtime = Arc::new(runtime);
            let other = Arc::clone(&runtime);
            std::thread::spawn(move || {
                last_in_line_for_a_cpu();
                for _ in 0..10 {
                    // Woken after a while, but it does not run at once.
                    other.run(|| tarae::sleep(Duration::from_millis(50)));
                }
                waker.unpark();
            });
            runtime.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_woken_locked_coroutine_that_gets_no_cpu_is_waited_for",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            let waker = parked.thread().clone();
            let _hogs = Hogs::start();
            runtime.spawn(move || {
                // Its kernel thread is not for others any more.
                std::mem::forget(tarae::lock_thread().unwrap());
                last_in_line_for_a_cpu();
                (0..10).for_each(|_| tarae::sleep(Duration::from_millis(50)));
                waker.unpark();
            });
            runtime.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_dropped_runtime_with_parked_coroutines_is_no_deadlock",
        body: |workers| {
            let runtime = runtime(workers);
            let _parked: Vec<_> = (0..10).map(|_| runtime.spawn(thread::park)).collect();
            runtime.run(|| tarae::sleep(Duration::from_millis(10)));
        },
        expected: Success,
    },
];

fn here(text: &str) -> String {
    line_of(file!(), include_str!("scenarios.rs"), text)
}
