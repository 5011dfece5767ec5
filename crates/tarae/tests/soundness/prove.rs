//! A proof: a scenario holds with the identity switch, however it is made, and breaks without.
//!
//! Each scenario runs in three child processes: with the switch by instruction, with the switch by system call, and
//! with the switch left out. The third must be *violated*, by the very promise that the scenario is about: a crash
//! elsewhere would not show that the scenario watches what it says.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use super::{child, moves, stage};

/// The environment variable that says how the thread pointer is switched.
const SWITCH: &str = "TARAE_THREAD_POINTER";
const BY_INSTRUCTION: &str = "";
const BY_SYSTEM_CALL: &str = "arch_prctl";
const LEFT_OUT: &str = "left-out-for-soundness-tests";

/// The good children are done in a second; the rest is for loaded machines.
const DEADLINE: Duration = Duration::from_secs(30);

/// The exit code of a child in which a promise was broken.
const VIOLATED: i32 = 3;

/// The fewest moves that make a scenario worth anything.
const MOVES_MIN: usize = 20;

/// What must come of a scenario with the switch left out.
#[derive(Clone, Copy)]
pub(crate) enum Without {
    /// A violation that says this.
    Violates(&'static str),
    /// Nothing: the scenario does not depend on thread-locals, and shows that the other ones' stage does not either.
    Holds,
}

/// Ends the process: a promise was broken.
///
/// Neither panics nor locks: with the switch left out, nothing that counts panics or owners can be relied on.
pub(crate) fn violated(promise: &str) -> ! {
    if let Ok(mut stderr) = OpenOptions::new().append(true).open("/proc/self/fd/2") {
        let _ = stderr.write_all(format!("violated: {promise}\n").as_bytes());
    }
    std::process::exit(VIOLATED)
}

/// Proves `scenario`, the body of the test called `test`.
pub(crate) fn prove(test: &str, scenario: fn(), without: Without) {
    match child::role() {
        Some(_) => perform(scenario),
        None => {
            expect_to_hold(test, BY_INSTRUCTION);
            expect_to_hold(test, BY_SYSTEM_CALL);
            match without {
                Without::Violates(promise) => expect_violation(test, promise),
                Without::Holds => expect_to_hold(test, LEFT_OUT),
            }
        }
    }
}

fn perform(scenario: fn()) {
    let ((), stolen) = stage::run(scenario);
    let moves = moves::count();
    assert!(moves >= MOVES_MIN, "{moves} moves between kernel threads prove nothing");
    println!("held through {moves} moves and {stolen} steals");
}

fn expect_to_hold(test: &str, switch: &str) {
    let outcome = child::run(test, "perform", &[(SWITCH, switch)], DEADLINE);
    let held = outcome.succeeded() && outcome.said.contains("held through");
    assert!(held, "does not hold with {SWITCH}={switch:?}: {outcome:?}");
}

fn expect_violation(test: &str, promise: &str) {
    let outcome = child::run(test, "perform", &[(SWITCH, LEFT_OUT)], DEADLINE);
    let violated = outcome.status.is_some_and(|status| status.code() == Some(VIOLATED));
    let as_expected = violated && outcome.said.contains(&format!("violated: {promise}"));
    assert!(as_expected, "with the switch left out this should violate {promise:?}: {outcome:?}");
}
