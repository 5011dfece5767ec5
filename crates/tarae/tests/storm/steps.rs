//! What a coroutine of the storm does: one step after the other, chosen by its own seed. Those that get stuck:
//! [`stuck`](crate::stuck).

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tarae::is_cancelled;
use tarae::net::{TcpListener, TcpStream};
use tarae::thread::{self, Builder, JoinHandle};

use crate::cloud::Counted;
use crate::own::Me;
use crate::sky::{Sky, lock};
use crate::support::seed::Random;
use crate::support::{ON_PURPOSE, ms, panic_on_purpose, spin_while, text_of};
use crate::{runtimes, stuck};

/// What there is to do, and how often it is chosen. From `SpawnAndJoin` on it takes a depth.
const WEIGHTS: [(Step, u64); STEPS] = [
    (Step::Yield, 10),
    (Step::Sleep, 10),
    (Step::Park, 10),
    (Step::Unpark, 10),
    (Step::Busy, 8),
    (Step::Nap, 6),
    (Step::Spin, 1),
    (Step::Blocking, 6),
    (Step::SpawnAndJoin, 20),
    (Step::SpawnAndLeave, 10),
    (Step::SpawnMany, 8),
    (Step::Panic, 10),
    (Step::Linger, 4),
    (Step::Talk, 10),
    (Step::KernelThread, 6),
    (Step::ShortRuntime, 1),
    (Step::Unwind, 8),
    (Step::OtherStack, 6),
    (Step::BlockingDeep, 8),
    (Step::HoldMutex, 8),
    (Step::WaitForAnother, 8),
    (Step::WaitForKernelThread, 5),
    (Step::WaitForCondition, 5),
    (Step::LockThread, 6),
    (Step::LeftBehind, 8),
    (Step::Chatter, 2),
];

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Yield,
    Sleep,
    Park,
    Unpark,
    Busy,
    Nap,
    Spin,
    Blocking,
    SpawnAndJoin,
    SpawnAndLeave,
    SpawnMany,
    Panic,
    Linger,
    Talk,
    KernelThread,
    ShortRuntime,
    Unwind,
    OtherStack,
    BlockingDeep,
    HoldMutex,
    WaitForAnother,
    WaitForKernelThread,
    WaitForCondition,
    LockThread,
    LeftBehind,
    Chatter,
}

pub(crate) const STEPS: usize = Step::Chatter as usize + 1;

impl Step {
    pub(crate) fn of_number(number: usize) -> Step {
        WEIGHTS[number].0
    }

    fn choose(random: &mut Random, depth: u32) -> Step {
        let shallow = Step::SpawnAndJoin as usize;
        let choices = if depth == 0 { &WEIGHTS[..shallow] } else { &WEIGHTS[..] };
        let mut left = random.below(choices.iter().map(|(_, weight)| weight).sum());
        for (step, weight) in choices {
            match left.checked_sub(*weight) {
                None => return *step,
                Some(rest) => left = rest,
            }
        }
        unreachable!("less than the sum")
    }
}

/// Does one thing.
pub(crate) fn step(me: &mut Me, depth: u32) {
    let step = Step::choose(&mut me.random, depth);
    let under_way = Sky::the().enter(&me.cloud, step);
    me.check();
    match step {
        Step::Yield => stuck::keeping_errno(thread::yield_now),
        Step::Sleep => tarae::sleep(Duration::from_micros(me.random.below(3000))),
        Step::Park => park(&mut me.random),
        Step::Unpark => unpark_somebody(&mut me.random),
        Step::Busy => busy(me.random.below(500)),
        Step::Nap => stuck::nap(&mut me.random),
        Step::Spin => stuck::keeping_errno(|| busy(me.random.below(20_000))),
        Step::Blocking => stuck::blocking(me),
        Step::SpawnAndJoin => ended(spawn_one(me, depth).join().map(drop)),
        Step::SpawnAndLeave => drop(spawn_one(me, depth)),
        Step::SpawnMany => {
            let children: Vec<_> = (0..me.random.below(20)).map(|_| spawn_one(me, depth)).collect();
            children.into_iter().for_each(|child| ended(child.join().map(drop)));
        }
        Step::Panic => panic_in_a_child(me),
        Step::Linger => linger(me),
        Step::Talk => talk(me),
        Step::KernelThread => from_a_kernel_thread(me),
        Step::ShortRuntime if me.cloud.leaks => tarae::sleep(ms(1)),
        Step::ShortRuntime => runtimes::one_short_runtime(me),
        Step::Unwind => {
            caught(|| {
                thread::yield_now();
                resume_unwind(Box::new(7u8))
            });
        }
        Step::OtherStack => on_another_stack(me),
        Step::BlockingDeep => stuck::blocking_deep(me, depth),
        Step::HoldMutex => stuck::hold_mutex(me),
        Step::WaitForAnother => stuck::wait_for_another(me, depth),
        Step::WaitForKernelThread => stuck::wait_for_a_kernel_thread(me),
        Step::WaitForCondition => stuck::wait_for_a_condition(me, depth),
        Step::LockThread => stuck::lock_thread(me, depth),
        Step::LeftBehind => stuck::left_behind(me, depth),
        Step::Chatter => stuck::chatter(me),
    }
    me.check();
    drop(under_way);
}

/// Whatever ended a coroutine, it was something that the storm does.
#[track_caller]
pub(crate) fn ended(result: thread::Result<()>) {
    if let Err(payload) = result {
        let expected = is_cancelled(&*payload) || text_of(&*payload) == ON_PURPOSE;
        assert!(expected, "{}", text_of(&*payload));
    }
}

/// Catches a panic; a cancellation goes on.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Some(value),
        Err(payload) if is_cancelled(&*payload) => resume_unwind(payload),
        Err(_) => None,
    }
}

