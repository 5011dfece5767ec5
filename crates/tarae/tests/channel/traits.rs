//! What the types of the channels are: who may be sent where, and what is said of them.
//!
//! Would catch: an end that is `Send` with a message that is not, or is not where it should be; a `Clone` or `Debug` that demands
//! something of the message; a `Select` that cannot move; a signature that differs from crossbeam-channel's.

use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use crate::subject::channel::{self, Receiver, Select, Sender, bounded, never, select, unbounded};

/// Can be sent, and nothing else.
struct Plain;

#[test]
fn ends_are_sent_shared_and_survive_panics() {
    fn end<T: Send + Sync + Clone + Debug + UnwindSafe + RefUnwindSafe>() {}
    end::<Sender<Plain>>();
    end::<Receiver<Plain>>();
    // A message that can be sent is enough: it need not be shared, nor survive.
    end::<Sender<std::cell::Cell<&'static mut i32>>>();
    end::<Receiver<std::cell::Cell<&'static mut i32>>>();
}

#[test]
fn ends_carry_what_borrows_and_what_cannot_be_sent() {
    let text = String::from("borrowed");
    let (sender, receiver) = unbounded();
    sender.send(text.as_str()).unwrap();
    assert_eq!(receiver.recv(), Ok("borrowed"));
    // On one thread, anything goes.
    let (sender, receiver) = bounded(1);
    sender.send(std::rc::Rc::new(1)).unwrap();
    assert_eq!(*receiver.recv().unwrap(), 1);
}

#[test]
fn a_select_is_sent_shared_and_cloned() {
    fn plain<T: Send + Sync + Clone + Default + Debug>() {}
    plain::<Select<'static>>();
}

#[test]
fn debug_texts() {
    let (sender, receiver) = bounded::<Plain>(1);
    assert_eq!(format!("{sender:?}"), "Sender { .. }");
    assert_eq!(format!("{receiver:?}"), "Receiver { .. }");
    assert_eq!(format!("{:?}", never::<Plain>()), "Receiver { .. }");
    let mut select = Select::new();
    select.send(&sender);
    assert_eq!(format!("{select:?}"), "Select { .. }");
    let chosen = select.select();
    assert_eq!(format!("{chosen:?}"), "SelectedOperation { .. }");
    chosen.send(&sender, Plain).unwrap();
    // In a column as well.
    assert_eq!(format!("{sender:>15?}|{receiver:<16?}|"), "  Sender { .. }|Receiver { .. } |");
}

#[test]
fn signatures() {
    let _: fn(usize) -> (Sender<Plain>, Receiver<Plain>) = channel::bounded;
    let _: fn() -> (Sender<Plain>, Receiver<Plain>) = channel::unbounded;
    let _: fn(Duration) -> Receiver<Instant> = channel::after;
    let _: fn(Instant) -> Receiver<Instant> = channel::at;
    let _: fn(Duration) -> Receiver<Instant> = channel::tick;
    const NEVER: Receiver<Plain> = channel::never();
    assert!(NEVER.is_empty());

    type Of<'a> = Select<'a>;
    let _: fn(&mut Of<'static>, &'static Sender<Plain>) -> usize = Select::send;
    let _: fn(&mut Of<'static>, &'static Receiver<Plain>) -> usize = Select::recv;
    let _: fn(&mut Of<'static>, usize) = Select::remove;
    let _: fn(&mut Of<'static>) -> usize = Select::ready;
    let _: fn(&mut Of<'static>) -> Result<usize, channel::TryReadyError> = Select::try_ready;
    let _: fn(&mut Of<'static>, Duration) -> Result<usize, channel::ReadyTimeoutError> =
        Select::ready_timeout;
    let _: fn(&mut Of<'static>, Instant) -> Result<usize, channel::ReadyTimeoutError> =
        Select::ready_deadline;
    type Chosen<E> = Result<channel::SelectedOperation<'static>, E>;
    let _: fn(&mut Of<'static>) -> channel::SelectedOperation<'static> = Select::select;
    let _: fn(&mut Of<'static>) -> Chosen<channel::TrySelectError> = Select::try_select;
    let _: fn(&mut Of<'static>, Duration) -> Chosen<channel::SelectTimeoutError> = Select::select_timeout;
    let _: fn(&mut Of<'static>, Instant) -> Chosen<channel::SelectTimeoutError> = Select::select_deadline;
}

#[test]
fn names_of_iterators_are_exported() {
    let (_sender, receiver) = unbounded::<Plain>();
    let _: channel::Iter<'_, Plain> = receiver.iter();
    let _: channel::TryIter<'_, Plain> = receiver.try_iter();
    let _: channel::IntoIter<Plain> = receiver.into_iter();
}

/// What a thread keeps may use channels while the thread ends, when its other locals have gone. It is a kernel thread: the locals
/// of a coroutine outlive it.
#[test]
fn channels_work_while_a_thread_ends() {
    struct Last(Sender<i32>, Receiver<i32>);
    impl Drop for Last {
        fn drop(&mut self) {
            select! {
                recv(self.1) -> got => assert_eq!(got, Ok(1)),
                default(Duration::from_secs(9)) => panic!("nothing came"),
            }
            self.0.send(2).unwrap();
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    crate::crew::everywhere(|_| {
        let (to, from) = bounded(0);
        let (back_to, back) = bounded(0);
        let ending = std::thread::spawn(move || LAST.set(Some(Last(back_to, from))));
        to.send(1).unwrap();
        assert_eq!(back.recv(), Ok(2));
        ending.join().unwrap();
    });
}
