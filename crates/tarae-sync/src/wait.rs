//! The wait of one who stands in line: the same for everything in this crate.
//!
//! One enters, looks, parks, looks again. A grant that is there counts, also when the time is up or an interrupt is due; a
//! wait that unwinds leaves its place on the way, and passes on what was granted to it.

use std::task::Waker;
use std::time::Instant;

use tarae_task::{Reason, wait_until};

/// What one waits for.
pub(crate) trait Wait {
    /// The right to a place in line.
    type Ticket;

    /// Gets it, or stands in line: then the ticket is returned.
    fn enter(&mut self, waker: &Waker) -> Option<Self::Ticket>;

    /// Whether it is there; if so, the ticket was used up.
    fn look(&mut self, ticket: &mut Option<Self::Ticket>, waker: &Waker) -> bool;

    /// Gives up, and says whether it had been granted meanwhile.
    fn leave(&mut self, ticket: Self::Ticket) -> bool;

    /// Passes on what was granted to one who unwinds.
    fn pass_on(&mut self);
}

/// Waits until it is there, or until `deadline`. Whether it is.
pub(crate) fn wait(reason: Reason, deadline: Option<Instant>, what: impl Wait) -> bool {
    let mut place = Place { ticket: None, what };
    let mut has_entered = false;
    let granted = wait_until(reason, deadline, |waker| {
        if !std::mem::replace(&mut has_entered, true) {
            place.ticket = place.what.enter(waker);
            return place.ticket.is_none().then_some(());
        }
        place.what.look(&mut place.ticket, waker).then_some(())
    });
    granted.is_some() || place.ticket.take().is_some_and(|ticket| place.what.leave(ticket))
}

/// A place in line, left on drop.
struct Place<W: Wait> {
    ticket: Option<W::Ticket>,
    what: W,
}

impl<W: Wait> Drop for Place<W> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take()
            && self.what.leave(ticket)
        {
            self.what.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use tarae_task::with_flag;

    use super::*;

    /// One to whom it is granted right after it has looked, or never.
    struct Scripted<'a> {
        granted: bool,
        said: &'a RefCell<Vec<&'static str>>,
    }

    impl Wait for Scripted<'_> {
        type Ticket = ();

        fn enter(&mut self, _: &Waker) -> Option<()> {
            self.said.borrow_mut().push("enter");
            Some(())
        }

        fn look(&mut self, _: &mut Option<()>, _: &Waker) -> bool {
            false
        }

        fn leave(&mut self, (): ()) -> bool {
            self.said.borrow_mut().push("leave");
            self.granted
        }

        fn pass_on(&mut self) {
            self.said.borrow_mut().push("pass on");
        }
    }

    fn interrupted(granted: bool) -> Vec<&'static str> {
        let said = RefCell::default();
        let wait = || wait(Reason::Other, None, Scripted { granted, said: &said });
        assert!(with_flag(&AtomicBool::new(true), wait).is_err());
        said.into_inner()
    }

    #[test]
    fn one_that_unwinds_leaves_and_passes_on_what_it_was_granted() {
        assert_eq!(interrupted(false), ["enter", "leave"]);
        assert_eq!(interrupted(true), ["enter", "leave", "pass on"]);
    }

    #[test]
    fn what_was_granted_at_the_deadline_counts() {
        for granted in [false, true] {
            let said = RefCell::default();
            let deadline = Instant::now() + Duration::from_millis(1);
            assert_eq!(wait(Reason::Other, Some(deadline), Scripted { granted, said: &said }), granted);
            assert_eq!(said.into_inner(), ["enter", "leave"]);
        }
    }
}
