//! Random operations that do not wait, against queues that are obviously right.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::prelude::*;
use tarae_channel::{
    Receiver, RecvError, Select, SendError, Sender, TryRecvError, TrySendError, bounded, select, unbounded,
};

#[derive(Clone, Debug)]
enum Step {
    Send(usize, u32),
    Receive(usize),
    DropSender(usize),
    DropReceiver(usize),
    /// Of these: to send to (true) or to receive from (false) which channel.
    Select(Vec<(bool, usize)>, bool),
    Ready(Vec<(bool, usize)>),
}

const CHANNELS: usize = 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let channel = 0..CHANNELS;
    let list = prop::collection::vec((any::<bool>(), channel.clone()), 0..5);
    let step = prop_oneof![
        8 => (channel.clone(), any::<u32>()).prop_map(|(channel, message)| Step::Send(channel, message)),
        8 => channel.clone().prop_map(Step::Receive),
        1 => channel.clone().prop_map(Step::DropSender),
        1 => channel.prop_map(Step::DropReceiver),
        6 => (list.clone(), any::<bool>()).prop_map(|(list, biased)| Step::Select(list, biased)),
        3 => list.prop_map(Step::Ready),
    ];
    prop::collection::vec(step, 0..60)
}

struct Pair {
    ends: (Option<Sender<u32>>, Option<Receiver<u32>>),
    capacity: Option<usize>,
    queue: VecDeque<u32>,
}

impl Pair {
    fn new(capacity: Option<usize>) -> Pair {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        Pair { ends: (Some(sender), Some(receiver)), capacity, queue: VecDeque::new() }
    }

    fn has_room(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.queue.len() < capacity)
    }

    fn can(&self, to_send: bool) -> bool {
        if to_send {
            self.has_room() || self.ends.1.is_none()
        } else {
            !self.queue.is_empty() || self.ends.0.is_none()
        }
    }

    fn check(&self) {
        for end in [
            self.ends.0.as_ref().map(|end| (end.len(), end.is_empty(), end.is_full(), end.capacity())),
            self.ends.1.as_ref().map(|end| (end.len(), end.is_empty(), end.is_full(), end.capacity())),
        ] {
            let Some((len, is_empty, is_full, capacity)) = end else { continue };
            assert_eq!(len, self.queue.len());
            assert_eq!(is_empty, self.queue.is_empty());
            assert_eq!(is_full, !self.has_room());
            assert_eq!(capacity, self.capacity);
        }
    }

    fn send(&mut self, message: u32) {
        let Some(sender) = &self.ends.0 else { return };
        let expected = if self.ends.1.is_none() {
            Err(TrySendError::Disconnected(message))
        } else if self.has_room() {
            self.queue.push_back(message);
            Ok(())
        } else {
            Err(TrySendError::Full(message))
        };
        assert_eq!(sender.try_send(message), expected);
    }

    fn receive(&mut self) {
        let Some(receiver) = &self.ends.1 else { return };
        let expected = self.queue.pop_front().ok_or(match self.ends.0 {
            None => TryRecvError::Disconnected,
            Some(_) => TryRecvError::Empty,
        });
        assert_eq!(receiver.try_recv(), expected);
    }
}

/// The operations of a list whose ends are still there.
fn alive<'a>(pairs: &'a [Pair], list: &'a [(bool, usize)]) -> impl Iterator<Item = (bool, usize)> + 'a {
    list.iter().copied().filter(|&(to_send, channel)| {
        let ends = &pairs[channel].ends;
        if to_send { ends.0.is_some() } else { ends.1.is_some() }
    })
}

fn build<'a>(pairs: &'a [Pair], operations: &[(bool, usize)], biased: bool) -> Select<'a> {
    let mut select = if biased { Select::new_biased() } else { Select::new() };
    for &(to_send, channel) in operations {
        let ends = &pairs[channel].ends;
        if to_send {
            select.send(ends.0.as_ref().unwrap());
        } else {
            select.recv(ends.1.as_ref().unwrap());
        }
    }
    select
}

fn run_select(pairs: &mut [Pair], list: &[(bool, usize)], biased: bool) {
    let operations: Vec<_> = alive(pairs, list).collect();
    let mut possible = operations.iter().map(|&(to_send, channel)| pairs[channel].can(to_send));
    let mut select = build(pairs, &operations, biased);
    let Ok(selected) = select.try_select() else {
        assert!(possible.all(|possible| !possible), "something was possible: {operations:?}");
        return;
    };
    let index = selected.index();
    let possible: Vec<_> = possible.collect();
    assert!(possible[index], "chose what was impossible");
    assert!(!biased || possible.iter().position(|possible| *possible) == Some(index));
    let (to_send, channel) = operations[index];
    let pair = &pairs[channel];
    if to_send {
        let expected = if pair.ends.1.is_none() { Err(SendError(7)) } else { Ok(()) };
        assert_eq!(selected.send(pair.ends.0.as_ref().unwrap(), 7), expected);
        if expected.is_ok() {
            pairs[channel].queue.push_back(7);
        }
    } else {
        let received = selected.recv(pair.ends.1.as_ref().unwrap());
        let expected = pairs[channel].queue.pop_front().ok_or(RecvError);
        assert_eq!(received, expected);
    }
}

