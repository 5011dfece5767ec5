//! A crew: seats that wait for a thread, and threads that wait for a seat.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::{Drove, Queue, Worker};
use tarae_task::{Coroutine, Watch};

/// Drives one queue with more threads than seats.
#[derive(Debug)]
pub(crate) struct Crew {
    queue: Arc<Queue>,
    straight: bool,
    /// How many coroutines will have ended when all is done.
    total: usize,
    #[allow(clippy::vec_box, reason = "a seat is the box that goes from hand to hand")]
    spare: Mutex<Vec<Box<Worker>>>,
    /// One for each thread that sits, with a number of its own.
    watches: Mutex<Vec<(usize, Watch<Worker>)>>,
    sat: AtomicUsize,
    left_behind: AtomicUsize,
    spent: AtomicUsize,
}

impl Crew {
    pub(crate) fn new(queue: &Arc<Queue>, straight: bool, total: usize) -> Arc<Crew> {
        Arc::new(Crew {
            queue: Arc::clone(queue),
            straight,
            total,
            spare: Mutex::default(),
            watches: Mutex::default(),
            sat: AtomicUsize::new(0),
            left_behind: AtomicUsize::new(0),
            spent: AtomicUsize::new(0),
        })
    }

    /// Starts a thread that takes whatever seat is free, again and again, until all is done or it is spent.
    pub(crate) fn start_thread(self: &Arc<Self>) -> thread::JoinHandle<()> {
        let crew = Arc::clone(self);
        thread::spawn(move || crew.work())
    }

    pub(crate) fn is_done(&self) -> bool {
        self.queue.finished.load(Ordering::SeqCst) >= self.total
    }

    /// Gives a seat to a thread that is free.
    pub(crate) fn give(&self, seat: Box<Worker>) {
        self.spare.lock().unwrap().push(seat);
    }

    /// Takes the seat from one of the threads, as `choice` says, if it can be taken. Returns it with who runs there.
    pub(crate) fn take(&self, choice: usize) -> Option<(Box<Worker>, Coroutine)> {
        let watch = {
            let watches = self.watches.lock().unwrap();
            watches.get(choice % watches.len().max(1)).map(|(_, watch)| watch.clone())
        };
        watch?.take()
    }

    /// How many stretches ended left behind, and how many spent.
    pub(crate) fn ends(&self) -> (usize, usize) {
        (self.left_behind.load(Ordering::SeqCst), self.spent.load(Ordering::SeqCst))
    }

    fn work(&self) {
        while !self.is_done() {
            let spare = self.spare.lock().unwrap().pop();
            let Some(seat) = spare else {
                thread::yield_now();
                continue;
            };
            let number = self.sat.fetch_add(1, Ordering::Relaxed);
            let tell = |watch| self.watches.lock().unwrap().push((number, watch));
            let drove = self.queue.drive_while(seat, self.straight, tell, || !self.is_done());
            self.watches.lock().unwrap().retain(|(other, _)| *other != number);
            match drove {
                Drove::Idle => return,
                Drove::LeftBehind => {
                    self.left_behind.fetch_add(1, Ordering::SeqCst);
                }
                Drove::Spent => {
                    self.spent.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
        }
    }
}
