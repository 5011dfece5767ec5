//! A callback that fires once.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tarae::callback::{self, Done, Dropped, WaitError};
use tarae::thread;

use crate::support::seed::Random;
use crate::support::{
    MOMENT, bounded, eventually, hush, ms, on_workers, panic_on_purpose, runtime, text_of, with_runtimes,
};

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// An API in the style of the trade: takes any closure, and calls it from a kernel thread of its own.
fn later<T: Send + 'static>(value: T, done: impl FnOnce(T) + Send + 'static) {
    std::thread::spawn(move || {
        std::thread::sleep(ms(5));
        done(value);
    });
}

/// One that insists on `Sync`, and one that wants a box.
fn shared(done: impl FnOnce(u32) + Send + Sync + 'static) {
    done(3);
}
fn boxed(done: Box<dyn FnOnce(u32) + Send>) {
    done(4);
}

#[test]
fn the_value_comes_from_any_thread_now_or_later() {
    fn body() {
        assert_eq!(callback::wait(|done| later(5, done)), Ok(5));
        assert_eq!(callback::wait(|done| done("at once")), Ok("at once"));
        assert_eq!(callback::wait(|done| drop(thread::spawn(move || done(vec![1])))), Ok(vec![1]));
        assert_eq!(callback::wait(shared_from_closure), Ok(3));
        assert_eq!(callback::wait(|done| boxed(done)), Ok(4));
    }
    fn shared_from_closure(done: Done<u32>) {
        shared(done);
    }
    on_workers(body);
    bounded(body);
}

#[test]
fn dropped_uncalled_is_an_error_and_no_hang() {
    fn body() {
        hush();
        assert_eq!(callback::wait(|done: Done<u8>| drop(done)), Err(Dropped));
        let abandoned = |done: Done<u8>| {
            std::thread::spawn(move || {
                std::thread::sleep(ms(5));
                drop(done);
            });
        };
        assert_eq!(callback::wait(abandoned), Err(Dropped));
        let panics = |done: Done<u8>| {
            std::thread::spawn(move || {
                let _done = done;
                panic_on_purpose();
            });
        };
        assert_eq!(callback::wait(panics), Err(Dropped));
        assert_eq!(callback::wait_timeout(ms(60_000), |done: Done<u8>| drop(done)), Err(WaitError::Dropped));
    }
    on_workers(body);
    bounded(body);
}

#[test]
fn a_panic_of_start_goes_through_and_a_value_that_came_is_dropped_once() {
    on_workers(|| {
        hush();
        let drops = Arc::new(AtomicUsize::new(0));
        let value = Counted(Arc::clone(&drops));
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _ = callback::wait(|done| {
                done(value);
                panic_on_purpose();
            });
        }));
        assert!(text_of(&*panic.unwrap_err()).contains("on purpose"));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_value_after_the_timeout_is_dropped_by_who_brings_it() {
    fn body() {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut kept = None;
        let start = Instant::now();
        let late = callback::wait_timeout(ms(10), |done: Done<Counted>| kept = Some(done));
        assert!(matches!(late, Err(WaitError::Elapsed)) && start.elapsed() >= ms(10));
        kept.unwrap()(Counted(Arc::clone(&drops)));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert_eq!(callback::wait_timeout(ms(60_000), |done| later(5, done)), Ok(5));
        assert_eq!(callback::wait_timeout(ms(0), |done| done(6)), Ok(6), "what is there counts");
    }
    on_workers(body);
    bounded(body);
}

#[test]
fn a_wait_is_cancelled_and_times_out_from_outside() {
    on_workers(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (send, receive) = std::sync::mpsc::channel::<Done<Counted>>();
        let waiting = thread::spawn(move || callback::wait(|done| send.send(done).unwrap()).is_ok());
        let done = loop {
            match receive.try_recv() {
                Ok(done) => break done,
                Err(_) => tarae::sleep(ms(1)),
            }
        };
        tarae::sleep(ms(2));
        waiting.cancel();
        assert!(tarae::is_cancelled(&*waiting.join().unwrap_err()));
        done(Counted(Arc::clone(&drops)));
        assert_eq!(drops.load(Ordering::SeqCst), 1);

        let kept = RefCell::new(None);
        let late =
            tarae::timeout(ms(10), || callback::wait(|done: Done<u8>| *kept.borrow_mut() = Some(done)));
        assert_eq!(late, Err(tarae::Elapsed));
    });
}

#[test]
fn a_value_that_races_the_timeout_or_the_cancellation_is_dropped_once() {
    let mut random = Random::from_environment();
    bounded(move || {
        let runtime = runtime(2);
        let drops = Arc::new(AtomicUsize::new(0));
        let mut taken = 0;
        const ROUNDS: usize = 3_000;
        for round in 0..ROUNDS {
            let micros = random.below(300);
            let value = Counted(Arc::clone(&drops));
            let waiting = runtime.spawn(move || {
                let start = move |done: Done<Counted>| {
                    drop(thread::spawn(move || {
                        let until = Instant::now() + std::time::Duration::from_micros(micros);
                        while Instant::now() < until {
                            tarae::yield_now();
                        }
                        done(value);
                    }));
                };
                callback::wait_timeout(std::time::Duration::from_micros(150), start).is_ok()
            });
            if round % 3 == 0 {
                waiting.cancel();
            }
            taken += usize::from(matches!(waiting.join(), Ok(true)));
        }
        eventually("all are dropped", || drops.load(Ordering::SeqCst) == ROUNDS);
        println!("taken: {taken} of {ROUNDS}");
        std::thread::sleep(MOMENT);
        assert_eq!(drops.load(Ordering::SeqCst), ROUNDS);
    });
}

#[test]
fn borrows_from_the_frame_of_the_caller_work() {
    // `start` is called on the caller's stack, and may borrow.
    on_workers(|| {
        let id = String::from("seven");
        let mut asked = 0;
        let answer = callback::wait(|done| {
            asked += 1;
            later(id.len(), done);
        });
        assert_eq!((answer, asked), (Ok(5), 1));
    });
}

#[test]
fn while_one_waits_others_run() {
    with_runtimes(|runtime| {
        let ran = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ran);
        let answer = runtime.run(move || {
            thread::spawn(move || flag.store(true, Ordering::SeqCst));
            callback::wait(|done| later((), done))
        });
        assert!(answer.is_ok() && ran.load(Ordering::SeqCst));
    });
}

#[test]
fn errors_read_well_and_turn_into_io_errors() {
    assert_eq!(Dropped.to_string(), "callback was dropped without being called");
    assert_eq!(WaitError::from(Dropped).to_string(), Dropped.to_string());
    assert_eq!(std::io::Error::from(WaitError::Elapsed).kind(), std::io::ErrorKind::TimedOut);
    assert!(std::io::Error::from(Dropped).get_ref().unwrap().is::<Dropped>());
}

#[test]
fn a_dump_says_who_waits_for_a_callback() {
    with_runtimes(|runtime| {
        let waiting = runtime.spawn(|| {
            let mut kept = None;
            callback::wait_timeout(crate::support::LIMIT, |done: Done<u8>| kept = Some(done)).is_ok()
        });
        eventually("it waits", || runtime.dump().to_string().contains("waits for a callback"));
        waiting.cancel();
        assert!(waiting.join().is_err());
    });
}
