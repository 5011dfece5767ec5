//! Random interleavings against the obvious model: a sorted map from firing moment to value.
//!
//! The model knows the rounding rule and the order rule as the documentation states them, in nanoseconds and
//! 128 bits, and nothing of slots. After each step, all that can be seen of the store must agree with it.
//! Time spans are chosen around the powers of 64 ticks, where timers change levels, and up to the horizon.
//!
//! A failure prints the shortest steps that show it, complete enough to be pasted into a test; so no seeds are
//! kept. For a longer look, set `PROPTEST_CASES=100000`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use tarae_timer::{Key, RESOLUTION, Timers};

const TICK: u128 = RESOLUTION.as_nanos();
/// Deadlines from here on never expire; the present stops just before.
const HORIZON: u128 = 1 << 64;
/// How far before the origin the tests go.
const PRELUDE: Duration = Duration::from_secs(1 << 33);

#[derive(Clone, Debug)]
enum Step {
    /// Insert, with a deadline so many nanoseconds from the present.
    Insert(i128),
    /// Insert, with a deadline so many nanoseconds from an earlier one.
    InsertNear(prop::sample::Index, i128),
    /// Cancel by any key ever given, stale ones included.
    Cancel(prop::sample::Index),
    /// Expire, so many nanoseconds from the present.
    Expire(i128),
    /// Expire, so many nanoseconds from the present, with so many moves.
    ExpireSome(i128, usize),
    /// Expire at exactly the moment the store asks for.
    ExpireNext,
}

fn span() -> impl Strategy<Value = i128> {
    let boundary = (0u32..=7, 1i128..=64, -2i128..=2, -1i128..=1)
        .prop_map(|(level, digit, ticks, nanos)| (digit * 64i128.pow(level) + ticks) * TICK as i128 + nanos);
    prop_oneof![
        3 => 0..=5 * TICK as i128,
        3 => 0..=200 * TICK as i128,
        4 => boundary,
        // Hours, then centuries: the horizon is at 1.8e19.
        2 => 0..=20_000_000_000_000i128,
        1 => 0..=12_000_000_000_000_000_000i128,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let backwards = span().prop_map(|span| -span);
    let anyhow = || prop_oneof![8 => span(), 1 => span().prop_map(|span| -span)];
    prop_oneof![
        6 => anyhow().prop_map(Step::Insert),
        2 => (any::<prop::sample::Index>(), -3 * TICK as i128..=3 * TICK as i128)
            .prop_map(|(which, span)| Step::InsertNear(which, span)),
        3 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        3 => span().prop_map(Step::Expire),
        1 => backwards.prop_map(Step::Expire),
        2 => (span(), 0..12usize).prop_map(|(span, moves)| Step::ExpireSome(span, moves)),
        2 => Just(Step::ExpireNext),
    ]
}

/// A value that writes down its end.
struct Value {
    id: usize,
    drops: Rc<RefCell<Vec<u32>>>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.drops.borrow_mut()[self.id] += 1;
    }
}

/// Returns a time as the store sees it: between the origin and the horizon.
fn seen(now: i128) -> u128 {
    (now.max(0) as u128).min(HORIZON - 1)
}

/// The store beside its model. Times are nanoseconds since the origin.
struct Pair {
    origin: Instant,
    timers: Timers<Value>,
    drops: Rc<RefCell<Vec<u32>>>,
    /// All timers ever inserted, by id: the key, the deadline, and the firing tick.
    issued: Vec<(Key, i128, u128)>,
    /// The ids that wait, by firing tick and then by age.
    waiting: BTreeMap<(u128, usize), usize>,
    present: u128,
    /// The latest time told. The present is behind it while the store is interrupted.
    told: u128,
    /// The store has been stopped by a limit of moves, and not been told to go on since.
    interrupted: bool,
}

impl Pair {
    fn new() -> Self {
        let origin = Instant::now() + PRELUDE;
        Self {
            origin,
            timers: Timers::new(origin),
            drops: Rc::default(),
            issued: Vec::new(),
            waiting: BTreeMap::new(),
            present: 0,
            told: 0,
            interrupted: false,
        }
    }

