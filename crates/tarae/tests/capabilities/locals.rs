//! Thread-specific data of pthread, and thread-locals of Rust.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::moved;
use super::moves::{leave, leave_to};

#[test]
fn it_keeps_its_value_of_a_pthread_key() {
    moved(|| {
        let key = new_key();
        assert_eq!(value_of(key), 0);
        set_value(key, 1);
        for round in 2..20 {
            leave_to(move |_| {
                let theirs = value_of(key);
                // An earlier neighbour may have run on the same identity, and left its value.
                assert!(theirs == 0 || theirs == 1000);
                set_value(key, 1000);
            });
            assert_eq!(value_of(key), round - 1);
            set_value(key, round);
        }
        // SAFETY: The key was created above, and nobody uses it any more.
        assert_eq!(unsafe { libc::pthread_key_delete(key) }, 0);
    });
}

fn new_key() -> libc::pthread_key_t {
    let mut key = 0;
    // SAFETY: `key` is valid for the answer.
    assert_eq!(unsafe { libc::pthread_key_create(&mut key, None) }, 0);
    key
}

fn value_of(key: libc::pthread_key_t) -> usize {
    // SAFETY: The key exists.
    unsafe { libc::pthread_getspecific(key) }.addr()
}

fn set_value(key: libc::pthread_key_t, value: usize) {
    // SAFETY: The key exists; the value is a number, and nobody takes it for a pointer.
    assert_eq!(unsafe { libc::pthread_setspecific(key, std::ptr::without_provenance(value)) }, 0);
}

/// A value with a destructor, which tells how many were made and are alive.
struct Counted(Vec<u32>);

static MADE: AtomicUsize = AtomicUsize::new(0);
static ALIVE: AtomicUsize = AtomicUsize::new(0);

impl Counted {
    fn new() -> Counted {
        MADE.fetch_add(1, Ordering::SeqCst);
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Counted(vec![0])
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

thread_local! {
    static LAZY: RefCell<Counted> = RefCell::new(Counted::new());
    static PLAIN: Cell<u32> = const { Cell::new(0) };
}

#[test]
fn it_keeps_its_thread_locals_and_makes_each_once() {
    moved(|| {
        for round in 1..20 {
            LAZY.with_borrow_mut(|counted| counted.0.push(round));
            PLAIN.set(PLAIN.get() + round);
            leave();
            LAZY.with_borrow(|counted| assert_eq!(counted.0.len(), round as usize + 1));
            assert_eq!(PLAIN.get(), (1..=round).sum());
        }
        assert_eq!(MADE.load(Ordering::SeqCst), 1);
        // It outlives the coroutine: identities are pooled, as the threads of a thread pool are.
        assert_eq!(ALIVE.load(Ordering::SeqCst), 1);
    });
    assert_eq!(ALIVE.load(Ordering::SeqCst), 1);
}

#[test]
fn it_allocates_on_one_kernel_thread_and_frees_on_another() {
    moved(|| {
        for round in 0..20_usize {
            let boxes: Vec<Box<[usize]>> =
                (0..200).map(|number| vec![number; 1 + round * 10].into_boxed_slice()).collect();
            let shared = Arc::new(boxes);
            let theirs = Arc::clone(&shared);
            leave_to(move |_| drop(theirs));
            assert!(shared.iter().enumerate().all(|(number, slice)| slice.iter().all(|one| *one == number)));
        }
    });
}

/// A worker that goes from one coroutine to the next stands on its own stack, but under an identity. What it does there
/// for a coroutine that needs a new stack sets errno now and then: about once in 3,000.
#[test]
fn its_errno_is_kept_while_its_worker_makes_stacks() {
    moved(|| {
        let mut parked = Vec::new();
        for _ in 0..10_000 {
            parked.push(tarae::spawn(tarae::thread::park));
            File::open("/nonexistent").expect_err("no such file");
            tarae::yield_now();
            assert_eq!(Error::last_os_error().kind(), ErrorKind::NotFound);
        }
        for coroutine in parked {
            coroutine.thread().unpark();
            coroutine.join().expect("it does not panic");
        }
    });
}
