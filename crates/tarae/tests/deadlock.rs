//! Deadlocks: reported when nothing in the process can ever run again, and never otherwise.
//!
//! Whether that is certain depends on every kernel thread of the process, so the calls are made by the main thread of a
//! process that has no other but tarae's: this program has a `main` of its own (`harness = false`), which runs each
//! scenario in a child process. It takes the arguments that matter of libtest's: `--list`, `--exact`, and filters.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tarae::Runtime;
use tarae::net::{TcpListener, TcpStream};
use tarae::thread::{self, Builder, JoinHandle};

/// How long whatever must not be reported lasts: several times what a report takes.
const A_WHILE: Duration = Duration::from_millis(2500);

/// How long a child may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How many workers each scenario is tried with.
const WORKERS: [usize; 2] = [1, 2];

/// The environment variable that makes a child of this program, and names its scenario.
const ROLE: &str = "TARAE_TEST_DEADLOCK";

/// A scenario, for some number of workers, and what its process must leave.
struct Scenario {
    name: &'static str,
    body: fn(usize),
    expected: Expected,
}

enum Expected {
    /// It ends by itself, and nothing is said of deadlocks.
    Success,
    /// `run` panics with a message that contains all of these, whatever their case.
    Report(fn() -> Vec<String>),
}

use Expected::{Report, Success};

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "two_that_join_each_other_are_reported",
        body: |workers| {
            let runtime = runtime(workers);
            join_each_other(&runtime, &runtime);
        },
        expected: Report(hen_and_egg),
    },
    Scenario {
        name: "two_of_different_runtimes_that_join_each_other_are_reported",
        body: |workers| join_each_other(&runtime(1), &runtime(workers)),
        expected: Report(hen_and_egg),
    },
    Scenario {
        name: "a_park_without_anyone_to_unpark_is_reported",
        body: |workers| runtime(workers).run(thread::park), // the lonely park
        expected: Report(|| vec![here("the lonely park"), "unpark".into()]),
    },
    Scenario {
        name: "a_scope_whose_child_nobody_unparks_is_reported",
        body: |workers| runtime(workers).run(|| tarae::scope(|scope| drop(scope.spawn(thread::park)))), // the nursery
        expected: Report(|| vec![here("the nursery"), "the children of a scope".into(), "unpark".into()]),
    },
    Scenario {
        name: "a_park_with_a_timeout_around_it_is_not_reported",
        body: |workers| {
            let late = runtime(workers)
                .run(|| tarae::timeout(A_WHILE, || tarae::scope(|scope| drop(scope.spawn(thread::park)))));
            assert_eq!(late, Err(tarae::Elapsed));
        },
        expected: Success,
    },
    Scenario {
        name: "the_default_runtime_reports_too",
        body: |_| tarae::run(thread::park), // the default park
        expected: Report(|| vec![here("the default park"), "unpark".into()]),
    },
    Scenario {
        name: "a_deadlock_after_a_busy_life_is_reported",
        body: deadlock_after_a_busy_life,
        expected: Report(|| vec!["survivor".into(), "unpark".into()]),
    },
    Scenario {
        name: "a_locked_coroutine_in_a_deadlock_is_reported",
        body: |workers| {
            runtime(workers).run(|| {
                let _lock = tarae::lock_thread().unwrap();
                named("locksmith", thread::park).join().unwrap();
            });
        },
        expected: Report(|| vec!["locksmith".into(), "unpark".into(), "join".into()]),
    },
    Scenario {
        name: "a_kernel_thread_in_a_join_does_not_hide_a_deadlock",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            std::thread::spawn(|| parked.join());
            runtime.run(thread::park);
        },
        expected: Report(|| vec!["unpark".into()]),
    },
    Scenario {
        name: "a_report_can_be_caught_and_the_runtime_goes_on",
        body: |workers| {
            let runtime = runtime(workers);
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.run(thread::park)));
            assert!(caught.is_err());
            assert_eq!(runtime.run(|| tarae::spawn(|| 7).join().unwrap()), 7);
            panic!("caught, and gone on");
        },
        expected: Report(|| vec!["unpark".into(), "caught, and gone on".into()]),
    },
    Scenario {
        name: "a_kernel_thread_that_will_unpark_is_waited_for",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            let waker = parked.thread().clone();
            std::thread::spawn(move || {
                std::thread::sleep(A_WHILE);
                waker.unpark();
            });
            runtime.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_kernel_thread_blocked_in_std_is_waited_for",
        body: |workers| {
            let (send, receive) = channel::<()>();
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            let waker = parked.thread().clone();
            // One waits for the other, in ways that nobody can look into.
            std::thread::spawn(move || {
                receive.recv().unwrap();
                waker.unpark();
            });
            std::thread::spawn(move || {
                std::thread::sleep(A_WHILE);
                send.send(()).unwrap();
            });
            runtime.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_main_thread_that_does_something_else_is_waited_for",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            std::thread::sleep(A_WHILE);
            parked.thread().unpark();
            parked.join().unwrap();
        },
        expected: Success,
    },
    Scenario { name: "a_listener_is_waited_for", body: accept_late, expected: Success },
    Scenario { name: "a_stream_is_waited_for", body: read_late, expected: Success },
    Scenario {
        name: "a_sleep_is_waited_for",
        body: |workers| unparked_after(workers, || tarae::sleep(A_WHILE)),
        expected: Success,
    },
    Scenario {
        name: "a_timed_park_is_waited_for",
        body: |workers| unparked_after(workers, || thread::park_timeout(A_WHILE)),
        expected: Success,
    },
    Scenario {
        name: "a_blocking_call_is_waited_for",
        body: |workers| unparked_after(workers, || tarae::blocking(|| std::thread::sleep(A_WHILE))),
        expected: Success,
    },
    Scenario {
        name: "an_unmarked_blocking_call_is_waited_for",
        body: |workers| unparked_after(workers, || std::thread::sleep(A_WHILE)),
        expected: Success,
    },
    Scenario {
        name: "a_loop_is_waited_for",
        body: |workers| unparked_after(workers, spin),
        expected: Success,
    },
    Scenario {
        name: "a_loop_of_yields_is_waited_for",
        body: |workers| {
            unparked_after(workers, || {
                let end = Instant::now() + A_WHILE;
                while Instant::now() < end {
                    thread::yield_now();
                }
            });
        },
        expected: Success,
    },
    Scenario {
        name: "a_locked_coroutine_that_blocks_is_waited_for",
        body: |workers| {
            unparked_after(workers, || {
                let _lock = tarae::lock_thread().unwrap();
                std::thread::sleep(A_WHILE);
                thread::yield_now();
            });
        },
        expected: Success,
    },
    Scenario {
        name: "a_coroutine_of_another_runtime_is_waited_for",
        body: |workers| {
            let (one, other) = (runtime(workers), runtime(1));
            let parked = one.spawn(thread::park);
            let waker = parked.thread().clone();
            other.spawn(move || {
                tarae::sleep(A_WHILE);
                waker.unpark();
            });
            one.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_woken_kernel_thread_that_gets_no_cpu_is_waited_for",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            let waker = parked.thread().clone();
            let _hogs = Hogs::start();
            let runtime = Arc::new(runtime);
            let other = Arc::clone(&runtime);
            std::thread::spawn(move || {
                last_in_line_for_a_cpu();
                for _ in 0..10 {
                    // Woken after a while, but it does not run at once.
                    other.run(|| tarae::sleep(Duration::from_millis(50)));
                }
                waker.unpark();
            });
            runtime.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_woken_locked_coroutine_that_gets_no_cpu_is_waited_for",
        body: |workers| {
            let runtime = runtime(workers);
            let parked = runtime.spawn(thread::park);
            let waker = parked.thread().clone();
            let _hogs = Hogs::start();
            runtime.spawn(move || {
                // Its kernel thread is not for others any more.
                std::mem::forget(tarae::lock_thread().unwrap());
                last_in_line_for_a_cpu();
                (0..10).for_each(|_| tarae::sleep(Duration::from_millis(50)));
                waker.unpark();
            });
            runtime.run(move || parked.join().unwrap());
        },
        expected: Success,
    },
    Scenario {
        name: "a_dropped_runtime_with_parked_coroutines_is_no_deadlock",
        body: |workers| {
            let runtime = runtime(workers);
            let _parked: Vec<_> = (0..10).map(|_| runtime.spawn(thread::park)).collect();
            runtime.run(|| tarae::sleep(Duration::from_millis(10)));
        },
        expected: Success,
    },
];

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).name("test").build().expect("a runtime")
}

