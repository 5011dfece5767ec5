//! Selects among several channels: each has one partner.

use loom::thread;

use super::crew::{Channel, Chosen, Me, Operation, check, choose, select, spawn};

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
