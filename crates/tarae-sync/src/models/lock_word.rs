//! The lock under mutex and read-write lock.

use std::sync::Arc;
use std::task::Waker;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::Bell;
use crate::lock_word::{LockWord, Mode};
use crate::queue::Ticket;

#[derive(Clone, Debug)]
enum Step {
    Take(Mode),
    Enter(Mode),
    /// One of those in line, modulo their number, and whether it is impatient if it was called in vain.
    Look(usize, bool),
    Leave(usize),
    Release,
    Downgrade,
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Exclusive), Just(Mode::Shared)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => mode().prop_map(Step::Take),
        5 => mode().prop_map(Step::Enter),
        5 => (prop_oneof![3 => Just(0_usize), 1 => 0..6_usize], any::<bool>()).prop_map(|(who, impatient)| Step::Look(who, impatient)),
        2 => (0..6_usize).prop_map(Step::Leave),
        6 => Just(Step::Release),
        1 => Just(Step::Downgrade),
    ]
}

/// One in line; they are kept in the order in which they came.
struct Waiter {
    mode: Mode,
    ticket: Option<Ticket>,
    bell: Arc<Bell>,
    waker: Waker,
    /// How often it was woken before it last looked.
    heard: usize,
}

/// The lock, and what the model knows of it.
struct Checked {
    lock: LockWord,
    /// Who holds it that knows of it. One to whom it was granted, and who has not looked, is in line as well.
    alone: bool,
    together: usize,
    line: Vec<Waiter>,
    /// The lock was granted to the first in line, who has not looked yet.
    granted: bool,
    /// The first in line that it was not granted to is impatient.
    impatient: bool,
}

impl Checked {
    fn is_held_alone(&self) -> bool {
        self.alone || (self.granted && self.line[0].mode == Mode::Exclusive)
    }

    fn is_free(&self) -> bool {
        !self.alone && self.together == 0 && !self.granted
    }

    /// The place of the first in line that the lock was not granted to.
    fn first(&self) -> usize {
        usize::from(self.granted)
    }

    fn may_come(&self, mode: Mode) -> bool {
        self.is_free() || (mode == Mode::Shared && !self.is_held_alone() && self.line.len() == self.first())
    }

    fn hold(&mut self, mode: Mode) {
        match mode {
            Mode::Exclusive => self.alone = true,
            Mode::Shared => self.together += 1,
        }
    }

    fn release(&mut self) {
        let mode = if self.alone { Mode::Exclusive } else { Mode::Shared };
        if !self.alone && self.together == 0 {
            return;
        }
        let was_told = self.line.get(self.first()).is_some_and(|first| first.bell.rings() > first.heard);
        match mode {
            Mode::Exclusive => self.alone = false,
            Mode::Shared => self.together -= 1,
        }
        if self.is_free() && self.impatient && !was_told {
            (self.granted, self.impatient) = (true, false);
        }
        self.lock.release(mode);
    }

    fn look(&mut self, who: usize, impatient: bool) -> Result<(), TestCaseError> {
        let was_free = self.is_free();
        let may_join = !self.is_held_alone();
        let waiter = &mut self.line[who];
        let rings = waiter.bell.rings();
        let was_told = rings > waiter.heard;
        waiter.heard = rings;
        let mode = waiter.mode;
        let is_its = self.lock.look(&mut waiter.ticket, mode, &waiter.waker, || impatient);
        let is_granted = self.granted && who == 0;
        let is_first = who == self.first();
        let can_take = is_first && was_told && (was_free || (mode == Mode::Shared && may_join));
        prop_assert_eq!(is_its, is_granted || can_take, "the {}th", who);
        if is_its {
            self.remove(who);
            self.hold(mode);
        } else if is_first && was_told {
            self.impatient |= impatient;
        }
        Ok(())
    }

    fn leave(&mut self, who: usize) -> Result<(), TestCaseError> {
        let is_granted = self.granted && who == 0;
        let mut waiter = self.remove(who);
        let had = waiter.ticket.take().is_some_and(|ticket| self.lock.leave(ticket));
        prop_assert_eq!(had, is_granted);
        if had {
            self.hold(waiter.mode);
        }
        Ok(())
    }

    fn remove(&mut self, who: usize) -> Waiter {
        if who == self.first() {
            self.impatient = false;
        }
        self.granted &= who != 0;
        self.line.remove(who)
    }

    /// Whoever is first in line and could take the lock was told so; nobody else was told anything.
    fn check(&self) -> Result<(), TestCaseError> {
        for (who, waiter) in self.line.iter().enumerate() {
            let is_told = waiter.bell.rings() > waiter.heard;
            prop_assert!(waiter.bell.rings() <= waiter.heard + 1, "told once");
            let may = self.is_free() || (waiter.mode == Mode::Shared && !self.is_held_alone());
            if who == 0 && (may || self.granted) {
                prop_assert!(is_told, "the first could take it, and does not know");
            }
            prop_assert!(who <= self.first() || !is_told, "the {}th was told", who);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_lock_goes_to_whom_the_model_says(steps in vec(step(), 0..100)) {
        let mut checked = Checked {
            lock: LockWord::new(),
            alone: false,
            together: 0,
            line: Vec::new(),
            granted: false,
            impatient: false,
        };
        for step in steps {
            match step {
                Step::Take(mode) => {
                    let may = checked.may_come(mode);
                    prop_assert_eq!(checked.lock.take(mode), may);
                    if may {
                        checked.hold(mode);
                    }
                }
                Step::Enter(mode) => {
                    let may = checked.may_come(mode);
                    let (bell, waker) = Bell::new();
                    let ticket = checked.lock.enter(mode, &waker);
                    prop_assert_eq!(ticket.is_none(), may);
                    match ticket {
                        None => checked.hold(mode),
                        ticket => checked.line.push(Waiter { mode, ticket, bell, waker, heard: 0 }),
                    }
                }
                Step::Look(who, impatient) if !checked.line.is_empty() => {
                    checked.look(who % checked.line.len(), impatient)?;
                }
                Step::Leave(who) if !checked.line.is_empty() => {
                    checked.leave(who % checked.line.len())?;
                }
                Step::Look(..) | Step::Leave(_) => {}
                Step::Release => checked.release(),
                Step::Downgrade => {
                    if checked.alone {
                        (checked.alone, checked.together) = (false, 1);
                        checked.lock.downgrade();
                    }
                }
            }
            checked.check()?;
        }
        // Whoever waits gets it in the end, in order.
        while !checked.line.is_empty() {
            while checked.alone || checked.together > 0 {
                checked.release();
            }
            checked.check()?;
            checked.look(0, false)?;
        }
        while checked.alone || checked.together > 0 {
            checked.release();
        }
        prop_assert!(checked.lock.take_exclusive(), "a bit is left over");
    }
}
