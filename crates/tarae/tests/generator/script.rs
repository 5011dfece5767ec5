//! A script of callbacks, streams and generators, cancelled at its first wait, its second, and so on to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tarae::callback::{self, OnFull};
use tarae::generator::Generator;

use crate::support::{eventually, ms, with_runtimes};

/// What is counted: values made, values dropped, waits begun.
#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
    waits: AtomicUsize,
}

struct Value(Arc<Counts>);

impl Value {
    fn new(counts: &Arc<Counts>) -> Value {
        counts.made.fetch_add(1, Ordering::SeqCst);
        Value(Arc::clone(counts))
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Called by a kernel thread, a moment later.
fn later(counts: &Arc<Counts>, done: impl FnOnce(Value) + Send + 'static) {
    let counts = Arc::clone(counts);
    std::thread::spawn(move || {
        std::thread::sleep(ms(2));
        done(Value::new(&counts));
    });
}

fn ask(counts: &Arc<Counts>) -> Value {
    counts.waits.fetch_add(1, Ordering::SeqCst);
    callback::wait(|done| later(counts, done)).expect("it is called")
}

fn script(counts: &Arc<Counts>) {
    let _held = ask(counts);
    let own = Arc::clone(counts);
    let mut generator = Generator::new(move |yielder, mut argument: Value| {
        loop {
            let asked = ask(&own);
            drop(std::mem::replace(&mut argument, yielder.suspend((asked, Value::new(&own)))));
        }
    });
    for _ in 0..3 {
        let _: tarae::generator::State<_, ()> = generator.resume(Value::new(counts));
    }
    let (emit, stream) = callback::stream(2, OnFull::DropOldest);
    let own = Arc::clone(counts);
    let feeder = callback::run(move || (0..5).for_each(|_| emit(ask(&own))), drop);
    for value in stream {
        counts.waits.fetch_add(1, Ordering::SeqCst);
        let _kept = value;
    }
    counts.waits.fetch_add(1, Ordering::SeqCst);
    feeder.join().expect("it ends");
}

#[test]
fn cancelled_at_any_wait_a_script_drops_each_value_once() {
    with_runtimes(|runtime| {
        let mut wait = 1;
        let ends = loop {
            let counts = Arc::new(Counts::default());
            let own = Arc::clone(&counts);
            let running = runtime.spawn(move || script(&own));
            eventually("it gets there, or ends", || {
                counts.waits.load(Ordering::SeqCst) >= wait || running.is_finished()
            });
            let has_ended = running.is_finished();
            running.cancel();
            match running.join() {
                Ok(()) => {}
                Err(payload) => assert!(tarae::is_cancelled(&*payload)),
            }
            // What the kernel threads still bring is dropped by them, and the feeder ends.
            eventually("nobody has the counts any more", || Arc::strong_count(&counts) == 1);
            let (made, dropped) = (counts.made.load(Ordering::SeqCst), counts.dropped.load(Ordering::SeqCst));
            assert_eq!(made, dropped, "cancelled at wait {wait}");
            match has_ended {
                false => wait += 1,
                // On a busy machine it may have gone by unseen: again.
                true if counts.waits.load(Ordering::SeqCst) >= wait => {}
                true => break wait,
            }
        };
        assert!(ends > 10, "the script has {ends} waits");
    });
}
