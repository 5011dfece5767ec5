//! The core of a channel: senders, receivers and selects race, every interleaving.
//!
//! What parks is loom's `Notify`, one for each thread. The loops are those of `tarae-channel`'s `channel.rs` and `select/run.rs`, without
//! deadlines; where one gives up, the model says so.

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-channel/src/core/mod.rs"]
mod protocol;

#[cfg(test)]
mod tests {
    use std::sync::Arc as StdArc;
    use std::task::{Wake, Waker};

    use loom::sync::{Arc, Mutex, Notify};
    use loom::thread;

    use super::protocol::list::Entrant;
    use super::protocol::record::Record;
    use super::protocol::wakes::Wakes;
    use super::protocol::{Core, Received, Receiving, Reserved, Sending, Sent};

    /// A parked thread's waker.
    struct Park(Notify);

    impl Wake for Park {
        fn wake(self: StdArc<Self>) {
            self.0.notify();
        }
    }

    /// Who waits.
    struct Me {
        park: StdArc<Park>,
        waker: Waker,
    }

    impl Me {
        fn new() -> Me {
            let park = StdArc::new(Park(Notify::new()));
            Me { waker: Waker::from(park.clone()), park }
        }
    }

    struct Channel(Mutex<Core<u32>>);

    #[derive(Debug, PartialEq)]
    struct Closed;

    impl Channel {
        fn new(capacity: usize) -> Arc<Channel> {
            Arc::new(Channel(Mutex::new(Core::new(capacity))))
        }

        fn with<R>(&self, f: impl FnOnce(&mut Core<u32>, &mut Wakes) -> R) -> R {
            let mut wakes = Wakes::default();
            let result = f(&mut self.0.lock().unwrap(), &mut wakes);
            wakes.wake();
            result
        }

        fn send(&self, message: u32) -> Result<(), u32> {
            let me = Me::new();
            let sent = self.with(|core, wakes| match core.send(message, wakes) {
                Sent::Done => Ok(Ok(())),
                Sent::Closed(message) => Ok(Err(message)),
                Sent::Full(message) => Err(core.wait_to_send(Some(message), &me.waker, None, wakes)),
            });
            let place = match sent {
                Ok(outcome) => return outcome,
                Err(place) => place,
            };
            loop {
                me.park.0.wait();
                let state = self.with(|core, _| match core.senders.place(place).state {
                    Sending::Waiting(_) => None,
                    _ => Some(core.senders.remove(place)),
                });
                match state {
                    None => {}
                    Some(Sending::Closed(Some(message))) => return Err(message),
                    Some(_) => return Ok(()),
                }
            }
        }

        fn receive(&self) -> Result<u32, Closed> {
            self.receive_at(None)
        }

        fn receive_at(&self, mut place: Option<usize>) -> Result<u32, Closed> {
            let me = Me::new();
            loop {
                let Some(key) = place else {
                    let received = self.with(|core, wakes| match core.receive(&me.waker, wakes) {
                        Received::Message(message) => Ok(Ok(message)),
                        Received::Closed => Ok(Err(Closed)),
                        Received::Promised(place) => Err(place),
                        Received::Empty => Err(core.wait_to_receive(&me.waker, None, wakes)),
                    });
                    match received {
                        Ok(outcome) => return outcome,
                        Err(listed) => place = Some(listed),
                    }
                    continue;
                };
                let state = self.with(|core, _| {
                    let at = core.receivers.place(key);
                    match at.state {
                        Receiving::Waiting | Receiving::Promised => {
                            // A place of a select has another waker.
                            at.waker = Some(me.waker.clone());
                            None
                        }
                        _ => Some(core.receivers.remove(key)),
                    }
                });
                match state {
                    None => me.park.0.wait(),
                    Some(Receiving::Given(message)) => return Ok(message),
                    Some(Receiving::Withdrawn) => place = None,
                    Some(_) => return Err(Closed),
                }
            }
        }

        /// Lists itself, and gives up at once, as when a deadline passes or a wait unwinds.
        fn receive_and_give_up(&self, returns: bool) -> Option<u32> {
            let me = Me::new();
            let received = self.with(|core, wakes| match core.receive(&me.waker, wakes) {
                Received::Message(message) => Ok(Some(message)),
                Received::Closed => Ok(None),
                Received::Promised(place) => Err(place),
                Received::Empty => Err(core.wait_to_receive(&me.waker, None, wakes)),
            });
            let place = match received {
                Ok(outcome) => return outcome,
                Err(place) => place,
            };
            thread::yield_now();
            self.with(|core, wakes| match core.leave_receiver(place) {
                Receiving::Given(message) if returns => Some(message),
                Receiving::Given(message) => {
                    core.put_back(message, wakes);
                    None
                }
                _ => None,
            })
        }

