//! The `tracing` event that tells of a coroutine that kept its worker while others waited.

#[path = "support/mod.rs"]
mod support;
#[path = "support/undisturbed.rs"]
mod undisturbed;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Once};
use std::time::{Duration, Instant};

use tarae::Runtime;
use tarae::thread::Builder;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use support::{LIMIT, child, eventually, ms, runtime, spin_while, within};
use undisturbed::{Verdict, undisturbed};

/// One event, with its fields as text.
#[derive(Clone, Debug, Default)]
struct Seen {
    level: String,
    fields: BTreeMap<&'static str, String>,
}

impl Seen {
    #[track_caller]
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no field '{name}' in {self:?}"))
    }

    #[track_caller]
    fn number(&self, name: &str) -> f64 {
        self.field(name).parse().unwrap_or_else(|_| panic!("'{name}' is no number in {self:?}"))
    }
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

/// The events of tarae, from whichever thread.
static SEEN: LazyLock<Mutex<Vec<Seen>>> = LazyLock::new(Mutex::default);

/// Notes the events of tarae, and nothing else.
struct Notes;

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "tarae"
    }

    fn event(&self, event: &Event<'_>) {
        let mut seen = Seen { level: event.metadata().level().to_string(), ..Seen::default() };
        event.record(&mut seen);
        SEEN.lock().unwrap().push(seen);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// A runtime in a process that notes events.
fn observed(workers: usize) -> Runtime {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Notes).expect("nobody else subscribes"));
    runtime(workers)
}

/// What was said about the coroutines of this name.
fn said_of(name: &str) -> Vec<Seen> {
    let all = SEEN.lock().unwrap().clone();
    all.into_iter().filter(|seen| seen.fields.get("name").is_some_and(|text| text.contains(name))).collect()
}

/// Runs `body` while no other test of this program runs: they keep CPUs busy, and measure time.
#[track_caller]
fn alone_here(body: impl FnOnce() + Send + 'static) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // A test that failed leaves poison, which says nothing about the next one.
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    within(LIMIT * 4, body);
}

/// Coroutines that always wait for a worker, as each yields it to the next.
struct Waiting {
    on: Arc<AtomicBool>,
    all: Vec<tarae::thread::JoinHandle<()>>,
}

impl Waiting {
    fn start(runtime: &Runtime) -> Waiting {
        let on = Arc::new(AtomicBool::new(true));
        let one = || {
            let on = Arc::clone(&on);
            runtime.spawn(move || {
                while on.load(Ordering::SeqCst) {
                    tarae::yield_now();
                }
            })
        };
        Waiting { all: (0..runtime.workers() + 2).map(|_| one()).collect(), on }
    }

    fn stop(self, runtime: Runtime) {
        self.on.store(false, Ordering::SeqCst);
        self.all.into_iter().for_each(|one| one.join().unwrap());
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    }
}

/// Computes for `length` of CPU time, however long that takes on a busy machine.
fn compute(length: Duration) {
    let end = cpu_time() + length;
    spin_while(|| cpu_time() < end);
}

/// How long the kernel thread that runs the caller has had a CPU.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the answer.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Waits until as many stalls of the coroutines of this name are told.
#[track_caller]
fn until_told(runtime: &Runtime, name: &str, times: usize) {
    let deadline = Instant::now() + LIMIT;
    while said_of(name).len() < times {
        let all = SEEN.lock().unwrap().len();
        let stalls = runtime.metrics().stalls;
        assert!(Instant::now() < deadline, "not told of {name}; {stalls} stalls here, {all} events in all");
        std::thread::sleep(ms(1));
    }
}

/// Spawns a coroutine of this name in the runtime, and waits until it has ended.
fn run_named(runtime: &Runtime, name: &'static str, job: impl FnOnce() + Send + 'static) {
    runtime.run(move || {
        Builder::new().name(name.into()).spawn(job).unwrap().join().unwrap();
    });
}

fn spawn_line() -> String {
    let line = include_str!("stall_event.rs").lines().position(|line| line.ends_with("// spawned here"));
    format!("{}:{}", file!(), line.unwrap() + 1)
}