    fn instant(&self, nanos: i128) -> Instant {
        let distance = Duration::from_nanos_u128(nanos.unsigned_abs());
        if nanos < 0 { self.origin - distance } else { self.origin + distance }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Insert(span) => self.insert(self.present as i128 + span),
            Step::InsertNear(which, span) if !self.issued.is_empty() => {
                self.insert(which.get(&self.issued).1 + span);
            }
            Step::Cancel(which) if !self.issued.is_empty() => self.cancel(which.index(self.issued.len())),
            Step::Expire(span) => self.expire(self.present as i128 + span),
            Step::ExpireSome(span, moves) => self.expire_some(self.present as i128 + span, moves),
            Step::ExpireNext => {
                if let Some(next) = self.timers.next_deadline() {
                    let since_origin =
                        next.checked_duration_since(self.origin).expect("not before the origin");
                    self.expire(since_origin.as_nanos() as i128);
                }
            }
            Step::InsertNear(..) | Step::Cancel(_) => {}
        }
        self.compare();
    }

    fn insert(&mut self, deadline: i128) {
        let deadline = deadline.clamp(-(PRELUDE.as_nanos() as i128), 3 * HORIZON as i128);
        let id = self.issued.len();
        self.drops.borrow_mut().push(0);
        let key = self.timers.insert(self.instant(deadline), Value { id, drops: Rc::clone(&self.drops) });
        let tick = (deadline.max(0) as u128).min(HORIZON).div_ceil(TICK).max(self.present / TICK);
        self.issued.push((key, deadline, tick));
        self.waiting.insert((tick, id), id);
    }

    fn cancel(&mut self, id: usize) {
        let (key, _, tick) = self.issued[id];
        let expected = self.waiting.remove(&(tick, id));
        let taken = self.timers.cancel(key);
        assert_eq!(taken.as_ref().map(|value| value.id), expected, "cancel gives back what waits, once");
        assert_eq!(self.drops.borrow()[id], u32::from(expected.is_none()));
    }

    fn expire(&mut self, now: i128) {
        let now = now.clamp(-(PRELUDE.as_nanos() as i128), 2 * HORIZON as i128);
        self.told = self.told.max(seen(now));
        self.present = self.present.max(seen(now));
        self.interrupted = false;
        let due = self.split_due();

        let mut fired = Vec::new();
        self.timers.expire(self.instant(now), &mut fired);
        let fired = self.check_fired(fired);
        assert_eq!(fired, Vec::from_iter(due.into_values()), "all that is due, in order");
        for &id in self.waiting.values() {
            let deadline = self.issued[id].1;
            assert!(deadline + TICK as i128 > self.present as i128 || deadline >= HORIZON as i128);
        }
    }

    fn expire_some(&mut self, now: i128, moves: usize) {
        let before = self.present;
        let now = now.clamp(-(PRELUDE.as_nanos() as i128), 2 * HORIZON as i128);
        self.told = self.told.max(seen(now));
        self.present = self.present.max(seen(now));
        let mut due = self.split_due();

        let mut fired = Vec::new();
        let all = self.timers.expire_some(self.instant(now), moves, &mut fired);
        let fired = self.check_fired(fired);
        assert!(fired.len() <= moves);
        for id in fired {
            assert_eq!(due.pop_first().map(|(_, id)| id), Some(id), "the order holds in parts");
        }
        self.interrupted = !all;
        if all {
            return assert!(due.is_empty(), "all that is due");
        }
        self.waiting.append(&mut due);
        // Where it has stopped depends on its moves, which a model knows nothing of; but it tells.
        let stop = self.timers.next_deadline().expect("there is more").duration_since(self.origin).as_nanos();
        assert!(before / TICK * TICK <= stop && stop <= self.present);
        self.present = stop.max(before);
    }

    fn split_due(&mut self) -> BTreeMap<(u128, usize), usize> {
        let ahead = self.waiting.split_off(&(self.present / TICK + 1, 0));
        std::mem::replace(&mut self.waiting, ahead)
    }

    fn check_fired(&self, fired: Vec<Value>) -> Vec<usize> {
        for Value { id, .. } in &fired {
            assert!(self.issued[*id].1 <= self.told as i128, "timer {id} is early");
        }
        fired.iter().map(|value| value.id).collect()
    }

    fn compare(&self) {
        assert_eq!(self.timers.len(), self.waiting.len());
        assert_eq!(self.timers.is_empty(), self.waiting.is_empty());

        let next = self.timers.next_deadline();
        let Some(&(earliest, _)) = self.waiting.keys().next() else {
            return assert_eq!(next, None);
        };
        let firing_moment = self.instant((earliest * TICK).min(HORIZON - 1) as i128);
        assert!(next.is_some_and(|next| next <= firing_moment), "next_deadline is late");

        // As documented: rounded down to the coarsest power of 64 that is still ahead.
        let present = self.present / TICK;
        let rounded =
            (0..8).rev().map(|level| earliest & !(64u128.pow(level) - 1)).find(|&tick| tick > present);
        let expected = (rounded.unwrap_or(earliest) * TICK).min(HORIZON - 1);
        let stop = self.instant((present * TICK) as i128);
        let expected = self.instant(expected as i128);
        assert!(next == Some(expected) || self.interrupted && next == Some(stop), "next_deadline is wrong");
    }

    /// Drops the store; by then each value must have been dropped once.
    fn end(self) {
        drop(self.timers);
        assert!(self.drops.borrow().iter().all(|&drops| drops == 1), "{:?}", self.drops.borrow());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_agrees_with_the_model(steps in vec(step(), 1..120)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
        }
        pair.end();
    }

    #[test]
    fn a_sleeper_who_follows_next_deadline_misses_nothing(spans in vec(span(), 1..40)) {
        let mut pair = Pair::new();
        for &span in &spans {
            pair.take(&Step::Insert(span));
        }
        for _ in 0..8 * spans.len() {
            pair.take(&Step::ExpireNext);
        }
        // What is left is beyond the horizon.
        assert!(pair.waiting.keys().all(|&(tick, _)| tick * TICK >= HORIZON));
        pair.end();
    }
}