        fn try_receive(&self) -> Option<u32> {
            self.with(|core, wakes| match core.receive(Waker::noop(), wakes) {
                Received::Message(message) => Some(message),
                _ => None,
            })
        }

        fn close_senders(&self) {
            self.with(|core, wakes| core.close_senders(wakes));
        }
    }

    #[derive(Clone, Copy)]
    enum Operation {
        Send(u32),
        Receive,
    }

    enum Chosen {
        Send(Reserved),
        Receive(usize),
    }

    /// Selects one of the operations and completes it: its number, and what was received.
    fn select(operations: &[(&Channel, Operation)]) -> (usize, Option<u32>) {
        let (number, chosen) = choose(operations);
        let channel = operations[number].0;
        match (chosen, operations[number].1) {
            (Chosen::Send(reserved), Operation::Send(message)) => {
                channel.with(|core, wakes| core.send_reserved(reserved, message, wakes)).unwrap();
                (number, None)
            }
            (Chosen::Receive(place), _) => (number, channel.receive_at(Some(place)).ok()),
            _ => unreachable!(),
        }
    }

    fn choose(operations: &[(&Channel, Operation)]) -> (usize, Chosen) {
        let me = Me::new();
        loop {
            for (number, (channel, operation)) in operations.iter().enumerate() {
                let chosen = channel.with(|core, wakes| match operation {
                    Operation::Send(_) => core.reserve().map(Chosen::Send),
                    Operation::Receive => match core.receive(&me.waker, wakes) {
                        Received::Message(message) => {
                            Some(Chosen::Receive(core.receivers.keep(Receiving::Given(message), None)))
                        }
                        Received::Closed => {
                            Some(Chosen::Receive(core.receivers.keep(Receiving::Closed, None)))
                        }
                        Received::Promised(place) => Some(Chosen::Receive(place)),
                        Received::Empty => None,
                    },
                });
                if let Some(chosen) = chosen {
                    return (number, chosen);
                }
            }
            let record = StdArc::new(Record::new());
            let mut places = Vec::new();
            for (number, (channel, operation)) in operations.iter().enumerate() {
                let entrant = Entrant { record: record.clone(), operation: number };
                let place = channel.with(|core, wakes| match operation {
                    Operation::Send(_) if core.can_send(Some(&record)) => None,
                    Operation::Receive if core.can_receive(Some(&record)) => None,
                    Operation::Send(_) => Some(core.wait_to_send(None, &me.waker, Some(entrant), wakes)),
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
                let chosen = channel.with(|core, _| match operation {
                    Operation::Send(_) => match core.senders.remove(place) {
                        Sending::Reserved(reserved) => Some(Chosen::Send(reserved)),
                        Sending::Closed(_) => Some(Chosen::Send(Reserved::Closed)),
                        Sending::Waiting(_) | Sending::Taken => None,
                    },
                    Operation::Receive if is_winner => Some(Chosen::Receive(place)),
                    Operation::Receive => {
                        let state = core.receivers.remove(place);
                        assert!(matches!(state, Receiving::Waiting), "granted to one that was not chosen");
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

    /// Three threads with a lock, or two with two, reach many states: preempted twice at most, they find what is to be found.
    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(model);
    }

    fn spawn<T: 'static>(
        channel: &Arc<Channel>,
        f: impl FnOnce(&Channel) -> T + 'static,
    ) -> thread::JoinHandle<T> {
        let channel = channel.clone();
        thread::spawn(move || f(&channel))
    }

    fn two_senders_race_one_receiver(capacity: usize) {
        check(move || {
            let channel = Channel::new(capacity);
            let senders = [1, 2].map(|message| spawn(&channel, move |channel| channel.send(message)));
            let mut received = [channel.receive().unwrap(), channel.receive().unwrap()];
            received.sort_unstable();
            assert_eq!(received, [1, 2]);
            for sender in senders {
                assert_eq!(sender.join().unwrap(), Ok(()));
            }
            assert_eq!(channel.try_receive(), None);
        });
    }

    #[test]
    fn two_senders_race_one_receiver_for_one_place() {
        two_senders_race_one_receiver(1);
    }

    #[test]
    fn two_senders_meet_one_receiver() {
        two_senders_race_one_receiver(0);
    }

    #[test]
    fn a_disconnect_races_a_receiver() {
        check(|| {
            let channel = Channel::new(1);
            let sender = spawn(&channel, |channel| {
                channel.send(1).unwrap();
                channel.close_senders();
            });
            assert_eq!(channel.receive(), Ok(1));
            assert_eq!(channel.receive(), Err(Closed));
            sender.join().unwrap();
        });
    }

    #[test]
    fn a_disconnect_races_a_sender_who_gets_the_message_back() {
        check(|| {
            let channel = Channel::new(0);
            let receiver = spawn(&channel, |channel| {
                let left = channel.with(|core, wakes| core.close_receivers(wakes));
                assert!(left.is_empty());
            });
            assert_eq!(channel.send(1), Err(1));
            receiver.join().unwrap();
        });
    }

    /// The message is with who gave up, with the other receiver, or with the sender; never nowhere.
    fn a_receiver_gives_up(capacity: usize, returns: bool) {
        check(move || {
            let channel = Channel::new(capacity);
            let quitter = spawn(&channel, move |channel| channel.receive_and_give_up(returns));
            let stayer = spawn(&channel, |channel| channel.receive());
            channel.send(1).unwrap();
            // Should it have been the quitter's, the other one is still waiting.
            let quitter = quitter.join().unwrap();
            channel.close_senders();
            let stayer = stayer.join().unwrap();
            assert_eq!(quitter.is_some(), stayer == Err(Closed), "{quitter:?} {stayer:?}");
        });
    }

    #[test]
    fn a_receiver_that_times_out_returns_what_it_was_given() {
        a_receiver_gives_up(1, true);
        a_receiver_gives_up(0, true);
    }

    #[test]
    fn a_receiver_that_unwinds_passes_on_what_it_was_given() {
        a_receiver_gives_up(1, false);
        a_receiver_gives_up(0, false);
    }

    #[test]
    fn two_senders_race_a_select_on_two_channels() {
        check(|| {
            let (one, other) = (Channel::new(1), Channel::new(1));
            let senders = [
                spawn(&one, |channel| channel.send(10).unwrap()),
                spawn(&other, |channel| channel.send(11).unwrap()),
            ];
            let operations = [(&*one, Operation::Receive), (&*other, Operation::Receive)];
            let (number, message) = select(&operations);
            assert_eq!(message, Some(10 + number as u32));
            for sender in senders {
                sender.join().unwrap();
            }
            // The other message has stayed.
            assert_eq!(one.try_receive().is_some(), number == 1);
            assert_eq!(other.try_receive().is_some(), number == 0);
        });
    }

    #[test]
    fn two_rendezvous_senders_race_a_select() {
        check(|| {
            let (one, other) = (Channel::new(0), Channel::new(0));
            let senders = [
                spawn(&one, |channel| channel.send(10).unwrap()),
                spawn(&other, |channel| channel.send(11).unwrap()),
            ];
            let operations = [(&*one, Operation::Receive), (&*other, Operation::Receive)];
            let (number, message) = select(&operations);
            assert_eq!(message, Some(10 + number as u32));
            let rest = if number == 0 { &other } else { &one };
            assert_eq!(rest.receive(), Ok(11 - number as u32));
            for sender in senders {
                sender.join().unwrap();
            }
        });
    }

    #[test]
    fn a_select_that_sends_meets_one_that_receives() {
        check(|| {
            let (one, other) = (Channel::new(0), Channel::new(0));
            let (theirs, others) = (one.clone(), other.clone());
            let sender = thread::spawn(move || {
                select(&[(&*theirs, Operation::Send(10)), (&*others, Operation::Send(11))]).0
            });
            let operations = [(&*one, Operation::Receive), (&*other, Operation::Receive)];
            let (number, message) = select(&operations);
            assert_eq!(message, Some(10 + number as u32));
            assert_eq!(sender.join().unwrap(), number);
        });
    }

    #[test]
    fn a_select_that_withdraws_leaves_the_receiver_waiting() {
        check(|| {
            let channel = Channel::new(0);
            let sender = spawn(&channel, |channel| {
                let (_, chosen) = choose(&[(channel, Operation::Send(0))]);
                let Chosen::Send(reserved) = chosen else { unreachable!() };
                channel.with(|core, wakes| core.withdraw(reserved, wakes));
                channel.send(1).unwrap();
            });
            assert_eq!(channel.receive(), Ok(1));
            sender.join().unwrap();
        });
    }
}
