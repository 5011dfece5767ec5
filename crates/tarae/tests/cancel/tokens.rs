//! `CancelToken`: a tree, cheap, and as deep as one likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tarae::{CancelToken, Cancelled, thread};

use crate::support::{bounded, ms, on_workers, runtime};

const DEEP: usize = 100_000;

fn deep(root: &CancelToken) -> Vec<CancelToken> {
    let mut all = vec![root.clone()];
    for level in 0..DEEP {
        let child = all[level].child();
        all.push(child);
    }
    all
}

#[test]
fn cancelling_goes_down_and_not_up_nor_sideways() {
    let root = CancelToken::new();
    let (left, right) = (root.child(), root.child());
    let (below, again) = (left.child(), left.clone());
    left.cancel();
    left.cancel();
    assert!(left.is_cancelled() && below.is_cancelled() && again.is_cancelled());
    assert!(!root.is_cancelled() && !right.is_cancelled());
    assert!(left.child().is_cancelled(), "a child of one that was cancelled is born so");
    root.cancel();
    assert!(right.is_cancelled() && root.is_cancelled());
}

/// On a coroutine's small stack.
#[test]
fn a_deep_tree_is_cancelled_and_dropped_without_a_deep_stack() {
    bounded(|| {
        runtime(1).run(|| {
            let root = CancelToken::new();
            let all = deep(&root);
            root.cancel();
            assert!(all.iter().all(CancelToken::is_cancelled));
            drop(all);
            // Held by the lowest alone, dropped from there.
            let lowest = deep(&CancelToken::new()).pop().unwrap();
            drop(lowest);
            // From the top, one by one.
            let root = CancelToken::new();
            let mut all = deep(&root);
            drop(root);
            all.reverse();
            while all.pop().is_some() {}
            // Cancelled from the top, and nobody but the lowest is held.
            let root = CancelToken::new();
            let lowest = deep(&root).pop().unwrap();
            root.cancel();
            assert!(lowest.is_cancelled());
        });
    });
}

#[test]
fn whoever_runs_under_it_or_below_it_is_interrupted() {
    on_workers(|| {
        let root = CancelToken::new();
        let all: Vec<_> = (0..20)
            .map(|number: u32| {
                let token = if number.is_multiple_of(2) { root.clone() } else { root.child().child() };
                tarae::spawn(move || {
                    let own = token.child();
                    let outcome = token.run(|| own.run(thread::park));
                    thread::yield_now(); // Not cancelled any more.
                    outcome
                })
            })
            .collect();
        tarae::sleep(ms(3));
        root.cancel();
        for one in all {
            assert_eq!(one.join().unwrap(), Err(Cancelled));
        }
    });
}

#[test]
fn a_result_is_returned_however_late_and_a_cancelled_token_begins() {
    on_workers(|| {
        let token = CancelToken::new();
        token.cancel();
        assert_eq!(token.run(|| 7), Ok(7));
        assert_eq!(token.run(|| tarae::sleep(Duration::MAX)), Err(Cancelled));
        token.wait();
    });
}

#[test]
fn waiting_ends_for_all() {
    on_workers(|| {
        let token = CancelToken::new();
        let all: Vec<_> = (0..10)
            .map(|_| {
                let token = token.child();
                tarae::spawn(move || token.wait())
            })
            .collect();
        tarae::sleep(ms(2));
        token.cancel();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn cancelling_races_those_who_make_children_and_those_who_come() {
    on_workers(|| {
        for _ in 0..100 {
            let root = CancelToken::new();
            let count = Arc::new(AtomicUsize::new(0));
            let all: Vec<_> = (0..6)
                .map(|_| {
                    let (root, count) = (root.clone(), Arc::clone(&count));
                    tarae::spawn(move || {
                        let mut token = root.child();
                        for _ in 0..10 {
                            token = token.child();
                            drop(token.child());
                        }
                        let outcome = token.run(|| tarae::sleep(Duration::MAX));
                        count.fetch_add(usize::from(outcome == Err(Cancelled)), Ordering::SeqCst);
                    })
                })
                .collect();
            thread::yield_now();
            root.cancel();
            all.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(count.load(Ordering::SeqCst), 6);
        }
    });
}

/// A server keeps one for its life, and makes a child for each request.
#[test]
fn children_that_are_gone_leave_nothing_with_their_parent() {
    let root = CancelToken::new();
    let first = resident();
    for _ in 0..500_000 {
        drop(root.child().child());
        let _ = root.run(|| ());
    }
    assert!(resident() < first + 20_000, "{} KiB before, {} KiB after", first, resident());
}

fn resident() -> u64 {
    crate::support::proc::status_of_self("VmRSS")
}
