//! Who takes part in the models of a channel: the loops of `tarae-channel`'s `channel.rs` and `select/run.rs`, without deadlines;
//! where one gives up, the model says so. What parks is loom's `Notify`, one for each thread.

use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};

use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

use super::protocol::list::{Entrant, State};
use super::protocol::record::Record;
use super::protocol::wakes::Wakes;
use super::protocol::{Core, Received, Reserved, Sent};

/// A parked thread's waker.
struct Park(Notify);

impl Wake for Park {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

/// Who waits.
pub(super) struct Me {
    park: StdArc<Park>,
    waker: Waker,
}

impl Me {
    pub(super) fn new() -> Me {
        let park = StdArc::new(Park(Notify::new()));
        Me { waker: Waker::from(park.clone()), park }
    }
}

pub(super) struct Channel(Mutex<Core<u32>>);

#[derive(Debug, PartialEq)]
pub(super) struct Closed;

impl Channel {
    pub(super) fn new(capacity: usize) -> Arc<Channel> {
        Arc::new(Channel(Mutex::new(Core::new(capacity))))
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Core<u32>, &mut Wakes) -> R) -> R {
        let mut wakes = Wakes::default();
        let result = f(&mut self.0.lock().unwrap(), &mut wakes);
        wakes.wake();
        result
    }

    pub(super) fn send(&self, message: u32) -> Result<(), u32> {
        let (me, mut message) = (Me::new(), Some(message));
        let sent = self.with(|core, wakes| match core.send(&mut message, wakes) {
            Sent::Full => Err(core.wait_to_send(&mut message, &me.waker, None, wakes)),
            sent => Ok(sent),
        });
        let place = match sent {
            Ok(_) => return message.map_or(Ok(()), Err),
            Err(place) => place,
        };
        loop {
            me.park.0.wait();
            match self.with(|core, _| core.look(place, &mut message)) {
                State::Waiting => {}
                state => {
                    assert_eq!(message.is_some(), state == State::Closed);
                    return message.map_or(Ok(()), Err);
                }
            }
        }
    }

    pub(super) fn receive(&self) -> Result<u32, Closed> {
        self.receive_at(&Me::new(), None)
    }

    fn receive_at(&self, me: &Me, place: Option<usize>) -> Result<u32, Closed> {
        let (mut place, mut message) = (place, None);
        loop {
            let Some(key) = place else {
                match self.try_or_list(me, &mut message) {
                    Ok(()) => return message.ok_or(Closed),
                    Err(listed) => place = Some(listed),
                }
                continue;
            };
            match self.with(|core, _| core.look(key, &mut message)) {
                State::Waiting | State::Promised(_) => me.park.0.wait(),
                State::Withdrawn => place = None,
                State::Granted | State::Closed => return message.ok_or(Closed),
            }
        }
    }

    /// The place, if it has to wait.
    fn try_or_list(&self, me: &Me, message: &mut Option<u32>) -> Result<(), usize> {
        self.with(|core, wakes| match core.receive(message, wakes) {
            Received::Message | Received::Closed => Ok(()),
            Received::Promised(place) => {
                core.wait_for_promise(place, &me.waker);
                Err(place)
            }
            Received::Empty => Err(core.wait_to_receive(&me.waker, None, wakes)),
        })
    }

    /// Waits, and gives up at once.
    pub(super) fn receive_and_give_up(&self, how: GivesUp) -> Option<u32> {
        let (me, mut message) = (Me::new(), None);
        let Err(place) = self.try_or_list(&me, &mut message) else { return message };
        thread::yield_now();
        match how {
            GivesUp::Late => match self.with(|core, _| core.expire_receiver(place, &mut message)) {
                State::Promised(_) => return self.receive_at(&me, Some(place)).ok(),
                state => assert_eq!(message.is_some(), state == State::Granted),
            },
            GivesUp::Unwinds => self.with(|core, wakes| core.abandon_receiver(place, wakes)),
        }
        message
    }

    pub(super) fn len(&self) -> usize {
        self.with(|core, _| core.len())
    }

    pub(super) fn try_receive(&self) -> Option<u32> {
        let mut message = None;
        self.with(|core, wakes| core.receive(&mut message, wakes));
        message
    }

    pub(super) fn close_senders(&self) {
        self.with(|core, wakes| core.close_senders(wakes));
    }
}

