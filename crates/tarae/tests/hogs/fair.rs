//! Latency beside hogs: those who wait for a moment or for a socket go on as if the hogs were not there.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tarae::Runtime;
use tarae::net::TcpListener;
use tarae::thread::JoinHandle;

use super::alone;
use super::echo::Echo;
use super::late::{Late, Sorted};
use super::undisturbed::{Verdict, undisturbed};
use crate::support::{LIMIT, ms, runtime, spin_while};

/// Coroutines that do one thing until they are told to stop.
struct Hogs {
    on: Arc<AtomicBool>,
    all: Vec<JoinHandle<()>>,
}

impl Hogs {
    fn start(runtime: &Runtime, count: usize, hog: fn(&AtomicBool)) -> Hogs {
        let on = Arc::new(AtomicBool::new(true));
        let one = || {
            let on = Arc::clone(&on);
            runtime.spawn(move || hog(&on))
        };
        Hogs { all: (0..count).map(|_| one()).collect(), on }
    }

    fn stop(self) {
        self.on.store(false, Ordering::SeqCst);
        self.all.into_iter().for_each(|hog| hog.join().unwrap());
    }
}

/// Never suspends.
fn endless_loop(on: &AtomicBool) {
    spin_while(|| on.load(Ordering::Relaxed));
}

fn yielding_loop(on: &AtomicBool) {
    while on.load(Ordering::Relaxed) {
        tarae::yield_now();
    }
}

/// `count` coroutines sleep `length` each, `times` times, and note how late they were awake.
fn sleepers(runtime: &Runtime, count: usize, length: Duration, times: usize) -> Sorted {
    let late = Arc::new(Late::default());
    let one = || {
        let late = Arc::clone(&late);
        runtime.spawn(move || {
            let mut own = Vec::with_capacity(times);
            for _ in 0..times {
                let due = Instant::now() + length;
                tarae::sleep(length);
                own.push(due.elapsed());
            }
            late.note(own);
        })
    };
    let all: Vec<_> = (0..count).map(|_| one()).collect();
    all.into_iter().for_each(|one| one.join().unwrap());
    late.take()
}

#[test]
fn sleepers_and_an_echo_server_do_not_notice_two_endless_loops() {
    const LATE_MAX: Duration = ms(20);
    // The loops leave the workers half of two CPUs. Unoptimised code needs all of that to wake a thousand every 10 ms.
    const SLEEPERS: usize = if cfg!(debug_assertions) { 300 } else { 1000 };
    alone("fair::sleepers_and_an_echo_server_do_not_notice_two_endless_loops", || {
        undisturbed(|| {
            let runtime = runtime(2);
            let echo = Echo::start(&runtime, 2, 64);
            let start = Instant::now();
            let hogs = Hogs::start(&runtime, 2, endless_loop);
            let sleeps = sleepers(&runtime, SLEEPERS, ms(10), 100);
            std::thread::sleep(ms(3000).saturating_sub(start.elapsed()));
            let echoes = echo.stop();
            hogs.stop();
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert_eq!(sleeps.count(), SLEEPERS * 100);
            assert!(echoes.count() > 500, "only {} answers", echoes.count());
            Verdict {
                holds: sleeps.p99() <= LATE_MAX && echoes.p99() <= LATE_MAX,
                figures: format!("sleeps late: {}; echoes: {}", sleeps.figures(), echoes.figures()),
            }
        });
    });
}

#[test]
fn an_echo_server_answers_beside_two_that_only_yield() {
    alone("fair::an_echo_server_answers_beside_two_that_only_yield", || {
        undisturbed(|| {
            let runtime = runtime(2);
            let hogs = Hogs::start(&runtime, 2, yielding_loop);
            // Each of the four is answered once before this returns.
            let echo = Echo::start(&runtime, 1, 4);
            std::thread::sleep(ms(1000));
            let echoes = echo.stop();
            hogs.stop();
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert!(echoes.count() > 50, "only {} answers", echoes.count());
            Verdict { holds: echoes.p99() <= ms(5), figures: format!("echoes: {}", echoes.figures()) }
        });
    });
}

#[test]
fn a_reader_whose_peer_floods_it_lets_others_run() {
    alone("fair::a_reader_whose_peer_floods_it_lets_others_run", || {
        undisturbed(|| {
            let runtime = runtime(1);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let flood = std::thread::spawn(move || {
                let mut peer = std::net::TcpStream::connect(address).unwrap();
                // Until the reader has gone.
                while peer.write_all(&[7; 64 * 1024]).is_ok() {}
            });
            let on = Arc::new(AtomicBool::new(true));
            let reader = runtime.spawn({
                let on = Arc::clone(&on);
                move || {
                    let (mut stream, _) = listener.accept().unwrap();
                    let (mut bytes, mut buf) = (0, [0; 64]);
                    while on.load(Ordering::Relaxed) {
                        bytes += stream.read(&mut buf).unwrap();
                    }
                    bytes
                }
            });
            let sleeps = sleepers(&runtime, 1, ms(1), 500);
            on.store(false, Ordering::SeqCst);
            let bytes = reader.join().unwrap();
            flood.join().unwrap();
            assert!(bytes > 1_000_000, "{bytes} bytes are no flood");
            let hand_offs = runtime.metrics().hand_offs;
            Verdict {
                holds: sleeps.p99() <= ms(10),
                figures: format!("sleeps late: {}; {bytes} bytes, {hand_offs} hand-offs", sleeps.figures()),
            }
        });
    });
}
