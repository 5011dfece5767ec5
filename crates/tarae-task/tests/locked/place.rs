//! Where a locked coroutine is, and where its seat is left.

use std::sync::{Arc, Mutex};
use std::thread;

use tarae_task::{ThreadLock, give_up_seat, with_seat};

use crate::common::{Drops, Drove, Queue, Worker, wait_until};

/// The kernel's own answer: no cache of the C library stands between.
pub(crate) fn gettid() -> rustix::thread::Pid {
    rustix::thread::gettid()
}

pub(crate) fn has_seat() -> bool {
    with_seat(|_: &Worker| ()).is_some()
}

/// Where a seat that was given up waits for the test.
#[derive(Clone, Default)]
pub(crate) struct Left(pub(crate) Arc<Mutex<Option<Box<Worker>>>>);

impl Left {
    pub(crate) fn lock_thread(&self) -> ThreadLock {
        ThreadLock::new(|| {
            // It may have been taken before.
            if let Some(seat) = give_up_seat() {
                *self.0.lock().unwrap() = Some(seat);
            }
            Ok(())
        })
        .expect("that cannot fail")
    }

    #[track_caller]
    pub(crate) fn seat(&self) -> Box<Worker> {
        self.0.lock().unwrap().take().expect("it was given up")
    }

    pub(crate) fn wait(&self) -> Box<Worker> {
        wait_until(|| self.0.lock().unwrap().is_some());
        self.seat()
    }
}

/// Drives the queue on a thread of its own, until nothing is queued or it is left behind. Returns its kernel tid too.
pub(crate) fn drive_elsewhere(
    queue: &Arc<Queue>,
    drops: &Drops,
) -> thread::JoinHandle<(Drove, rustix::thread::Pid)> {
    let (queue, seat) = (Arc::clone(queue), queue.counted_seat(drops));
    thread::spawn(move || (queue.drive(seat, true, |_| ()), gettid()))
}