/// How a receiver gives up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum GivesUp {
    /// Its deadline has passed.
    Late,
    /// It was cancelled.
    Unwinds,
}

#[derive(Clone, Copy)]
pub(super) enum Operation {
    Send(u32),
    Receive,
}

pub(super) enum Chosen {
    Send(Reserved),
    Receive(usize),
}

/// Selects one of the operations and completes it: its number, and what was received.
pub(super) fn select(operations: &[(&Channel, Operation)]) -> (usize, Option<u32>) {
    let me = Me::new();
    let (number, chosen) = choose(&me, operations);
    let channel = operations[number].0;
    match (chosen, operations[number].1) {
        (Chosen::Send(reserved), Operation::Send(message)) => {
            assert!(channel.with(|core, wakes| core.send_reserved(reserved, &mut Some(message), wakes)));
            (number, None)
        }
        (Chosen::Receive(place), _) => (number, channel.receive_at(&me, Some(place)).ok()),
        _ => unreachable!(),
    }
}

pub(super) fn choose(me: &Me, operations: &[(&Channel, Operation)]) -> (usize, Chosen) {
    loop {
        let mut possible = operations
            .iter()
            .enumerate()
            .filter_map(|(number, (channel, operation))| Some((number, try_one(me, channel, *operation)?)));
        if let Some(chosen) = possible.next() {
            return chosen;
        }
        let record = StdArc::new(Record::new());
        let mut places = Vec::new();
        for (number, (channel, operation)) in operations.iter().enumerate() {
            let entrant = Entrant { record: record.clone(), operation: number };
            let place = channel.with(|core, wakes| match operation {
                Operation::Send(_) if core.can_send(Some(&record)) => None,
                Operation::Receive if core.can_receive(Some(&record)) => None,
                Operation::Send(_) => Some(core.wait_to_send(&mut None, &me.waker, Some(entrant), wakes)),
                Operation::Receive => Some(core.wait_to_receive(&me.waker, Some(entrant), wakes)),
            });
            match place {
                Some(place) => places.push(place),
                None => break,
            }
        }
        if places.len() == operations.len() {
            while record.chosen().is_none() {
                me.park.0.wait();
            }
        }
        let winner = record.abort();
        let mut granted = None;
        for (number, (&place, (channel, operation))) in places.iter().zip(operations).enumerate() {
            let is_winner = winner == Some(number);
            let chosen = channel.with(|core, wakes| match operation {
                Operation::Send(_) => match core.leave_sender(place, &mut None) {
                    State::Promised(promise) => Some(Chosen::Send(Reserved::Promise(promise))),
                    State::Closed => Some(Chosen::Send(Reserved::Closed)),
                    state => {
                        assert_eq!(state, State::Waiting, "a select sends nothing but promises");
                        None
                    }
                },
                Operation::Receive if is_winner => Some(Chosen::Receive(place)),
                Operation::Receive => {
                    let state = core.look(place, &mut None);
                    assert_eq!(state, State::Waiting, "granted to one that was not chosen");
                    core.abandon_receiver(place, wakes);
                    None
                }
            });
            assert_eq!(chosen.is_some(), is_winner, "granted what was chosen, and nothing else");
            if let Some(chosen) = chosen {
                granted = Some((number, chosen));
            }
        }
        if let Some(granted) = granted {
            return granted;
        }
    }
}

fn try_one(me: &Me, channel: &Channel, operation: Operation) -> Option<Chosen> {
    let mut message = None;
    channel.with(|core, wakes| match operation {
        Operation::Send(_) => core.reserve(wakes).map(Chosen::Send),
        Operation::Receive => match core.receive(&mut message, wakes) {
            Received::Message => Some(Chosen::Receive(core.keep_received(State::Granted, &mut message))),
            Received::Closed => Some(Chosen::Receive(core.keep_received(State::Closed, &mut None))),
            Received::Promised(place) => {
                core.wait_for_promise(place, &me.waker);
                Some(Chosen::Receive(place))
            }
            Received::Empty => None,
        },
    })
}

/// Three threads with a lock, or two with two, reach many states: preempted twice at most, they find what is to be found.
pub(super) fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

pub(super) fn spawn<T: 'static>(
    channel: &Arc<Channel>,
    f: impl FnOnce(&Channel) -> T + 'static,
) -> thread::JoinHandle<T> {
    let channel = channel.clone();
    thread::spawn(move || f(&channel))
}
