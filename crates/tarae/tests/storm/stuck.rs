//! The ways to get stuck: in the kernel, on the CPU, behind a lock, waiting for another, marked or not; and what a
//! coroutine does while its worker has gone to another thread.
//!
//! Whoever waits for another coroutine in a way that keeps its kernel thread takes a permit, so that there are always
//! more spare threads than such waits; without one it gives up in time.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tarae::thread;

use crate::own::{Me, check_errno, leave_errno};
use crate::sky::lock;
use crate::steps::{busy, caught, ended, or_cancelled, park, spawn_one, step, talk, unpark_somebody};
use crate::support::seed::Random;
use crate::support::{ON_PURPOSE, ms, panic_on_purpose, text_of};

/// Blocks the kernel thread for a while, unmarked.
pub(crate) fn nap(random: &mut Random) {
    // Some are long enough for the monitor to take the worker away.
    let most = if random.below(4) == 0 { 10_000 } else { 2_000 };
    std::thread::sleep(Duration::from_micros(random.below(most)));
}

pub(crate) fn keeping_errno(f: impl FnOnce()) {
    leave_errno();
    f();
    check_errno();
}

/// Blocks it, and says so.
pub(crate) fn blocking(me: &mut Me) {
    let cloud = Arc::clone(&me.cloud);
    let random = &mut me.random;
    match random.below(5) {
        0 => tarae::blocking(|| nap(random)),
        1 => {
            let inner = tarae::blocking(|| {
                nap(random);
                tarae::blocking(|| tarae::blocking(|| nap(random)));
                nap(random);
                7
            });
            assert_eq!(inner, 7);
        }
        2 => {
            // The value is dropped on the way out, and the coroutine comes back to a worker.
            let value = cloud.value();
            let result = catch_unwind(AssertUnwindSafe(|| {
                tarae::blocking(|| {
                    let _value = value;
                    nap(random);
                    tarae::blocking(|| panic_on_purpose())
                })
            }));
            let payload = result.expect_err("it panicked");
            assert_eq!(text_of(&*payload), ON_PURPOSE);
        }
        3 => {
            tarae::blocking(|| {
                nap(random);
                leave_errno();
            });
            check_errno();
        }
        _ => tarae::blocking(|| ()),
    }
}

/// The same with others waiting for the worker, or with waits inside.
pub(crate) fn blocking_deep(me: &mut Me, depth: u32) {
    let children: Vec<_> = (0..me.random.below(3)).map(|_| spawn_one(me, depth)).collect();
    match me.random.below(4) {
        0 => blocking(me),
        1 => tarae::blocking(|| tarae::sleep(Duration::from_micros(me.random.below(2000)))),
        2 => tarae::blocking(|| {
            nap(&mut me.random);
            step(me, depth - 1);
            nap(&mut me.random);
        }),
        _ => {
            let first = spawn_one(me, depth);
            tarae::blocking(|| ended(first.join().map(drop)));
        }
    }
    children.into_iter().for_each(|child| ended(child.join().map(drop)));
}

/// Holds one of the locks, or two in their order, across waits of all kinds.
pub(crate) fn hold_mutex(me: &mut Me) {
    let cloud = Arc::clone(&me.cloud);
    let first = me.random.below(3) as usize;
    let Some(mut guard) = take(me, &cloud.locks[first]) else { return };
    let mark = me.mark();
    *guard = mark;
    pause(me);
    assert_eq!(*guard, mark, "another has the lock");
    if first < 2
        && let Some(mut second) = take(me, &cloud.locks[2])
    {
        *second = mark;
        pause(me);
        assert_eq!(*second, mark, "another has the second lock");
    }
    assert_eq!(*guard, mark, "another has the lock");
}

/// Waits for a lock; with a permit as long as it takes.
fn take<'a>(me: &mut Me, mutex: &'a Mutex<u64>) -> Option<MutexGuard<'a, u64>> {
    let permit = me.cloud.permit();
    if permit.is_some() {
        return Some(if me.random.below(3) == 0 { tarae::blocking(|| lock(mutex)) } else { lock(mutex) });
    }
    drop(permit);
    for _ in 0..5 {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => {
                tarae::sleep(Duration::from_micros(me.random.below(1000)));
            }
        }
    }
    None
}

/// A pause that depends on nobody.
fn pause(me: &mut Me) {
    match me.random.below(5) {
        0 => thread::yield_now(),
        1 => tarae::sleep(Duration::from_micros(me.random.below(2000))),
        2 => nap(&mut me.random),
        3 => tarae::blocking(|| nap(&mut me.random)),
        _ => thread::park_timeout(Duration::from_micros(me.random.below(1000))),
    }
}

