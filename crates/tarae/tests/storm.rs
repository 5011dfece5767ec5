//! A storm of everything at once, for `TARAE_STORM_SECONDS` (10 by default): spawns, joins, parks, sleeps, panics,
//! sockets, and runtimes that come and go, from coroutines and kernel threads. Then the books must balance.

#[path = "support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tarae::net::{TcpListener, TcpStream};
use tarae::thread::{self, Builder, JoinHandle, Thread};
use tarae::{Runtime, is_cancelled};

use support::proc::{open_descriptors, tasks_named};
use support::seed::Random;
use support::{LIMIT, child, eventually, hush, ms, panic_on_purpose, within};

/// What all have in common.
struct Sky {
    end: Instant,
    made: AtomicU64,
    dropped: AtomicU64,
    steps: AtomicU64,
    /// Threads that may be unparked, by anybody, at any time.
    known: Mutex<Vec<Thread>>,
}

/// Counts itself.
struct Counted(Arc<Sky>);

impl Counted {
    fn new(sky: &Arc<Sky>) -> Counted {
        sky.made.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(sky))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn seconds() -> Duration {
    let given = std::env::var("TARAE_STORM_SECONDS").ok();
    Duration::from_secs(given.map_or(10, |text| text.parse().expect("TARAE_STORM_SECONDS is a number")))
}

#[test]
fn a_storm_of_everything_balances() {
    let seconds = seconds();
    child::alone_within(seconds + LIMIT * 3, "a_storm_of_everything_balances", || {
        within(seconds + LIMIT * 2, move || {
            hush();
            let random = Random::from_environment();
            storm(seconds, random);
        });
    });
}

fn storm(length: Duration, mut random: Random) {
    let sky = Arc::new(Sky {
        end: Instant::now() + length,
        made: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
        steps: AtomicU64::new(0),
        known: Mutex::new(Vec::new()),
    });
    // The default runtime stays: it starts before its descriptors are counted.
    tarae::run(|| ());
    let before = open_descriptors();
    let unparker = std::thread::spawn({
        let (sky, mut random) = (Arc::clone(&sky), random.split());
        // Goes on to the very end, so that nobody stays parked.
        move || {
            while Arc::strong_count(&sky) > 2 {
                unpark_somebody(&sky, &mut random);
                std::thread::sleep(Duration::from_micros(random.below(300)));
            }
        }
    });
    let kernel_threads: Vec<_> = (0..2)
        .map(|_| {
            let (sky, mut random) = (Arc::clone(&sky), random.split());
            std::thread::spawn(move || {
                while Instant::now() < sky.end {
                    one_runtime(&sky, &mut random);
                }
            })
        })
        .collect();
    kernel_threads.into_iter().for_each(|thread| thread.join().expect("a kernel thread of the storm"));
    sky.known.lock().unwrap().clear();
    unparker.join().expect("the thread that unparks");
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    eventually("every value that was made is dropped", || count(&sky.made) == count(&sky.dropped));
    eventually("every worker has ended", || tasks_named("squall-").is_empty());
    eventually("every descriptor is closed", || open_descriptors() == before);
    let steps = count(&sky.steps);
    assert!(steps > 100, "{steps} steps are no storm");
    println!("{steps} steps, {} values", count(&sky.made));
}

/// A runtime, a while of storm in it, and its end: gentle, or in the middle of everything.
fn one_runtime(sky: &Arc<Sky>, random: &mut Random) {
    let workers = 1 + random.below(4) as usize;
    let runtime = Runtime::builder().workers(workers).name("squall").build().expect("a runtime");
    let while_it_lasts = Duration::from_millis(random.below(300));
    let end = (Instant::now() + while_it_lasts).min(sky.end);
    let roots: Vec<_> = (0..1 + random.below(8))
        .map(|_| {
            let (sky, mut random, value) = (Arc::clone(sky), random.split(), Counted::new(sky));
            runtime.spawn(move || {
                while Instant::now() < end {
                    step(&sky, &mut random, 3);
                }
                value
            })
        })
        .collect();
    if random.below(2) == 0 {
        roots.into_iter().for_each(|root| ended(root.join().map(drop)));
    } else {
        std::thread::sleep(while_it_lasts / 2);
        drop(roots);
    }
    runtime.shutdown_timeout(LIMIT).expect("nobody is left behind");
}

/// Whatever ended a coroutine, it was something that the storm does.
fn ended(result: thread::Result<()>) {
    if let Err(payload) = result {
        let expected = is_cancelled(&*payload) || support::text_of(&*payload) == support::ON_PURPOSE;
        assert!(expected, "{}", support::text_of(&*payload));
    }
}

/// Does one thing.
fn step(sky: &Arc<Sky>, random: &mut Random, depth: u32) {
    sky.steps.fetch_add(1, Ordering::Relaxed);
    match random.below(if depth == 0 { 5 } else { 14 }) {
        0 => thread::yield_now(),
        1 => tarae::sleep(Duration::from_micros(random.below(3000))),
        2 => park(sky, random),
        3 => unpark_somebody(sky, random),
        4 => busy(random),
        5 | 6 => {
            let child = spawn_one(sky, random, depth);
            ended(child.join().map(drop));
        }
        7 => drop(spawn_one(sky, random, depth)),
        8 => {
            let children: Vec<_> = (0..random.below(20)).map(|_| spawn_one(sky, random, depth)).collect();
            children.into_iter().for_each(|child| ended(child.join().map(drop)));
        }
        9 => {
            let value = Counted::new(sky);
            let panics = thread::spawn(move || {
                let _value = value;
                thread::yield_now();
                panic_on_purpose()
            });
            ended(panics.join());
        }
        10 => talk(sky, random),
        11 => from_a_kernel_thread(sky, random),
        12 if random.below(20) == 0 => one_short_runtime(sky, random),
        12 => {
            let _caught = std::panic::catch_unwind(|| {
                thread::yield_now();
                std::panic::resume_unwind(Box::new(7u8))
            });
        }
        _ => {
            let size = (64 * 1024) << random.below(6);
            let value = Counted::new(sky);
            let job = move || {
                thread::yield_now();
                drop(value);
            };
            ended(Builder::new().stack_size(size).spawn(job).expect("a coroutine").join());
        }
    }
}

fn spawn_one(sky: &Arc<Sky>, random: &mut Random, depth: u32) -> JoinHandle<Counted> {
    let (sky, mut random, captured) = (Arc::clone(sky), random.split(), Counted::new(sky));
    thread::spawn(move || {
        for _ in 0..random.below(4) {
            step(&sky, &mut random, depth - 1);
        }
        captured
    })
}

fn park(sky: &Sky, random: &mut Random) {
    if random.below(2) == 0 {
        return thread::park_timeout(Duration::from_micros(random.below(2000)));
    }
    // Somebody will unpark it; at the latest, it gives up by itself.
    sky.known.lock().unwrap().push(thread::current());
    thread::park_timeout(ms(50));
}

fn unpark_somebody(sky: &Sky, random: &mut Random) {
    let somebody = {
        let mut known = sky.known.lock().unwrap();
        let count = known.len() as u64;
        if count == 0 {
            return;
        }
        known.swap_remove(random.below(count) as usize)
    };
    somebody.unpark();
}

fn busy(random: &mut Random) {
    let end = Instant::now() + Duration::from_micros(random.below(500));
    support::spin_while(|| Instant::now() < end);
}

/// An error of a socket is right only in a shutdown, when the peer was cancelled first: then so are we, at the next wait.
#[track_caller]
fn or_cancelled<T>(result: std::io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        thread::yield_now();
        panic!("{error}, and nobody was cancelled");
    })
}

