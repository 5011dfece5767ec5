//! Destructors that run because something was interrupted: they wait, and come to their end.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tarae::net::TcpStream;
use tarae::{Elapsed, thread};

use super::waits::waiting;
use crate::support::{LIMIT, bounded, eventually, hush, ms, on_workers, runtime};

/// Calls what it is given as it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Waits in all the ways there are.
fn clean_up() -> u32 {
    let start = Instant::now();
    tarae::sleep(ms(3));
    thread::yield_now();
    thread::park_timeout(ms(2));
    assert!(start.elapsed() >= ms(5), "they are waits");
    let mut count = 0;
    tarae::scope(|scope| {
        let one = scope.spawn(|| tarae::sleep(ms(1)));
        scope.spawn(|| count += 1);
        one.join().unwrap();
    });
    assert_eq!(tarae::spawn(|| 1).join().unwrap(), 1);
    let mut set = tarae::JoinSet::new();
    set.spawn(|| 1);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let answer = std::thread::spawn(move || {
        std::thread::sleep(ms(2));
        peer.write_all(b"ok").unwrap();
    });
    let mut buf = [0; 2];
    stream.read_exact(&mut buf).unwrap();
    answer.join().unwrap();
    count + set.join_all().len() as u32 + u32::from(buf == *b"ok")
}

#[test]
fn they_wait_for_sockets_scopes_and_time() {
    on_workers(|| {
        let cleaned = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&cleaned);
        let late = tarae::timeout(ms(2), || {
            let _guard = OnDrop(|| _ = cleaned.fetch_add(clean_up(), Ordering::SeqCst));
            thread::park();
        });
        assert_eq!((late, cleaned.load(Ordering::SeqCst)), (Err(Elapsed), 3));
        let one = waiting(move || {
            let _guard = OnDrop(|| _ = theirs.fetch_add(clean_up(), Ordering::SeqCst));
            thread::park();
        });
        one.cancel();
        assert!(tarae::is_cancelled(&*one.join().unwrap_err()));
        assert_eq!(cleaned.load(Ordering::SeqCst), 6);
    });
}

/// The children are other coroutines, and do not unwind.
#[test]
fn a_scope_opened_while_unwinding_waits_for_its_children() {
    hush();
    on_workers(|| {
        let done = AtomicU32::new(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _guard = OnDrop(|| {
                let local = 1;
                tarae::scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| {
                            tarae::sleep(ms(2));
                            done.fetch_add(local, Ordering::SeqCst);
                        });
                    }
                });
            });
            crate::support::panic_on_purpose();
        }));
        assert!(panic.is_err());
        assert_eq!(done.into_inner(), 3);
    });
}

/// Or a peer that does not answer would keep a cancelled coroutine for ever.
fn a_timeout_of_a_destructor() -> u32 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let said = tarae::timeout(ms(3), || {
        // Each time, as it cannot unwind.
        for _ in 0..3 {
            assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        }
        let children = tarae::scope(|scope| scope.spawn(thread::park).join().is_err());
        let start = Instant::now();
        tarae::sleep(ms(10));
        // It spends its time as it should: there was nothing else to do.
        children && start.elapsed() >= ms(10)
    });
    assert_eq!((said, tarae::deadline::current()), (Ok(true), None));
    1
}

#[test]
fn a_timeout_that_one_makes_ends_its_sockets_and_its_children() {
    let both = || {
        let done = AtomicU32::new(0);
        let late = tarae::timeout(ms(1), || {
            let _guard = OnDrop(|| _ = done.fetch_add(a_timeout_of_a_destructor(), Ordering::SeqCst));
            thread::park();
        });
        assert_eq!((late, done.into_inner()), (Err(Elapsed), 1));
    };
    bounded(both);
    on_workers(|| {
        let done = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&done);
        let one = waiting(move || {
            let _guard = OnDrop(|| _ = theirs.fetch_add(a_timeout_of_a_destructor(), Ordering::SeqCst));
            thread::park();
        });
        one.cancel();
        assert!(one.join().is_err());
        assert_eq!(done.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn one_that_is_dropped_in_the_ordinary_way_is_interrupted_like_everyone() {
    on_workers(|| {
        let reached = AtomicBool::new(false);
        let late = tarae::timeout(ms(2), || {
            let guard = OnDrop(|| {
                tarae::sleep(Duration::MAX);
                reached.store(true, Ordering::SeqCst);
            });
            drop(guard);
        });
        assert_eq!((late, reached.into_inner()), (Err(Elapsed), false));
    });
}

/// A panic of its would end the process.
#[test]
fn that_of_a_result_which_nobody_asked_for_comes_to_its_end() {
    on_workers(|| {
        let reached = AtomicBool::new(false);
        let in_time = tarae::scope(|scope| {
            let handle = scope.spawn(|| {
                OnDrop(|| {
                    tarae::sleep(ms(5));
                    reached.store(true, Ordering::SeqCst);
                })
            });
            eventually("it has ended", || handle.is_finished());
            tarae::timeout(Duration::ZERO, || drop(handle))
        });
        assert_eq!((in_time, reached.into_inner()), (Ok(()), true));
    });
}

#[test]
fn nothing_is_said_by_the_panic_hook() {
    static HOOKED: AtomicU32 = AtomicU32::new(0);
    crate::support::child::alone("destructors::nothing_is_said_by_the_panic_hook", || {
        std::panic::set_hook(Box::new(|_| _ = HOOKED.fetch_add(1, Ordering::SeqCst)));
        bounded(|| {
            let runtime = runtime(2);
            runtime.run(|| {
                assert_eq!(tarae::timeout(ms(2), thread::park), Err(Elapsed));
                let one = tarae::spawn(|| {
                    tarae::scope(|scope| {
                        scope.spawn(thread::park);
                        scope.spawn(thread::park);
                    });
                });
                tarae::sleep(ms(2));
                one.cancel();
                drop(one.join());
            });
            runtime.spawn(thread::park);
            runtime.shutdown_timeout(LIMIT).unwrap();
        });
        assert_eq!(HOOKED.load(Ordering::SeqCst), 0);
    });
}

/// Says that it has come to its end, having waited.
struct Closes(Arc<AtomicU32>);

impl Drop for Closes {
    fn drop(&mut self) {
        tarae::sleep(ms(1));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_result_that_nobody_wants_may_wait_where_its_coroutine_was_cancelled() {
    bounded(|| {
        let (closed, runs) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let runtime = runtime(1);
        let (theirs, started) = (Arc::clone(&closed), Arc::clone(&runs));
        drop(runtime.spawn(move || {
            started.store(true, Ordering::SeqCst);
            // It does not wait, so it returns.
            std::thread::sleep(ms(50));
            Closes(theirs)
        }));
        eventually("it runs", || runs.load(Ordering::SeqCst));
        drop(runtime);
        assert_eq!(closed.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_result_that_nobody_wants_may_wait_where_its_owner_is_out_of_time() {
    on_workers(|| {
        let closed = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&closed);
        let returned = tarae::timeout(ms(5), || {
            let handle = tarae::spawn(|| Closes(theirs));
            tarae::shield(|| {
                tarae::sleep(ms(10));
                eventually("it ends", || handle.is_finished());
            });
            drop(handle);
            7
        });
        assert_eq!((returned, closed.load(Ordering::SeqCst)), (Ok(7), 1));
    });
}
