//! The monitor: one thread that looks after workers whose coroutine does not come back.
//!
//! A worker looks at its queue, its sockets and its timers between two runs. While a coroutine runs on and on (an endless
//! loop, a blocking call that nobody marked) nobody does, and whoever waits there waits. So at every step the monitor
//! looks at each worker that is awake, and for one that has not come back since the last step
//!
//! 1. looks at its sockets and timers, so that whoever waited for what has happened is queued where all can take it;
//! 2. moves the worker's next slot there too;
//! 3. if somebody waits now, wakes a sleeping worker, which steals what there is;
//! 4. and if there is none, takes the worker from its thread and gives it to another one: a hand-off.
//!
//! **How long is too long.** A thread that waits in the kernel uses no CPU, and to replace it costs little; but most such
//! waits are for a lock, and over soon. It is given [`WAITS_MAX`]; or no more than a step, if two others were replaced just
//! now: calls that block come in swarms, and each that is let wait delays all behind it. One that computes is given
//! [`COMPUTES_MAX`], as a replacement would only compete with it for the CPU; and that is CPU time, as one that waits for a
//! CPU is not helped by another one that does. The kernel says which of the two it is, and how much it has used. A coroutine
//! in `blocking` has said that it may take long, and is given no time at all.
//!
//! **How often it steps.** After something happened, every [`STEP_MIN`]; then each step is twice as long, up to
//! [`STEP_MAX`], or [`STEP_MAX_WITH_SLEEPERS`] while a CPU is free, since then waiting is in vain. When all workers have
//! slept for a while it rests until one wakes ([`Idle::rest`](crate::idle::Idle::rest)): an idle runtime makes no
//! system call, and short pauses between requests do not make it come and go.
//!
//! Why two threads never drive one worker: [`hold`](tarae_task::hold).

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tarae_context::cpu_time;
use tarae_task::Coroutine;
use tarae_task::hold::Seen;

use crate::deadlock::Verdict;
use crate::idle::Rested;
use crate::report::{Reports, Stall};
use crate::scheduler::Shared;
use crate::wait::Wait;

/// The shortest step. In a swarm of blocking calls each delays the next by about this long.
const STEP_MIN: Duration = Duration::from_micros(200);

/// The longest step while all workers are busy.
const STEP_MAX: Duration = Duration::from_millis(4);

/// The longest step while one sleeps that could help.
const STEP_MAX_WITH_SLEEPERS: Duration = Duration::from_millis(1);

/// How long a coroutine may wait in the kernel while others wait, before its worker goes to another thread.
const WAITS_MAX: Duration = Duration::from_millis(3);

/// Two threads that were replaced within this time because they waited are a swarm. Longer than two [`WAITS_MAX`], so that
/// one worker alone sees one, too.
const SWARM: Duration = Duration::from_millis(12);

/// How much CPU time a coroutine may use while others wait, before its worker goes to another thread.
const COMPUTES_MAX: Duration = Duration::from_millis(5);

/// How long all workers have slept before the monitor rests.
const QUIET: Duration = Duration::from_millis(16);

/// When it looks for a deadlock once more, if it could not be certain the first time.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Starts the monitor of a scheduler.
pub(crate) fn start<W: Wait>(shared: &Arc<Shared<W>>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    let name = format!("{}-monitor", shared.name);
    thread::Builder::new().name(name).spawn(move || Monitor::new(&shared).watch())?;
    Ok(())
}

struct Monitor<'a, W: Wait> {
    shared: &'a Arc<Shared<W>>,
    workers: Vec<Watched>,
    step: Duration,
    /// When the last two threads were replaced because they waited in the kernel.
    swarm: [Option<Instant>; 2],
    reports: Reports,
}

/// What was seen of a worker.
#[derive(Clone, Debug)]
struct Watched {
    seen: Option<Seen>,
    /// Since when it looks like that.
    since: Instant,
    looks: u64,
    asleep: bool,
    /// What its thread had used when it was first found to hold others up.
    used: Option<Duration>,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// Something had to be done.
    eventful: bool,
    /// A worker sleeps, and another is awake.
    sleepers: bool,
    all_asleep: bool,
}

