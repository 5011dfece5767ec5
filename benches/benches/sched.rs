//! `sched/yield`, `sched/spawn_join`, `sched/spawn_many`: the scheduler with one worker and with two, against tokio's
//! with as many.

#![forbid(unsafe_code)]

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

/// Runs a future on a worker, where tarae's contender runs too: `block_on` alone would stay outside.
fn on_tokio(
    tokio: &tokio::runtime::Runtime,
    future: impl Future<Output = Duration> + Send + 'static,
) -> Duration {
    tokio.block_on(async { tokio::spawn(future).await.expect("it does not panic") })
}