#[test]
fn a_stall_is_told_with_who_where_how_long_and_how_many_wait() {
    for (workers, name) in [(1, "hog-one"), (2, "hog-two")] {
        alone_here(move || {
            let runtime = observed(workers);
            let waiting = Waiting::start(&runtime);
            let start = Instant::now();
            // One for each worker: another worker, if it is free, comes to those who wait.
            let hog = || Builder::new().name(name.into()).spawn(|| compute(ms(100))).unwrap(); // spawned here
            let hogs: Vec<_> = runtime.run(move || (0..workers).map(|_| hog()).collect());
            hogs.into_iter().for_each(|hog| hog.join().unwrap());
            let took = start.elapsed();
            until_told(&runtime, name, 1);
            waiting.stop(runtime);
            let said = said_of(name);
            let seen = &said[0];
            assert_eq!(seen.level, Level::WARN.as_str());
            assert_eq!(seen.field("name").trim_matches('"'), name);
            assert!(seen.field("spawned_at").contains(&spawn_line()), "{seen:?}");
            let stuck = seen.number("stuck_ms");
            assert!(stuck >= 1.0 && stuck <= took.as_secs_f64() * 1e3, "{took:?}: {seen:?}");
            assert!(seen.number("waiting") >= 1.0, "{seen:?}");
        });
    }
}

#[test]
fn each_stall_is_told_once() {
    alone_here(|| {
        let runtime = observed(1);
        let waiting = Waiting::start(&runtime);
        run_named(&runtime, "again-and-again", || {
            for _ in 0..3 {
                compute(ms(100));
                tarae::sleep(ms(20));
            }
        });
        until_told(&runtime, "again-and-again", 3);
        std::thread::sleep(ms(100));
        waiting.stop(runtime);
        let said = said_of("again-and-again");
        assert_eq!(said.len(), 3, "{said:#?}");
    });
}

#[test]
fn one_without_a_name_is_told_too() {
    alone_here(|| {
        let runtime = observed(1);
        let waiting = Waiting::start(&runtime);
        let line = line!() + 1;
        let hog = runtime.spawn(|| compute(ms(100)));
        hog.join().unwrap();
        let place = format!("{}:{line}", file!());
        let told = || {
            let all = SEEN.lock().unwrap();
            let here = |seen: &&Seen| seen.fields.get("spawned_at").is_some_and(|at| at.contains(&place));
            all.iter().filter(here).count()
        };
        eventually("it is told", || told() > 0);
        waiting.stop(runtime);
        assert_eq!(told(), 1);
    });
}

#[test]
fn a_blocking_call_that_is_marked_is_not_told() {
    alone_here(|| {
        for workers in [1, 2] {
            let runtime = observed(workers);
            let waiting = Waiting::start(&runtime);
            run_named(&runtime, "marked", || {
                tarae::blocking(|| std::thread::sleep(ms(200)));
                tarae::blocking(|| compute(ms(100)));
            });
            std::thread::sleep(ms(50));
            waiting.stop(runtime);
        }
        // It is quick before and after; unless another process had the CPU just then, which it says.
        let said = said_of("marked");
        assert!(said.iter().all(|seen| seen.number("stuck_ms") < 100.0), "{said:#?}");
        assert!(said.len() <= 1, "{said:#?}");
    });
}

#[test]
fn a_mark_is_for_the_one_that_made_it() {
    alone_here(|| {
        let runtime = observed(1);
        // It waits inside of its call, by our own means: whoever has the worker then has said nothing.
        let marked = runtime.spawn(|| tarae::blocking(|| tarae::sleep(ms(400))));
        tarae::sleep(ms(20));
        let waiting = Waiting::start(&runtime);
        run_named(&runtime, "another", || compute(ms(100)));
        until_told(&runtime, "another", 1);
        marked.join().unwrap();
        waiting.stop(runtime);
    });
}

#[test]
fn one_that_nobody_waits_for_is_not_told() {
    alone_here(|| {
        for workers in [1, 2] {
            let runtime = observed(workers);
            run_named(&runtime, "lonely", || compute(ms(100)));
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        }
        assert!(said_of("lonely").is_empty(), "{:#?}", said_of("lonely"));
    });
}

#[test]
fn quick_ones_are_not_told() {
    alone_here(|| {
        child::alone_within(LIMIT * 3, "quick_ones_are_not_told", || {
            // When another process has the CPU, a quick one may have to wait as long as a slow one computes.
            undisturbed(|| {
                SEEN.lock().unwrap().clear();
                let runtime = observed(2);
                runtime.run(|| {
                    let quick = || {
                        for _ in 0..10 {
                            compute(Duration::from_micros(50));
                            tarae::yield_now();
                        }
                    };
                    let one = |_| Builder::new().name("quick".into()).spawn(quick).unwrap();
                    let all: Vec<_> = (0..2000).map(one).collect();
                    all.into_iter().for_each(|one| one.join().unwrap());
                });
                runtime.shutdown_timeout(LIMIT).expect("everyone ends");
                let said = said_of("quick");
                Verdict { holds: said.is_empty(), figures: format!("{} are told: {said:?}", said.len()) }
            });
        });
    });
}