pub(crate) fn spawn_one(me: &mut Me, depth: u32) -> JoinHandle<Counted> {
    let captured = me.cloud.value();
    me.cloud.spawn(me.random.split(), move |me| {
        for _ in 0..me.random.below(4) {
            step(me, depth - 1);
        }
        captured
    })
}

fn panic_in_a_child(me: &mut Me) {
    let value = me.cloud.value();
    let panics = me.cloud.spawn(me.random.split(), move |me| {
        let _value = value;
        thread::yield_now();
        me.check();
        if me.random.below(2) == 0 {
            stuck::nap(&mut me.random);
        }
        panic_on_purpose()
    });
    ended(panics.join());
}

/// A child unwinds over a destructor that waits.
fn linger(me: &mut Me) {
    struct Lingers<'a>(&'a mut Me);
    impl Drop for Lingers<'_> {
        fn drop(&mut self) {
            let Lingers(me) = self;
            let unwinds = std::thread::panicking();
            let pause = Duration::from_micros(me.random.below(2000));
            match me.random.below(4) {
                0 => tarae::sleep(pause),
                1 => thread::yield_now(),
                2 => tarae::blocking(|| std::thread::sleep(pause)),
                _ => std::thread::sleep(pause),
            }
            me.check();
            assert_eq!(std::thread::panicking(), unwinds, "another's panic");
        }
    }
    let child = me.cloud.spawn(me.random.split(), |me| {
        let panics = me.random.below(2) == 0;
        let lingers = Lingers(me);
        thread::yield_now();
        if panics {
            panic_on_purpose()
        }
        drop(lingers);
    });
    ended(child.join());
}

fn on_another_stack(me: &mut Me) {
    let size = (64 * 1024) << me.random.below(6);
    let value = me.cloud.value();
    let job = move |_: &mut Me| {
        thread::yield_now();
        drop(value);
    };
    let spawn = |job| Builder::new().stack_size(size).spawn(job).expect("a coroutine");
    let child = me.cloud.spawn_by(me.random.split(), job, spawn);
    ended(child.join());
}

pub(crate) fn park(random: &mut Random) {
    if random.below(2) == 0 {
        return thread::park_timeout(Duration::from_micros(random.below(2000)));
    }
    // Somebody will unpark it; at the latest, it gives up by itself.
    lock(&Sky::the().known).push(thread::current());
    thread::park_timeout(ms(50));
}

pub(crate) fn unpark_somebody(random: &mut Random) {
    let somebody = {
        let mut known = lock(&Sky::the().known);
        let count = known.len() as u64;
        if count == 0 {
            return;
        }
        known.swap_remove(random.below(count) as usize)
    };
    somebody.unpark();
}

pub(crate) fn busy(microseconds: u64) {
    let end = Instant::now() + Duration::from_micros(microseconds);
    spin_while(|| Instant::now() < end);
}

/// What failed is right only in a shutdown, when another was cancelled first: then so are we, at the next wait.
#[track_caller]
pub(crate) fn or_cancelled<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        thread::yield_now();
        panic!("{error}, and nobody was cancelled");
    })
}

/// A connection, and some words over it.
pub(crate) fn talk(me: &mut Me) {
    let counted = me.cloud.socket();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    let (value, bytes) = (me.cloud.value(), 1 + me.random.below(100_000) as usize);
    let server = me.cloud.spawn(me.random.split(), move |me| {
        let _value = (value, counted);
        let _accepted = me.cloud.socket();
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
            if me.random.below(20) == 0 {
                stuck::nap(&mut me.random);
            }
        }
    });
    let counted = me.cloud.socket();
    let stream = Arc::new((or_cancelled(TcpStream::connect(address)), counted));
    let writer = me.cloud.spawn(me.random.split(), {
        let stream = Arc::clone(&stream);
        move |_| (&stream.0).write_all(&vec![7; bytes])
    });
    if me.random.below(4) == 0 {
        // Goes in the middle of it.
        stream.0.set_read_timeout(Some(ms(1))).expect("a timeout");
        let _ = (&stream.0).read(&mut [0; 100]);
        let _ = stream.0.shutdown(std::net::Shutdown::Both);
    } else {
        let mut all = vec![0; bytes];
        or_cancelled((&stream.0).read_exact(&mut all));
        assert!(all.iter().all(|byte| *byte == 7));
    }
    drop(stream);
    // Told or cancelled.
    drop(writer.join());
    ended(server.join());
}

/// A kernel thread spawns into the default runtime, and joins.
fn from_a_kernel_thread(me: &mut Me) {
    let ground = &Sky::the().ground;
    let mut random = me.random.split();
    let wait = |_: &mut Me| thread::park_timeout(ms(1));
    // One that is left behind is waited for in vain.
    let home = if me.cloud.leaks { None } else { Some(me.cloud.spawn(me.random.split(), wait)) };
    let kernel = std::thread::spawn(move || {
        home.iter().for_each(|home| home.thread().unpark());
        let value = ground.value();
        let other = ground.spawn(random.split(), move |me| {
            thread::yield_now();
            me.check();
            stuck::nap(&mut me.random);
            drop(value);
        });
        ended(other.join());
        home.into_iter().for_each(|home| ended(home.join()));
        park(&mut random);
    });
    // It waits for one of ours.
    let permit = me.cloud.permit();
    match me.random.below(3) {
        0 if permit.is_some() => {}
        1 if permit.is_some() => return tarae::blocking(|| kernel.join().expect("a kernel thread")),
        _ => {
            drop(permit);
            while !kernel.is_finished() {
                tarae::sleep(Duration::from_micros(100));
            }
        }
    }
    kernel.join().expect("a kernel thread");
}
