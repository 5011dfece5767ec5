//! The programs, as they read where a wait looks like a call: compiled once for each contender, with its imports.

use std::io;
use std::time::Instant;

use super::{Arc, Condvar, Mutex, on_workers, spawn, yield_now};
use crate::beside::{Run, Setup};
use crate::sync::{Crowd, WAYS};

pub(in crate::sync) fn mutex(setup: Setup, crowd: Crowd) -> io::Result<Run> {
    on_workers(setup.workers, move || {
        let count = Arc::new(Mutex::new(0));
        let start = Instant::now();
        let all: Vec<_> = (0..WAYS)
            .map(|_| {
                let count = Arc::clone(&count);
                spawn(move || {
                    for _ in 0..crowd.each {
                        let mut count = count.lock().expect("nobody panics");
                        *count += 1;
                        if crowd.yields {
                            yield_now();
                        }
                    }
                })
            })
            .collect();
        all.into_iter().for_each(|one| one.join().expect("it does not panic"));
        let took = start.elapsed();
        assert_eq!(*count.lock().expect("nobody panics"), crowd.total());
        took
    })
}

pub(in crate::sync) fn turns(setup: Setup) -> io::Result<Run> {
    on_workers(setup.workers, move || {
        let turn = Arc::new((Mutex::new(0), Condvar::new()));
        let start = Instant::now();
        let both = [0, 1].map(|own| {
            let turn = Arc::clone(&turn);
            spawn(move || {
                let (turn, changed) = &*turn;
                for _ in 0..setup.operations {
                    let mut turn = turn.lock().expect("nobody panics");
                    while *turn != own {
                        turn = changed.wait(turn).expect("nobody panics");
                    }
                    *turn = 1 - own;
                    drop(turn);
                    changed.notify_one();
                }
            })
        });
        both.into_iter().for_each(|one| one.join().expect("it does not panic"));
        start.elapsed()
    })
}
