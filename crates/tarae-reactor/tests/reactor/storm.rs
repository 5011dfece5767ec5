//! Five thousand connections at once: bytes in random pieces, readers and writers that wait, two threads that
//! poll. Every byte must arrive, in order, by a deadline: an event lost anywhere leaves a connection asleep.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tarae_reactor::{Reactor, Side, Source, Wait, WaitKey};

use crate::support::{pair, within};

const PAIRS: usize = 5000;
const DEADLINE: Duration = Duration::from_secs(120);
/// The length of most messages, and of every fiftieth, which fills the socket's buffer several times over.
const SHORT: usize = 4_000;
const LONG: usize = 600_000;

/// xorshift64*: the test needs variety, not quality.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }
}

/// Queues a connection with the thread that drives it.
struct Enqueue {
    index: usize,
    queue: Sender<usize>,
}

impl Wake for Enqueue {
    fn wake(self: Arc<Self>) {
        // The thread may have finished.
        let _ = self.queue.send(self.index);
    }
}

/// One end of one pair: what it has moved of how much.
struct End {
    source: Source,
    socket: UnixStream,
    side: Side,
    waker: Waker,
    key: Option<WaitKey>,
    moved: usize,
    total: usize,
}

enum Step {
    Go,
    Wait,
    Done,
}

impl End {
    fn byte(&self, offset: usize) -> u8 {
        (self.total + offset.wrapping_mul(31)) as u8
    }

    /// Tries one read or write of a random size.
    fn step(&mut self, random: &mut Random, buf: &mut [u8]) -> Step {
        let seen = self.source.readiness(self.side);
        let size = 1 + random.below(buf.len());
        let (asked, result) = match self.side {
            Side::Read => (size, self.socket.read(&mut buf[..size])),
            Side::Write => {
                let size = size.min(self.total - self.moved);
                for (index, byte) in buf[..size].iter_mut().enumerate() {
                    *byte = self.byte(self.moved + index);
                }
                (size, self.socket.write(&buf[..size]))
            }
        };
        match result {
            Ok(0) => {
                assert_eq!(self.moved, self.total, "the stream ended early");
                return Step::Done;
            }
            Ok(count) => {
                if self.side == Side::Read {
                    let expected = (0..count).map(|index| self.byte(self.moved + index));
                    assert!(expected.eq(buf[..count].iter().copied()), "bytes out of order");
                }
                self.moved += count;
                if self.side == Side::Write && self.moved == self.total {
                    return Step::Done;
                }
                if count < asked {
                    self.source.drained(self.side, seen);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.source.clear(self.side, seen),
            Err(error) => panic!("{error}"),
        }
        if self.source.readiness(self.side).is_ready() {
            return Step::Go;
        }
        match self.source.wait(self.side, &self.waker) {
            Wait::Ready => Step::Go,
            Wait::Pending(key) => {
                self.key = Some(key);
                Step::Wait
            }
        }
    }
}

/// Drives `ends` until all are done; sometimes turns to another before the first must wait.
fn drive(mut ends: Vec<Option<End>>, queue: Receiver<usize>, seed: u64, left: &AtomicUsize) {
    let mut random = Random(seed | 1);
    let mut buf = vec![0; 16_384];
    let mut open = ends.len();
    let deadline = Instant::now() + DEADLINE;
    while open > 0 {
        let patience = deadline.saturating_duration_since(Instant::now());
        let Ok(index) = queue.recv_timeout(patience) else { return };
        let Some(end) = &mut ends[index] else { continue };
        if let Some(key) = end.key.take() {
            end.source.cancel(key);
        }
        let done = loop {
            match end.step(&mut random, &mut buf) {
                Step::Done => break true,
                Step::Wait => break false,
                Step::Go if random.below(4) == 0 => {
                    end.waker.wake_by_ref();
                    break false;
                }
                Step::Go => {}
            }
        };
        if done {
            ends[index] = None;
            open -= 1;
            left.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// How many pairs this process has descriptors for.
fn pairs() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).and_then(|word| word.parse().ok()).unwrap_or(usize::MAX);
    PAIRS.min(soft.saturating_sub(200) / 2)
}

#[test]
fn no_event_is_lost_in_a_storm() {
    within(2 * DEADLINE, storm);
}

fn storm() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = std::env::var("TARAE_SEED").map_or(clock, |seed| seed.parse().unwrap());
    let pairs = pairs();
    println!("storm: {pairs} pairs, TARAE_SEED={seed}");

    let reactor = Reactor::new().unwrap();
    let left = Arc::new(AtomicUsize::new(2 * pairs));
    let mut lanes: Vec<_> = (0..4).map(|_| (Vec::new(), mpsc::channel())).collect();
    for number in 0..pairs {
        let total = if number % 50 == 0 { LONG } else { SHORT } + number % 97;
        let (reading, writing) = pair();
        for (socket, side, lane) in
            [(reading, Side::Read, number % 2), (writing, Side::Write, 2 + number % 2)]
        {
            let (ends, (sender, _)) = &mut lanes[lane];
            let waker = Waker::from(Arc::new(Enqueue { index: ends.len(), queue: sender.clone() }));
            waker.wake_by_ref();
            let source = reactor.register(&socket).unwrap();
            ends.push(Some(End { source, socket, side, waker, key: None, moved: 0, total }));
        }
    }
    assert_eq!(reactor.registered(), 2 * pairs);

    let stop = Arc::new(AtomicBool::new(false));
    let poller = thread::spawn({
        let (reactor, stop) = (reactor.clone(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                reactor.poll(None).unwrap();
            }
        }
    });
    let guest = thread::spawn({
        let (reactor, stop) = (reactor.clone(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                reactor.try_poll().unwrap();
                thread::sleep(Duration::from_micros(20));
            }
        }
    });
    let drivers: Vec<_> = lanes
        .into_iter()
        .zip(0..)
        .map(|((ends, (_, queue)), lane)| {
            let left = left.clone();
            thread::spawn(move || drive(ends, queue, seed ^ (lane * 0x9E37_79B9), &left))
        })
        .collect();
    let outcomes: Vec<_> = drivers.into_iter().map(|driver| driver.join()).collect();
    stop.store(true, Ordering::Relaxed);
    reactor.notify();
    poller.join().unwrap();
    guest.join().unwrap();
    outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    assert_eq!(left.load(Ordering::SeqCst), 0, "ends still asleep at the deadline");
    assert_eq!(reactor.registered(), 0);
}
