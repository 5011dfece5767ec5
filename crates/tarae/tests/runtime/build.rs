//! What a builder refuses, and what it says.

use std::io::ErrorKind;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tarae::{Builder, Runtime};

use crate::support::proc::{open_descriptors, tasks_named};
use crate::support::{MOMENT, bounded, child, eventually, runtime};

#[track_caller]
fn refused(builder: Builder) -> String {
    let error = builder.build().expect_err("out of range");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    error.to_string()
}

#[test]
fn no_workers_are_refused() {
    assert_eq!(refused(Runtime::builder().workers(0)), "a runtime has 1 to 1024 workers, not 0");
}

#[test]
fn too_many_workers_are_refused_whatever_the_limit_on_descriptors() {
    for workers in [1025, 100_000, usize::MAX] {
        let said = refused(Runtime::builder().workers(workers));
        assert_eq!(said, format!("a runtime has 1 to 1024 workers, not {workers}"));
    }
}

#[test]
fn a_stack_too_small_for_guard_and_identity_is_refused() {
    let said = refused(Runtime::builder().stack_size(16 * 1024));
    assert_eq!(said, "a stack of 16384 bytes is too small: guard and thread identity need 128 KiB in all");
    refused(Runtime::builder().stack_size(0));
}

#[test]
fn a_stack_too_large_is_refused() {
    let said = refused(Runtime::builder().stack_size(usize::MAX));
    assert!(said.ends_with("is too large: the limit is 64 GiB"), "{said}");
}

#[test]
fn a_name_with_a_null_byte_is_refused() {
    assert_eq!(refused(Runtime::builder().name("a\0b")), "a runtime's name contains a null byte");
}

#[test]
fn a_refusal_leaves_no_thread_and_no_descriptor() {
    child::alone("build::a_refusal_leaves_no_thread_and_no_descriptor", || {
        let before = open_descriptors();
        refused(Runtime::builder().name("refused").workers(0));
        refused(Runtime::builder().name("refused").workers(1025));
        refused(Runtime::builder().name("refused").stack_size(1));
        assert_eq!(open_descriptors(), before);
        assert!(tasks_named("refused").is_empty());
    });
}

#[test]
fn the_smallest_stack_runs_a_coroutine() {
    bounded(|| {
        let runtime = Runtime::builder().workers(1).stack_size(128 * 1024).build().unwrap();
        assert_eq!(runtime.run(|| format!("{:>8}", 42)), "      42");
    });
}

#[test]
fn a_runtime_has_the_workers_it_was_asked_for_under_its_name() {
    bounded(|| {
        let runtime = Runtime::builder().workers(3).name("threesome").build().unwrap();
        assert_eq!(runtime.workers(), 3);
        // A thread names itself when it starts to run. One for each worker, and the monitor.
        eventually("four threads", || tasks_named("threesome-").len() == 4);
    });
}

#[test]
fn the_default_number_of_workers_is_what_std_says_or_its_quota_rounded_up() {
    bounded(|| {
        let workers = Runtime::builder().build().unwrap().workers();
        let std_says = std::thread::available_parallelism().unwrap().get().min(1024);
        assert!((std_says..=std_says + 1).contains(&workers), "{workers} workers, std says {std_says}");
    });
}

/// Limits the calling thread to one of its CPUs.
fn stay_on_one_cpu() {
    let allowed = sched_getaffinity(None).expect("a mask");
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).expect("a CPU"));
    sched_setaffinity(None, &one).expect("fewer CPUs are always allowed");
}

#[test]
fn on_one_cpu_a_runtime_has_one_worker_unless_told_otherwise() {
    child::alone("build::on_one_cpu_a_runtime_has_one_worker_unless_told_otherwise", || {
        bounded(|| {
            stay_on_one_cpu();
            assert_eq!(Runtime::builder().build().unwrap().workers(), 1);
            assert_eq!(runtime(2).workers(), 2);
        });
    });
}

#[test]
fn on_one_cpu_the_default_runtime_has_one_worker() {
    child::alone("build::on_one_cpu_the_default_runtime_has_one_worker", || {
        bounded(|| {
            stay_on_one_cpu();
            assert_eq!(tarae::run(|| 6 * 7), 42);
            eventually("its thread", || tasks_named("tarae-0").len() == 1);
            std::thread::sleep(MOMENT);
            assert!(tasks_named("tarae-1").is_empty(), "a second worker");
        });
    });
}

#[test]
fn debug_shows_name_and_workers() {
    bounded(|| {
        let text = format!("{:?}", runtime(2));
        assert_eq!(text, "Runtime { name: \"test\", workers: 2, .. }");
    });
}
