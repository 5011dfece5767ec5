//! A program is interrupted at its first suspension, its second, and so on, until it ends; and at each once more, while what it
//! waits for comes.
//!
//! A program is a list of steps, each of which passes [points](super::stage). So each suspension is hit, whatever the schedule.
//! A run begins with the step before the one that is to be interrupted: what a program has done before is none of a wait's
//! business.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tarae::{CancelToken, Cancelled, Elapsed, Runtime};

use super::stage::{Point, Stage};
use super::steps::STEPS;
use crate::support::seed::Random;
use crate::support::{LIMIT, eventually, ms, runtime, within};

/// For all points of one kind, on a busy machine.
const ALL_POINTS: Duration = Duration::from_secs(150);

/// Ample for two steps; on a busy machine it passes before the point, and the run is made again with more.
const DEADLINE: Duration = ms(40);

/// How a program is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Cancel,
    Deadline,
    Token,
    Shutdown,
}

/// What became of a program.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Done,
    Interrupted,
}

fn program(stage: &Arc<Stage>, from: usize) -> io::Result<()> {
    STEPS.iter().enumerate().skip(from).try_for_each(|(number, (name, step))| {
        let _life = stage.life();
        stage.enter(number, name);
        step(stage)
    })
}

/// Whether it ended of itself; what else it can come to is a failure.
fn judge(outcome: std::thread::Result<Result<io::Result<()>, ()>>, at: &str) -> Became {
    match outcome {
        Ok(Ok(Ok(()))) => Became::Done,
        Ok(Ok(Err(error)))
            if error.get_ref().is_some_and(|inner| inner.is::<Cancelled>() || inner.is::<Elapsed>()) =>
        {
            Became::Interrupted
        }
        Ok(Ok(Err(error))) => panic!("{at}: the program failed: {error}"),
        Ok(Err(())) => Became::Interrupted,
        Err(payload) if tarae::is_cancelled(&*payload) => Became::Interrupted,
        Err(payload) => {
            println!("{at}: the program panicked");
            resume_unwind(payload)
        }
    }
}

/// Runs the program, interrupts it at `chosen`, and looks at what is left. Says what became of it, and whether it was at that
/// point. In a race the wait may as well end just then.
fn run(
    workers: usize,
    stage: &Arc<Stage>,
    by: By,
    chosen: Option<Point>,
    deadline: Duration,
    race: Option<&mut Random>,
) -> (Became, bool) {
    let at = match chosen {
        Some(Point { step, wait }) => {
            format!("{by:?} at point {wait} of '{}', {workers} workers", STEPS[step].0)
        }
        None => format!("undisturbed, {workers} workers"),
    };
    // Shown when something fails, or is not done in time.
    println!("{at}{}", if race.is_some() { ", in a race" } else { "" });
    stage.begin(chosen);
    let lives = stage.lives();
    let mut runtime = Some(runtime(workers));
    let token = CancelToken::new();
    let from = chosen.map_or(0, |point| point.step.saturating_sub(1));
    let (theirs, under) = (Arc::clone(stage), token.clone());
    let until = Instant::now() + deadline;
    let program = runtime.as_ref().expect("a runtime").spawn(move || match by {
        By::Deadline => tarae::deadline::until(until, || program(&theirs, from)).map_err(drop),
        By::Token => under.run(|| program(&theirs, from)).map_err(drop),
        By::Cancel | By::Shutdown => Ok(program(&theirs, from)),
    });
    let patience = Instant::now() + LIMIT;
    while !program.is_finished() && !stage.held().is_some_and(|held| held.waits()) {
        assert!(Instant::now() < patience, "{at}: neither held nor ended");
        std::thread::sleep(Duration::from_micros(100));
    }
    let held = stage.held();
    let ends = race.and_then(|random| Some((held.as_ref()?.moment.clone()?, random)));
    if chosen.is_some() {
        let mut interrupt = || match by {
            By::Cancel => program.cancel(),
            By::Token => token.cancel(),
            By::Shutdown => runtime.take().into_iter().for_each(end),
            By::Deadline => {}
        };
        match ends {
            None => interrupt(),
            Some((moment, random)) if by == By::Deadline => {
                // About as late as a timer may be.
                pause(until + Duration::from_micros(random.below(1500)) - Duration::from_micros(100));
                moment.due();
            }
            Some((moment, random)) => in_any_order(random, interrupt, || moment.due()),
        }
    }
    let outcome = program.join();
    if let Some(runtime) = runtime {
        // Whoever is left was spawned by a step, and is on its way out.
        eventually("everyone has ended", || runtime.metrics().coroutines.alive() == 0);
        end(runtime);
    }
    stage.end();
    assert_eq!(stage.lives(), lives, "{at}: values");
    (judge(catch_unwind(AssertUnwindSafe(|| outcome)).expect("joined"), &at), held.is_some())
}

