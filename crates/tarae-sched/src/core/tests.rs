//! The run queue against a model of it, and against thieves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tarae_context::StackSize;
use tarae_task::{Attributes, Cause, Coroutine, JoinHandle, Schedule};

use super::*;
use crate::queue::QUEUE_MAX;

#[derive(Debug)]
struct Nowhere;

impl Schedule for Nowhere {
    fn schedule(&self, _runnable: Runnable, _cause: Cause) {
        unreachable!("nobody parks here");
    }

    fn remember(&self, _coroutine: &Coroutine) -> u64 {
        0
    }

    fn forget(&self, _key: u64) {}

    fn arm(&self, _at: std::time::Instant, _waker: std::task::Waker) -> tarae_task::Armed {
        unreachable!("nobody here waits until a moment")
    }

    fn disarm(&self, _armed: tarae_task::Armed) {
        unreachable!("nothing was armed")
    }
}

fn pool() -> &'static Pool {
    Pool::of_size(StackSize::MIN)
}

/// A coroutine that is told apart by its number and never run.
fn numbered() -> (Runnable, u64, JoinHandle<()>) {
    pool().promise(1).expect("a slot");
    let attributes = Attributes { name: None, spawned_at: std::panic::Location::caller(), pool: pool() };
    let (runnable, handle) = tarae_task::spawn(Arc::new(Nowhere), attributes, || ());
    let id = runnable.coroutine().id();
    (runnable, id, handle)
}

fn id(runnable: &Runnable) -> u64 {
    runnable.coroutine().id()
}

#[derive(Clone, Debug)]
enum Step {
    PutNext,
    Push,
    PushOfMany,
    PushFresh,
    Pop,
    ServeOldest,
    StealNext,
    Steal,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::PutNext),
        10 => Just(Step::Push),
        3 => Just(Step::PushOfMany),
        10 => Just(Step::PushFresh),
        12 => Just(Step::Pop),
        1 => Just(Step::ServeOldest),
        1 => Just(Step::StealNext),
        1 => Just(Step::Steal),
    ];
    proptest::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn the_run_queue_does_as_its_model(steps in steps()) {
        let (core, remote) = Core::new(0, 0, pool());
        let (thief, thief_remote) = Core::new(0, 1, pool());
        let (mut queue, mut next, mut in_a_row) = (VecDeque::new(), None, 0);
        // What does not fit into the queue is a part of it here: the split is the code's own affair, but for thieves.
        let (mut fresh, mut queued_in_a_row) = (VecDeque::new(), 0);
        for step in steps {
            match step {
                Step::PutNext => {
                    let (runnable, id, _) = numbered();
                    let displaced = next.replace(id);
                    prop_assert_eq!(core.put_next(&remote, runnable), displaced.is_some());
                    queue.extend(displaced);
                }
                Step::Push => {
                    let (runnable, id, _) = numbered();
                    core.push(&remote, runnable);
                    queue.push_back(id);
                }
                Step::PushOfMany => {
                    let (runnable, id, _) = numbered();
                    core.push_of_many(&remote, runnable);
                    queue.push_back(id);
                }
                Step::PushFresh => {
                    let (runnable, id, _) = numbered();
                    let queued = core.push_fresh(&remote, runnable);
                    if queue.len() < QUEUE_SHORT { queue.push_back(id) } else { fresh.push_back(id) }
                    prop_assert_eq!(queued, queue.len() + fresh.len());
                }
                Step::Pop => {
                    let from_next = next.take();
                    let expected = if from_next.is_some() && in_a_row < NEXT_IN_A_ROW_MAX {
                        in_a_row += 1;
                        from_next
                    } else {
                        in_a_row = 0;
                        queue.extend(from_next);
                        let turn_of_fresh = queue.is_empty() || queued_in_a_row == QUEUED_IN_A_ROW_MAX;
                        if fresh.is_empty() {
                            queue.pop_front()
                        } else if turn_of_fresh {
                            queued_in_a_row = 0;
                            fresh.pop_back()
                        } else {
                            queued_in_a_row += 1;
                            queue.pop_front()
                        }
                    };
                    prop_assert_eq!(core.pop(&remote).as_ref().map(id), expected);
                }
                Step::ServeOldest => {
                    core.serve_oldest(&remote);
                    queue.extend(fresh.pop_front());
                }
                Step::StealNext => prop_assert_eq!(remote.steal_next().as_ref().map(id), next.take()),
                Step::Steal => {
                    let first = remote.steal(&thief);
                    let mut stolen: Vec<u64> = first.as_ref().map(id).into_iter().collect();
                    stolen.extend(std::iter::from_fn(|| thief.pop(&thief_remote)).map(|runnable| id(&runnable)));
                    let from_fresh = fresh.len().div_ceil(2).min(BATCH_MAX);
                    let from_queue = stolen.len() - from_fresh;
                    prop_assert!(from_queue <= BATCH_MAX && (from_queue > 0 || queue.is_empty()));
                    let expected: Vec<u64> = queue.drain(..from_queue).chain(fresh.drain(..from_fresh)).collect();
                    prop_assert_eq!(stolen, expected);
                }
            }
            prop_assert!(core.queue.len() <= QUEUE_MAX);
            prop_assert_eq!(remote.queued(), queue.len() + fresh.len());
        }
    }
}