/// Waits in a channel of std for a coroutine.
pub(crate) fn wait_for_another(me: &mut Me, depth: u32) {
    let (say, hear) = channel();
    let value = me.cloud.value();
    let other = me.cloud.spawn(me.random.split(), move |me| {
        for _ in 0..me.random.below(3) {
            step(me, depth - 1);
        }
        // The other one may have given up.
        let _ = say.send(value);
    });
    if let Some(_permit) = me.cloud.permit() {
        let heard = if me.random.below(3) == 0 { tarae::blocking(|| hear.recv()) } else { hear.recv() };
        drop(or_cancelled(heard));
    } else {
        let limit = Duration::from_micros(me.random.below(3000));
        match hear.recv_timeout(limit) {
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => or_cancelled(Err("a sender went without a word")),
        }
    }
    ended(other.join());
}

/// Waits for a kernel thread, which waits for us in turn.
pub(crate) fn wait_for_a_kernel_thread(me: &mut Me) {
    let (say, hear) = channel();
    let (answer, answered) = channel();
    let value = me.cloud.value();
    let (mut random, waits) = (me.random.split(), !me.cloud.leaks);
    let kernel = std::thread::spawn(move || {
        nap(&mut random);
        say.send(value).expect("it waits for us");
        if waits {
            // Goes without an answer if the other one is cancelled.
            let _ = answered.recv();
        }
    });
    let heard = if me.random.below(3) == 0 { tarae::blocking(|| hear.recv()) } else { hear.recv() };
    let value = heard.expect("the kernel thread says something");
    pause(me);
    let _ = answer.send(value);
    if me.random.below(2) == 0 { kernel.join() } else { tarae::blocking(|| kernel.join()) }
        .expect("a kernel thread");
}

/// Waits in a condition variable of std for a coroutine.
pub(crate) fn wait_for_a_condition(me: &mut Me, depth: u32) {
    /// Says that it is over, whatever ended it.
    struct Over(Arc<(Mutex<bool>, Condvar)>);
    impl Drop for Over {
        fn drop(&mut self) {
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.0.1.notify_all();
        }
    }
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let over = Over(Arc::clone(&gate));
    let other = me.cloud.spawn(me.random.split(), move |me| {
        let _over = over;
        step(me, depth - 1);
    });
    let (mutex, condition) = &*gate;
    let is_over = lock(mutex);
    if let Some(_permit) = me.cloud.permit() {
        drop(condition.wait_while(is_over, |over| !*over));
    } else {
        drop(condition.wait_timeout_while(is_over, ms(3), |over| !*over));
    }
    ended(other.join());
}

/// Locks the coroutine to its kernel thread, and lives there for a while.
pub(crate) fn lock_thread(me: &mut Me, depth: u32) {
    let lock = match tarae::lock_thread() {
        Ok(lock) => lock,
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded, "{error}");
            if me.cloud.spares == 512 {
                // A runtime that has ended has no more threads.
                or_cancelled(Err(error))
            }
            return;
        }
    };
    let held = me.hold(lock);
    for _ in 0..me.random.below(4) {
        match me.random.below(12) {
            0 => thread::yield_now(),
            1 | 2 => tarae::sleep(Duration::from_micros(me.random.below(2000))),
            3 => park(&mut me.random),
            4 => talk(me),
            5 => nap(&mut me.random),
            6 => blocking(me),
            7 => {
                // A lock within the lock.
                if let Ok(lock) = tarae::lock_thread() {
                    let inner = me.hold(lock);
                    thread::yield_now();
                    drop(inner);
                }
            }
            8 | 9 => ended(spawn_one(me, depth).join().map(drop)),
            10 => unpark_somebody(&mut me.random),
            _ => step(me, depth - 1),
        }
        me.check();
    }
    if me.random.below(8) == 0 {
        std::mem::forget(held);
    } else {
        drop(held);
    }
}

/// Gets stuck while others wait for the worker, and goes on without one.
pub(crate) fn left_behind(me: &mut Me, depth: u32) {
    let children: Vec<_> = (0..1 + me.random.below(3)).map(|_| spawn_one(me, depth)).collect();
    if me.random.below(4) == 0 {
        busy(7000);
    } else {
        std::thread::sleep(Duration::from_micros(2000 + me.random.below(6000)));
    }
    match me.random.below(10) {
        0 => thread::yield_now(),
        1 => tarae::sleep(Duration::from_micros(me.random.below(2000))),
        2 => park(&mut me.random),
        3 => talk(me),
        4 => unpark_somebody(&mut me.random),
        5 => ended(spawn_one(me, depth).join().map(drop)),
        6 => drop(spawn_one(me, depth)),
        7 => lock_thread(me, depth),
        8 => drop(caught(|| panic_on_purpose())),
        // Ends there, if the caller does.
        _ => {}
    }
    children.into_iter().for_each(|child| ended(child.join().map(drop)));
}

/// Computes for long and uses the worker all the while, so that whoever takes that away meets it in the middle.
pub(crate) fn chatter(me: &mut Me) {
    let end = Instant::now() + Duration::from_micros(6000 + me.random.below(3000));
    let mut children = Vec::new();
    while Instant::now() < end {
        let value = me.cloud.value();
        children.push(me.cloud.spawn(me.random.split(), move |_| drop(value)));
        busy(3);
    }
    children.into_iter().for_each(|child| ended(child.join()));
}
