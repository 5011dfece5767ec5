//! Senders and receivers without selects: they race, they leave, they give up.

use super::crew::{Channel, Closed, GivesUp, check, spawn};

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
