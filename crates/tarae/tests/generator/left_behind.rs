//! A body that does not unwind, and whose runtime has ended: nobody waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tarae::Runtime;
use tarae::generator::{Generator, State};

use crate::support::{MOMENT, bounded, eventually, hush, ms, runtime, spin_while, text_of};

/// A generator of that runtime, suspended where no cancellation reaches it.
fn shielded(runtime: &Runtime) -> Generator<(), u32, ()> {
    runtime.run(|| {
        let mut shielded = Generator::new(|yielder, ()| {
            tarae::shield(|| {
                yielder.suspend(1);
                // A drop unwinds it there; but nobody runs it.
                yielder.suspend(2);
            });
        });
        assert_eq!(shielded.resume(()), State::Yielded(1));
        shielded
    })
}

fn end(runtime: Runtime) {
    let left = runtime.shutdown_timeout(ms(20)).expect_err("it does not unwind");
    assert_eq!((left.coroutines, left.threads), (1, 0));
}

#[test]
fn a_generator_whose_runtime_has_left_it_behind_is_dropped_without_a_wait() {
    for workers in [1, 2] {
        bounded(move || {
            let runtime = runtime(workers);
            let shielded = shielded(&runtime);
            end(runtime);
            drop(shielded);
        });
    }
}

#[test]
fn and_by_a_coroutine_of_another_runtime() {
    bounded(|| {
        let (old, new) = (runtime(1), runtime(1));
        let shielded = shielded(&old);
        end(old);
        new.run(move || drop(shielded));
    });
}

#[test]
fn one_that_is_being_dropped_when_its_runtime_leaves_it_behind_is_dropped() {
    bounded(|| {
        let (old, new) = (runtime(2), runtime(1));
        let has_begun = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&has_begun);
        // Waits for ever in a destructor: the drop closes it, and waits for that.
        let mut stuck = old.run(move || {
            Generator::new(move |yielder, ()| {
                struct Forever(Arc<AtomicBool>);
                impl Drop for Forever {
                    fn drop(&mut self) {
                        self.0.store(true, Ordering::SeqCst);
                        loop {
                            tarae::thread::park();
                        }
                    }
                }
                let _forever = Forever(theirs);
                yielder.suspend(1);
            })
        });
        assert_eq!(stuck.next(), Some(1));
        let dropper = new.spawn(move || drop(stuck));
        eventually("its destructor runs", || has_begun.load(Ordering::SeqCst));
        std::thread::sleep(MOMENT);
        assert!(!dropper.is_finished(), "it waits for the body, as long as somebody runs it");
        end(old);
        dropper.join().unwrap();
    });
}

#[test]
fn to_resume_one_is_a_panic_with_a_clear_message() {
    bounded(|| {
        hush();
        let runtime = runtime(1);
        let mut shielded = shielded(&runtime);
        end(runtime);
        let payload = catch_unwind(AssertUnwindSafe(|| shielded.resume(()))).unwrap_err();
        assert_eq!(text_of(&*payload), "a generator was cancelled by its runtime");
        assert!(shielded.is_done());
    });
}

/// A job that never starts has it, and is dropped by whoever ends the runtime.
#[test]
fn one_that_a_job_has_that_never_starts_does_not_keep_the_end_waiting() {
    bounded(|| {
        // Nobody takes the worker from the one that keeps it.
        let runtime = Runtime::builder().workers(1).spare_threads_max(0).build().expect("a runtime");
        let shielded = shielded(&runtime);
        let [has_begun, is_over] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (begins, ends) = (Arc::clone(&has_begun), Arc::clone(&is_over));
        let stuck = runtime.spawn(move || {
            begins.store(true, Ordering::SeqCst);
            spin_while(|| !ends.load(Ordering::SeqCst));
        });
        eventually("the worker is busy", || has_begun.load(Ordering::SeqCst));
        let job = runtime.spawn(move || drop(shielded));
        assert!(runtime.shutdown_timeout(ms(20)).is_err());
        is_over.store(true, Ordering::SeqCst);
        stuck.join().unwrap();
        assert!(tarae::is_cancelled(&*job.join().unwrap_err()));
    });
}
