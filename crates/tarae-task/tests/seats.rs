//! On whose seat the end of a coroutine wakes its joiner: on that of the worker that ran it last.

use std::cell::RefCell;
use std::io;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::thread;

use tarae_context::{Cache, Pool, StackSize};
use tarae_task::{
    Attributes, Cause, Coroutine, JoinHandle, Links, Next, Ran, Runnable, Schedule, sit, with_seat, yield_now,
};

/// The seat of a worker: its name.
struct Seat(&'static str, RefCell<Cache>);

/// Notes from which seat each wake came.
#[derive(Debug, Default)]
struct Notes {
    woken_from: Mutex<Vec<Option<&'static str>>>,
    queue: Mutex<Vec<Runnable>>,
}

impl Schedule for Notes {
    fn schedule(&self, runnable: Runnable, _cause: Cause) {
        self.woken_from.lock().unwrap().push(with_seat(|seat: &Seat| seat.0));
        self.queue.lock().unwrap().push(runnable);
    }

    fn remember(&self, _coroutine: &Coroutine) -> u64 {
        0
    }

    fn forget(&self, _key: u64) {}

    fn arm(&self, _at: std::time::Instant, _waker: std::task::Waker) -> tarae_task::Armed {
        unreachable!("nobody here waits until a moment")
    }

    fn disarm(&self, _armed: tarae_task::Armed) {
        unreachable!("nothing was armed")
    }
}

struct OneByOne(Arc<Notes>);

impl Links for OneByOne {
    type Seat = Seat;

    fn cache<'s>(&self, seat: &'s Seat) -> &'s RefCell<Cache> {
        &seat.1
    }

    fn next(&self, _seat: &Seat, _yielded: bool) -> Next {
        Next::Home
    }

    fn requeue(&self, _seat: Option<&Seat>, runnable: Runnable) {
        self.0.queue.lock().unwrap().push(runnable);
    }

    fn has_stopped(&self) -> bool {
        false
    }

    fn parking(&self, _seat: Option<&Seat>) {}

    fn finished(&self, _seat: Option<&Seat>) {}

    fn starved(&self, _seat: &Seat, _runnable: Runnable, error: io::Error) {
        unreachable!("{error}");
    }
}

fn pool() -> &'static Pool {
    Pool::of_size(StackSize::MIN)
}

fn make<T: Send + 'static>(
    notes: &Arc<Notes>,
    job: impl FnOnce() -> T + Send + 'static,
) -> (Runnable, JoinHandle<T>) {
    pool().promise(1).expect("a slot");
    let attributes = Attributes { name: None, spawned_at: Location::caller(), pool: pool() };
    tarae_task::spawn(Arc::clone(notes) as Arc<dyn Schedule>, attributes, job)
}

/// Runs it once, on a kernel thread of its own that sits on the seat of this name.
fn run_on(name: &'static str, notes: &Arc<Notes>, runnable: Runnable) {
    let links = OneByOne(Arc::clone(notes));
    thread::spawn(move || {
        let seat = Seat(name, RefCell::new(Cache::new(pool())));
        sit(Box::new(seat), |place, _| {
            assert!(matches!(runnable.run(place, &links), Ran::Home(_)));
        });
    })
    .join()
    .expect("nothing panics");
}

#[test]
fn a_coroutine_that_moved_wakes_its_joiner_on_the_worker_it_ended_on() {
    let notes = Arc::new(Notes::default());
    let (moving, handle) = make(&notes, yield_now);
    let (joining, joined) = make(&notes, move || handle.join().is_ok());
    run_on("first", &notes, joining);
    run_on("first", &notes, moving);
    let moving = notes.queue.lock().unwrap().pop().expect("it yielded");
    run_on("second", &notes, moving);
    assert_eq!(*notes.woken_from.lock().unwrap(), [Some("second")]);
    let joining = notes.queue.lock().unwrap().pop().expect("it was woken");
    run_on("third", &notes, joining);
    assert!(joined.join().expect("it does not panic"));
}