fn end(runtime: Runtime) {
    runtime.shutdown_timeout(LIMIT).expect("everyone ends");
}

/// Calls both, one in a moment after the other.
fn in_any_order(random: &mut Random, one: impl FnOnce(), other: impl FnOnce()) {
    let later = Instant::now() + Duration::from_nanos(random.below(40_000));
    if random.below(2) == 0 {
        one();
        pause(later);
        other();
    } else {
        other();
        pause(later);
        one();
    }
}

/// As exact as can be.
fn pause(until: Instant) {
    std::thread::sleep(until.saturating_duration_since(Instant::now() + ms(1)));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// All points, of a run that nobody disturbs.
fn all_points(workers: usize, stage: &Arc<Stage>) -> Vec<Point> {
    let (became, _) = run(workers, stage, By::Cancel, None, DEADLINE, None);
    assert_eq!(became, Became::Done, "undisturbed");
    let passed = stage.passed();
    assert_eq!(passed.len(), STEPS.len());
    for ((name, _), waits) in STEPS.iter().zip(&passed) {
        assert!(*waits > 0, "'{name}' does not wait");
    }
    let of_step = |(step, &waits): (usize, &usize)| (0..waits).map(move |wait| Point { step, wait });
    passed.iter().enumerate().flat_map(of_step).collect()
}

fn at_every_point(workers: usize, by: By) {
    within(ALL_POINTS, move || {
        let stage = Stage::new();
        let points = all_points(workers, &stage);
        for &point in &points {
            let mut deadline = DEADLINE;
            loop {
                let (became, was_held) = run(workers, &stage, by, Some(point), deadline, None);
                let name = STEPS[point.step].0;
                assert_eq!(became, Became::Interrupted, "{by:?} at point {} of '{name}'", point.wait);
                if was_held {
                    break;
                }
                assert_eq!(by, By::Deadline, "point {} of '{name}' was not reached", point.wait);
                deadline *= 2;
            }
        }
        assert_eq!(all_points(workers, &stage), points, "all is as it was");
    });
}

/// Each wait is interrupted this often while it ends.
fn in_races(workers: usize, by: By, rounds: usize) {
    let mut random = Random::from_environment();
    within(ALL_POINTS, move || {
        let stage = Stage::new();
        let points = all_points(workers, &stage);
        let contested = stage.contested();
        assert!(contested.len() > STEPS.len() / 3);
        for point in contested {
            for _ in 0..rounds {
                // Who gets what it waits for is interrupted at the next wait, if there is one.
                run(workers, &stage, by, Some(point), DEADLINE, Some(&mut random));
            }
        }
        assert_eq!(all_points(workers, &stage), points, "all is as it was");
    });
}

#[test]
fn cancelling_at_every_point_leaves_nothing() {
    [1, 2, 8].into_iter().for_each(|workers| at_every_point(workers, By::Cancel));
}

#[test]
fn a_deadline_at_every_point_leaves_nothing() {
    [1, 2].into_iter().for_each(|workers| at_every_point(workers, By::Deadline));
}

#[test]
fn a_token_at_every_point_leaves_nothing() {
    [1, 2, 8].into_iter().for_each(|workers| at_every_point(workers, By::Token));
}

#[test]
fn a_shutdown_at_every_point_leaves_nothing() {
    [1, 2].into_iter().for_each(|workers| at_every_point(workers, By::Shutdown));
}

#[test]
fn cancelling_while_a_wait_ends_loses_nothing() {
    [1, 2].into_iter().for_each(|workers| in_races(workers, By::Cancel, 8));
}

#[test]
fn a_deadline_while_a_wait_ends_loses_nothing() {
    [1, 2].into_iter().for_each(|workers| in_races(workers, By::Deadline, 3));
}