/// A connection, and some words over it.
fn talk(sky: &Arc<Sky>, random: &mut Random) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    let (value, bytes) = (Counted::new(sky), 1 + random.below(100_000) as usize);
    let server = thread::spawn(move || {
        let _value = value;
        let (mut stream, _) = or_cancelled(listener.accept());
        let mut buf = vec![0; 5000];
        loop {
            match stream.read(&mut buf) {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if stream.write_all(&buf[..count]).is_err() {
                        return;
                    }
                }
            }
        }
    });
    let stream = Arc::new(or_cancelled(TcpStream::connect(address)));
    let writer = thread::spawn({
        let stream = Arc::clone(&stream);
        move || (&*stream).write_all(&vec![7; bytes])
    });
    if random.below(4) == 0 {
        // Goes in the middle of it.
        stream.set_read_timeout(Some(ms(1))).expect("a timeout");
        let _ = (&*stream).read(&mut [0; 100]);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    } else {
        let mut all = vec![0; bytes];
        or_cancelled((&*stream).read_exact(&mut all));
        assert!(all.iter().all(|byte| *byte == 7));
    }
    drop(stream);
    // Told or cancelled.
    drop(writer.join());
    ended(server.join());
}

/// A kernel thread spawns into the default runtime, and joins.
fn from_a_kernel_thread(sky: &Arc<Sky>, random: &mut Random) {
    let (sky, mut random) = (Arc::clone(sky), random.split());
    let handle = thread::spawn(|| thread::park_timeout(ms(1)));
    let kernel = std::thread::spawn(move || {
        handle.thread().unpark();
        let value = Counted::new(&sky);
        let other = thread::spawn(move || {
            thread::yield_now();
            drop(value);
        });
        ended(other.join());
        ended(handle.join());
        park(&sky, &mut random);
    });
    // Joining a kernel thread blocks this one's worker: wait for its end without.
    while !kernel.is_finished() {
        tarae::sleep(Duration::from_micros(100));
    }
    kernel.join().expect("a kernel thread");
}

/// A runtime inside a coroutine, with work that it does not wait for.
fn one_short_runtime(sky: &Arc<Sky>, random: &mut Random) {
    let runtime =
        Runtime::builder().workers(1 + random.below(2) as usize).name("squall").build().expect("a runtime");
    for _ in 0..random.below(5) {
        let (sky, mut random, value) = (Arc::clone(sky), random.split(), Counted::new(sky));
        drop(runtime.spawn(move || {
            step(&sky, &mut random, 2);
            value
        }));
    }
    if random.below(2) == 0 {
        runtime.run(thread::yield_now);
    }
    drop(runtime);
}
