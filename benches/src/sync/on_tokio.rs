//! Locks and turns on tokio: its own mutex, which may be held across an await, and a `Notify` for each of the two in turn.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, Notify};

use super::{Crowd, WAYS};
use crate::beside::{Run, Setup, runtimes};

pub(super) fn mutex(setup: Setup, crowd: Crowd) -> io::Result<Run> {
    runtimes::tokio(setup.workers, move || async move {
        let count = Arc::new(Mutex::new(0));
        let start = Instant::now();
        let all: Vec<_> = (0..WAYS)
            .map(|_| {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    for _ in 0..crowd.each {
                        let mut count = count.lock().await;
                        *count += 1;
                        if crowd.yields {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for one in all {
            one.await.expect("it does not panic");
        }
        let took = start.elapsed();
        assert_eq!(*count.lock().await, crowd.total());
        took
    })
}

pub(super) fn turns(setup: Setup) -> io::Result<Run> {
    runtimes::tokio(setup.workers, move || async move {
        let turn = Arc::new((Mutex::new(0), [Notify::new(), Notify::new()]));
        let start = Instant::now();
        let both = [0, 1].map(|own| {
            let turn = Arc::clone(&turn);
            tokio::spawn(async move {
                let (turn, changed) = &*turn;
                for _ in 0..setup.operations {
                    loop {
                        let mut turn = turn.lock().await;
                        if *turn == own {
                            *turn = 1 - own;
                            break;
                        }
                        drop(turn);
                        // What came since is remembered.
                        changed[own].notified().await;
                    }
                    changed[1 - own].notify_one();
                }
            })
        });
        for one in both {
            one.await.expect("it does not panic");
        }
        start.elapsed()
    })
}
