//! A storm of everything at once, for `TARAE_STORM_SECONDS` (10 by default): then the books must balance.
//!
//! Runtimes come and go, on kernel threads and inside of coroutines. In them coroutines spawn, join, park, sleep, panic and
//! talk over sockets ([`steps`]); they get stuck in every way there is, so that their workers go to other threads
//! ([`stuck`]); and all along each looks whether what belongs to a thread is still its own ([`own`]). The runtimes end in
//! every way there is, in the middle of it ([`runtimes`]). What is counted, and what must be true of it: [`cloud`], [`sky`].
//!
//! A failure shows the seed. To replay it:
//!
//! ```text
//! TARAE_SEED=… TARAE_STORM_SECONDS=… cargo test -p tarae --test storm
//! ```
//!
//! The seed fixes what each coroutine chooses, not how the kernel schedules them. With `TARAE_STORM_KEEP=1` the process
//! stays as it is when it fails, for a debugger, until its time is over.

#[path = "../support/mod.rs"]
mod support;

mod cloud;
mod own;
mod runtimes;
mod sky;
mod steps;
mod stuck;

use std::time::{Duration, Instant};

use support::proc::{open_descriptors, tasks_named};
use support::seed::Random;
use support::{LIMIT, child, hush, within};

use runtimes::Ends;
use sky::{NAME, Sky};

fn seconds() -> Duration {
    let given = std::env::var("TARAE_STORM_SECONDS").ok();
    Duration::from_secs(given.map_or(10, |text| text.parse().expect("TARAE_STORM_SECONDS is a number")))
}

#[test]
fn a_storm_of_everything_balances() {
    let seconds = seconds();
    child::alone_within(seconds + LIMIT * 5, "a_storm_of_everything_balances", || {
        within(seconds + LIMIT * 4, move || storm(seconds, Random::from_environment()));
    });
}

fn storm(length: Duration, mut random: Random) {
    let sky = Sky::begin(format!("{random:?}"));
    sky::watch(sky);
    // After `watch`: what panics and is not on purpose ends the process, and says what was going on.
    hush();
    // The default runtime stays: it starts before its descriptors are counted.
    tarae::run(|| ());
    let before = open_descriptors();
    let start = Instant::now();
    let unparker = std::thread::spawn({
        let mut random = random.split();
        // Goes on to the very end, so that nobody stays parked.
        move || {
            while !sky.is_over() {
                steps::unpark_somebody(&mut random);
                std::thread::sleep(Duration::from_micros(random.below(300)));
            }
        }
    });

    // First with ends that leave nobody behind.
    on_two_threads(sky, &mut random, start + length * 4 / 5, Ends::Complete);
    let threads = || tasks_named(NAME).len();
    sky.soon("every thread of a runtime has ended", || threads() == 0);
    if sky.left_behind() == 0 {
        sky.soon("every descriptor is closed", || open_descriptors() == before);
    }

    // Then with some that leave behind what does not stop in time.
    on_two_threads(sky, &mut random, start + length, Ends::OutOfTime);
    sky.soon("every thread of a runtime has ended, left behind or not", || threads() == 0);
    sky.soon("no more is left behind than was said", || sky.leaks_are_as_told());
    let most = before + sky.descriptors_left_behind();
    sky.soon("every other descriptor is closed", || (before..=most).contains(&open_descriptors()));

    sky.soon("what the default runtime ran has ended", || sky.ground.is_balanced());
    sky.end();
    unparker.join().expect("the thread that unparks");
    let steps = sky.steps();
    assert!(steps > 100, "{steps} steps are no storm");
    println!("{sky}");
}

fn on_two_threads(sky: &'static Sky, random: &mut Random, end: Instant, ends: Ends) {
    let one_after_the_other = |mut random: Random| {
        std::thread::spawn(move || {
            while Instant::now() < end {
                let ends = if sky.may_leave_more_behind() { ends } else { Ends::Complete };
                runtimes::one_runtime(sky, &mut random, end, ends);
            }
        })
    };
    let threads = [random.split(), random.split()].map(one_after_the_other);
    threads.into_iter().for_each(|thread| thread.join().expect("a kernel thread of the storm"));
}
