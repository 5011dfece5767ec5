//! Deadlocks: reported when nothing in the process can ever run again, and never otherwise.
//!
//! Whether that is certain depends on every kernel thread of the process, so the calls are made by the main thread of a
//! process that has no other but tarae's: this program has a `main` of its own (`harness = false`), which runs each
//! scenario in a child process. It takes the arguments that matter of libtest's: `--list`, `--exact`, and filters.

mod scenarios;
mod waits;

use std::io::Read;
use std::process::{Child, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scenarios::Expected::{Report, Success};
use scenarios::{SCENARIOS, Scenario};
use waits::{pause, peer, this_program};

/// How long a child may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How many workers each scenario is tried with.
const WORKERS: [usize; 2] = [1, 2];

/// The environment variable that makes a child of this program, and names its scenario.
pub(crate) const ROLE: &str = "TARAE_TEST_DEADLOCK";

/// Runs a scenario in a child process, and says what is wrong with what it left.
fn judge(scenario: &Scenario, workers: usize) -> Result<(), String> {
    let mut command = this_program(scenario.name);
    command.arg(workers.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("this program starts again");
    let mut pipe = child.stderr.take().expect("piped");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is worth showing, whatever ended it.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let status = wait_or_kill(&mut child);
    let said = reader.join().expect("a reader");
    let status = status.ok_or_else(|| format!("it did not end within {LIMIT:?}; it said:\n{said}"))?;
    let text = said.to_lowercase();
    match scenario.expected {
        Success if !status.success() => Err(format!("it failed ({status}):\n{said}")),
        Success if text.contains("deadlock") => Err(format!("no deadlock, but a report:\n{said}")),
        Success => Ok(()),
        // What a panic of the main thread leaves.
        Report(_) if status.code() != Some(101) => Err(format!("no panic ({status}):\n{said}")),
        Report(expected) => {
            let missing = |part: &String| !text.contains(&part.to_lowercase());
            match expected().into_iter().chain(["deadlock".into()]).find(missing) {
                Some(part) => Err(format!("no '{part}' in:\n{said}")),
                None => Ok(()),
            }
        }
    }
}

fn wait_or_kill(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        pause(5);
    }
    child.kill().expect("a child can be killed");
    child.wait().expect("a killed child ends");
    None
}

/// Judges the scenarios, some at a time, and says what it finds. They mostly wait.
fn judge_all(chosen: &[&Scenario]) -> usize {
    const AT_A_TIME: usize = 6;
    let queue: Mutex<Vec<(&Scenario, usize)>> =
        Mutex::new(chosen.iter().flat_map(|one| WORKERS.map(|workers| (*one, workers))).rev().collect());
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop();
                    let Some((scenario, workers)) = next else { return };
                    let name = scenario.name;
                    match judge(scenario, workers) {
                        Ok(()) => println!("test {name} (workers: {workers}) ... ok"),
                        Err(why) => {
                            println!("test {name} (workers: {workers}) ... FAILED\n{why}\n");
                            failed.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            });
        }
    });
    failed.into_inner()
}

fn main() -> ExitCode {
    if let Some(role) = std::env::var_os(ROLE) {
        let role = role.to_str().expect("a name of ours");
        let argument = std::env::args().nth(1).expect("an address, or how many workers");
        if !peer(role, &argument) {
            let scenario = SCENARIOS.iter().find(|one| one.name == role).expect("a scenario");
            (scenario.body)(argument.parse().expect("how many workers"));
        }
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let fits = |name: &str, filter: &str| if has("--exact") { name == filter } else { name.contains(filter) };
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|_| !has("--ignored"))
        .filter(|one| filters.is_empty() || filters.iter().any(|filter| fits(one.name, filter)))
        .collect();
    if has("--list") {
        chosen.iter().for_each(|one| println!("{}: test", one.name));
        return ExitCode::SUCCESS;
    }
    let all = chosen.len() * WORKERS.len();
    println!("\nrunning {all} tests");
    let failed = judge_all(&chosen);
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {result}. {} passed; {failed} failed; 0 ignored\n", all - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