#[test]
fn the_next_slot_gives_the_queue_its_turn() {
    let (core, remote) = Core::new(0, 0, pool());
    let (waiting, waiting_id, _) = numbered();
    core.push(&remote, waiting);
    for taken in 0.. {
        let (runnable, next_id, _) = numbered();
        core.put_next(&remote, runnable);
        let popped = id(&core.pop(&remote).expect("two are there"));
        if popped == waiting_id {
            assert_eq!(taken, NEXT_IN_A_ROW_MAX);
            return;
        }
        assert_eq!(popped, next_id, "the next slot goes first");
        assert!(taken < NEXT_IN_A_ROW_MAX, "the queue never has its turn");
    }
}

/// Spawns so many that the queue is no longer short, and returns the numbers of all who are in the backlog.
fn fill(core: &Core, remote: &Remote, backlog: usize) -> Vec<u64> {
    let spawned: Vec<u64> = (0..QUEUE_SHORT + backlog)
        .map(|_| {
            let (runnable, id, _) = numbered();
            core.push_fresh(remote, runnable);
            id
        })
        .collect();
    spawned[QUEUE_SHORT..].to_vec()
}

#[test]
fn a_few_start_in_the_order_in_which_they_were_spawned() {
    let (core, remote) = Core::new(0, 0, pool());
    let few: Vec<u64> = (0..QUEUE_SHORT)
        .map(|_| {
            let (runnable, id, _) = numbered();
            core.push_fresh(&remote, runnable);
            id
        })
        .collect();
    let started: Vec<u64> = std::iter::from_fn(|| core.pop(&remote)).map(|runnable| id(&runnable)).collect();
    assert_eq!(started, few);
}

#[test]
fn those_who_yield_for_ever_keep_nobody_in_the_backlog_waiting() {
    let (core, remote) = Core::new(0, 0, pool());
    let mut waiting = fill(&core, &remote, 100);
    let mut picks = 0;
    while !waiting.is_empty() {
        let picked = core.pop(&remote).expect("they yield");
        waiting.retain(|waiting| *waiting != id(&picked));
        core.push(&remote, picked);
        picks += 1;
        assert!(picks <= 100 * (QUEUED_IN_A_ROW_MAX + 1), "{} wait in vain", waiting.len());
    }
}

#[test]
fn the_oldest_has_its_turn_though_younger_ones_never_cease() {
    let (core, remote) = Core::new(0, 0, pool());
    let oldest = fill(&core, &remote, 10)[0];
    core.serve_oldest(&remote);
    for _ in 0..=2 * QUEUE_SHORT {
        let (runnable, _, _) = numbered();
        core.push_fresh(&remote, runnable);
        if core.pop(&remote).is_some_and(|picked| id(&picked) == oldest) {
            return;
        }
    }
    panic!("the oldest was not picked");
}

#[test]
fn thieves_and_the_owner_take_everything_once() {
    const COUNT: u64 = 2_000;
    let (core, remote) = Core::new(0, 0, pool());
    let done = AtomicBool::new(false);
    let mut taken: Vec<u64> = std::thread::scope(|scope| {
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let ((mine, my_remote), mut taken) = (Core::new(0, 1, pool()), Vec::new());
                    loop {
                        let last = done.load(Ordering::Acquire);
                        let before = taken.len();
                        let stolen = remote.steal(&mine).into_iter().chain(remote.steal_next());
                        let rest = std::iter::from_fn(|| mine.pop(&my_remote));
                        taken.extend(stolen.chain(rest).map(|runnable| id(&runnable)));
                        if last && taken.len() == before {
                            return taken;
                        }
                    }
                })
            })
            .collect();
        let mut taken = Vec::new();
        for number in 0..COUNT {
            let (runnable, _, _) = numbered();
            match number % 4 {
                0 => {
                    core.put_next(&remote, runnable);
                }
                1 => core.push(&remote, runnable),
                _ => {
                    core.push_fresh(&remote, runnable);
                }
            }
            if number % 50 == 0 {
                core.serve_oldest(&remote);
            }
            if number % 3 == 0 {
                taken.extend(core.pop(&remote).as_ref().map(id));
            }
        }
        taken.extend(std::iter::from_fn(|| core.pop(&remote)).map(|runnable| id(&runnable)));
        done.store(true, Ordering::Release);
        taken.extend(thieves.into_iter().flat_map(|thief| thief.join().unwrap()));
        taken
    });
    taken.sort_unstable();
    let before = taken.len();
    taken.dedup();
    assert_eq!((before, taken.len()), (COUNT as usize, COUNT as usize));
}
