//! What belongs to a coroutine as it would to a thread, and must still be there whatever happened in between.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;

use tarae::ThreadLock;

use crate::cloud::Cloud;
use crate::sky::{Sky, lock};
use crate::support::seed::Random;

thread_local! {
    /// Whose thread it is. A later coroutine finds what an earlier one has left, and writes its own.
    static MARK: Cell<u64> = const { Cell::new(0) };
    /// The same, with an initialiser and a destructor.
    static LAZY: RefCell<Vec<Rc<u64>>> = RefCell::new(Vec::with_capacity(1));
}

/// A coroutine of the storm, as it sees itself.
pub(crate) struct Me {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) random: Random,
    mark: Rc<u64>,
    id: ThreadId,
    tied: Rc<Tied>,
}

/// The kernel thread to which a coroutine is locked, and how many times.
#[derive(Default)]
struct Tied {
    thread: Cell<Option<i32>>,
    locks: Cell<u32>,
}

/// A lock, and the note of it.
pub(crate) struct Held {
    lock: Option<ThreadLock>,
    tied: Rc<Tied>,
}

impl Me {
    pub(crate) fn begin(cloud: Arc<Cloud>, random: Random) -> Me {
        static MARKS: AtomicU64 = AtomicU64::new(1);
        let mark = Rc::new(MARKS.fetch_add(1, Ordering::Relaxed));
        MARK.set(*mark);
        LAZY.replace(vec![Rc::clone(&mark)]);
        Me { cloud, random, mark, id: std::thread::current().id(), tied: Rc::default() }
    }

    pub(crate) fn mark(&self) -> u64 {
        *self.mark
    }

    /// Looks whether everything is as it should be.
    #[track_caller]
    pub(crate) fn check(&self) {
        assert_eq!(MARK.get(), *self.mark, "a thread-local is another's");
        let lazy = LAZY.with_borrow(|lazy| lazy.iter().map(|mark| **mark).collect::<Vec<_>>());
        assert_eq!(lazy, [*self.mark], "a lazy thread-local is another's");
        assert_eq!(Rc::strong_count(&self.mark), 2, "a count was lost");
        assert_eq!(std::thread::current().id(), self.id, "it is another thread");
        let thread = kernel_thread();
        match self.tied.thread.get() {
            Some(mine) => assert_eq!(thread, mine, "it is locked to another kernel thread"),
            // Between the two it does not suspend itself, and whoever is locked to a thread has told us before.
            None => {
                assert!(
                    !lock(&Sky::the().locked).contains(&thread),
                    "another is locked to this kernel thread"
                );
            }
        }
    }

    /// Notes that it was locked to its kernel thread.
    pub(crate) fn hold(&self, held: ThreadLock) -> Held {
        let tied = Rc::clone(&self.tied);
        tied.locks.update(|locks| locks + 1);
        let thread = kernel_thread();
        if tied.thread.replace(Some(thread)).is_none() {
            assert!(lock(&Sky::the().locked).insert(thread), "two are locked to one kernel thread");
        }
        Held { lock: Some(held), tied }
    }
}

impl Tied {
    fn let_go(&self) {
        if let Some(thread) = self.thread.take() {
            assert!(lock(&Sky::the().locked).remove(&thread));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tied.locks.update(|locks| locks - 1);
        if self.tied.locks.get() == 0 {
            self.tied.let_go();
        }
        // It goes back to a worker now.
        drop(self.lock.take());
    }
}

impl Drop for Me {
    fn drop(&mut self) {
        // One that leaks its lock has the thread until it ends. No other code of ours will run there.
        self.tied.let_go();
        LAZY.take();
    }
}

/// The kernel's number of the thread that carries the caller at this moment.
pub(crate) fn kernel_thread() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// Leaves an error that no call of tarae leaves.
pub(crate) fn leave_errno() {
    File::open("/dev/null/file").expect_err("/dev/null is not a directory");
}

#[track_caller]
pub(crate) fn check_errno() {
    assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::NotADirectory, "errno is another's");
}
