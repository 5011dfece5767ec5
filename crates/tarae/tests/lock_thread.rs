//! `lock_thread`: a coroutine that stays on its kernel thread, which runs nobody else. Every sentence of its contract.

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tarae::net::{TcpListener, TcpStream};
use tarae::thread::{self, JoinHandle};
use tarae::{Runtime, ThreadLock, blocking, is_cancelled, lock_thread};

use kernel::{kernel_thread, kernel_threads, passing_kernel_threads};
use support::{
    LIMIT, MOMENT, ON_PURPOSE, WORKERS, bounded, child, eventually, hush, ms, panic_on_purpose, runtime,
    spin_while, text_of,
};

/// Kernel threads that coroutines have for themselves.
#[derive(Debug, Default)]
struct Claims(Mutex<BTreeSet<i64>>);

impl Claims {
    /// Notes that the calling coroutine has its kernel thread for itself. Nobody else has.
    #[track_caller]
    fn claim(&self) -> i64 {
        let thread = kernel_thread();
        assert!(self.0.lock().unwrap().insert(thread), "kernel thread {thread} is locked by two");
        thread
    }

    /// Before the last guard is dropped.
    #[track_caller]
    fn give_up(&self, thread: i64) {
        assert_eq!(kernel_thread(), thread, "a locked coroutine has moved");
        assert!(self.0.lock().unwrap().remove(&thread));
    }

    /// Asserts that the calling coroutine, which has no lock, runs where nobody has one.
    #[track_caller]
    fn assert_not_here(&self) {
        let claims = self.0.lock().unwrap();
        // Asked under the lock, so that the answer is not older than the claims.
        let thread = kernel_thread();
        assert!(!claims.contains(&thread), "another coroutine runs on the locked kernel thread {thread}");
    }
}

/// Coroutines that keep all workers busy and move between them, and see that nobody comes where a claim is.
struct Pressure {
    on: Arc<AtomicBool>,
    all: Vec<JoinHandle<()>>,
}

