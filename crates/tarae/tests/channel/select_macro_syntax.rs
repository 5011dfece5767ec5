//! `select!`: everything that can be written.
//!
//! Would catch: a form that does not compile; an expression evaluated twice, or in another order, or though it must not be; a
//! result of another type; a name of the program's that the macro hides.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::time::Duration;

use crate::crew::alone;
use crate::subject::channel::{self, RecvError, SendError, bounded, never, select, select_biased, unbounded};
use crate::support::ms;

#[test]
fn ends_are_named_in_any_way_that_borrows() {
    struct Handle<T>(T);
    impl<T> Deref for Handle<T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.0
        }
    }
    alone(|| {
        let (sender, receiver) = unbounded::<i32>();
        select! { send(sender, 1) -> _ => {} recv(never::<()>()) -> _ => {} }
        select! { send(&&&sender, 2) -> _ => {} recv(&&never::<()>()) -> _ => {} }
        let boxed = Box::new(sender.clone());
        select! { send(boxed, 3) -> _ => {} }
        select! { send(*boxed, 4) -> _ => {} }
        let handle = Handle(sender.clone());
        select! { send(handle, 5) -> _ => {} }
        let ends = (sender, vec![receiver]);
        select! { send(ends.0, 6) -> _ => {} }
        assert_eq!(ends.1[0].len(), 6);
        select! { recv(ends.1[0]) -> got => assert_eq!(got, Ok(1)) }
        select! { recv(ends.1.last().unwrap_or(&never())) -> got => assert_eq!(got, Ok(2)), default => panic!() }
        select! { recv(ends.1.first().unwrap()) -> got => assert_eq!(got, Ok(3)) }
        select! { recv({ &ends.1[0] }) -> got => assert_eq!(got, Ok(4)) }
        // Moved in, and dropped at the end.
        let mut receivers = ends.1;
        let mut take = || receivers.pop().unwrap();
        select! { recv(take()) -> got => assert_eq!(got, Ok(5)), }
        assert!(ends.0.send(7).is_err());
    });
}

#[test]
fn commas_stand_where_they_do_in_a_match() {
    let (sender, receiver) = unbounded();
    select! { send(sender, 1) -> _ => {} }
    select! { send(sender, 2) -> _ => {}, }
    select! { send(sender, 3) -> _ => (), }
    select! { send(sender, 4) -> _ => () }
    select! { send(sender, 5,) -> _ => {}, recv(never::<()>(),) -> _ => {}, default(ms(9),) => {}, }
    select! { recv(receiver) -> _ => {} recv(receiver) -> _ => {} default => {} }
    select! { recv(receiver) -> _ => (), recv(receiver) -> _ => {} default() => () }
    select! { recv(receiver) -> _ => {}, recv(receiver) -> _ => {}, default() => {}, }
    assert_eq!(receiver.len(), 2);
}

#[test]
fn a_default_stands_alone_or_with_others() {
    alone(|| {
        let (sender, receiver) = bounded::<i32>(0);
        select! { default => {} }
        select! { default() => {} }
        select! { default(ms(1)) => {} }
        select! { default => {} recv(receiver) -> _ => panic!("nobody sends") }
        select! { recv(receiver) -> _ => panic!("nobody sends"), default(ms(1)) => {}, send(sender, 1) -> _ => panic!() }
        let start = std::time::Instant::now();
        select! { default(ms(7)) => assert!(start.elapsed() >= ms(7)) }
    });
}

#[test]
fn a_body_is_any_expression_of_one_type() {
    let (sender, receiver) = unbounded::<i32>();
    let text: String = select! {
        recv(receiver) -> _ => "received".into(),
        send(sender, 1) -> _ => "sent".to_owned(),
    };
    assert_eq!(text, "sent");
    let number = 1.0 + select! { recv(receiver) -> got => f64::from(got.unwrap()), default => 7. };
    assert_eq!(number, 2.0);
    let value = select! {
        recv(receiver) -> _ => unreachable!(),
        recv(receiver) -> _ => loop { std::hint::black_box(()) },
        recv(receiver) -> got => match got { Ok(n) if n > 3 => n, _ => 0 },
        recv(receiver) -> got => if got.is_ok() { 1 } else { 2 },
        default => 5,
    };
    assert_eq!(value, 5);
}

#[test]
fn bodies_may_leave() {
    fn first(receiver: &channel::Receiver<i32>) -> Result<i32, RecvError> {
        select! {
            recv(receiver) -> got => {
                let got = got?;
                return Ok(got * 2);
            }
            default => {}
        }
        Ok(0)
    }
    let (sender, receiver) = unbounded();
    assert_eq!(first(&receiver), Ok(0));
    sender.send(4).unwrap();
    assert_eq!(first(&receiver), Ok(8));
    (0..10).for_each(|number| sender.send(number).unwrap());
    let mut seen = Vec::new();
    drop(sender);
    assert_eq!(
        'all: loop {
            select! {
                recv(receiver) -> got => match got {
                    Ok(number) if number % 2 == 0 => continue,
                    Ok(number) => seen.push(number),
                    Err(RecvError) => break 'all seen.len(),
                }
            }
        },
        5
    );
    assert_eq!(seen, [1, 3, 5, 7, 9]);
    assert_eq!(first(&receiver), Err(RecvError));
}

#[test]
fn results_are_those_of_send_and_recv() {
    let (sender, ended) = bounded::<i32>(1);
    let (gone, receiver) = bounded::<&str>(1);
    drop((ended, gone));
    select! { send(sender, 1) -> sent => { let refused: Result<(), SendError<i32>> = sent; assert_eq!(refused, Err(SendError(1))) } }
    select! { recv(receiver) -> got => { let got: Result<&str, RecvError> = got; assert_eq!(got, Err(RecvError)) } }
    select! {
        recv(receiver) -> got => { let _: Result<&str, RecvError> = got; }
        send(sender, 1) -> sent => { let _: Result<(), SendError<i32>> = sent; }
        default(ms(1)) => panic!("both are ready"),
    }
}

