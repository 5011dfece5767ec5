//! Kernel threads that are claimed by one coroutine each, under pressure from others.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tarae::net::{TcpListener, TcpStream};
use tarae::thread::{self, JoinHandle};
use tarae::{Runtime, blocking};

use crate::kernel::kernel_thread;
use crate::support::{LIMIT, WORKERS, bounded, eventually, ms, runtime};

/// Kernel threads that coroutines have for themselves.
#[derive(Debug, Default)]
pub(crate) struct Claims(pub(crate) Mutex<BTreeSet<i64>>);

impl Claims {
    /// Notes that the calling coroutine has its kernel thread for itself. Nobody else has.
    #[track_caller]
    pub(crate) fn claim(&self) -> i64 {
        let thread = kernel_thread();
        assert!(self.0.lock().unwrap().insert(thread), "kernel thread {thread} is locked by two");
        thread
    }

    /// Before the last guard is dropped.
    #[track_caller]
    pub(crate) fn give_up(&self, thread: i64) {
        assert_eq!(kernel_thread(), thread, "a locked coroutine has moved");
        assert!(self.0.lock().unwrap().remove(&thread));
    }

    /// Asserts that the calling coroutine, which has no lock, runs where nobody has one.
    #[track_caller]
    pub(crate) fn assert_not_here(&self) {
        let claims = self.0.lock().unwrap();
        // Asked under the lock, so that the answer is not older than the claims.
        let thread = kernel_thread();
        assert!(!claims.contains(&thread), "another coroutine runs on the locked kernel thread {thread}");
    }
}

/// Coroutines that keep all workers busy and move between them, and see that nobody comes where a claim is.
pub(crate) struct Pressure {
    pub(crate) on: Arc<AtomicBool>,
    pub(crate) all: Vec<JoinHandle<()>>,
}

impl Pressure {
    pub(crate) fn start(runtime: &Runtime, claims: &Arc<Claims>) -> Pressure {
        let on = Arc::new(AtomicBool::new(true));
        let one = || {
            let (on, claims) = (Arc::clone(&on), Arc::clone(claims));
            runtime.spawn(move || {
                let mut turn = 0u32;
                while on.load(Ordering::SeqCst) {
                    claims.assert_not_here();
                    turn += 1;
                    match turn % 50 {
                        0 => tarae::sleep(ms(1)),
                        1 => blocking(|| claims.assert_not_here()),
                        _ => thread::yield_now(),
                    }
                }
            })
        };
        Pressure { all: (0..2 * runtime.workers() + 4).map(|_| one()).collect(), on }
    }

    pub(crate) fn stop(self) {
        self.on.store(false, Ordering::SeqCst);
        self.all.into_iter().for_each(|one| one.join().unwrap());
    }
}

/// Runs `body` in a coroutine, under pressure, with runtimes of 1, 2 and 8 workers.
#[track_caller]
pub(crate) fn under_pressure(body: fn(&Arc<Claims>)) {
    for workers in WORKERS {
        bounded(move || {
            let (runtime, claims) = (runtime(workers), Arc::new(Claims::default()));
            let pressure = Pressure::start(&runtime, &claims);
            let own = Arc::clone(&claims);
            let outcome = runtime.spawn(move || body(&own)).join();
            pressure.stop();
            outcome.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
            eventually("no thread is locked", || runtime.metrics().threads.locked == 0);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}

/// Waits in every way there is, and stays.
pub(crate) fn wait_in_every_way(claims: &Claims, home: i64) {
    let stays = || assert_eq!(kernel_thread(), home, "a locked coroutine has moved");
    tarae::sleep(ms(2));
    stays();
    thread::yield_now();
    stays();
    let child = tarae::spawn(|| {
        tarae::sleep(ms(1));
        kernel_thread()
    });
    assert_ne!(child.join().unwrap(), home, "a child runs elsewhere");
    stays();
    thread::park_timeout(ms(1));
    stays();
    let me = thread::current();
    let child = tarae::spawn(move || me.unpark());
    thread::park();
    stays();
    child.join().unwrap();
    stays();
    talk();
    stays();
    blocking(stays);
    stays();
    let me = thread::current();
    let kernel = std::thread::spawn(move || me.unpark());
    thread::park();
    stays();
    kernel.join().unwrap();
    assert!(claims.0.lock().unwrap().contains(&home));
}

/// Connects, accepts, writes and reads.
pub(crate) fn talk() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = tarae::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut word = [0; 5];
        stream.read_exact(&mut word).unwrap();
        tarae::sleep(ms(1));
        stream.write_all(&word).unwrap();
    });
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"tarae").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"tarae");
    peer.join().unwrap();
}
