//! `#[tarae::test]`, by itself.

#[path = "../support/mod.rs"]
mod support;

use std::error::Error;

use support::{child, ms};
use tarae::thread;

/// Counts the kernel threads that are workers of a test's runtime, of all tests that run now.
fn in_a_coroutine() -> bool {
    format!("{:?}", thread::current().id()).contains("coroutine")
}

#[tarae::test]
fn a_test_is_a_coroutine_with_the_name_of_the_test() {
    assert!(in_a_coroutine());
    let name = thread::current().name().map(str::to_owned);
    assert!(name.is_none_or(|name| name == "main" || name.ends_with("with_the_name_of_the_test")));
    assert_eq!(tarae::spawn(|| 5).join().unwrap(), 5);
}

const WORKERS: usize = 3;

#[tarae::test(workers = WORKERS, stack_size = 1 << 20, timeout = "30s")]
fn options_may_be_constants() {
    // As many as there are workers run at the same time.
    let barrier = std::sync::Barrier::new(WORKERS);
    tarae::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| barrier.wait());
        }
    });
}

#[tarae::test(workers = 1)]
fn a_result_may_be_returned_that_is_not_send() -> Result<(), Box<dyn Error>> {
    let number: u32 = "7".parse()?;
    assert_eq!(number, 7);
    Ok(())
}

#[tarae::test(timeout_ms = 30_000)]
#[should_panic(expected = "a panic on purpose")]
fn a_panic_is_the_tests() {
    support::hush();
    tarae::spawn(|| ()).join().unwrap();
    support::panic_on_purpose();
}

/// Run by the test below, in a process of its own.
#[tarae::test(workers = 1, timeout = "200ms")]
fn one_that_hangs() {
    if child::is_child() {
        let stuck = thread::Builder::new().name("stuck".into()).spawn(thread::park).unwrap();
        stuck.join().unwrap();
    }
}

#[test]
fn one_that_hangs_fails_and_tells_who_waits_for_what() {
    let ended = child::again("one_that_hangs");
    assert!(!ended.status.success());
    let said = child::said(&ended);
    for line in [
        "not done after 200ms: runtime 'test', workers: 1",
        "waits for the end of a coroutine (join)",
        "'stuck'",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert!(said.contains("macros/main.rs") && said.contains("waits for unpark"), "{said}");
}

/// As above.
#[tarae::test]
fn one_that_returns_an_error() -> Result<(), String> {
    if child::is_child() { Err("an error on purpose".into()) } else { Ok(()) }
}

#[test]
fn an_error_fails_the_test() {
    let ended = child::again("one_that_returns_an_error");
    assert!(
        !ended.status.success() && ended.stderr.contains("an error on purpose"),
        "{}",
        child::said(&ended)
    );
}

#[tarae::test]
#[ignore = "is never run"]
fn one_that_is_ignored() {
    panic!("ignored tests do not run");
}

#[tarae::test(workers = 1)]
fn what_is_left_is_cancelled() {
    tarae::spawn(|| tarae::sleep(support::LIMIT));
    tarae::sleep(ms(2));
}

#[test]
fn a_dump_tells_of_those_who_wait_and_with_a_precision_of_some() {
    support::bounded(|| {
        let runtime = support::runtime(2);
        let parked: Vec<_> = (0..5).map(|_| runtime.spawn(thread::park)).collect();
        support::eventually("all wait", || {
            runtime.dump().to_string().matches("waits for unpark").count() == 5
        });
        let expected = "runtime 'test', workers: 2, coroutines ready: 0, running: 0, parked: 5";
        support::eventually("the workers rest", || runtime.dump().to_string().starts_with(expected));
        let text = format!("{:.2}", runtime.dump());
        assert!(text.lines().count() == 4 && text.ends_with("and 3 more"), "{text}");
        parked.iter().for_each(|one| one.thread().unpark());
        parked.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(runtime.dump().to_string().lines().count(), 1);
    });
}
