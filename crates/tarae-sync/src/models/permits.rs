//! The semaphore's count.

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Bell;
use crate::permits::{Entry, MOST, Outcome, Permits, Refusal};
use crate::queue::Ticket;

#[derive(Clone, Debug)]
enum Step {
    Take(usize),
    Enter(usize),
    /// One of those who wait; modulo their number.
    Look(usize),
    Leave(usize),
    Give(usize),
    Forget(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_usize).prop_map(Step::Take),
        5 => (0..4_usize).prop_map(Step::Enter),
        3 => (0..8_usize).prop_map(Step::Look),
        3 => (0..8_usize).prop_map(Step::Leave),
        5 => (0..4_usize).prop_map(Step::Give),
        1 => (0..4_usize).prop_map(Step::Forget),
    ]
}

/// Closed at the end, if at all: afterwards nothing happens.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    (vec(step(), 0..80), any::<bool>(), vec(step(), 0..10)).prop_map(|(mut steps, closes, after)| {
        steps.extend(closes.then_some(Step::Close));
        steps.extend(after);
        steps
    })
}

/// One who has a ticket.
struct Waiter {
    id: usize,
    wanted: usize,
    ticket: Option<Ticket>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Model {
    available: usize,
    closed: bool,
    /// Who, and how many.
    line: VecDeque<(usize, usize)>,
    granted: Vec<usize>,
    refused: Vec<usize>,
}

impl Model {
    fn take(&mut self, wanted: usize) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        if wanted > 0 && (!self.line.is_empty() || self.available < wanted) {
            return Err(Refusal::TooFew);
        }
        self.available -= wanted;
        Ok(())
    }

    fn give(&mut self, count: usize) {
        self.available += count;
        self.deal();
    }

    fn deal(&mut self) {
        while let Some(&(id, wanted)) = self.line.front()
            && wanted <= self.available
        {
            self.available -= wanted;
            self.line.pop_front();
            self.granted.push(id);
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.refused.extend(self.line.drain(..).map(|(id, _)| id));
    }
}

proptest! {
    #[test]
    fn permits_go_to_whom_the_model_says(start in 0..4_usize, steps in steps()) {
        let permits = Permits::new(start);
        let mut model = Model { available: start, ..Model::default() };
        let mut waiters: Vec<Waiter> = Vec::new();
        for (id, step) in steps.into_iter().enumerate() {
            match step {
                Step::Take(wanted) => prop_assert_eq!(permits.take(wanted), model.take(wanted)),
                Step::Enter(wanted) => {
                    let (bell, waker) = Bell::new();
                    match (permits.enter(wanted, &waker), model.take(wanted)) {
                        (Entry::Ended(Outcome::Taken), Ok(())) => {}
                        (Entry::Ended(Outcome::Closed), Err(Refusal::Closed)) => {}
                        (Entry::Stands(ticket), Err(Refusal::TooFew)) => {
                            model.line.push_back((id, wanted));
                            waiters.push(Waiter { id, wanted, ticket: Some(ticket), bell });
                        }
                        (entry, expected) => prop_assert!(false, "{entry:?}, not {expected:?}"),
                    }
                }
                Step::Look(index) if !waiters.is_empty() => {
                    let index = index % waiters.len();
                    let waiter = &mut waiters[index];
                    let expected = if model.granted.contains(&waiter.id) {
                        Some(Outcome::Taken)
                    } else {
                        model.refused.contains(&waiter.id).then_some(Outcome::Closed)
                    };
                    prop_assert_eq!(permits.look(&mut waiter.ticket), expected);
                    prop_assert_eq!(waiter.bell.rings(), usize::from(expected.is_some()), "woken once, for that");
                    if expected.is_some() {
                        waiters.remove(index);
                    }
                }
                Step::Leave(index) if !waiters.is_empty() => {
                    let mut waiter = waiters.remove(index % waiters.len());
                    let had = waiter.ticket.take().is_some_and(|ticket| permits.leave(ticket));
                    prop_assert_eq!(had, model.granted.contains(&waiter.id));
                    model.line.retain(|(id, _)| *id != waiter.id);
                    model.deal();
                    if had {
                        permits.give(waiter.wanted);
                        model.give(waiter.wanted);
                    }
                }
                Step::Give(count) => {
                    prop_assert!(permits.give(count));
                    model.give(count);
                }
                Step::Forget(count) => {
                    let forgotten = count.min(model.available);
                    model.available -= forgotten;
                    prop_assert_eq!(permits.forget(count), forgotten);
                }
                Step::Close => {
                    permits.close();
                    model.close();
                }
                Step::Look(_) | Step::Leave(_) => {}
            }
            prop_assert_eq!(permits.available(), model.available);
            prop_assert_eq!(permits.is_closed(), model.closed);
        }
    }
}

#[test]
fn there_are_never_more_than_the_most() {
    let permits = Permits::new(MOST - 1);
    assert!(!permits.give(2) && !permits.give(usize::MAX));
    assert!(permits.give(1) && !permits.give(1));
    assert_eq!((permits.available(), permits.is_closed()), (MOST, false));
    assert_eq!(permits.take(MOST), Ok(()));
}
