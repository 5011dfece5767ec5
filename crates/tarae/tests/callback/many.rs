//! A million callbacks from foreign threads: none is lost, none comes twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tarae::callback::{self, Done};

use crate::support::{runtime, within};

#[test]
fn a_million_callbacks_from_four_kernel_threads_resume_their_coroutine_once_each() {
    const COROUTINES: u64 = 1_000;
    const CALLBACKS: u64 = 1_000;
    const THREADS: usize = 4;
    let took = within(Duration::from_secs(110), || {
        let start = Instant::now();
        let fired = Arc::new(AtomicU64::new(0));
        let servers: Vec<_> = (0..THREADS)
            .map(|_| {
                let (send, requests) = mpsc::channel::<(u64, Done<u64>)>();
                let fired = Arc::clone(&fired);
                let server = std::thread::spawn(move || {
                    for (request, done) in requests {
                        fired.fetch_add(1, Ordering::Relaxed);
                        done(request + 1);
                    }
                });
                (send, server)
            })
            .collect();
        let runtime = runtime(2);
        let clients: Vec<_> = (0..COROUTINES)
            .map(|client| {
                let send = servers[client as usize % THREADS].0.clone();
                runtime.spawn(move || {
                    for call in 0..CALLBACKS {
                        let request = client * CALLBACKS + call;
                        let answer = callback::wait(|done| send.send((request, done)).unwrap());
                        assert_eq!(answer, Ok(request + 1));
                    }
                    CALLBACKS
                })
            })
            .collect();
        let resumed: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
        assert_eq!(resumed, COROUTINES * CALLBACKS);
        for (send, server) in servers {
            drop(send);
            server.join().unwrap();
        }
        assert_eq!(fired.load(Ordering::Relaxed), COROUTINES * CALLBACKS);
        start.elapsed()
    });
    println!("a million callbacks in {took:?}");
}
