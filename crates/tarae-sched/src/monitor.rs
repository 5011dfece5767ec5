//! The monitor: one thread that looks after workers whose coroutine does not come back.
//!
//! A worker looks at its queue, its sockets and its timers between two runs. While a coroutine runs on and on (an endless
//! loop, a blocking call that nobody marked) nobody does, and whoever waits there waits. So at every step the monitor
//! looks at each worker that is awake, and for one that has not come back since the last step
//!
//! 1. looks at its sockets and timers, so that whoever waited for what has happened is queued where all can take it;
//! 2. moves the worker's next slot there too;
//! 3. if somebody waits now, for this worker or another, wakes a sleeping worker, which steals what there is;
//! 4. and if there is none, takes the worker from its thread and gives it to another one: a hand-off.
//!
//! **How long is too long.** A thread that waits in the kernel uses no CPU, and to replace it costs little; but most such
//! waits are for a lock, and over soon. It is given [`WAITS_MAX`]; or [`WAITS_MAX_IN_SWARM`], if two others were replaced just
//! now: calls that block come in swarms, and each that is let wait delays all behind it. One that computes is given
//! [`COMPUTES_MAX`], as a replacement would only compete with it for the CPU; and that is CPU time, as one that waits for a
//! CPU is not helped by another one that does. The kernel says which of the two it is, and how much it has used. A coroutine
//! in `blocking` has said that it may take long, and is given no time at all. And a thread that waits, though nobody waits for
//! its worker, is replaced after [`UNNEEDED_AFTER`]: otherwise the monitor would step for as long.
//!
//! No code of the program's runs here: what is told about a stall, is told by a thread of its own
//! ([`report`](crate::report)), as a subscriber may wait for a lock that a stuck coroutine has.
//!
//! **How often it steps.** In a swarm, every [`STEP_IN_SWARM`]. After something happened, every [`STEP_MIN`]; then each step is
//! twice as long, up to [`STEP_MAX`], or [`STEP_MAX_WITH_SLEEPERS`] while a CPU is free, since then waiting is in vain. When all
//! workers have slept for a while it rests until one wakes ([`Idle::rest`](crate::idle::Idle::rest)): an idle runtime makes no
//! system call, and short pauses between requests do not make it come and go.
//!
//! Why two threads never drive one worker: [`hold`](tarae_task::hold).

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tarae_context::cpu_time;
use tarae_task::Watch;
use tarae_task::hold::Seen;

use crate::core::Core;
use crate::deadlock::{self, Verdict};
use crate::idle::Rested;
use crate::report::{Reports, Stall};
use crate::scheduler::Shared;
use crate::wait::Wait;

/// The shortest step but for swarms.
const STEP_MIN: Duration = Duration::from_micros(200);

/// The step in a swarm of blocking calls: each delays those behind it by two or three of them, or half a hundred on a worker
/// would be felt.
const STEP_IN_SWARM: Duration = Duration::from_micros(50);

/// How much longer than it asks for the monitor may sleep, in nanoseconds.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::new(5_000).expect("it is not zero");

/// The longest step while all workers are busy.
const STEP_MAX: Duration = Duration::from_millis(4);

/// The longest step while one sleeps that could help.
const STEP_MAX_WITH_SLEEPERS: Duration = Duration::from_millis(1);

/// How long a coroutine may wait in the kernel while others wait, before its worker goes to another thread.
const WAITS_MAX: Duration = Duration::from_millis(3);

/// As [`WAITS_MAX`], in a swarm. More than a step, so that two looks tell a wait from a pause.
const WAITS_MAX_IN_SWARM: Duration = Duration::from_micros(100);

/// Two threads that were replaced within this time because they waited are a swarm. Longer than two [`WAITS_MAX`], so that
/// one worker alone sees one, too.
const SWARM: Duration = Duration::from_millis(12);

/// How much CPU time a coroutine may use while others wait, before its worker goes to another thread.
const COMPUTES_MAX: Duration = Duration::from_millis(5);

