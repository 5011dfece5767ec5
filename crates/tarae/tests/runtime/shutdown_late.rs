//! Ending a runtime that will not end: what is left behind harms nobody.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use tarae::net::TcpStream;
use tarae::thread::{self, JoinHandle};
use tarae::{LeftBehind, Runtime, is_cancelled};

use crate::support::proc::tasks_named;
use crate::support::{MOMENT, bounded, child, eventually, ms, runtime, spin_while};

/// Keeps one worker busy, without a wait, until it is let go.
struct Stuck {
    on: Arc<AtomicBool>,
    handle: JoinHandle<&'static str>,
}

impl Stuck {
    fn on(runtime: &Runtime) -> Stuck {
        Stuck::after(runtime, || ())
    }

    /// Calls `first` in the coroutine before it gets stuck.
    fn after(runtime: &Runtime, first: impl FnOnce() + Send + 'static) -> Stuck {
        let (on, reached) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let handle = runtime.spawn({
            let (on, reached) = (Arc::clone(&on), Arc::clone(&reached));
            move || {
                first();
                reached.store(true, Ordering::SeqCst);
                spin_while(|| on.load(Ordering::SeqCst));
                "at last"
            }
        });
        eventually("it is stuck", || reached.load(Ordering::SeqCst));
        Stuck { on, handle }
    }

    #[track_caller]
    fn let_go(self) {
        self.on.store(false, Ordering::SeqCst);
        assert_eq!(self.handle.join().unwrap(), "at last", "it ends by itself, late, and its joiner is told");
    }
}

#[test]
fn a_coroutine_that_does_not_wait_is_left_behind_and_may_end_later() {
    for workers in [1, 2, 8] {
        bounded(move || {
            let runtime = Runtime::builder().workers(workers).name("late").build().unwrap();
            let stuck = Stuck::on(&runtime);
            let start = Instant::now();
            let left = runtime.shutdown_timeout(ms(50)).expect_err("it cannot be stopped");
            assert!((ms(50)..ms(2000)).contains(&start.elapsed()), "{:?}", start.elapsed());
            assert_eq!(left.threads, 1);
            assert_eq!(left.coroutines, 1, "{left}");
            stuck.let_go();
            eventually("its thread ends", || tasks_named("late-").is_empty());
        });
    }
}

#[test]
fn a_stuck_coroutine_that_had_waited_before_is_counted_once() {
    bounded(|| {
        let runtime = runtime(2);
        let stuck = Stuck::after(&runtime, || tarae::sleep(ms(1)));
        let left = runtime.shutdown_timeout(ms(50)).unwrap_err();
        assert_eq!((left.coroutines, left.threads), (1, 1));
        stuck.let_go();
    });
}

#[test]
fn a_report_is_a_sentence() {
    bounded(|| {
        let runtime = runtime(1);
        let stuck = Stuck::on(&runtime);
        let left: LeftBehind = runtime.shutdown_timeout(ms(10)).unwrap_err();
        assert_eq!(
            left.to_string(),
            "1 coroutines did not stop in time and were left behind, 1 of them running"
        );
        stuck.let_go();
    });
}

#[test]
fn a_destructor_that_waits_for_ever_is_left_behind() {
    bounded(|| {
        struct Forever;
        impl Drop for Forever {
            fn drop(&mut self) {
                loop {
                    thread::park();
                }
            }
        }
        let runtime = runtime(2);
        let handle = runtime.spawn(|| {
            let _forever = Forever;
            thread::park();
        });
        std::thread::sleep(MOMENT);
        let left = runtime.shutdown_timeout(ms(50)).unwrap_err();
        assert_eq!((left.coroutines, left.threads), (1, 0));
        // Nobody will run it; waking it is harmless.
        handle.thread().unpark();
        assert!(!handle.is_finished());
    });
}

#[test]
fn jobs_queued_behind_a_stuck_one_are_dropped_and_their_joiners_told() {
    for workers in [1, 2] {
        bounded(move || {
            let runtime = runtime(workers);
            let (send, receive) = mpsc::channel();
            // In the queues of the workers themselves.
            let stuck: Vec<_> = (0..workers)
                .map(|_| {
                    let send = send.clone();
                    Stuck::after(&runtime, move || {
                        (0..10).for_each(|_| send.send(tarae::spawn(|| ())).unwrap());
                    })
                })
                .collect();
            // In the queue of all.
            let foreign: Vec<_> = (0..10).map(|_| runtime.spawn(|| ())).collect();
            assert!(runtime.shutdown_timeout(ms(50)).is_err());
            drop(send);
            let jobs: Vec<JoinHandle<()>> = foreign.into_iter().chain(receive.try_iter()).collect();
            assert_eq!(jobs.len(), 10 + 10 * workers);
            let deadline = Instant::now() + Duration::from_secs(2);
            while jobs.iter().any(|job| !job.is_finished()) && Instant::now() < deadline {
                std::thread::sleep(ms(1));
            }
            let untold = jobs.iter().filter(|job| !job.is_finished()).count();
            stuck.into_iter().for_each(Stuck::let_go);
            assert_eq!(untold, 0, "joiners that wait until the stuck coroutine ends");
            for job in jobs {
                // A second worker may have run some before it got stuck itself.
                assert!(job.join().map_or_else(|payload| is_cancelled(&*payload), |()| workers > 1));
            }
        });
    }
}

#[test]
fn a_socket_registered_with_a_runtime_that_is_stuck_in_shutdown_still_serves_others() {
    bounded(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (mut peer, _) = listener.accept().unwrap();
        let old = runtime(1);
        let first = Arc::clone(&stream);
        old.run(move || {
            // A wait registers it with the old runtime.
            first.set_read_timeout(Some(ms(5))).unwrap();
            (&*first).read(&mut [0]).unwrap_err();
            first.set_read_timeout(None).unwrap();
        });
        let new = runtime(1);
        let got = Arc::new(Mutex::new(None));
        let reader = new.spawn({
            let got = Arc::clone(&got);
            move || {
                let mut byte = [0];
                (&*stream).read_exact(&mut byte).unwrap();
                *got.lock().unwrap() = Some(byte[0]);
            }
        });
        std::thread::sleep(MOMENT);
        let stuck = Stuck::on(&old);
        assert!(old.shutdown_timeout(ms(50)).is_err());
        peer.write_all(&[7]).unwrap();
        let deadline = Instant::now() + Duration::from_secs(2);
        while got.lock().unwrap().is_none() && Instant::now() < deadline {
            std::thread::sleep(ms(1));
        }
        let in_time = *got.lock().unwrap();
        stuck.let_go();
        reader.join().unwrap();
        assert_eq!(in_time, Some(7), "the reader waited until the old runtime's stuck coroutine ended");
    });
}

#[test]
fn a_drop_that_leaves_something_behind_says_so() {
    const TEST: &str = "shutdown_late::a_drop_that_leaves_something_behind_says_so";
    if child::is_child() {
        let runtime = Runtime::builder().workers(1).name("sticky").build().unwrap();
        let stuck = Stuck::on(&runtime);
        drop(runtime);
        return stuck.let_go();
    }
    let ended = child::again(TEST);
    assert!(ended.status.success(), "{}", child::said(&ended));
    let line =
        "tarae: runtime 'sticky': 1 coroutines did not stop in time and were left behind, 1 of them running";
    assert!(ended.stderr.contains(line), "{}", ended.stderr);
}
