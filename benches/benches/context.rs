//! `context/identity_cold`: a slot that did not exist before, with its guard, its identity and its loop, against a
//! kernel thread of std. `context/slot_warm`: taking a pooled slot, entering it, and giving it back.

#![forbid(unsafe_code)]

use std::time::Instant;

use clap::Parser;
use tarae_benches::{Options, contender};
use tarae_context::{Cache, Context, Pool, StackSize};

fn main() {
    let options = Options::parse();
    cold(&options);
    warm(&options);
}

fn cold(options: &Options) {
    const COUNT: usize = 1_000;
    let pool = Pool::of_size(StackSize::DEFAULT);
    // Kept to the end: a context that was given back would be warm.
    let mut kept: Vec<Context> = Vec::new();
    options.compare(
        "context/identity_cold",
        COUNT as u64,
        "nothing; the pool's filler helps, as it does in a program",
        vec![
            contender("tarae-context", || {
                let start = Instant::now();
                kept.extend((0..COUNT).map(|_| pool.take().expect("a context")));
                start.elapsed()
            }),
            contender("std thread", || {
                let start = Instant::now();
                for _ in 0..COUNT {
                    std::thread::spawn(|| ()).join().expect("it does not panic");
                }
                start.elapsed()
            }),
        ],
    );
    kept.into_iter().for_each(|context| pool.give(context));
}

fn warm(options: &Options) {
    const COUNT: usize = 1_000_000;
    let mut cache = Cache::new(Pool::of_size(StackSize::DEFAULT));
    options.compare(
        "context/slot_warm",
        COUNT as u64,
        "the coroutine object",
        vec![contender("take, enter, give", || {
            let start = Instant::now();
            for _ in 0..COUNT {
                let mut context = cache.take().expect("a context");
                context.resume();
                cache.give(context);
            }
            start.elapsed()
        })],
    );
}
