//! A lazy `thread_local!` whose initialiser suspends.
//!
//! std guards against an initialiser that reaches for its own value, as far as that can happen on one thread: it is
//! nested, and ends first. A coroutine that takes the suspended initialiser's place on a borrowed thread-local is not
//! nested: it makes a value, holds `&T`, suspends; the first initialiser ends and replaces the value under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::moves::{Stay, leave, leave_to};
use super::violated;

pub(crate) const PROMISE: &str = "a thread-local's value lives as long as a reference to it";

const ROUNDS: usize = 15;

/// The name of the coroutines whose initialiser suspends.
const SUSPENDS: &str = "suspends";

thread_local! {
    static LAZY: Value = initialise();
}

/// How many rounds the initialiser that suspended has ended in.
static INITIALISED: AtomicUsize = AtomicUsize::new(0);
/// How many coroutines have seen their value through.
static CONTENT: AtomicUsize = AtomicUsize::new(0);
static VALUES: AtomicUsize = AtomicUsize::new(0);
static OVER: AtomicBool = AtomicBool::new(false);

/// A value that tells when it is dropped.
struct Value {
    alive: Arc<AtomicBool>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::SeqCst);
    }
}

fn initialise() -> Value {
    if tarae::thread::current().name() == Some(SUSPENDS) {
        leave_to(initialise_meanwhile);
    }
    VALUES.fetch_add(1, Ordering::SeqCst);
    Value { alive: Arc::new(AtomicBool::new(true)) }
}

/// The neighbour: initialises, holds `&T`, and suspends until the first initialiser has ended.
fn initialise_meanwhile(stay: &Stay) {
    let round = INITIALISED.load(Ordering::SeqCst);
    LAZY.with(|value| {
        let alive = Arc::clone(&value.alive);
        stay.see_off();
        leave();
        while INITIALISED.load(Ordering::SeqCst) == round {
            tarae::yield_now();
        }
        check(&alive);
    });
    be_content();
}

pub(crate) fn scenario() {
    let mut firsts = Vec::new();
    for round in 1..=ROUNDS {
        let first = tarae::thread::Builder::new().name(SUSPENDS.into());
        firsts.push(first.spawn(initialise_first).expect("a coroutine"));
        while CONTENT.load(Ordering::SeqCst) < 2 * round {
            tarae::yield_now();
        }
    }
    assert_eq!(VALUES.load(Ordering::SeqCst), 2 * ROUNDS, "each coroutine has made a value of its own");
    OVER.store(true, Ordering::SeqCst);
    firsts.into_iter().for_each(|first| first.join().expect("nobody panics"));
}

fn initialise_first() {
    LAZY.with(|value| {
        let alive = Arc::clone(&value.alive);
        INITIALISED.fetch_add(1, Ordering::SeqCst);
        leave();
        check(&alive);
    });
    be_content();
}

fn check(alive: &AtomicBool) {
    if !alive.load(Ordering::SeqCst) {
        violated(PROMISE);
    }
}

/// Stays alive to the end: identities are pooled, and the next round needs one on which the value was never made.
fn be_content() {
    CONTENT.fetch_add(1, Ordering::SeqCst);
    while !OVER.load(Ordering::SeqCst) {
        tarae::sleep(Duration::from_millis(5));
    }
}
