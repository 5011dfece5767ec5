//! `task/switch`: a resume and a suspension, with the coroutine's identity put on and taken off, against corosensei's
//! bare stack switch.

#![forbid(unsafe_code)]

use std::time::Instant;

use clap::Parser;
use corosensei::Coroutine;
use tarae_benches::{Options, contender};
use tarae_context::{Context, Pool, StackSize};

fn main() {
    let options = Options::parse();
    for count in [1, 1_000] {
        switch(&options, count);
    }
}

fn switch(options: &Options, count: usize) {
    const TOTAL: usize = 1_000_000;
    let pool = Pool::of_size(StackSize::DEFAULT);
    // At rest, a context's loop suspends itself at once: a resume is one switch there and one back.
    let mut contexts: Vec<Context> = (0..count).map(|_| pool.take().expect("a context")).collect();
    let mut bare: Vec<Coroutine<(), (), ()>> = (0..count)
        .map(|_| {
            Coroutine::new(|yielder, ()| {
                loop {
                    yielder.suspend(())
                }
            })
        })
        .collect();
    options.compare(
        &format!("task/switch/{count}"),
        TOTAL as u64,
        "queues, the state word; corosensei's stacks are not staggered",
        vec![
            contender("tarae-context", || {
                let start = Instant::now();
                for _ in 0..TOTAL / count {
                    for context in &mut contexts {
                        context.resume();
                    }
                }
                start.elapsed()
            }),
            contender("corosensei", || {
                let start = Instant::now();
                for _ in 0..TOTAL / count {
                    for coroutine in &mut bare {
                        coroutine.resume(());
                    }
                }
                start.elapsed()
            }),
        ],
    );
    contexts.into_iter().for_each(|context| pool.give(context));
    // Suspended in an endless loop: dropping them would unwind into it.
    std::mem::forget(bare);
}
