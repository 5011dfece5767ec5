//! The queue against a model of it, in lengths that go through all parts.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Pop(usize),
    Steal,
    StealOne,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..400_usize).prop_map(Step::Push),
        3 => (1..400_usize).prop_map(Step::Pop),
        1 => Just(Step::Steal),
        1 => Just(Step::StealOne),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn the_queue_does_as_its_model(steps in steps()) {
        let queue = Queue::new();
        let (thieves, mut model, mut number) = (queue.thieves(), VecDeque::new(), 0);
        for step in steps {
            match step {
                Step::Push(count) => for _ in 0..count {
                    number += 1;
                    match queue.push(number) {
                        Ok(()) => model.push_back(number),
                        Err(back) => {
                            prop_assert_eq!(back, number);
                            // A part that thieves have emptied is not used again before the owner has come by.
                            let room = QUEUE_MAX - model.len();
                            prop_assert!(room == 0 || stolen(&thieves) || room < PART_MAX, "full with {}", model.len());
                        }
                    }
                },
                Step::Pop(count) => for _ in 0..count {
                    prop_assert_eq!(queue.pop(), model.pop_front());
                },
                Step::Steal => {
                    let thief = Queue::new();
                    let first = thieves.steal(&thief);
                    prop_assert_eq!(first.is_some(), !model.is_empty());
                    for stolen in first.into_iter().chain(std::iter::from_fn(|| thief.pop())) {
                        prop_assert_eq!(Some(stolen), model.pop_front());
                    }
                }
                Step::StealOne => prop_assert_eq!(thieves.steal_one(), model.pop_front()),
            }
            prop_assert_eq!(queue.len(), model.len());
            prop_assert_eq!(thieves.len(), model.len());
            prop_assert!(queue.parts.iter().all(|part| part.len() <= PART_MAX));
        }
    }
}

/// Whether thieves have emptied a part that the owner still takes to be in use.
fn stolen(thieves: &Thieves<u32>) -> bool {
    thieves.parts.iter().any(Stealer::is_empty)
}

#[test]
fn it_holds_what_it_says_and_no_more() {
    let queue = Queue::new();
    for number in 0..QUEUE_MAX {
        assert_eq!(queue.push(number), Ok(()));
    }
    assert_eq!(queue.push(0), Err(0));
    assert!((0..QUEUE_MAX).all(|number| queue.pop() == Some(number)));
    assert_eq!((queue.pop(), queue.len()), (None, 0));
}

#[test]
fn a_few_stay_in_one_part() {
    let queue = Queue::new();
    for number in 0..10_000 {
        assert_eq!(queue.push(number), Ok(()));
        if number >= 40 {
            assert_eq!(queue.pop(), Some(number - 40));
        }
    }
    assert_eq!(queue.first.get(), queue.last.get());
}
