//! The panics that are documented, and panics that come from the program in the middle of an operation.
//!
//! Would catch: a misuse that is not noticed, or is told in other words; a channel that is unusable, or a value that is lost or
//! dropped twice, when the program panics between a selection and its completion.

use crate::counted::Ledger;
use crate::crew::{alone, everywhere, panic_of};
use crate::subject::channel::{Receiver, Select, Sender, bounded, select, unbounded};
use crate::support::child;
use crate::support::{ON_PURPOSE, hush, ms};

#[test]
fn a_select_without_cases_panics_where_it_would_wait_for_ever() {
    alone(|| {
        let said = "no operations have been added to `Select`";
        assert_eq!(panic_of(|| Select::new().select().index()), said);
        assert_eq!(panic_of(|| Select::new().ready()), said);
        let (_sender, receiver) = unbounded::<i32>();
        let emptied = panic_of(|| {
            let mut select = Select::new();
            select.recv(&receiver);
            select.remove(0);
            select.ready()
        });
        assert_eq!(emptied, said);
    });
}

#[test]
fn a_selected_operation_that_is_dropped_panics() {
    alone(|| {
        for (sender, receiver) in [bounded(1), unbounded()] {
            let said = panic_of(|| {
                let mut select = Select::new();
                select.send(&sender);
                drop(select.select());
            });
            assert_eq!(said, "dropped `SelectedOperation` without completing the operation");
            let _: (Sender<i32>, Receiver<i32>) = (sender, receiver);
        }
        let (sender, receiver) = unbounded();
        sender.send(1).unwrap();
        let said = panic_of(|| {
            let mut select = Select::new();
            select.recv(&receiver);
            let _ = select.try_select().map(drop);
        });
        assert_eq!(said, "dropped `SelectedOperation` without completing the operation");
    });
}

/// A second panic, of the operation that is then dropped, may end the process: so it happens in one of its own.
#[test]
fn a_send_completed_with_another_sender_panics() {
    if !child::is_child() {
        let ended = child::again("select_panics::a_send_completed_with_another_sender_panics");
        assert!(!ended.status.success());
        return assert!(ended.stderr.contains("passed a sender that wasn't selected"), "{}", ended.stderr);
    }
    let (sender, _receiver) = unbounded();
    // It must be the very same reference; a clone will not do.
    let clone = sender.clone();
    let mut select = Select::new();
    select.send(&sender);
    let _ = select.select().send(&clone, 1);
}

#[test]
fn a_receive_completed_with_another_receiver_panics() {
    if !child::is_child() {
        let ended = child::again("select_panics::a_receive_completed_with_another_receiver_panics");
        assert!(!ended.status.success());
        return assert!(ended.stderr.contains("passed a receiver that wasn't selected"), "{}", ended.stderr);
    }
    let (sender, receiver) = unbounded();
    sender.send(1).unwrap();
    let clone = receiver.clone();
    let mut select = Select::new();
    select.recv(&receiver);
    let _ = select.select().recv(&clone);
}

#[test]
fn a_removal_of_what_is_not_there_panics() {
    alone(|| {
        let (_sender, receiver) = unbounded::<i32>();
        let beyond = panic_of(|| {
            let mut select = Select::new();
            select.recv(&receiver);
            select.remove(1);
        });
        assert_eq!(beyond, "index out of bounds; 1 >= 1");
        let twice = panic_of(|| {
            let mut select = Select::new();
            select.recv(&receiver);
            select.recv(&receiver);
            select.remove(0);
            select.remove(0);
        });
        assert_eq!(twice, "no operation with this index");
    });
}

#[test]
fn a_panic_in_an_expression_of_a_channel_selects_nothing() {
    alone(|| {
        hush();
        let (sender, receiver) = bounded(1);
        sender.send(1).unwrap();
        let said = panic_of(|| {
            select! {
                recv(receiver) -> _ => {}
                recv(never_given(&receiver)) -> _ => {}
            }
        });
        assert_eq!(said, ON_PURPOSE);
        let said = panic_of(|| {
            select! {
                recv(receiver) -> _ => {}
                default(never_given(ms(1))) => {}
            }
        });
        assert_eq!(said, ON_PURPOSE);
        assert_eq!(receiver.len(), 1);
        assert_eq!(receiver.recv(), Ok(1));
    });
}

/// Panics, and has a type that the compiler does not see through.
fn panicking() {
    if std::hint::black_box(true) {
        crate::support::panic_on_purpose()
    }
}

fn never_given<T>(value: T) -> T {
    panicking();
    value
}

#[test]
fn a_panic_in_a_body_comes_after_its_operation() {
    alone(|| {
        let ledger = Ledger::new(2);
        let (sender, receiver) = bounded(2);
        let said = panic_of(|| {
            select! {
                send(sender, ledger.value(0)) -> sent => { sent.unwrap(); panicking() }
            }
        });
        assert_eq!((said.as_str(), receiver.len()), (ON_PURPOSE, 1));
        let said = panic_of(|| {
            select! {
                recv(receiver) -> got => { assert_eq!(got.unwrap().number(), 0); panicking() }
            }
        });
        assert_eq!((said.as_str(), receiver.len()), (ON_PURPOSE, 0));
        sender.send(ledger.value(1)).unwrap();
        drop(receiver.recv());
        ledger.assert_each_dropped_once();
    });
}

#[test]
fn one_who_panics_ends_its_side_of_the_channel() {
    everywhere(|crew| {
        hush();
        let (sender, receiver) = bounded(1);
        let panicked = crew.spawn(move || {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                sender.send(1).unwrap();
                panicking();
                drop(sender);
            }));
            caught.is_err()
        });
        assert_eq!(receiver.iter().collect::<Vec<i32>>(), [1]);
        assert!(panicked.join());
    });
}

/// Sends while it is dropped, also by a panic.
struct Farewell(Sender<&'static str>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.send(if tarae::thread::panicking() { "in a panic" } else { "in peace" }).unwrap();
    }
}

#[test]
fn channels_may_wait_while_a_panic_unwinds() {
    everywhere(|crew| {
        hush();
        let (sender, receiver) = bounded(0);
        let ending = crew.spawn(move || {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let _farewell = Farewell(sender);
                panicking();
            }))
            .is_err()
        });
        tarae::sleep(ms(3));
        assert_eq!(receiver.recv(), Ok("in a panic"));
        assert!(ending.join());
    });
}
