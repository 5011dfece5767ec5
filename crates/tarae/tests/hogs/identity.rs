//! What belongs to a thread stays with the coroutine when its worker goes: thread-locals, errno, the panic count, the
//! thread's id, and the ownership of locks.

use std::cell::{Cell, RefCell};
use std::io::{Error, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::thread::panicking;

use super::alone;
use super::hand_over::{Leave, by_spinning, for_each_way};
use crate::support::{LIMIT, ON_PURPOSE, hush, panic_on_purpose, runtime, text_of};

/// Both before it waits again, on the kernel thread that was left behind, and after, on another one perhaps.
fn twice(check: impl Fn()) {
    check();
    tarae::yield_now();
    check();
}

#[test]
fn a_thread_local_keeps_its_value_and_its_address() {
    alone("identity::a_thread_local_keeps_its_value_and_its_address", || {
        thread_local! {
            static PLAIN: Cell<u64> = const { Cell::new(0) };
            static LAZY: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
        }
        fn addresses() -> [usize; 2] {
            [PLAIN.with(|cell| cell.as_ptr().addr()), LAZY.with(|cell| cell.as_ptr().addr())]
        }
        for_each_way(|leave| {
            // An earlier coroutine may have run on the same identity.
            let value = PLAIN.get() + 1;
            PLAIN.set(value);
            LAZY.set(vec![value; 10]);
            let before = addresses();
            leave();
            twice(|| {
                assert_eq!(PLAIN.get(), value);
                LAZY.with_borrow(|lazy| assert_eq!(lazy[..], [value; 10]));
                assert_eq!(addresses(), before);
            });
        });
    });
}

#[test]
fn a_borrow_of_a_thread_local_may_be_open_meanwhile() {
    alone("identity::a_borrow_of_a_thread_local_may_be_open_meanwhile", || {
        thread_local!(static LOCAL: RefCell<u32> = const { RefCell::new(0) });
        for_each_way(|leave| {
            LOCAL.with_borrow_mut(|local| {
                *local = 7;
                leave();
                twice(|| assert!(LOCAL.with(|cell| cell.try_borrow().is_err()), "it is borrowed"));
                assert_eq!(*local, 7);
            });
        });
    });
}

fn errno() -> i32 {
    Error::last_os_error().raw_os_error().expect("an error of the system")
}

fn set_errno(value: i32) {
    // SAFETY: It has no arguments and always succeeds.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: The errno of the calling thread is there for as long as the thread is.
    unsafe { errno.write(value) };
}

#[test]
fn errno_survives_a_hand_over() {
    alone("identity::errno_survives_a_hand_over", || {
        let runtime = runtime(1);
        runtime.run(|| {
            for value in 1..20 {
                set_errno(value);
                // Spinning calls nothing that sets it.
                by_spinning();
                assert_eq!(errno(), value);
            }
        });
        assert!(runtime.metrics().hand_offs > 0);
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}

#[test]
fn errno_of_a_blocking_call_is_there_after_blocking() {
    alone("identity::errno_of_a_blocking_call_is_there_after_blocking", || {
        let runtime = runtime(1);
        runtime.run(|| {
            for value in 1..20 {
                set_errno(1000);
                let seen = tarae::blocking(|| {
                    let seen = errno();
                    by_spinning();
                    set_errno(value);
                    seen
                });
                assert_eq!((seen, errno()), (1000, value), "before and inside, inside and after");
            }
        });
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}

#[test]
fn the_threads_id_and_handle_stay_the_same() {
    alone("identity::the_threads_id_and_handle_stay_the_same", || {
        for_each_way(|leave| {
            let (id, ours) = (std::thread::current().id(), tarae::thread::current().id());
            leave();
            twice(|| {
                assert_eq!(std::thread::current().id(), id);
                assert_eq!(tarae::thread::current().id(), ours);
            });
        });
    });
}

/// Runs `leave` while the calling coroutine unwinds.
fn unwind_through(leave: Leave) {
    struct Leaves(Leave);
    impl Drop for Leaves {
        fn drop(&mut self) {
            assert!(panicking());
            (self.0)();
            twice(|| assert!(panicking(), "it still unwinds"));
        }
    }
    let payload = catch_unwind(AssertUnwindSafe(|| {
        let _leaves = Leaves(leave);
        panic_on_purpose();
    }));
    assert_eq!(text_of(&*payload.unwrap_err()), ON_PURPOSE);
}

#[test]
fn panicking_stays_with_the_coroutine_that_panics() {
    alone("identity::panicking_stays_with_the_coroutine_that_panics", || {
        hush();
        for_each_way(|leave| {
            let other = tarae::spawn(|| {
                for _ in 0..5 {
                    assert!(!panicking(), "another one unwinds");
                    tarae::yield_now();
                }
            });
            unwind_through(leave);
            twice(|| assert!(!panicking(), "it has unwound"));
            other.join().unwrap();
        });
    });
}

#[test]
fn locks_of_std_taken_before_are_released_after() {
    alone("identity::locks_of_std_taken_before_are_released_after", || {
        for_each_way(|leave| {
            let (mutex, lock) = (Arc::new(Mutex::new(1)), Arc::new(RwLock::new(1)));
            let (mut guard, reader) = (mutex.lock().unwrap(), lock.read().unwrap());
            leave();
            twice(|| assert!(mutex.try_lock().is_err() && lock.try_write().is_err()));
            *guard += *reader;
            drop(guard);
            drop(reader);
            let other = tarae::spawn({
                let (mutex, lock) = (Arc::clone(&mutex), Arc::clone(&lock));
                move || *mutex.lock().unwrap() + *lock.write().unwrap()
            });
            assert_eq!(other.join().unwrap(), 3);
        });
    });
}

#[test]
fn standard_output_locked_before_is_unlocked_after() {
    alone("identity::standard_output_locked_before_is_unlocked_after", || {
        for_each_way(|leave| {
            let mut outer = std::io::stdout().lock();
            writeln!(outer, "locked").unwrap();
            leave();
            // Its lock is for one thread, which may take it again: ours still.
            let mut inner = std::io::stdout().lock();
            writeln!(inner, "locked again").unwrap();
            tarae::yield_now();
            drop(outer);
            leave();
            drop(inner);
            tarae::spawn(|| writeln!(std::io::stdout().lock(), "unlocked").unwrap()).join().unwrap();
        });
    });
}

/// A recursive mutex of pthread, whose owner is told by glibc's thread id.
struct Recursive(Box<std::cell::UnsafeCell<libc::pthread_mutex_t>>);

// SAFETY: A mutex of pthread is made for being used by many threads.
unsafe impl Send for Recursive {}
// SAFETY: As above.
unsafe impl Sync for Recursive {}

impl Recursive {
    fn new() -> Recursive {
        let mut kind = std::mem::MaybeUninit::uninit();
        // SAFETY: `kind` is valid for what is written.
        assert_eq!(unsafe { libc::pthread_mutexattr_init(kind.as_mut_ptr()) }, 0);
        // SAFETY: It was initialised above.
        let set =
            unsafe { libc::pthread_mutexattr_settype(kind.as_mut_ptr(), libc::PTHREAD_MUTEX_RECURSIVE) };
        assert_eq!(set, 0);
        let mutex = Box::new(std::cell::UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
        // SAFETY: Both are valid, and nobody uses the mutex yet.
        assert_eq!(unsafe { libc::pthread_mutex_init(mutex.get(), kind.as_ptr()) }, 0);
        Recursive(mutex)
    }

    fn try_lock(&self) -> i32 {
        // SAFETY: The mutex was initialised, and lives in its box.
        unsafe { libc::pthread_mutex_trylock(self.0.get()) }
    }

    fn unlock(&self) -> i32 {
        // SAFETY: As above. Unlocking what is not ours is an answer, not a fault, with this kind.
        unsafe { libc::pthread_mutex_unlock(self.0.get()) }
    }
}

#[test]
fn a_recursive_mutex_knows_its_owner() {
    alone("identity::a_recursive_mutex_knows_its_owner", || {
        for_each_way(|leave| {
            let mutex = Arc::new(Recursive::new());
            assert_eq!(mutex.try_lock(), 0);
            leave();
            twice(|| {
                assert_eq!(mutex.try_lock(), 0, "we have it");
                assert_eq!(mutex.unlock(), 0);
            });
            let (send, receive) = mpsc::channel();
            let other = tarae::spawn({
                let mutex = Arc::clone(&mutex);
                move || {
                    send.send((mutex.try_lock(), mutex.unlock())).unwrap();
                    tarae::thread::park();
                    (mutex.try_lock(), mutex.unlock())
                }
            });
            assert_eq!(receive.recv(), Ok((libc::EBUSY, libc::EPERM)), "it is not theirs");
            assert_eq!(mutex.unlock(), 0);
            assert_eq!(mutex.unlock(), libc::EPERM, "we do not have it any more");
            other.thread().unpark();
            assert_eq!(other.join().unwrap(), (0, 0), "it is free");
        });
    });
}
