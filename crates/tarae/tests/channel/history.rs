//! Recorded histories of small channels, each checked against a queue.
//!
//! A few threads do a few random operations on one channel. Each operation notes when it began and when it was done, by a clock
//! that all share, and what came of it. The history is right if the operations can be put into one order, in which each
//! stands between its begin and its end, and in which a plain queue would have done the same (linearizability; Herlihy and
//! Wing 1990). The search tries every operation that could be next.
//!
//! For channels of no capacity, where a send and a receive are one event, it is checked that both overlap.
//!
//! Would catch: a message that is overtaken; one that is received before it was sent, or seen to be gone before; `Full` though there
//! was room, or `Empty` though there was a message, all the time of an operation; a timeout that took the message along.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::crew::{Crew, everywhere, join_all};
use crate::subject::SELECTED_SENDS_ARE_SEEN_AT_ONCE;
use crate::subject::channel::{Receiver, Sender, bounded, select, unbounded};
use crate::support::ms;
use crate::support::seed::Random;

const THREADS: u64 = 3;
const OPERATIONS: u64 = 5;

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Did {
    Send(u64),
    /// The first half of a send by a select: from then on it has a place.
    Reserve,
    /// The second half: the message is in that place.
    Put(u64),
    /// It found no room.
    Full,
    Receive(u64),
    /// It found no message.
    Empty,
}

/// An operation, from when to when, and what it did.
#[derive(Clone, Copy)]
struct Event {
    begin: u64,
    end: u64,
    way: Way,
    did: Did,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:2} to {:2}: {:?} by {:?}", self.begin, self.end, self.did, self.way)
    }
}

/// How the operations of a history wait: not at all, for a moment, or as a select does.
#[derive(Clone, Copy, Debug)]
enum Way {
    Try,
    Timeout,
    Select,
    SelectTimeout,
}

fn send(sender: &Sender<u64>, message: u64, way: Way) -> Did {
    let sent = match way {
        Way::Try => sender.try_send(message).is_ok(),
        Way::Timeout => sender.send_timeout(message, ms(1)).is_ok(),
        Way::Select => select! { send(sender, message) -> sent => sent.is_ok(), default => false },
        Way::SelectTimeout => {
            select! { send(sender, message) -> sent => sent.is_ok(), default(ms(1)) => false }
        }
    };
    if sent { Did::Send(message) } else { Did::Full }
}

fn receive(receiver: &Receiver<u64>, way: Way) -> Did {
    let got = match way {
        Way::Try => receiver.try_recv().ok(),
        Way::Timeout => receiver.recv_timeout(ms(1)).ok(),
        Way::Select => select! { recv(receiver) -> got => got.ok(), default => None },
        Way::SelectTimeout => select! { recv(receiver) -> got => got.ok(), default(ms(1)) => None },
    };
    got.map_or(Did::Empty, Did::Receive)
}

/// Lets a few do random operations, and returns what happened.
fn record(crew: &Crew, random: &mut Random, ends: (Sender<u64>, Receiver<u64>), ways: &[Way]) -> Vec<Event> {
    let (sender, receiver) = ends;
    let clock = Arc::new(AtomicU64::new(0));
    let threads = (0..THREADS).map(|thread| {
        let (sender, receiver, clock) = (sender.clone(), receiver.clone(), clock.clone());
        let (mut random, ways) = (random.split(), ways.to_vec());
        crew.spawn(move || {
            let mut events = Vec::new();
            for operation in 0..OPERATIONS {
                let way = ways[random.below(ways.len() as u64) as usize];
                let begin = clock.fetch_add(1, Ordering::SeqCst);
                let did = match random.below(2) {
                    0 => send(&sender, thread * OPERATIONS + operation, way),
                    _ => receive(&receiver, way),
                };
                events.push(Event { begin, end: clock.fetch_add(1, Ordering::SeqCst), way, did });
                if random.below(3) == 0 {
                    tarae::yield_now();
                }
            }
            events
        })
    });
    join_all(threads.collect::<Vec<_>>()).concat()
}

