//! One side of a source: an event races a reader, every interleaving.
//!
//! The kernel's socket is a lock around a count of bytes: system calls are in one order, and each sees what
//! came before it.

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-reactor/src/side.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use std::sync::Arc as StdArc;
    use std::task::{Wake, Waker};

    use loom::sync::{Arc, Mutex, Notify};
    use loom::thread;

    use super::protocol::SideState;

    /// A parked thread's waker.
    struct Park(Notify);

    impl Wake for Park {
        fn wake(self: StdArc<Self>) {
            self.0.notify();
        }
    }

    struct Socket {
        bytes: Mutex<usize>,
        side: SideState,
    }

    impl Socket {
        fn new() -> Arc<Self> {
            Arc::new(Socket { bytes: Mutex::new(0), side: SideState::new() })
        }

        /// The peer sends a byte; the kernel tells the poller; the poller tells the side.
        fn arrive(&self) {
            *self.bytes.lock().unwrap() += 1;
            let mut woken = Vec::new();
            self.side.event(false, &mut woken);
            woken.into_iter().for_each(Waker::wake);
        }

        /// The loop of the crate's front page.
        fn receive(&self) {
            let park = StdArc::new(Park(Notify::new()));
            let waker = Waker::from(park.clone());
            loop {
                let seen = self.side.readiness();
                if self.take_byte() {
                    return;
                }
                self.side.clear(seen);
                if let Some(ticket) = self.side.wait(&waker) {
                    park.0.wait();
                    self.side.cancel(ticket);
                }
            }
        }

        fn take_byte(&self) -> bool {
            let mut bytes = self.bytes.lock().unwrap();
            let some = *bytes > 0;
            *bytes -= usize::from(some);
            some
        }
    }

    #[test]
    fn an_event_races_try_clear_and_wait() {
        loom::model(|| {
            let socket = Socket::new();
            let poller = thread::spawn({
                let socket = socket.clone();
                move || socket.arrive()
            });
            socket.receive();
            poller.join().unwrap();
        });
    }

    #[test]
    fn two_events_race_one_reader_of_both() {
        // Unbounded it holds as well, and takes many times as long.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let socket = Socket::new();
            let poller = thread::spawn({
                let socket = socket.clone();
                move || {
                    socket.arrive();
                    socket.arrive();
                }
            });
            socket.receive();
            socket.receive();
            poller.join().unwrap();
        });
    }

    #[test]
    fn two_readers_of_one_side_race_two_events() {
        // Three threads with locks: a bound of 3 holds as well, and takes many times as long.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let socket = Socket::new();
            let reader = thread::spawn({
                let socket = socket.clone();
                move || socket.receive()
            });
            let poller = thread::spawn({
                let socket = socket.clone();
                move || {
                    socket.arrive();
                    socket.arrive();
                }
            });
            socket.receive();
            reader.join().unwrap();
            poller.join().unwrap();
        });
    }

    /// A timeout cancels while an event comes: the event wakes the waiter, or finds it gone; never both.
    #[test]
    fn cancel_races_an_event() {
        loom::model(|| {
            let side = Arc::new(SideState::new());
            side.clear(side.readiness());
            let ticket = side.wait(Waker::noop()).unwrap();
            let poller = thread::spawn({
                let side = side.clone();
                move || {
                    let mut woken = Vec::new();
                    side.event(false, &mut woken);
                    woken.len()
                }
            });
            let cancelled = side.cancel(ticket);
            assert_eq!(poller.join().unwrap(), usize::from(!cancelled));
            assert!(!side.cancel(ticket));
        });
    }
}
