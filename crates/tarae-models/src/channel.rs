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

        fn receive(&self) -> Result<u32, Closed> {
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
        fn receive_and_give_up(&self, how: GivesUp) -> Option<u32> {
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

        fn len(&self) -> usize {
            self.with(|core, _| core.len())
        }

        fn try_receive(&self) -> Option<u32> {
            let mut message = None;
            self.with(|core, wakes| core.receive(&mut message, wakes));
            message
        }

        fn close_senders(&self) {
            self.with(|core, wakes| core.close_senders(wakes));
        }
    }

    /// How a receiver gives up.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum GivesUp {
        /// Its deadline has passed.
        Late,
        /// It was cancelled.
        Unwinds,
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

    fn choose(me: &Me, operations: &[(&Channel, Operation)]) -> (usize, Chosen) {
        loop {
            let mut possible = operations.iter().enumerate().filter_map(|(number, (channel, operation))| {
                Some((number, try_one(me, channel, *operation)?))
            });
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
    fn a_receiver_gives_up(capacity: usize, how: GivesUp) {
        check(move || {
            let channel = Channel::new(capacity);
            let quitter = spawn(&channel, move |channel| channel.receive_and_give_up(how));
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
        a_receiver_gives_up(1, GivesUp::Late);
        a_receiver_gives_up(0, GivesUp::Late);
    }

    #[test]
    fn a_receiver_that_unwinds_passes_on_what_it_was_given() {
        a_receiver_gives_up(1, GivesUp::Unwinds);
        a_receiver_gives_up(0, GivesUp::Unwinds);
    }

    /// A receiver that was promised a message gives up while the select makes it. With no room between, what was sent is in somebody's
    /// hand then, unless that one unwound, and then the next one gets it.
    fn a_receiver_gives_a_promise_up(capacity: usize, how: GivesUp) {
        check(move || {
            let channel = Channel::new(capacity);
            let quitter = spawn(&channel, move |channel| channel.receive_and_give_up(how));
            let sender = spawn(&channel, move |channel| {
                select(&[(channel, Operation::Send(1))]);
                channel.len()
            });
            let quitter = quitter.join().unwrap();
            let received = quitter.or_else(|| channel.receive().ok());
            assert_eq!(received, Some(1));
            let left = sender.join().unwrap();
            assert!(capacity > 0 || how == GivesUp::Unwinds || left == 0, "sent to nobody");
        });
    }

    #[test]
    fn a_receiver_that_is_late_waits_for_what_it_was_promised() {
        a_receiver_gives_a_promise_up(0, GivesUp::Late);
        a_receiver_gives_a_promise_up(1, GivesUp::Late);
    }

    #[test]
    fn a_receiver_that_unwinds_passes_on_what_it_was_promised() {
        a_receiver_gives_a_promise_up(0, GivesUp::Unwinds);
        a_receiver_gives_a_promise_up(1, GivesUp::Unwinds);
    }

    #[test]
    fn a_promise_that_is_passed_on_reaches_who_waits_already() {
        check(|| {
            let channel = Channel::new(0);
            let quitter = spawn(&channel, |channel| channel.receive_and_give_up(GivesUp::Unwinds));
            let stayer = spawn(&channel, |channel| channel.receive());
            select(&[(&*channel, Operation::Send(1))]);
            let quitter = quitter.join().unwrap();
            channel.close_senders();
            assert_eq!(quitter.is_some(), stayer.join().unwrap() == Err(Closed));
        });
    }

    /// A sender that waits behind a promise is let in when the promised message is taken.
    #[test]
    fn a_select_that_sends_races_a_sender_for_one_place() {
        check(|| {
            let channel = Channel::new(1);
            let select = spawn(&channel, |channel| select(&[(channel, Operation::Send(1))]).0);
            let sender = spawn(&channel, |channel| channel.send(2));
            let mut received = [channel.receive().unwrap(), channel.receive().unwrap()];
            received.sort_unstable();
            assert_eq!(received, [1, 2]);
            select.join().unwrap();
            assert_eq!(sender.join().unwrap(), Ok(()));
        });
    }

    /// What a select has chosen to send is there: in a queue of one, there is never neither room nor a message.
    #[test]
    fn what_a_select_chose_to_send_is_there_from_then_on() {
        check(|| {
            let channel = Channel::new(1);
            let select = spawn(&channel, |channel| select(&[(channel, Operation::Send(1))]).0);
            if channel.with(|core, wakes| core.send(&mut Some(2), wakes)) == Sent::Full {
                assert!(channel.with(|core, _| core.can_receive(None)));
                assert_eq!(channel.receive(), Ok(1));
            } else {
                assert_eq!(channel.receive(), Ok(2));
            }
            select.join().unwrap();
        });
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
                let (_, chosen) = choose(&Me::new(), &[(channel, Operation::Send(0))]);
                let Chosen::Send(reserved) = chosen else { unreachable!() };
                channel.with(|core, wakes| core.withdraw(reserved, wakes));
                channel.send(1).unwrap();
            });
            assert_eq!(channel.receive(), Ok(1));
            sender.join().unwrap();
        });
    }
}
