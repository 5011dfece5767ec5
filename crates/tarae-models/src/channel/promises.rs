//! Selects that send: between their choice and the message a promise stands in its place.

use super::crew::{Channel, Closed, GivesUp, Operation, check, select, spawn};
use super::protocol::Sent;

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
