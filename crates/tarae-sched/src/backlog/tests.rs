//! The backlog against a model of it, and against thieves.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Push,
    Newest,
    Oldest,
    Batch,
    OlderHalf,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        40 => Just(Step::Push),
        15 => Just(Step::Newest),
        5 => Just(Step::Oldest),
        2 => Just(Step::OlderHalf),
        1 => Just(Step::Batch),
    ];
    proptest::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn the_backlog_does_as_its_model(steps in steps()) {
        let (backlog, mut model) = (Backlog::new(), VecDeque::new());
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Push => {
                    backlog.push(number);
                    model.push_back(number);
                }
                Step::Newest => prop_assert_eq!(backlog.newest(), model.pop_back()),
                Step::Oldest => prop_assert_eq!(backlog.oldest(), model.pop_front()),
                Step::Batch => {
                    let mut taken = Vec::new();
                    backlog.batch(BATCH_MAX, |value| taken.push(value));
                    let expected: Vec<u32> = model.drain(..model.len().min(BATCH_MAX)).collect();
                    prop_assert_eq!(taken, expected);
                }
                Step::OlderHalf => {
                    let mut taken = Vec::new();
                    backlog.older_half(|value| taken.push(value));
                    let half = model.len().div_ceil(2).min(BATCH_MAX);
                    let expected: Vec<u32> = model.drain(..half).collect();
                    prop_assert_eq!(taken, expected);
                }
            }
            prop_assert_eq!(backlog.len(), model.len());
        }
    }
}

#[test]
fn a_backlog_that_was_long_gives_its_room_back() {
    let backlog = Backlog::new();
    (0..100_000).for_each(|value| backlog.push(value));
    while backlog.newest().is_some() {}
    let room = backlog.lock().capacity();
    assert!(room <= ROOM_MIN, "room for {room} is left");
}

#[test]
fn all_who_take_at_once_get_each_value_once() {
    const COUNT: usize = 20_000;
    let (backlog, done) = (Backlog::new(), AtomicBool::new(false));
    let mut taken: Vec<usize> = std::thread::scope(|scope| {
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut taken = Vec::new();
                    loop {
                        let last = done.load(Ordering::Acquire);
                        let before = taken.len();
                        backlog.older_half(|value| taken.push(value));
                        if last && taken.len() == before {
                            return taken;
                        }
                    }
                })
            })
            .collect();
        let mut taken = Vec::new();
        for value in 0..COUNT {
            backlog.push(value);
            match value % 4 {
                0 => taken.extend(backlog.newest()),
                1 => taken.extend(backlog.oldest()),
                _ => {}
            }
        }
        done.store(true, Ordering::Release);
        taken.extend(thieves.into_iter().flat_map(|thief| thief.join().unwrap()));
        taken
    });
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..COUNT), "none is lost and none comes twice");
    assert_eq!(backlog.len(), 0);
}