#[track_caller]
fn named<T: Send + 'static>(name: &str, job: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().name(name.into()).spawn(job).expect("a coroutine")
}

/// A hen and an egg, each of which joins the other.
fn join_each_other(one: &Runtime, other: &Runtime) {
    type Slot = Arc<Mutex<VecDeque<JoinHandle<()>>>>;
    fn join_the_first(slot: &Slot) {
        loop {
            let first = slot.lock().unwrap().pop_front();
            match first {
                Some(handle) => return handle.join().unwrap(),
                None => thread::yield_now(),
            }
        }
    }
    let (hens, eggs) = (Slot::default(), Slot::default());
    let own = Arc::clone(&eggs);
    // A builder spawns on the runtime of its caller.
    let hen = one.run(move || named("hen", move || join_the_first(&own)));
    let own = Arc::clone(&hens);
    let egg = other.run(move || named("egg", move || join_the_first(&own)));
    hens.lock().unwrap().push_back(hen);
    eggs.lock().unwrap().push_back(egg);
    one.run(thread::park); // the third
}

fn hen_and_egg() -> Vec<String> {
    let of = |name: &str| here(&format!("named(\"{name}\""));
    let mut expected = vec!["hen".into(), "egg".into(), "join".into(), of("hen"), of("egg")];
    expected.extend([here("the third"), "unpark".into()]);
    expected
}

