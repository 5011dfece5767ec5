//! The notify protocol of the reactor: one poller, two notifiers, every interleaving.
//!
//! The eventfd is a [`Bell`]: a ring is kept until it is heard, and hands over nothing but itself (loom's
//! `Notify` would synchronise, and so hide a missing `Release`).

#[allow(dead_code, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-reactor/src/notify.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    use super::protocol::{Notify, Order, Sleep};

    /// An eventfd: unlike a condition variable, it hands over nothing but the ring.
    #[derive(Default)]
    struct Bell {
        rings: AtomicUsize,
    }

    impl Bell {
        fn ring(&self) {
            self.rings.fetch_add(1, Relaxed);
        }

        fn hear(&self) {
            while self.rings.swap(0, Relaxed) == 0 {
                thread::yield_now();
            }
        }
    }

    struct Reactor {
        notify: Notify,
        bell: Bell,
        published: [AtomicUsize; 2],
    }

    impl Reactor {
        fn new() -> Arc<Self> {
            let published = [AtomicUsize::new(0), AtomicUsize::new(0)];
            Arc::new(Reactor { notify: Notify::new(), bell: Bell::default(), published })
        }

        fn publish(&self, index: usize) {
            self.published[index].store(1, Ordering::Relaxed);
            if self.notify.notify() == Order::Ring {
                self.bell.ring();
            }
        }

        fn poll(&self) {
            if self.notify.begin_poll() == Sleep::May {
                self.bell.hear();
            }
            self.notify.end_poll();
        }

        fn published(&self) -> usize {
            self.published.iter().map(|flag| flag.load(Ordering::Relaxed)).sum()
        }
    }

    #[test]
    fn two_notifies_race_one_poller() {
        // Unbounded it holds as well, and takes a hundred times as long.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let reactor = Reactor::new();
            let notifiers = [0, 1].map(|index| {
                let reactor = reactor.clone();
                thread::spawn(move || reactor.publish(index))
            });
            // Sleeps again as long as something is missing: a lost notification, or one whose data is not
            // visible after the poll, is a sleep without end.
            while reactor.published() < 2 {
                reactor.poll();
            }
            for notifier in notifiers {
                notifier.join().unwrap();
            }
        });
    }

    /// The poll ends for another reason, while a notifier is between its order and the ring.
    #[test]
    fn a_late_ring_ends_a_later_poll_early_and_no_more() {
        loom::model(|| {
            let reactor = Reactor::new();
            let notifier = thread::spawn({
                let reactor = reactor.clone();
                move || reactor.publish(0)
            });
            let _ = reactor.notify.begin_poll();
            reactor.notify.end_poll();
            while reactor.published() < 1 {
                reactor.poll();
            }
            notifier.join().unwrap();
        });
    }
}