/// Whether a queue of this capacity could have done so.
fn is_possible(events: &[Event], capacity: usize) -> bool {
    let in_halves = |event: &Event| match (event.did, event.way) {
        (Did::Send(message), Way::Select | Way::SelectTimeout) if !SELECTED_SENDS_ARE_SEEN_AT_ONCE => {
            vec![Event { did: Did::Reserve, ..*event }, Event { did: Did::Put(message), ..*event }]
        }
        _ => vec![*event],
    };
    let events: Vec<Event> = events.iter().flat_map(in_halves).collect();
    assert!(events.len() <= 32);
    place_the_rest(&events, 0, &mut VecDeque::new(), capacity, &mut HashSet::new())
}

/// Tries to put the events that are not in `placed` into an order, beginning with `queue`.
fn place_the_rest(
    events: &[Event],
    placed: u32,
    queue: &mut VecDeque<u64>,
    capacity: usize,
    refuted: &mut HashSet<(u32, Vec<u64>)>,
) -> bool {
    if placed.count_ones() as usize == events.len() {
        return true;
    }
    if !refuted.insert((placed, queue.iter().copied().collect())) {
        return false;
    }
    let is_placed = |index: usize| placed & (1 << index) != 0;
    let rest = |index: &usize| !is_placed(*index);
    let half_done =
        |index: &usize| is_placed(*index) && events[*index].did == Did::Reserve && !is_placed(index + 1);
    let reserved = (0..events.len()).filter(half_done).count();
    // Whoever began after another one's end comes after it.
    let first_end = (0..events.len()).filter(rest).map(|index| events[index].end).min().expect("one is left");
    let is_handed_over = queue.len().saturating_add(reserved) > capacity;
    for index in (0..events.len()).filter(rest).filter(|index| events[*index].begin <= first_end) {
        if is_handed_over && !matches!(events[index].did, Did::Receive(_)) {
            continue;
        }
        let mut after = queue.clone();
        let fits = match events[index].did {
            Did::Send(message) => {
                after.push_back(message);
                // Past a place that is kept for somebody, it can only be handed over to one who waits.
                after.len() + reserved <= capacity || (reserved > 0 && after.len() == 1)
            }
            Did::Reserve => after.len() + reserved < capacity,
            Did::Put(message) => {
                after.push_back(message);
                is_placed(index - 1)
            }
            Did::Full => after.len() + reserved == capacity,
            Did::Receive(message) => after.pop_front() == Some(message),
            Did::Empty => after.is_empty(),
        };
        if fits && place_the_rest(events, placed | (1 << index), &mut after, capacity, refuted) {
            return true;
        }
    }
    false
}

#[track_caller]
fn assert_possible(events: &mut [Event], capacity: usize) {
    if !is_possible(events, capacity) {
        events.sort_by_key(|event| event.begin);
        panic!("no queue of capacity {capacity} does so: {events:#?}");
    }
}

const PLAIN: [Way; 2] = [Way::Try, Way::Timeout];
const ALL: [Way; 4] = [Way::Try, Way::Timeout, Way::Select, Way::SelectTimeout];

#[track_caller]
fn are_queues(crew: &Crew, ways: &[Way]) {
    let mut random = Random::from_environment();
    for capacity in [1, 2, 3] {
        for _ in 0..40 {
            let mut events = record(crew, &mut random, bounded(capacity), ways);
            assert_possible(&mut events, capacity);
        }
    }
    for _ in 0..40 {
        let mut events = record(crew, &mut random, unbounded(), ways);
        assert_possible(&mut events, usize::MAX);
    }
}

#[test]
fn small_channels_are_queues() {
    everywhere(|crew| are_queues(crew, &PLAIN));
}

#[test]
fn small_channels_are_queues_for_selects_too() {
    everywhere(|crew| are_queues(crew, &ALL));
}

