//! Runtimes that come and go, and the ways in which they end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tarae::Runtime;
use tarae::thread;

use crate::cloud::Cloud;
use crate::own::Me;
use crate::sky::{Sky, lock};
use crate::steps::{ended, step};
use crate::support::LIMIT;
use crate::support::seed::Random;

/// How long a runtime that is dropped waits for its coroutines, as its documentation says.
const GRACE_ON_DROP: Duration = Duration::from_secs(1);

/// How the runtimes of a storm end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// With everybody.
    Complete,
    /// Leaving behind what does not stop in time.
    OutOfTime,
}

/// A runtime, a while of storm in it, and its end.
pub(crate) fn one_runtime(sky: &'static Sky, random: &mut Random, until: Instant, ends: Ends) {
    let cloud = sky.cloud(random, ends == Ends::OutOfTime);
    let lasts = Duration::from_millis(random.below(300));
    let end = (Instant::now() + lasts).min(until);
    let roots: Vec<_> = (0..1 + random.below(8))
        .map(|_| {
            let value = cloud.value();
            cloud.spawn_from_outside(random.split(), move |me| {
                while Instant::now() < end {
                    step(me, 3);
                }
                value
            })
        })
        .collect();
    if ends == Ends::OutOfTime {
        std::thread::sleep(lasts / 2);
        drop(roots);
        return out_of_time(sky, &cloud, Duration::from_millis(random.below(20)));
    }
    match random.below(8) {
        0..4 => {
            cloud.is_at("joined");
            roots.into_iter().for_each(|root| ended(root.join().map(drop)));
            if random.below(2) == 0 {
                cloud.is_at("to become quiet");
                sky.soon(&format!("{cloud} is quiet"), || cloud.is_balanced() && cloud.is_quiet(sky));
            }
            complete(sky, &cloud);
        }
        4 | 5 => {
            std::thread::sleep(lasts / 2);
            drop(roots);
            complete(sky, &cloud);
        }
        6 => {
            std::thread::sleep(lasts / 2);
            drop(roots);
            by_drop(sky, &cloud);
        }
        _ => {
            drop(roots);
            from_inside(sky, &cloud, random, lasts / 2);
        }
    }
}

/// A runtime inside a coroutine, with work that it does not wait for.
pub(crate) fn one_short_runtime(me: &mut Me) {
    let sky = Sky::the();
    let cloud = sky.cloud(&mut me.random, false);
    for _ in 0..me.random.below(5) {
        let value = cloud.value();
        drop(cloud.spawn_from_outside(me.random.split(), move |me| {
            step(me, 2);
            value
        }));
    }
    /// Ends the runtime, also if we are cancelled.
    struct End<'a>(&'static Sky, &'a Arc<Cloud>, bool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            match self.2 {
                true => by_drop(self.0, self.1),
                false => complete(self.0, self.1),
            }
        }
    }
    let _end = End(sky, &cloud, me.random.below(2) == 0);
    if me.random.below(2) == 0 {
        ended(cloud.spawn_from_outside(me.random.split(), |_| thread::yield_now()).join());
    }
}

fn complete(sky: &Sky, cloud: &Arc<Cloud>) {
    cloud.is_at("ends within the limit");
    if let Err(left) = runtime_of(cloud).shutdown_timeout(LIMIT) {
        panic!("{left}: {cloud}");
    }
    sky.ended(cloud);
}

fn by_drop(sky: &Sky, cloud: &Arc<Cloud>) {
    cloud.is_at("ends by drop");
    let (runtime, spawned, start) = (runtime_of(cloud), cloud.spawned(), Instant::now());
    drop(runtime);
    if start.elapsed() < GRACE_ON_DROP || cloud.is_balanced() {
        sky.ended(cloud);
    } else {
        // It has said how many on standard error only.
        eprintln!("{cloud}");
        cloud.ended_out_of_time(u64::MAX, spawned);
    }
}

/// One of its own coroutines ends it: it does not wait, and everybody ends by itself.
fn from_inside(sky: &Sky, cloud: &Arc<Cloud>, random: &mut Random, after: Duration) {
    cloud.is_at("ends from inside");
    let ender = cloud.spawn_from_outside(random.split(), move |me| {
        tarae::sleep(after);
        if me.random.below(2) == 0 {
            std::thread::sleep(Duration::from_micros(me.random.below(3000)));
        }
        let runtime = runtime_of(&me.cloud);
        match me.random.below(3) {
            0 => drop(runtime),
            1 => tarae::blocking(|| drop(runtime)),
            _ => runtime.shutdown_timeout(Duration::ZERO).expect("it does not wait for itself"),
        }
    });
    ended(ender.join());
    sky.ended(cloud);
}

fn out_of_time(sky: &Sky, cloud: &Arc<Cloud>, timeout: Duration) {
    cloud.is_at("ends out of time");
    let (runtime, spawned) = (runtime_of(cloud), cloud.spawned());
    match runtime.shutdown_timeout(timeout) {
        Ok(()) => sky.ended(cloud),
        Err(left) => cloud.ended_out_of_time(left.coroutines, spawned),
    }
}

fn runtime_of(cloud: &Cloud) -> Runtime {
    lock(&cloud.runtime).take().expect("it ends once")
}