fn run_ready(pairs: &[Pair], list: &[(bool, usize)]) {
    let operations: Vec<_> = alive(pairs, list).collect();
    let is_possible = |&(to_send, channel): &(bool, usize)| pairs[channel].can(to_send);
    match build(pairs, &operations, false).try_ready() {
        Ok(index) => assert!(is_possible(&operations[index])),
        Err(_) => assert!(!operations.iter().any(is_possible)),
    }
}

proptest! {
    #[test]
    fn channels_are_queues(capacities in prop::collection::vec(prop::option::of(0_usize..4), CHANNELS), steps in steps()) {
        let mut pairs: Vec<_> = capacities.into_iter().map(Pair::new).collect();
        for step in steps {
            match step {
                Step::Send(channel, message) => pairs[channel].send(message),
                Step::Receive(channel) => pairs[channel].receive(),
                Step::DropSender(channel) => pairs[channel].ends.0 = None,
                Step::DropReceiver(channel) => {
                    pairs[channel].ends.1 = None;
                    pairs[channel].queue.clear();
                }
                Step::Select(list, biased) => run_select(&mut pairs, &list, biased),
                Step::Ready(list) => run_ready(&pairs, &list),
            }
            pairs.iter().for_each(Pair::check);
        }
    }
}

/// What happens between a select's choice to send and the message, on one channel.
#[derive(Clone, Debug)]
enum Half {
    Send(u32),
    Receive,
    /// A select chooses to send.
    Choose,
    /// One of those that were chosen gets its message, or unwinds.
    Complete(prop::sample::Index, u32),
    Unwind(prop::sample::Index),
}

fn halves() -> impl Strategy<Value = Vec<Half>> {
    let half = prop_oneof![
        4 => any::<u32>().prop_map(Half::Send),
        6 => Just(Half::Receive),
        5 => Just(Half::Choose),
        3 => (any::<prop::sample::Index>(), any::<u32>()).prop_map(|(one, message)| Half::Complete(one, message)),
        1 => any::<prop::sample::Index>().prop_map(Half::Unwind),
    ];
    prop::collection::vec(half, 0..60)
}

proptest! {
    /// A message that is not made yet has its place in the queue; without it, there is no such place.
    #[test]
    fn what_is_chosen_to_be_sent_has_its_place(capacity in prop::option::of(1_usize..5), halves in halves()) {
        let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
        // A message, or which of the choices it is of.
        let mut queue: VecDeque<Result<u32, usize>> = VecDeque::new();
        let mut chosen = Vec::new();
        for (number, half) in halves.into_iter().enumerate() {
            let has_room = capacity.is_none_or(|capacity| queue.len() < capacity);
            match half {
                Half::Send(message) => {
                    assert_eq!(sender.try_send(message).is_ok(), has_room);
                    queue.extend(has_room.then_some(Ok(message)));
                }
                // It would wait.
                Half::Receive if matches!(queue.front(), Some(Err(_))) => {}
                Half::Receive => {
                    let message = queue.pop_front().map(|front| front.expect("a message"));
                    assert_eq!(receiver.try_recv().ok(), message);
                }
                Half::Choose => {
                    let mut select = Select::new();
                    select.send(&sender);
                    let operation = select.try_select();
                    assert_eq!(operation.is_ok(), has_room);
                    queue.extend(has_room.then_some(Err(number)));
                    chosen.extend(operation.ok().map(|operation| (number, operation)));
                }
                Half::Complete(one, message) if !chosen.is_empty() => {
                    let (number, operation) = chosen.remove(one.index(chosen.len()));
                    assert_eq!(operation.send(&sender, message), Ok(()));
                    let place = queue.iter().position(|slot| *slot == Err(number)).expect("its place");
                    queue[place] = Ok(message);
                }
                Half::Unwind(one) if !chosen.is_empty() => {
                    let (number, operation) = chosen.remove(one.index(chosen.len()));
                    let unwound = catch_unwind(AssertUnwindSafe(|| {
                        let _operation = operation;
                        resume_unwind(Box::new(()));
                    }));
                    assert!(unwound.is_err());
                    queue.retain(|slot| *slot != Err(number));
                }
                Half::Complete(..) | Half::Unwind(_) => {}
            }
            assert_eq!(receiver.len(), queue.len());
        }
        chosen.into_iter().for_each(|(_, operation)| operation.send(&sender, 0).unwrap());
    }
}

/// The macro is the same as the list: what is not `Send` may go through it as well.
#[test]
fn the_macro_takes_messages_that_stay_on_their_thread() {
    let (sender, receiver) = bounded(1);
    select! {
        send(sender, std::rc::Rc::new(1)) -> sent => assert_eq!(sent, Ok(())),
        recv(receiver) -> _ => unreachable!(),
    }
    assert_eq!(receiver.recv().as_deref(), Ok(&1));
}
