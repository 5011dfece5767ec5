//! Channels: each message is received once, or still there, or was never sent.
//!
//! A send that unwinds has sent its message all the same, if it was taken at that moment.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tarae::channel::{
    Receiver, RecvError, SendTimeoutError, Sender, after, bounded, broadcast, oneshot, tick, unbounded,
};
use tarae::sync::mpsc;

use crate::lives::Life;
use crate::stage::Stage;
use crate::support::ms;

const LONG: Duration = Duration::from_secs(3600);

/// How many messages were sent, and how many received.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Sums>);

#[derive(Default)]
struct Sums {
    tried: AtomicUsize,
    sent: AtomicUsize,
    received: AtomicUsize,
}

impl Ledger {
    /// Calls `send`, which may unwind.
    pub(super) fn sends<R>(&self, send: impl FnOnce() -> R) -> R {
        self.0.tried.fetch_add(1, Ordering::SeqCst);
        let sent = send();
        self.0.sent.fetch_add(1, Ordering::SeqCst);
        sent
    }

    pub(super) fn note_received(&self) {
        self.0.received.fetch_add(1, Ordering::SeqCst);
    }

    fn received(&self) -> usize {
        self.0.received.load(Ordering::SeqCst)
    }

    /// What was sent was received, or is left.
    pub(super) fn check(&self, left: usize) {
        let [tried, sent] = [&self.0.tried, &self.0.sent].map(|sum| sum.load(Ordering::SeqCst));
        let there = self.received() + left;
        assert!(
            (sent..=tried).contains(&there),
            "{sent} of {tried} sent, {there} there, {left} of them left"
        );
    }
}

/// A channel whose messages are all there afterwards.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) sender: Sender<Life>,
    pub(super) receiver: Receiver<Life>,
    pub(super) ledger: Ledger,
}

impl Watched {
    pub(super) fn new(stage: &Arc<Stage>, channel: (Sender<Life>, Receiver<Life>)) -> Watched {
        let watched = Watched { sender: channel.0, receiver: channel.1, ledger: Ledger::default() };
        let left = watched.clone();
        stage.afterwards(move || left.ledger.check(left.receiver.try_iter().count()));
        watched
    }

    pub(super) fn send(&self, life: Life) {
        self.ledger.sends(|| self.sender.send(life)).expect("a receiver");
    }

    pub(super) fn receive(&self) {
        self.take(self.receiver.recv());
    }

    pub(super) fn take(&self, message: Result<Life, RecvError>) {
        drop(message.expect("a message"));
        self.ledger.note_received();
    }

    /// Who sends to the program waits for another one, if the program is gone.
    pub(super) fn is_received_from(&self, stage: &Arc<Stage>) {
        let ours = self.clone();
        stage.in_place_of_it(move || {
            if ours.ledger.received() == 0 {
                ours.receive();
            }
        });
    }

    /// Who receives from the program waits for another one, if the program is gone.
    pub(super) fn is_sent_to(&self, stage: &Arc<Stage>) {
        let (ours, life) = (self.clone(), stage.life());
        stage.in_place_of_it(move || {
            let mut next = Some(life);
            while ours.ledger.received() == 0
                && let Some(life) = next.take()
            {
                let tried = ours.sender.send_timeout(life, ms(5));
                next = tried.err().map(SendTimeoutError::into_inner);
                if next.is_none() {
                    ours.ledger.sends(|| ());
                }
            }
        });
    }
}

/// Another one sends, in a moment.
fn receives_from(stage: &Arc<Stage>, channel: &Watched, receive: impl FnOnce()) {
    let (theirs, life) = (channel.clone(), stage.life());
    stage.until(
        move |moment| {
            moment.wait();
            theirs.send(life);
        },
        receive,
    );
}

/// Another one receives, in a moment.
fn sends_to(stage: &Arc<Stage>, channel: &Watched, send: impl FnOnce()) {
    let theirs = channel.clone();
    stage.until(
        move |moment| {
            moment.wait();
            theirs.receive();
        },
        send,
    );
}

pub(super) fn receives<const CAPACITY: usize>(stage: &Arc<Stage>) -> io::Result<()> {
    let channel = Watched::new(stage, bounded(CAPACITY));
    if CAPACITY == 0 {
        channel.is_received_from(stage);
    }
    receives_from(stage, &channel, || channel.receive());
    Ok(())
}

pub(super) fn receives_without_bound(stage: &Arc<Stage>) -> io::Result<()> {
    let channel = Watched::new(stage, unbounded());
    receives_from(stage, &channel, || channel.receive());
    // As an iterator does, in a scope.
    tarae::scope(|scope| {
        scope.spawn(|| {
            receives_from(stage, &channel, || channel.take(channel.receiver.iter().next().ok_or(RecvError)))
        });
    });
    Ok(())
}

pub(super) fn receives_in_time(stage: &Arc<Stage>) -> io::Result<()> {
    let channel = Watched::new(stage, bounded(0));
    channel.is_received_from(stage);
    receives_from(stage, &channel, || {
        channel.take(channel.receiver.recv_timeout(LONG).map_err(|_| RecvError))
    });
    let channel = Watched::new(stage, unbounded());
    receives_from(stage, &channel, || {
        let received = tarae::timeout(LONG, || channel.receiver.recv());
        channel.take(received.expect("in time"));
    });
    Ok(())
}

