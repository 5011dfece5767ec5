//! Real coroutines on one worker, on two and on eight: nothing is lost, nothing runs twice, all cores are used.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use common::{DEADLINE, Gate, end, spawn, spin_until, start, within};
use tarae_task::yield_now;

const WORKERS: [usize; 3] = [1, 2, 8];

#[test]
fn a_storm_of_spawns_from_foreign_threads_all_run_once() {
    for workers in WORKERS {
        within(DEADLINE, move || {
            let scheduler = start(workers);
            let runs = Arc::new(AtomicUsize::new(0));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (scheduler, runs) = (scheduler.clone(), Arc::clone(&runs));
                    thread::spawn(move || {
                        let handles: Vec<_> = (0..500)
                            .map(|number| {
                                let runs = Arc::clone(&runs);
                                spawn(&scheduler, move || {
                                    runs.fetch_add(1, Ordering::Relaxed);
                                    if number % 3 == 0 {
                                        yield_now();
                                    }
                                    number
                                })
                            })
                            .collect();
                        for (number, handle) in handles.into_iter().enumerate() {
                            assert_eq!(handle.join().unwrap(), number);
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(runs.load(Ordering::Relaxed), 2_000);
            assert!(end(&scheduler, DEADLINE));
            assert_eq!((scheduler.metrics().spawned, scheduler.metrics().coroutines.alive()), (2_000, 0));
            assert_eq!(scheduler.clear(), Ok(()));
        });
    }
}

#[test]
fn a_tree_of_coroutines_joins_to_its_root() {
    fn grow(scheduler: &tarae_sched::Scheduler<common::Bells>, depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let children = [0, 1].map(|_| {
            let below = scheduler.clone();
            spawn(scheduler, move || grow(&below, depth - 1))
        });
        children.into_iter().map(|child| child.join().unwrap()).sum()
    }
    for workers in WORKERS {
        within(DEADLINE, move || {
            let scheduler = start(workers);
            let below = scheduler.clone();
            assert_eq!(spawn(&scheduler, move || grow(&below, 8)).join().unwrap(), 256);
            assert!(end(&scheduler, DEADLINE));
        });
    }
}

#[test]
fn wakes_from_foreign_threads_reach_everyone() {
    for workers in WORKERS {
        within(DEADLINE, move || {
            let scheduler = start(workers);
            let gates: Vec<_> = (0..200).map(|_| Gate::new()).collect();
            let handles: Vec<_> = gates
                .iter()
                .map(|gate| {
                    let gate = Arc::clone(gate);
                    spawn(&scheduler, move || gate.pass())
                })
                .collect();
            let threads: Vec<_> = gates
                .chunks(50)
                .map(|gates| {
                    let gates = gates.to_vec();
                    thread::spawn(move || gates.iter().for_each(|gate| gate.open()))
                })
                .collect();
            handles.into_iter().for_each(|handle| handle.join().unwrap());
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert!(end(&scheduler, DEADLINE));
            assert!(scheduler.parked().is_empty());
        });
    }
}

/// Many rounds from rest: each begins with all workers asleep, or about to be.
#[test]
fn a_spawn_into_an_idle_scheduler_is_never_lost() {
    for workers in WORKERS {
        within(DEADLINE, move || {
            let scheduler = start(workers);
            let seed = Instant::now().elapsed().subsec_nanos() | 1;
            eprintln!("seed {seed}, {workers} workers");
            let mut random = seed;
            for _ in 0..1_000 {
                random ^= random << 13;
                random ^= random >> 17;
                random ^= random << 5;
                (0..random % 300).for_each(|_| std::hint::spin_loop());
                let handles = [0, 1, 2].map(|number| spawn(&scheduler, move || number));
                assert_eq!(handles.map(|handle| handle.join().unwrap()), [0, 1, 2]);
            }
            assert!(end(&scheduler, DEADLINE));
        });
    }
}

/// Each round needs both workers: a coroutine ends only when the other runs too.
#[test]
fn two_spawned_from_outside_run_at_the_same_time_on_two_workers() {
    within(DEADLINE, || {
        let scheduler = start(2);
        for _ in 0..300 {
            let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
            let handles = [0, 1].map(|me| {
                let flags = Arc::clone(&flags);
                spawn(&scheduler, move || {
                    flags[me].store(true, Ordering::Release);
                    spin_until(&flags[1 - me]);
                })
            });
            handles.into_iter().for_each(|handle| handle.join().unwrap());
        }
        assert!(end(&scheduler, DEADLINE));
    });
}

/// The parent never suspends: what it spawned must find another worker.
#[test]
fn the_only_child_of_a_parent_that_never_suspends_runs_on_another_worker() {
    within(Duration::from_secs(10), || {
        let scheduler = start(2);
        let below = scheduler.clone();
        let parent = spawn(&scheduler, move || {
            // Until the other worker sleeps, as lookout: a search that is still on would find the child by luck.
            thread::sleep(Duration::from_millis(50));
            let flag = Arc::new(AtomicBool::new(false));
            let child = {
                let flag = Arc::clone(&flag);
                spawn(&below, move || flag.store(true, Ordering::Release))
            };
            spin_until(&flag);
            child.join().unwrap();
        });
        parent.join().unwrap();
        assert!(end(&scheduler, DEADLINE));
    });
}

/// What the parent woke waits in its worker's next slot: the lookout comes for it.
#[test]
fn one_woken_by_a_coroutine_that_never_suspends_runs_on_another_worker() {
    within(Duration::from_secs(10), || {
        let scheduler = start(2);
        let gate = Gate::new();
        let flag = Arc::new(AtomicBool::new(false));
        let woken = {
            let (gate, flag) = (Arc::clone(&gate), Arc::clone(&flag));
            spawn(&scheduler, move || {
                gate.pass();
                flag.store(true, Ordering::Release);
            })
        };
        while gate.waiting() == 0 {
            thread::yield_now();
        }
        let waker = spawn(&scheduler, move || {
            gate.open();
            spin_until(&flag);
        });
        waker.join().unwrap();
        woken.join().unwrap();
        assert!(end(&scheduler, DEADLINE));
    });
}

#[test]
fn a_panic_goes_to_the_joiner_and_the_worker_lives_on() {
    within(DEADLINE, || {
        let scheduler = start(1);
        let payload = spawn(&scheduler, || std::panic::resume_unwind(Box::new(17_u32))).join();
        assert_eq!(payload.err().and_then(|payload| payload.downcast::<u32>().ok()).as_deref(), Some(&17));
        assert_eq!(spawn(&scheduler, || 1).join().unwrap(), 1);
        assert!(end(&scheduler, DEADLINE));
    });
}

#[test]
fn ping_pong_between_coroutines_leaves_the_queue_its_turn() {
    within(DEADLINE, || {
        let scheduler = start(1);
        let stop = Arc::new(AtomicBool::new(false));
        let coroutines = Arc::new(std::sync::Mutex::new(Vec::new()));
        let players: Vec<_> = [0, 1]
            .map(|me| {
                let (stop, coroutines) = (Arc::clone(&stop), Arc::clone(&coroutines));
                spawn(&scheduler, move || {
                    while !stop.load(Ordering::Relaxed) {
                        let other: Option<std::task::Waker> = coroutines.lock().unwrap().get(1 - me).cloned();
                        if let Some(other) = other {
                            other.wake();
                            tarae_task::park(tarae_task::Reason::Other);
                        } else {
                            yield_now();
                        }
                    }
                    coroutines.lock().unwrap().iter().for_each(std::task::Waker::wake_by_ref);
                })
            })
            .into();
        *coroutines.lock().unwrap() = players
            .iter()
            .map(|player| {
                let player = player.coroutine().clone();
                std::task::Waker::from(Arc::new(WakesCoroutine(player)))
            })
            .collect();
        let (send, receive) = channel();
        let third = spawn(&scheduler, move || (0..100).for_each(|_| yield_now()));
        let fourth = spawn(&scheduler, move || send.send(()).unwrap());
        receive.recv_timeout(Duration::from_secs(20)).expect("a turn for the queue");
        third.join().unwrap();
        fourth.join().unwrap();
        stop.store(true, Ordering::Relaxed);
        players.iter().for_each(|player| player.coroutine().wake());
        players.into_iter().for_each(|player| player.join().unwrap());
        assert!(end(&scheduler, DEADLINE));
    });
}

struct WakesCoroutine(tarae_task::Coroutine);

impl std::task::Wake for WakesCoroutine {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}