/// Everything that a runtime can do, then a deadlock: what is left of it must not look like somebody who may act.
fn deadlock_after_a_busy_life(workers: usize) {
    let runtime = runtime(workers);
    runtime.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = tarae::spawn(move || TcpStream::connect(address).unwrap().write_all(&[7]).unwrap());
        let mut stream = listener.accept().unwrap().0;
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        peer.join().unwrap();
        let naps = (0..10).map(|_| tarae::spawn(|| tarae::blocking(|| pause(20))));
        naps.collect::<Vec<_>>().into_iter().for_each(|nap| nap.join().unwrap());
        let naps = (0..10).map(|_| tarae::spawn(|| pause(20)));
        naps.collect::<Vec<_>>().into_iter().for_each(|nap| nap.join().unwrap());
        std::thread::spawn(|| pause(5)).join().unwrap();
        let lock = tarae::lock_thread().unwrap();
        tarae::sleep(Duration::from_millis(5));
        drop(lock);
        thread::park_timeout(Duration::from_millis(5));
    });
    runtime.run(|| named("survivor", thread::park).join().unwrap());
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn spin() {
    let end = Instant::now() + A_WHILE;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// One is parked until another, which does `first` first, unparks it; everyone else waits for them.
fn unparked_after(workers: usize, first: fn()) {
    let runtime = runtime(workers);
    let parked = runtime.spawn(thread::park);
    let waker = parked.thread().clone();
    let unparks = runtime.spawn(move || {
        first();
        waker.unpark();
    });
    runtime.run(move || parked.join().unwrap());
    unparks.join().unwrap();
}

/// Processes that keep all CPUs busy, while this lives.
struct Hogs(Vec<Child>);

impl Hogs {
    fn start() -> Hogs {
        let cpus = std::thread::available_parallelism().map_or(2, usize::from);
        Hogs((0..2 * cpus).map(|_| this_program("compute").arg("-").spawn().unwrap()).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            hog.kill().unwrap();
            hog.wait().unwrap();
        }
    }
}

/// From now on the calling kernel thread runs when no other wants to: once in some tenths of a second beside hogs.
fn last_in_line_for_a_cpu() {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: `priority` is valid for reading; 0 is the calling kernel thread.
    assert_eq!(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &priority) }, 0);
}

/// The peer is a process: no thread of ours will connect.
fn accept_late(workers: usize) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut peer = this_program("connect_late").arg(address).spawn().unwrap();
    runtime(workers).run(move || {
        let listener = TcpListener::from(listener);
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0]).unwrap();
    });
    peer.wait().unwrap();
}

fn read_late(workers: usize) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut peer = this_program("write_late").arg(address).spawn().unwrap();
    runtime(workers).run(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = TcpStream::from(stream);
        stream.read_exact(&mut [0]).unwrap();
    });
    peer.wait().unwrap();
}

/// What a peer does, in a process of its own.
fn peer(role: &str, address: &str) -> bool {
    match role {
        "connect_late" => {
            std::thread::sleep(A_WHILE);
            std::net::TcpStream::connect(address).unwrap().write_all(&[7]).unwrap();
        }
        "write_late" => {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            std::thread::sleep(A_WHILE);
            stream.write_all(&[7]).unwrap();
        }
        "compute" => (0..10).for_each(|_| spin()),
        _ => return false,
    }
    true
}

/// `file:line` of the line of this file that contains `text` first. The text must stand in a comment or in code above
/// where it is asked for.
fn here(text: &str) -> String {
    let line = include_str!("deadlock.rs").lines().position(|line| line.contains(text));
    format!("{}:{}", file!(), line.expect("a line of this file") + 1)
}

fn this_program(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(ROLE, role);
    command
}

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