#[test]
fn results_are_bound_to_any_pattern() {
    let (sender, receiver) = bounded(2);
    select! { send(sender, (1, 2)) -> _sent => {} }
    select! { recv(receiver) -> mut got => { got = got.map(|(a, b)| (b, a)); assert_eq!(got, Ok((2, 1))) } }
    select! { send(sender, (1, 2)) -> sender => assert_eq!(sender, Ok(())) }
    select! { recv(receiver) -> receiver => assert_eq!(receiver, Ok((1, 2))) }
    select! { recv(receiver) -> _ => panic!(), default => {} }
}

#[test]
fn types_are_inferred() {
    let (sender, receiver) = unbounded();
    select! { recv(receiver) -> _ => {}, default => {} }
    sender.send(String::new()).unwrap();
    let (sender, receiver) = bounded(1);
    select! { send(sender, Default::default()) -> _ => {} }
    let _: u64 = receiver.recv().unwrap();
}

#[test]
fn what_only_one_case_uses_may_move_into_several() {
    let (sender, receiver) = unbounded();
    let once = Box::new(1);
    select! { send(sender, once) -> _ => {} }
    let (first, second) = (Box::new(2), Box::new(3));
    select! {
        recv(receiver) -> got => { drop(first); assert_eq!(got, Ok(Box::new(1))) }
        recv(never::<()>()) -> _ => drop(second),
    }
    let both = Box::new(4);
    select! {
        recv(receiver) -> _ => drop(both),
        send(sender, Box::new(5)) -> _ => drop(both),
        default => drop(both),
    }
    let only = Box::new(6);
    let make = move || *only;
    select! { send(sender, Box::new(make())) -> sent => sent.unwrap() }
}

#[test]
fn ends_are_evaluated_once_in_order_and_messages_only_if_sent() {
    for _ in 0..50 {
        let log = RefCell::new(String::new());
        let note = |name: char| log.borrow_mut().push(name);
        let (sender, receiver) = bounded(1);
        let (full, _keep) = bounded(0);
        select! {
            send({ note('a'); &full }, note('!')) -> _ => unreachable!(),
            recv({ note('b'); never::<()>() }) -> _ => unreachable!(),
            send({ note('c'); &sender }, note('m')) -> _ => note('x'),
            default({ note('d'); Duration::MAX }) => unreachable!(),
        }
        assert!(matches!(log.borrow().as_str(), "abcdmx" | "dabcmx"), "{}", log.borrow());
        assert_eq!(receiver.try_recv(), Ok(()));
    }
}

#[test]
fn a_default_is_evaluated_once() {
    let times = Cell::new(0);
    let (_sender, receiver) = bounded::<i32>(0);
    select! {
        recv(receiver) -> _ => unreachable!(),
        default({ times.set(times.get() + 1); ms(2) }) => {}
    }
    assert_eq!(times.get(), 1);
}

#[test]
fn selects_nest() {
    let (sender, receiver) = unbounded();
    (0..4).for_each(|number| sender.send(number).unwrap());
    let sum = select! {
        recv(receiver) -> first => first.unwrap() + select_biased! {
            recv(receiver) -> second => {
                select! {
                    recv(receiver) -> third => second.unwrap() * 10 + third.unwrap() * 100,
                }
            }
            default => panic!(),
        }
    };
    assert_eq!(sum, 210);
    // In what is sent, and in the end that is named.
    select! {
        send(sender, select! { recv(receiver) -> got => got.unwrap() + 1 }) -> sent => sent.unwrap(),
    }
    let choose = |nothing: bool| select! { default => if nothing { never() } else { receiver.clone() } };
    select! { recv(choose(true)) -> _ => panic!(), recv(choose(false)) -> got => assert_eq!(got, Ok(4)) }
}

#[test]
fn the_macro_does_not_touch_the_programs_names() {
    #[allow(dead_code, reason = "they are here to be in the way")]
    enum Option {
        Some,
        None,
    }
    #[allow(dead_code, unused_variables, reason = "they are here to be in the way")]
    fn run() {
        struct Select;
        struct Receiver;
        struct Sender;
        struct Duration;
        struct Ok;
        struct Err;
        let (oper, sel, index, token, res, timeout, handle, i, _r, _s) = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
        let (sender, receiver) = crate::subject::channel::bounded(1);
        crate::subject::channel::select! {
            send(sender, oper + sel + index + token + res + timeout + handle + i + _r + _s) -> sent => assert!(sent.is_ok()),
        }
        crate::subject::channel::select! {
            recv(receiver) -> got => assert!(got.is_ok_and(|sum| sum == 55)),
            default => panic!(),
        }
    }
    run();
}

#[test]
fn sixteen_cases() {
    let (sender, receiver) = unbounded::<i32>();
    let none = never::<i32>();
    sender.send(1).unwrap();
    select! {
        recv(none) -> _ => {} recv(none) -> _ => {} recv(none) -> _ => {} recv(none) -> _ => {} recv(none) -> _ => {}
        recv(none) -> _ => {} recv(none) -> _ => {} recv(none) -> _ => {} recv(none) -> _ => {} recv(none) -> _ => {}
        recv(none) -> _ => {} recv(none) -> _ => {} recv(none) -> _ => {} recv(none) -> _ => {} recv(none) -> _ => {}
        recv(receiver) -> got => assert_eq!(got, Ok(1)),
    }
}