/// How long a worker that runs one coroutine after the other may go without a look at its sockets, before the monitor
/// looks for it.
const LOOKS_WITHIN: Duration = Duration::from_millis(1);

/// How long all workers have slept before the monitor rests.
const QUIET: Duration = Duration::from_millis(16);

/// How long a thread that nobody waits for may wait in the kernel before its worker goes to another one all the same: then
/// that one can sleep, and the monitor can rest.
const UNNEEDED_AFTER: Duration = Duration::from_millis(10);

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
    /// When it last looked after coroutines that could not start.
    retried: Instant,
    reports: Reports,
}

/// What was seen of a worker.
#[derive(Debug)]
struct Watched {
    /// Who drives it.
    watch: Option<Watch<Core>>,
    seen: Option<Seen>,
    /// Since when it looks like that.
    since: Instant,
    looks: u64,
    /// When that changed.
    looked: Instant,
    asleep: bool,
    /// What its thread had used when it was first found to hold others up.
    used: Option<Duration>,
    /// Whether it has been counted that there was no thread for it.
    at_limit: bool,
}

impl Watched {
    fn new(now: Instant) -> Watched {
        Watched {
            watch: None,
            seen: None,
            since: now,
            looks: 0,
            looked: now,
            asleep: false,
            used: None,
            at_limit: false,
        }
    }

    /// Looks, and returns whether the worker still does what it did: whether the same thread is in the same run.
    fn look(&mut self, watch: Option<Watch<Core>>, now: Instant) -> bool {
        let seen = watch.as_ref().map(Watch::look);
        let same_thread = match (&watch, &self.watch) {
            (Some(watch), Some(before)) => watch.is_of_the_tenure_of(before),
            _ => false,
        };
        let same = same_thread && seen == self.seen;
        if !same || self.asleep {
            (self.since, self.used, self.at_limit) = (now, None, false);
        }
        (self.watch, self.seen) = (watch, seen);
        same && !self.asleep
    }

