//! Panics that are caught, and the backtrace of one that is not.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::panicking;

use super::moves::leave;
use super::{DEADLINE, child, moved};

#[test]
fn it_catches_a_panic_that_unwinds_through_a_move() {
    struct Leaves<'a>(&'a mut bool);
    impl Drop for Leaves<'_> {
        fn drop(&mut self) {
            leave();
            *self.0 = panicking();
        }
    }
    moved(|| {
        let mut was_panicking = false;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _leaves = Leaves(&mut was_panicking);
            resume_unwind(Box::new("payload"));
        }));
        assert_eq!(caught.expect_err("it panics").downcast_ref(), Some(&"payload"));
        assert!(was_panicking);
        assert!(!panicking());
    });
}

#[test]
fn a_panic_shows_the_frames_of_the_coroutine() {
    const TEST: &str = "panics::a_panic_shows_the_frames_of_the_coroutine";
    if child::role().is_some() {
        moved(|| {
            let payload = tarae::spawn(|| outer_frame(3)).join().expect_err("it panics");
            assert_eq!(payload.downcast_ref(), Some(&"with a backtrace"));
            println!("went on");
        });
        return;
    }
    let outcome = child::run(TEST, "panic", &[("RUST_BACKTRACE", "1")], DEADLINE);
    assert!(outcome.succeeded(), "{outcome:?}");
    for expected in ["with a backtrace", "stack backtrace:", "innermost_frame", "outer_frame", "went on"] {
        assert!(outcome.said.contains(expected), "no {expected:?} in {}", outcome.said);
    }
}

#[inline(never)]
fn outer_frame(depth: u32) -> u32 {
    leave();
    black_box(innermost_frame(black_box(depth))) + 1
}

#[inline(never)]
fn innermost_frame(depth: u32) -> u32 {
    if depth == 0 {
        panic!("with a backtrace");
    }
    black_box(innermost_frame(black_box(depth - 1))) + 1
}
