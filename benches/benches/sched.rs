//! `sched/yield`, `sched/spawn_join`, `sched/spawn_many`: the scheduler with one worker and with two, against tokio's
//! with as many. `sched/jobs_100us`: how much of two CPUs it uses. `sched/blocking`: what a mark costs.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clap::Parser;
use tarae_benches::{Options, contender};

fn main() {
    let options = Options::parse();
    for workers in [1, 2] {
        let tarae = tarae::Runtime::builder().workers(workers).build().expect("a runtime");
        let tokio =
            tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().expect("a runtime");
        for coroutines in [1, 2, 100, 1_000] {
            yields(&options, workers, coroutines, &tarae, &tokio);
        }
        spawn_join(&options, workers, &tarae, &tokio);
        spawn_many(&options, workers, &tarae, &tokio);
    }
    jobs(&options);
    blocking(&options);
}

fn yields(
    options: &Options,
    workers: usize,
    coroutines: u64,
    tarae: &tarae::Runtime,
    tokio: &tokio::runtime::Runtime,
) {
    const TOTAL: u64 = 1_000_000;
    let each = TOTAL / coroutines;
    options.compare(
        &format!("sched/yield/{coroutines}_coroutines_{workers}_workers"),
        TOTAL,
        "spawning is in it, and matters for the thousand",
        vec![
            contender("tarae", || {
                tarae.run(move || {
                    let start = Instant::now();
                    let all: Vec<_> = (0..coroutines)
                        .map(|_| tarae::spawn(move || (0..each).for_each(|_| tarae::yield_now())))
                        .collect();
                    all.into_iter().for_each(|one| one.join().expect("it does not panic"));
                    start.elapsed()
                })
            }),
            contender("tokio", || {
                on_tokio(tokio, async move {
                    let start = Instant::now();
                    let all: Vec<_> = (0..coroutines)
                        .map(|_| {
                            tokio::spawn(async move {
                                for _ in 0..each {
                                    tokio::task::yield_now().await;
                                }
                            })
                        })
                        .collect();
                    for one in all {
                        one.await.expect("it does not panic");
                    }
                    start.elapsed()
                })
            }),
        ],
    );
}

fn spawn_join(options: &Options, workers: usize, tarae: &tarae::Runtime, tokio: &tokio::runtime::Runtime) {
    const COUNT: u64 = 300_000;
    options.compare(
        &format!("sched/spawn_join/{workers}_workers"),
        COUNT,
        "nothing",
        vec![
            contender("tarae", || {
                tarae.run(|| {
                    let start = Instant::now();
                    for number in 0..COUNT {
                        assert_eq!(tarae::spawn(move || number).join().expect("it does not panic"), number);
                    }
                    start.elapsed()
                })
            }),
            contender("tokio", || {
                on_tokio(tokio, async {
                    let start = Instant::now();
                    for number in 0..COUNT {
                        let joined = tokio::spawn(async move { number }).await;
                        assert_eq!(joined.expect("it does not panic"), number);
                    }
                    start.elapsed()
                })
            }),
        ],
    );
}

fn spawn_many(options: &Options, workers: usize, tarae: &tarae::Runtime, tokio: &tokio::runtime::Runtime) {
    const COUNT: u64 = 100_000;
    options.compare(
        &format!("sched/spawn_many/{workers}_workers"),
        COUNT,
        "nothing: all are spawned, then all joined",
        vec![
            contender("tarae", || {
                tarae.run(|| {
                    let start = Instant::now();
                    let all: Vec<_> = (0..COUNT).map(|number| tarae::spawn(move || number)).collect();
                    let sum: u64 = all.into_iter().map(|one| one.join().expect("it does not panic")).sum();
                    assert_eq!(sum, COUNT * (COUNT - 1) / 2);
                    start.elapsed()
                })
            }),
            contender("tokio", || {
                on_tokio(tokio, async {
                    let start = Instant::now();
                    let all: Vec<_> = (0..COUNT).map(|number| tokio::spawn(async move { number })).collect();
                    let mut sum = 0;
                    for one in all {
                        sum += one.await.expect("it does not panic");
                    }
                    assert_eq!(sum, COUNT * (COUNT - 1) / 2);
                    start.elapsed()
                })
            }),
        ],
    );
}

/// Ten thousand jobs of 100 µs of CPU each, all spawned by one: how far two workers get with them.
fn jobs(options: &Options) {
    const JOBS: u64 = 10_000;
    let runtime = |workers| tarae::Runtime::builder().workers(workers).build().expect("a runtime");
    let (one, two) = (runtime(1), runtime(2));
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let run = |runtime: &tarae::Runtime| {
        runtime.run(|| {
            let start = Instant::now();
            let all: Vec<_> = (0..JOBS).map(|_| tarae::spawn(job)).collect();
            all.into_iter().for_each(|one| one.join().expect("it does not panic"));
            start.elapsed()
        })
    };
    options.compare(
        "sched/jobs_100us",
        JOBS,
        "nothing",
        vec![
            contender("tarae, 2 workers", || run(&two)),
            contender("tokio, 2 workers", || {
                on_tokio(&tokio, async {
                    let start = Instant::now();
                    let all: Vec<_> = (0..JOBS).map(|_| tokio::spawn(async { job() })).collect();
                    for one in all {
                        one.await.expect("it does not panic");
                    }
                    start.elapsed()
                })
            }),
            contender("tarae, 1 worker", || run(&one)),
        ],
    );
}

/// Computes for about 100 µs. Of CPU time, not of wall time: two jobs on one CPU take twice as long.
fn job() {
    static STEPS: OnceLock<u64> = OnceLock::new();
    let compute = |steps: u64| {
        (0..steps).fold(1_u64, |state, step| black_box(state.wrapping_mul(6_364_136_223_846_793_005) ^ step))
    };
    let steps = *STEPS.get_or_init(|| {
        const SAMPLE: u64 = 1_000_000;
        let took = (0..5).map(|_| {
            let start = Instant::now();
            compute(SAMPLE);
            start.elapsed()
        });
        SAMPLE * 100_000 / took.min().expect("five").as_nanos() as u64
    });
    compute(steps);
}

/// A call that does nothing, marked as one that may block, when nobody waits for the worker. Alone: tokio's
/// `block_in_place` gives the worker away at the first call, and has none to give at the next.
fn blocking(options: &Options) {
    const CALLS: u64 = 1_000_000;
    let tarae = tarae::Runtime::builder().workers(1).build().expect("a runtime");
    options.compare(
        "sched/blocking/nobody_waits",
        CALLS,
        "a hand-off",
        vec![contender("tarae", || {
            tarae.run(|| {
                let start = Instant::now();
                for call in 0..CALLS {
                    black_box(tarae::blocking(|| call));
                }
                start.elapsed()
            })
        })],
    );
}

/// Runs a future on a worker, where tarae's contender runs too: `block_on` alone would stay outside.
fn on_tokio(
    tokio: &tokio::runtime::Runtime,
    future: impl Future<Output = Duration> + Send + 'static,
) -> Duration {
    tokio.block_on(async { tokio::spawn(future).await.expect("it does not panic") })
}