impl<'a, W: Wait> Monitor<'a, W> {
    fn new(shared: &'a Arc<Shared<W>>) -> Monitor<'a, W> {
        let fresh = Watched { seen: None, since: Instant::now(), looks: 0, asleep: false, used: None };
        let workers = vec![fresh; shared.remotes.len()];
        Monitor { shared, workers, step: STEP_MIN, swarm: [None; 2], reports: Reports::new() }
    }

    fn watch(mut self) {
        let mut quiet_since = None;
        let mut rests_after = QUIET;
        while !self.shared.idle.has_ended() {
            thread::sleep(self.step);
            let step = self.step();
            self.step = self.next_step(step);
            if !step.all_asleep {
                quiet_since = None;
                rests_after = QUIET;
                continue;
            }
            let now = Instant::now();
            if now - *quiet_since.get_or_insert(now) >= rests_after {
                if self.shared.look_for_deadlock() == Verdict::Unknown && rests_after == QUIET {
                    // A thread may have been on its way out.
                    rests_after = SECOND_LOOK;
                    self.step = SECOND_LOOK;
                    continue;
                }
                quiet_since = None;
                rests_after = QUIET;
                if self.shared.idle.rest() == Rested::Ended {
                    return;
                }
                self.step = STEP_MIN;
            }
        }
    }

    fn next_step(&self, step: Step) -> Duration {
        let longest = if step.sleepers { STEP_MAX_WITH_SLEEPERS } else { STEP_MAX };
        if step.eventful { STEP_MIN } else { (self.step * 2).min(longest) }
    }

    fn step(&mut self) -> Step {
        let shared = self.shared;
        let mut step = Step { all_asleep: shared.idle.all_asleep(), ..Step::default() };
        self.workers.iter_mut().for_each(|worker| worker.asleep = false);
        shared.idle.each_asleep(|worker| {
            self.workers[worker].asleep = true;
            step.sleepers = true;
        });
        if step.all_asleep {
            return step;
        }
        while let Some(staff) = shared.threads.staff_vacant() {
            step.eventful = true;
            shared.staff(staff);
        }
        for worker in 0..self.workers.len() {
            step.eventful |= self.look_after(worker);
        }
        step
    }

    /// Looks after one worker, and returns whether there was something to do.
    fn look_after(&mut self, worker: usize) -> bool {
        let shared = self.shared;
        let (remote, before) = (&shared.remotes[worker], self.workers[worker].clone());
        let watch = remote.watch();
        let now = Instant::now();
        let seen = watch.as_ref().map(|watch| watch.look());
        let looks = remote.looks.load(Ordering::Relaxed);
        let same = seen == before.seen;
        let watched = &mut self.workers[worker];
        watched.looks = looks;
        if !same || before.asleep {
            *watched = Watched { seen, since: now, used: None, ..watched.clone() };
        }
        if before.asleep {
            return false;
        }
        if looks == before.looks {
            // It will itself, if it comes back. What we find goes where all can take it.
            remote.look_wanted.store(true, Ordering::Relaxed);
            shared.wait.poll(worker);
        }
        let stuck = same && seen.is_none_or(Seen::is_outside);
        if !stuck {
            return false;
        }
        if let Some(runnable) = remote.steal_next() {
            shared.inject(runnable);
        }
        let waiting = remote.stealer.len() + shared.injector.len();
        if waiting == 0 || shared.idle.is_searched() {
            return false;
        }
        if let Some(sleeper) = shared.idle.queued() {
            shared.notify(sleeper);
            return true;
        }
        let Some(watch) = watch else { return false };
        let stuck_for = now - before.since;
        let blocking = remote.blocking.load(Ordering::Relaxed);
        let thread = remote.thread.load(Ordering::Relaxed);
        let waits = blocking || waits_in_the_kernel(thread);
        let too_long = if waits {
            blocking || stuck_for >= WAITS_MAX || self.is_swarm(now)
        } else {
            // Where the kernel does not say, the time that has passed must do.
            let used = cpu_time::of_thread(thread).unwrap_or(stuck_for);
            used.saturating_sub(*self.workers[worker].used.get_or_insert(used)) >= COMPUTES_MAX
        };
        if !too_long {
            // It is looked at again soon.
            return true;
        }
        if !shared.threads.can_replace() {
            shared.threads.stalls_at_limit.fetch_add(1, Ordering::Relaxed);
            self.reports.at_limit(&shared.name, now);
            return false;
        }
        let Some((core, coroutine)) = watch.take() else { return false };
        shared.hand_over(core);
        if waits {
            self.swarm = [self.swarm[1], Some(now)];
        }
        if !blocking {
            shared.threads.stalls.fetch_add(1, Ordering::Relaxed);
            self.report(&coroutine, stuck_for, waits, waiting, now);
        }
        true
    }

    fn is_swarm(&self, now: Instant) -> bool {
        self.swarm.iter().all(|replaced| replaced.is_some_and(|replaced| now - replaced <= SWARM))
    }

    fn report(
        &mut self,
        coroutine: &Coroutine,
        stuck_for: Duration,
        waits: bool,
        waiting: usize,
        now: Instant,
    ) {
        let stall = Stall { runtime: &self.shared.name, coroutine, stuck_for, waits, waiting };
        self.reports.stall(&stall, now);
    }
}

/// Whether a thread of this process sleeps in the kernel, rather than computes or wants to. If the kernel does not say,
/// it computes.
fn waits_in_the_kernel(thread: i32) -> bool {
    let stat = fs::read(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    state_of(&stat).is_some_and(|state| matches!(state, b'S' | b'D'))
}

/// The state in a line of proc_pid_stat(5): after the name, which is in brackets and may contain some.
fn state_of(stat: &[u8]) -> Option<u8> {
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end_of_name + 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_the_name_whatever_that_contains() {
        assert_eq!(state_of(b"12 (tarae-1) S 1 2 3"), Some(b'S'));
        assert_eq!(state_of(b"12 (a) R (b) D 1 2 3"), Some(b'D'));
        assert_eq!(state_of(b"12 (tarae-1)"), None);
        assert_eq!(state_of(b""), None);
    }

    #[test]
    fn a_thread_that_sleeps_waits_and_one_that_reads_its_own_state_does_not() {
        let (say, number) = std::sync::mpsc::channel();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let sleeper = thread::spawn(move || {
            say.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            let _ = held.recv();
        });
        let number = number.recv().unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while !waits_in_the_kernel(number) {
            assert!(Instant::now() < until, "it sleeps by now");
        }
        assert!(!waits_in_the_kernel(rustix::thread::gettid().as_raw_nonzero().get()));
        drop(release);
        sleeper.join().unwrap();
        assert!(!waits_in_the_kernel(i32::MAX), "no such thread");
    }
}