    /// Notes the looks that the worker has taken at its sockets, and returns since when there was none.
    fn note_looks(&mut self, looks: u64, now: Instant) -> Instant {
        if looks != self.looks {
            (self.looks, self.looked) = (looks, now);
        }
        self.looked
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// Something had to be done, or will have to be soon.
    eventful: bool,
    /// A worker sleeps, and another is awake.
    sleepers: bool,
    all_asleep: bool,
}

impl<'a, W: Wait> Monitor<'a, W> {
    fn new(shared: &'a Arc<Shared<W>>) -> Monitor<'a, W> {
        let now = Instant::now();
        Monitor {
            shared,
            workers: shared.remotes.iter().map(|_| Watched::new(now)).collect(),
            step: STEP_MIN,
            swarm: [None; 2],
            retried: now,
            reports: Reports::new(&shared.name),
        }
    }

    fn watch(mut self) {
        // Without, the kernel lets each sleep be 50 µs longer (prctl(2), PR_SET_TIMERSLACK): a whole step in a swarm.
        // If it does not work, steps are longer.
        let _ = rustix::thread::set_current_timer_slack(Some(TIMER_SLACK_NS));
        let mut quiet_since = None;
        while !self.shared.idle.has_ended() {
            thread::sleep(self.step);
            let step = self.step();
            self.step = self.next_step(step);
            if !step.all_asleep {
                quiet_since = None;
                continue;
            }
            let now = Instant::now();
            if now - *quiet_since.get_or_insert(now) >= QUIET {
                quiet_since = None;
                if self.rest() == Rested::Ended {
                    return;
                }
                self.step = STEP_MIN;
            }
        }
    }

    /// Rests while all workers sleep, and looks for a deadlock before.
    fn rest(&self) -> Rested {
        if deadlock::look() == Verdict::Unknown {
            // A thread may have been on its way out.
            let rested = self.shared.idle.rest(Some(SECOND_LOOK));
            if rested != Rested::LongEnough {
                return rested;
            }
            let _ = deadlock::look();
        }
        self.shared.idle.rest(None)
    }

    fn next_step(&self, step: Step) -> Duration {
        let longest = if step.sleepers { STEP_MAX_WITH_SLEEPERS } else { STEP_MAX };
        if step.eventful && self.is_swarm(Instant::now()) {
            STEP_IN_SWARM
        } else if step.eventful {
            STEP_MIN
        } else {
            (self.step * 2).min(longest)
        }
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
        let now = Instant::now();
        if shared.recheck().is_some_and(|recheck| now - self.retried >= recheck) {
            self.retried = now;
            shared.retry_starved();
        }
        for worker in 0..self.workers.len() {
            step.eventful |= self.look_after(worker, now);
        }
        step
    }

    /// Looks after one worker, and returns whether there was something to do, or will be soon.
    fn look_after(&mut self, worker: usize, now: Instant) -> bool {
        let shared = self.shared;
        let (remote, watched) = (&shared.remotes[worker], &mut self.workers[worker]);
        let same = watched.look(remote.watch(), now);
        let looked = watched.note_looks(remote.looks.load(Ordering::Relaxed), now);
        if watched.asleep {
            return false;
        }
        if now > looked && (same || now - looked >= LOOKS_WITHIN) {
            // It will itself, if it comes back. What we find goes where all can take it.
            remote.look_wanted.store(true, Ordering::Relaxed);
            shared.wait.poll(worker);
        }
        if !same || !watched.seen.is_some_and(Seen::is_outside) {
            return false;
        }
        if let Some(runnable) = remote.steal_next() {
            shared.inject(runnable);
        }
        let waiting = shared.queued();
        if waiting > 0 {
            if shared.idle.is_searched() {
                return false;
            }
            if let Some(sleeper) = shared.idle.queued() {
                shared.notify(sleeper);
                return true;
            }
        }
        self.replace_if_stuck(worker, waiting, now)
    }

    /// Gives a worker to another thread, if its own has not come back for too long. Nobody else can help, or nobody waits.
    fn replace_if_stuck(&mut self, worker: usize, waiting: usize, now: Instant) -> bool {
        let shared = self.shared;
        let remote = &shared.remotes[worker];
        let stuck_for = now - self.workers[worker].since;
        let thread = remote.thread.load(Ordering::Relaxed);
        let blocking = remote.turn.is_blocking();
        if waiting == 0 && stuck_for < UNNEEDED_AFTER {
            return blocking;
        }
        let waits = blocking || waits_in_the_kernel(thread);
        let too_long = if waiting == 0 {
            waits
        } else if waits {
            blocking || stuck_for >= if self.is_swarm(now) { WAITS_MAX_IN_SWARM } else { WAITS_MAX }
        } else {
            // Where the kernel does not say, the time that has passed must do.
            let used = cpu_time::of_thread(thread).unwrap_or(stuck_for);
            used.saturating_sub(*self.workers[worker].used.get_or_insert(used)) >= COMPUTES_MAX
        };
        if !too_long {
            // While others wait, it is looked at again soon.
            return waiting > 0;
        }
        let Some(watch) = self.workers[worker].watch.clone() else { return false };
        match shared.hand_off(|| watch.take()) {
            Ok(None) => return false,
            Ok(Some(coroutine)) => {
                if waits && waiting > 0 {
                    self.swarm = [self.swarm[1], Some(now)];
                }
                if !blocking && waiting > 0 {
                    shared.threads.stalls.fetch_add(1, Ordering::Relaxed);
                    self.reports.stall(Stall { coroutine, stuck_for, waits, waiting }, now);
                }
            }
            Err(error) => {
                if waiting > 0 && !std::mem::replace(&mut self.workers[worker].at_limit, true) {
                    shared.threads.stalls_at_limit.fetch_add(1, Ordering::Relaxed);
                    self.reports.no_thread(error, now);
                }
                return false;
            }
        }
        true
    }

    fn is_swarm(&self, now: Instant) -> bool {
        self.swarm.iter().all(|replaced| replaced.is_some_and(|replaced| now - replaced <= SWARM))
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