#[track_caller]
fn meets(crew: &Crew, ways: &[Way]) {
    let mut random = Random::from_environment();
    let mut meetings = 0;
    for _ in 0..80 {
        let mut events = record(crew, &mut random, bounded(0), ways);
        events.sort_by_key(|event| event.begin);
        let sent = events.iter().filter_map(|event| match event.did {
            Did::Send(message) => Some((message, event)),
            _ => None,
        });
        for (message, send) in sent {
            let mut takers = events.iter().filter(|event| event.did == Did::Receive(message));
            let taker = takers.next().unwrap_or_else(|| panic!("{message} was taken by nobody: {events:#?}"));
            assert!(takers.next().is_none(), "{message} is doubled: {events:#?}");
            assert!(send.begin < taker.end && taker.begin < send.end, "{send:?} and {taker:?}: {events:#?}");
            meetings += 1;
        }
        let taken = events.iter().filter(|event| matches!(event.did, Did::Receive(_))).count();
        let sent = events.iter().filter(|event| matches!(event.did, Did::Send(_))).count();
        assert_eq!(sent, taken, "{events:#?}");
    }
    assert!(meetings > 0, "they never met");
}

#[test]
fn a_send_and_its_receive_overlap_where_nothing_is_kept() {
    everywhere(|crew| meets(crew, &PLAIN));
}

#[test]
fn a_send_and_its_receive_overlap_where_nothing_is_kept_for_selects_too() {
    everywhere(|crew| meets(crew, &ALL));
}

/// After a send of its own there is something for a thread to receive, as each takes no more than it has sent.
#[test]
fn who_has_sent_finds_a_message() {
    everywhere(|crew| {
        for new in [|| bounded(4), unbounded] {
            let (sender, receiver): (Sender<u32>, Receiver<u32>) = new();
            let threads: Vec<_> = (0..4_u64)
                .map(|number| {
                    let (sender, receiver) = (sender.clone(), receiver.clone());
                    crew.spawn(move || {
                        for round in 0..400 {
                            sender.try_send(round).expect("there is room for one of each");
                            let found = match (number + u64::from(round)) % 4 {
                                0 => receiver.try_recv().is_ok(),
                                1 => receiver.recv_timeout(ms(0)).is_ok(),
                                2 => select! { recv(receiver) -> got => got.is_ok(), default => false },
                                _ => {
                                    select! { recv(receiver) -> got => got.is_ok(), default(ms(0)) => false }
                                }
                            };
                            assert!(found, "round {round} of thread {number}");
                        }
                    })
                })
                .collect();
            join_all(threads);
        }
    });
}

/// The checker itself: it refuses what no queue does.
#[test]
fn the_checker_tells_right_from_wrong() {
    let event = |begin, end, did| Event { begin, end, way: Way::Try, did };
    let in_turn = |all: &[Did]| -> Vec<Event> {
        all.iter().enumerate().map(|(at, did)| event(2 * at as u64, 2 * at as u64 + 1, *did)).collect()
    };
    use Did::{Empty, Full, Receive, Send};
    assert!(is_possible(&in_turn(&[Empty, Send(1), Send(2), Full, Receive(1), Receive(2), Empty]), 2));
    assert!(!is_possible(&in_turn(&[Send(1), Send(2), Receive(2)]), 2), "overtaken");
    assert!(!is_possible(&in_turn(&[Send(1), Send(2)]), 1), "too many");
    assert!(!is_possible(&in_turn(&[Send(1), Full]), 2), "there was room");
    assert!(!is_possible(&in_turn(&[Send(1), Empty]), 2), "there was one");
    assert!(!is_possible(&in_turn(&[Receive(1), Send(1)]), 2), "not yet sent");
    assert!(!is_possible(&in_turn(&[Send(1), Receive(1), Receive(1)]), 2), "doubled");
    // Beside each other, either order will do.
    let beside =
        [event(0, 3, Send(1)), event(1, 4, Send(2)), event(5, 6, Receive(2)), event(7, 8, Receive(1))];
    assert!(is_possible(&beside, 2));
    let empty_beside = [event(0, 3, Send(1)), event(1, 2, Empty), event(4, 5, Receive(1))];
    assert!(is_possible(&empty_beside, 1));
}