pub(super) fn sends<const CAPACITY: usize>(stage: &Arc<Stage>) -> io::Result<()> {
    let channel = Watched::new(stage, bounded(CAPACITY));
    if CAPACITY == 0 {
        channel.is_sent_to(stage);
    }
    (0..CAPACITY).for_each(|_| channel.send(stage.life()));
    sends_to(stage, &channel, || channel.send(stage.life()));
    Ok(())
}

pub(super) fn sends_in_time(stage: &Arc<Stage>) -> io::Result<()> {
    for capacity in [0, 2] {
        let channel = Watched::new(stage, bounded(capacity));
        if capacity == 0 {
            channel.is_sent_to(stage);
        }
        (0..capacity).for_each(|_| channel.send(stage.life()));
        sends_to(stage, &channel, || {
            channel.ledger.sends(|| channel.sender.send_timeout(stage.life(), LONG)).expect("in time");
        });
    }
    Ok(())
}

pub(super) fn waits_for_an_end(stage: &Arc<Stage>) -> io::Result<()> {
    let (sender, receiver) = unbounded::<Life>();
    stage.until(
        move |moment| {
            moment.wait();
            drop(sender);
        },
        || assert_eq!(receiver.recv().err(), Some(RecvError)),
    );
    let (sender, receiver) = bounded(0);
    stage.until(
        move |moment| {
            moment.wait();
            drop(receiver);
        },
        || drop(sender.send(stage.life()).expect_err("nobody receives")),
    );
    Ok(())
}

pub(super) fn receives_a_single_message(stage: &Arc<Stage>) -> io::Result<()> {
    let ((sender, receiver), life) = (oneshot::channel(), stage.life());
    stage.until(
        move |moment| {
            moment.wait();
            // A receiver that is gone gives it back.
            drop(sender.send(life));
        },
        || drop(receiver.recv().expect("a message")),
    );
    let (sender, receiver) = oneshot::channel();
    let (receiver, ledger) = (Arc::new(Mutex::new(receiver)), Ledger::default());
    let (left, sum) = (Arc::clone(&receiver), ledger.clone());
    stage.afterwards(move || sum.check(lock(&left).try_recv().into_iter().count()));
    let (sent, life) = (ledger.clone(), stage.life());
    let mut ours = lock(&receiver);
    stage.until(
        move |moment| {
            moment.wait();
            sent.sends(|| sender.send(life)).expect("a receiver");
        },
        || drop(ours.recv_timeout(LONG).expect("in time")),
    );
    ledger.note_received();
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn receives_a_broadcast(stage: &Arc<Stage>) -> io::Result<()> {
    let (sender, receiver) = broadcast::channel(4);
    let (receiver, ledger) = (Arc::new(Mutex::new(receiver)), Ledger::default());
    let (left, sum) = (Arc::clone(&receiver), ledger.clone());
    stage.afterwards(move || {
        let mut left = lock(&left);
        sum.check(std::iter::from_fn(|| left.try_recv().ok()).count());
    });
    let (sent, life) = (ledger.clone(), Arc::new(stage.life()));
    let mut ours = lock(&receiver);
    stage.until(
        move |moment| {
            moment.wait();
            sent.sends(|| sender.send(life)).expect("a receiver");
        },
        || drop(ours.recv().expect("a message")),
    );
    ledger.note_received();
    Ok(())
}

pub(super) fn waits_for_a_moments_message(stage: &Arc<Stage>) -> io::Result<()> {
    for make in [after, tick] {
        stage.point(|is_held| {
            let moment = make(if is_held { LONG } else { ms(1) });
            moment.recv().expect("it comes");
        });
    }
    Ok(())
}

pub(super) fn receives_from_an_mpsc(stage: &Arc<Stage>) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel();
    let (receiver, ledger) = (Arc::new(Mutex::new(receiver)), Ledger::default());
    let (left, sum) = (Arc::clone(&receiver), ledger.clone());
    stage.afterwards(move || sum.check(lock(&left).try_iter().count()));
    let ours = lock(&receiver);
    let receives: [fn(&mpsc::Receiver<Life>) -> Life; 2] =
        [|ours| ours.recv().expect("a message"), |ours| ours.recv_timeout(LONG).expect("in time")];
    for receive in receives {
        let (sender, sent, life) = (sender.clone(), ledger.clone(), stage.life());
        stage.until(
            move |moment| {
                moment.wait();
                sent.sends(|| sender.send(life)).expect("a receiver");
            },
            || drop(receive(&ours)),
        );
        ledger.note_received();
    }
    Ok(())
}

pub(super) fn sends_to_an_mpsc(stage: &Arc<Stage>) -> io::Result<()> {
    for capacity in [0, 1] {
        let (sender, receiver) = mpsc::sync_channel(capacity);
        let ledger = Ledger::default();
        let receiver = Arc::new(Mutex::new(receiver));
        let (left, sum) = (Arc::clone(&receiver), ledger.clone());
        stage.afterwards(move || sum.check(lock(&left).try_iter().count()));
        let (theirs, sum, lives) = (sender.clone(), ledger.clone(), Arc::clone(stage));
        if capacity == 0 {
            stage.in_place_of_it(move || {
                while sum.received() == 0 {
                    let _ = tarae::timeout(ms(5), || sum.sends(|| theirs.send(lives.life())));
                }
            });
        } else {
            ledger.sends(|| sender.send(stage.life())).expect("a receiver");
        }
        let received = ledger.clone();
        stage.until(
            move |moment| {
                moment.wait();
                drop(lock(&receiver).recv().expect("a message"));
                received.note_received();
            },
            || ledger.sends(|| sender.send(stage.life())).expect("a receiver"),
        );
    }
    Ok(())
}
