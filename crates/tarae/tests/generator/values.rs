//! What goes in and what comes out.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use tarae::generator::{Generator, ScopedGenerator, State, Yielder};
use tarae::thread;

use crate::support::{bounded, ms, on_workers, with_runtimes};

#[test]
fn arguments_go_in_and_values_come_out_in_order() {
    fn body() {
        let mut echo = Generator::new(|yielder, mut text: String| {
            for number in 0..3 {
                text = yielder.suspend((number, text));
            }
            text.len()
        });
        for (number, text) in ["a", "bc", "def"].into_iter().enumerate() {
            assert_eq!(echo.resume(text.to_string()), State::Yielded((number, text.to_string())));
            assert!(!echo.is_done());
        }
        assert_eq!(echo.resume("ghij".to_string()), State::Complete(4));
        assert!(echo.is_done());
    }
    on_workers(body);
    bounded(body);
}

#[test]
fn it_is_lazy_and_runs_only_between_a_resume_and_the_next_suspension() {
    static STEPS: AtomicUsize = AtomicUsize::new(0);
    bounded(|| {
        let mut steps = Generator::new(|yielder, ()| {
            for _ in 0..3 {
                STEPS.fetch_add(1, Ordering::SeqCst);
                yielder.suspend(());
            }
        });
        for expected in 0..=3 {
            std::thread::sleep(ms(2));
            assert_eq!(STEPS.load(Ordering::SeqCst), expected);
            steps.next();
        }
        assert_eq!((steps.next(), steps.next()), (None, None), "fused");
    });
}

#[test]
fn a_recursive_body_suspends_at_any_depth() {
    fn hanoi(disks: u32, from: char, to: char, over: char, yielder: &Yielder<(), (char, char)>) {
        if disks > 0 {
            hanoi(disks - 1, from, over, to, yielder);
            yielder.suspend((from, to));
            hanoi(disks - 1, over, to, from, yielder);
        }
    }
    on_workers(|| {
        let moves = Generator::new(|yielder, ()| hanoi(7, 'a', 'c', 'b', yielder));
        assert_eq!(moves.count(), 127);
    });
}

#[test]
fn generators_nest() {
    on_workers(|| {
        fn numbers(up_to: u32) -> Generator<(), u32, ()> {
            Generator::new(move |yielder, ()| (0..up_to).for_each(|number| yielder.suspend(number)))
        }
        let even = Generator::new(|yielder, ()| {
            numbers(10).filter(|number| number % 2 == 0).for_each(|number| yielder.suspend(number));
        });
        assert_eq!(even.zip(numbers(100)).last(), Some((8, 4)));
    });
}

#[test]
fn the_body_may_wait_and_the_resumer_waits_with_it() {
    on_workers(|| {
        let mut slow = Generator::new(|yielder, ()| {
            tarae::sleep(ms(5));
            yielder.suspend(thread::spawn(|| 7).join().unwrap());
        });
        assert_eq!(slow.next(), Some(7));
        assert_eq!(slow.next(), None);
    });
}

#[test]
fn the_body_keeps_its_thread_locals_whoever_resumes_it() {
    thread_local!(static STEP: Cell<u32> = const { Cell::new(0) });
    with_runtimes(|runtime| {
        let mut steps = runtime.run(|| {
            Generator::new(|yielder, ()| {
                STEP.set(100);
                loop {
                    STEP.set(STEP.get() + 1);
                    yielder.suspend(STEP.get());
                }
            })
        });
        for expected in 101..=120 {
            let step;
            (steps, step) = if expected % 2 == 0 {
                let resume = move || {
                    let step = steps.next();
                    (steps, step)
                };
                if expected % 4 == 0 {
                    runtime.run(resume)
                } else {
                    std::thread::spawn(resume).join().unwrap()
                }
            } else {
                let step = steps.next();
                (steps, step)
            };
            assert_eq!(step, Some(expected));
        }
    });
}

#[test]
fn a_scoped_body_borrows_and_changes() {
    on_workers(|| {
        let words = ["one".to_string(), "three".to_string()];
        let mut longest = 0;
        let total: usize = tarae::scope(|scope| {
            let longest = &mut longest;
            let lengths = ScopedGenerator::new(scope, |yielder, ()| {
                for word in &words {
                    *longest = word.len().max(*longest);
                    yielder.suspend(word.len());
                }
            });
            lengths.sum()
        });
        assert_eq!((total, longest), (8, 5));
    });
}

#[test]
fn many_resumes_lose_nothing() {
    with_runtimes(|runtime| {
        let sums: Vec<_> = (0..20u64)
            .map(|part| {
                runtime.spawn(move || {
                    let numbers = Generator::new(move |yielder, ()| {
                        (0..500).for_each(|number| yielder.suspend(number * part));
                    });
                    numbers.sum::<u64>()
                })
            })
            .collect();
        let total: u64 = sums.into_iter().map(|sum| sum.join().unwrap()).sum();
        assert_eq!(total, (0..500).sum::<u64>() * (0..20).sum::<u64>());
    });
}