impl Pressure {
    fn start(runtime: &Runtime, claims: &Arc<Claims>) -> Pressure {
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

    fn stop(self) {
        self.on.store(false, Ordering::SeqCst);
        self.all.into_iter().for_each(|one| one.join().unwrap());
    }
}

/// Runs `body` in a coroutine, under pressure, with runtimes of 1, 2 and 8 workers.
#[track_caller]
fn under_pressure(body: fn(&Arc<Claims>)) {
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
fn wait_in_every_way(claims: &Claims, home: i64) {
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
fn talk() {
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

#[test]
fn it_stays_on_its_kernel_thread_alone_whatever_it_waits_for() {
    under_pressure(|claims| {
        let lock = lock_thread().unwrap();
        let home = claims.claim();
        (0..10).for_each(|_| wait_in_every_way(claims, home));
        claims.give_up(home);
        drop(lock);
    });
}

#[test]
fn locking_itself_moves_nobody() {
    under_pressure(|_| {
        for _ in 0..50 {
            let before = kernel_thread();
            let lock = lock_thread().unwrap();
            assert_eq!(kernel_thread(), before, "it stays where it is");
            drop(lock);
            thread::yield_now();
        }
    });
}

#[test]
fn nested_locks_count() {
    under_pressure(|claims| {
        for first_out_first in [true, false] {
            let mut locks = vec![lock_thread().unwrap(), lock_thread().unwrap(), lock_thread().unwrap()];
            let home = claims.claim();
            while locks.len() > 1 {
                drop(if first_out_first { locks.remove(0) } else { locks.pop().unwrap() });
                (0..3).for_each(|_| wait_in_every_way(claims, home));
                // One more, and gone: it still counts.
                drop(lock_thread().unwrap());
                tarae::sleep(ms(1));
                assert_eq!(kernel_thread(), home);
            }
            claims.give_up(home);
            drop(locks);
            thread::yield_now();
            claims.assert_not_here();
        }
    });
}

#[test]
fn the_guard_is_not_send() {
    // Two implementations fit whatever is Send, and then the call is ambiguous: it would not compile.
    trait UnlessSend<Marker> {
        fn compiles() {}
    }
    struct Send_;
    impl<T: ?Sized> UnlessSend<()> for T {}
    impl<T: ?Sized + Send> UnlessSend<Send_> for T {}
    <ThreadLock as UnlessSend<_>>::compiles();
}

#[test]
fn on_a_kernel_thread_it_does_nothing() {
    child::alone("on_a_kernel_thread_it_does_nothing", || {
        let before = kernel_threads();
        let home = kernel_thread();
        let (outer, inner) = (lock_thread().unwrap(), lock_thread().unwrap());
        drop(outer);
        tarae::sleep(ms(1));
        drop(inner);
        std::mem::forget(lock_thread().unwrap());
        assert_eq!(kernel_thread(), home);
        assert_eq!(kernel_threads(), before, "no runtime starts for it");
    });
}

#[test]
fn a_leaked_guard_ends_the_kernel_thread_with_the_coroutine() {
    for workers in WORKERS {
        bounded(move || {
            let (runtime, claims) = (runtime(workers), Arc::new(Claims::default()));
            let pressure = Pressure::start(&runtime, &claims);
            for _ in 0..10 {
                let own = Arc::clone(&claims);
                let home = runtime.run(move || {
                    std::mem::forget(lock_thread().unwrap());
                    let home = own.claim();
                    wait_in_every_way(&own, home);
                    home
                });
                eventually("its kernel thread ends", || !kernel_threads().contains(&home));
                // The kernel may give its number to a new one.
                claims.0.lock().unwrap().remove(&home);
            }
            pressure.stop();
            eventually("no thread is locked", || runtime.metrics().threads.locked == 0);
            assert_eq!(runtime.run(|| 7), 7);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}

#[test]
fn a_leaked_guard_ends_the_kernel_thread_after_a_panic_too() {
    for workers in WORKERS {
        bounded(move || {
            hush();
            let runtime = runtime(workers);
            let (send, receive) = channel();
            let handle = runtime.spawn(move || {
                std::mem::forget(lock_thread().unwrap());
                send.send(kernel_thread()).unwrap();
                tarae::sleep(ms(1));
                panic_on_purpose()
            });
            let home = receive.recv().unwrap();
            assert_eq!(text_of(&*handle.join().unwrap_err()), ON_PURPOSE);
            eventually("its kernel thread ends", || !kernel_threads().contains(&home));
            assert_eq!(runtime.run(|| 7), 7);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}

#[test]
fn what_belongs_to_the_kernel_thread_is_the_coroutines_own() {
    const NAME: &str = "painted";
    fn name() -> String {
        std::fs::read_to_string("/proc/thread-self/comm").unwrap().trim_end().to_owned()
    }
    under_pressure(|_| {
        let painter = tarae::spawn(|| {
            // It does not take the paint off: nobody else may get this thread.
            std::mem::forget(lock_thread().unwrap());
            std::fs::write("/proc/thread-self/comm", NAME).unwrap();
            for _ in 0..20 {
                tarae::sleep(ms(1));
                assert_eq!(name(), NAME);
            }
        });
        let others: Vec<_> = (0..10)
            .map(|_| {
                tarae::spawn(|| {
                    for _ in 0..50 {
                        assert_ne!(name(), NAME, "another one's kernel thread");
                        tarae::sleep(Duration::from_micros(500));
                    }
                })
            })
            .collect();
        painter.join().unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn an_unlocked_coroutine_moves_again() {
    // With one worker too: a hand-over brings it to another kernel thread.
    under_pressure(|_| {
        let lock = lock_thread().unwrap();
        let home = kernel_thread();
        tarae::sleep(ms(1));
        drop(lock);
        eventually("it moves", || {
            blocking(|| std::thread::sleep(ms(1)));
            kernel_thread() != home
        });
    });
}

#[test]
fn a_hundred_are_locked_at_once() {
    const COUNT: usize = 100;
    under_pressure(|claims| {
        let all_in = Arc::new(AtomicU32::new(0));
        let one = |_| {
            let (claims, all_in) = (Arc::clone(claims), Arc::clone(&all_in));
            tarae::spawn(move || {
                let lock = lock_thread().unwrap();
                let home = claims.claim();
                all_in.fetch_add(1, Ordering::SeqCst);
                eventually("all are locked", || all_in.load(Ordering::SeqCst) as usize == COUNT);
                wait_in_every_way(&claims, home);
                claims.give_up(home);
                drop(lock);
                thread::yield_now();
                home
            })
        };
        let all: Vec<_> = (0..COUNT).map(one).collect();
        let homes: BTreeSet<i64> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(homes.len(), COUNT);
    });
}

#[test]
fn a_panic_unlocks() {
    under_pressure(|claims| {
        hush();
        for _ in 0..10 {
            let own = Arc::clone(claims);
            let locked = tarae::spawn(move || {
                let lock = lock_thread().unwrap();
                let home = own.claim();
                tarae::sleep(ms(1));
                own.give_up(home);
                let _lock = lock;
                panic_on_purpose()
            });
            assert_eq!(text_of(&*locked.join().unwrap_err()), ON_PURPOSE);
        }
        let caught = catch_unwind(|| {
            let _lock = lock_thread().unwrap();
            panic_on_purpose()
        });
        assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
        let home = kernel_thread();
        eventually("it moves", || {
            blocking(|| std::thread::sleep(ms(1)));
            kernel_thread() != home
        });
    });
}

#[test]
fn a_shutdown_cancels_it_like_any_other() {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            let locked = Arc::new(AtomicU32::new(0));
            let one = |leaks: bool| {
                let locked = Arc::clone(&locked);
                runtime.spawn(move || {
                    let lock = lock_thread().unwrap();
                    if leaks {
                        std::mem::forget(lock_thread().unwrap());
                    }
                    locked.fetch_add(1, Ordering::SeqCst);
                    thread::park();
                    drop(lock);
                })
            };
            let all: Vec<_> = (0..20).map(|number| one(number % 2 == 0)).collect();
            eventually("all are locked", || locked.load(Ordering::SeqCst) == 20);
            std::thread::sleep(MOMENT);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert!(all.into_iter().all(|one| is_cancelled(&*one.join().unwrap_err())));
        });
    }
}

#[test]
fn a_shutdown_leaves_a_stuck_one_behind() {
    child::alone("a_shutdown_leaves_a_stuck_one_behind", || {
        for workers in WORKERS {
            bounded(move || {
                let before = passing_kernel_threads().len();
                let runtime = runtime(workers);
                let (on, stuck) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
                let handle = runtime.spawn({
                    let (on, stuck) = (Arc::clone(&on), Arc::clone(&stuck));
                    move || {
                        let _lock = lock_thread().unwrap();
                        stuck.store(true, Ordering::SeqCst);
                        spin_while(|| on.load(Ordering::SeqCst));
                        "at last"
                    }
                });
                eventually("it is stuck", || stuck.load(Ordering::SeqCst));
                let left = runtime.shutdown_timeout(ms(50)).expect_err("it cannot be stopped");
                assert_eq!((left.coroutines, left.threads), (1, 1), "{left}");
                on.store(false, Ordering::SeqCst);
                assert_eq!(handle.join().unwrap(), "at last");
                eventually("its threads end", || passing_kernel_threads().len() <= before);
            });
        }
    });
}

#[test]
fn a_locked_one_that_blocks_keeps_nobody_from_running() {
    under_pressure(|claims| {
        let lock = lock_thread().unwrap();
        let home = claims.claim();
        for _ in 0..5 {
            let (send, receive) = channel();
            let other = tarae::spawn(move || {
                tarae::sleep(ms(1));
                send.send(7).unwrap();
            });
            assert_eq!(receive.recv(), Ok(7), "unmarked");
            other.join().unwrap();
            assert_eq!(kernel_thread(), home);
            let (send, receive) = channel();
            let other = tarae::spawn(move || send.send(7).unwrap());
            assert_eq!(blocking(|| receive.recv()), Ok(7), "marked");
            other.join().unwrap();
            assert_eq!(kernel_thread(), home);
        }
        claims.give_up(home);
        drop(lock);
    });
}

#[test]
fn one_that_was_left_behind_locks_where_it_is() {
    under_pressure(|claims| {
        for marked in [false, true] {
            let stuck = || std::thread::sleep(ms(30));
            if marked {
                blocking(stuck)
            } else {
                stuck()
            }
            let lock = blocking(|| lock_thread().unwrap());
            let home = claims.claim();
            wait_in_every_way(claims, home);
            claims.give_up(home);
            blocking(|| drop(lock));
            thread::yield_now();
        }
    });
}

#[test]
fn a_destructor_locks_while_a_panic_unwinds() {
    struct Locks(Arc<Claims>);
    impl Drop for Locks {
        fn drop(&mut self) {
            let lock = lock_thread().unwrap();
            let home = self.0.claim();
            tarae::sleep(ms(2));
            assert!(thread::panicking());
            self.0.give_up(home);
            drop(lock);
        }
    }
    under_pressure(|claims| {
        hush();
        for _ in 0..5 {
            let own = Locks(Arc::clone(claims));
            let panics = tarae::spawn(move || {
                let _own = own;
                panic_on_purpose()
            });
            assert_eq!(text_of(&*panics.join().unwrap_err()), ON_PURPOSE);
        }
    });
}

#[test]
fn locked_threads_are_counted() {
    bounded(|| {
        let runtime = runtime(2);
        let (on, locked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
        let one = || {
            let (on, locked) = (Arc::clone(&on), Arc::clone(&locked));
            runtime.spawn(move || {
                let _lock = lock_thread().unwrap();
                locked.fetch_add(1, Ordering::SeqCst);
                while on.load(Ordering::SeqCst) {
                    tarae::sleep(ms(1));
                }
            })
        };
        let all: Vec<_> = (0..7).map(|_| one()).collect();
        eventually("all are locked", || locked.load(Ordering::SeqCst) == 7);
        eventually("seven are counted", || runtime.metrics().threads.locked == 7);
        assert_eq!(runtime.metrics().threads.driving, 2);
        on.store(false, Ordering::SeqCst);
        all.into_iter().for_each(|one| one.join().unwrap());
        eventually("none is counted", || runtime.metrics().threads.locked == 0);
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}
