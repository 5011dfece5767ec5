//! The loop of a worker: find work, run it, sleep.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_deque::Steal;
use tarae_task::{Links, Next, Runnable, prepare_thread, sit};

use crate::core::Core;
use crate::counters::count;
use crate::idle::Left;
use crate::scheduler::Shared;
use crate::wait::Wait;

/// How long a busy worker goes at most before it looks at its sockets, its timers and the injector.
const POLL_EVERY: Duration = Duration::from_micros(200);

/// How many coroutines run at most between two looks at the clock, which cost about as much as a switch.
const TICKS_MAX: u32 = 64;

/// How long the lookout sleeps at a time. The pollers below count in milliseconds.
const LOOKOUT_STEP: Duration = Duration::from_millis(1);

/// How many steps in a row the lookout takes while all others sleep, before it resigns. Short pauses between requests
/// then wake nobody.
const QUIET_STEPS_MAX: u32 = 16;

/// A worker, in the hands of the thread that drives it.
pub(crate) struct Worker<W: Wait> {
    shared: Arc<Shared<W>>,
    core: Core,
}

impl<W: Wait> Worker<W> {
    pub(crate) fn new(shared: Arc<Shared<W>>, core: Core) -> Worker<W> {
        Worker { shared, core }
    }

    /// Runs coroutines until the scheduler ends.
    pub(crate) fn drive(self) {
        prepare_thread();
        let Worker { shared, core } = self;
        sit(&core, || {
            let mut turn = Turn { shared: &shared, core: &core, searching: false, pace: Pace::new() };
            while let Some(runnable) = turn.find_work() {
                turn.execute(runnable);
            }
            turn.end_search();
            // What is left after a shutdown that ran out of time.
            while let Some(left) = turn.own() {
                shared.abandon(left);
            }
        });
        drop(core);
        shared.worker_ended();
    }
}

/// The state of the loop.
struct Turn<'a, W: Wait> {
    shared: &'a Shared<W>,
    core: &'a Core,
    /// Whether the idle protocol counts us as searching.
    searching: bool,
    pace: Pace,
}

impl<W: Wait> Turn<'_, W> {
    fn find_work(&mut self) -> Option<Runnable> {
        loop {
            if self.shared.must_stop() {
                return None;
            }
            if self.pace.look_is_due() {
                self.look_around();
            }
            let found = self.own().or_else(|| self.injected()).or_else(|| self.stolen());
            if let Some(runnable) = found {
                self.end_search();
                return Some(runnable);
            }
            if self.shared.may_end() {
                return None;
            }
            self.sleep();
        }
    }

    /// Runs a coroutine, and then straight on those that wait in our queue.
    fn execute(&mut self, runnable: Runnable) {
        if self.shared.is_closing() {
            runnable.cancel();
        }
        runnable.run(&self.core.cache, self);
    }

    fn own(&self) -> Option<Runnable> {
        self.core.pop(&self.shared.remotes[self.core.worker])
    }

    fn injected(&self) -> Option<Runnable> {
        let injector = &self.shared.injector;
        if injector.is_empty() {
            return None;
        }
        let first = until_certain(|| injector.steal_batch_and_pop(&self.core.queue))?;
        // A search tells others at its end. Who was not searching does it here: whoever was woken for the rest of the
        // batch may have looked while it was on its way to our queue.
        let left_some = !self.core.queue.is_empty() || !injector.is_empty();
        if !self.searching && left_some {
            self.shared.tell_others();
        }
        Some(first)
    }

    /// Takes half of what another worker has queued, if nobody else is searching.
    fn stolen(&mut self) -> Option<Runnable> {
        if !self.searching {
            if self.shared.remotes.len() == 1 || !self.shared.idle.begin_search() {
                return None;
            }
            self.searching = true;
        }
        let stolen = self
            .others()
            .find_map(|other| {
                let stealer = &self.shared.remotes[other].stealer;
                until_certain(|| stealer.steal_batch_and_pop(&self.core.queue))
            })
            .inspect(|_| count(&self.shared.counters.of(self.core.worker).stolen));
        // Something may have been injected while another was searching.
        stolen.or_else(|| self.injected())
    }

    /// The other workers, beginning with the next one, so that thieves do not all go to the same.
    fn others(&self) -> impl Iterator<Item = usize> + use<W> {
        let (me, workers) = (self.core.worker, self.shared.remotes.len());
        (1..workers).map(move |distance| (me + distance) % workers)
    }

    fn end_search(&mut self) {
        if std::mem::take(&mut self.searching)
            && let Some(worker) = self.shared.idle.found()
        {
            self.shared.notify(worker);
        }
    }

    /// Looks at what a busy worker would otherwise not come to.
    fn look_around(&mut self) {
        let now = Instant::now();
        if !self.pace.looked(now) {
            return;
        }
        self.in_batch(|turn| turn.shared.wait.poll(turn.core.worker));
        self.injected().into_iter().for_each(|runnable| self.core.queue.push(runnable));
        self.retry_starved();
    }

    /// Lets `wake` wake many: they go to the queue in their order, and others are told once.
    fn in_batch(&self, wake: impl FnOnce(&Self)) {
        self.core.in_batch.set(true);
        wake(self);
        self.core.in_batch.set(false);
        if self.core.queue.len() > 1 {
            self.shared.tell_others();
        }
    }

    /// Sleeps until there may be something to do.
    fn sleep(&mut self) {
        let (me, idle) = (self.core.worker, &self.shared.idle);
        let mut lookout = idle.announce(me, std::mem::take(&mut self.searching));
        let found = self.second_look();
        if !found {
            let mut quiet_steps = 0;
            loop {
                let step = lookout.then_some(LOOKOUT_STEP);
                self.in_batch(|turn| {
                    turn.shared.wait.wait(me, step.or_else(|| turn.shared.recheck()));
                    if lookout {
                        turn.look_after_others();
                    }
                });
                self.retry_starved();
                if !lookout || !self.core.queue.is_empty() || self.shared.is_closing() || !idle.is_asleep(me)
                {
                    break;
                }
                quiet_steps += 1;
                if quiet_steps >= QUIET_STEPS_MAX {
                    lookout = !idle.resign();
                    quiet_steps = 0;
                }
            }
        }
        match idle.retract(me) {
            Left::Claimed => self.searching = true,
            Left::Alone(lookout) => lookout.into_iter().for_each(|worker| self.shared.notify(worker)),
        }
        // Where the second look found something there may be more, and whoever queued it may have relied on our search:
        // so it goes on. If another searches now, it began after our announcement, and will look.
        if found && !self.searching && self.shared.remotes.len() > 1 {
            self.searching = idle.begin_search();
            if !self.searching {
                std::thread::yield_now();
            }
        }
        self.pace.slept();
    }

    /// The look after the announcement: is anything queued anywhere?
    fn second_look(&self) -> bool {
        !self.shared.injector.is_empty()
            || self.shared.remotes.iter().any(|remote| !remote.stealer.is_empty())
    }

    /// The lookout's round: what the busy workers do not come to.
    fn look_after_others(&self) {
        for other in self.others() {
            self.shared.wait.poll(other);
            if !self.core.queue.is_empty() {
                continue;
            }
            let remote = &self.shared.remotes[other];
            match remote.steal_next() {
                Some(runnable) => self.core.queue.push(runnable),
                // One alone in a queue is announced to nobody: its worker is expected to come to it soon.
                None => while remote.stealer.steal_batch(&self.core.queue).is_retry() {},
            }
        }
    }

    /// Queues what could not start before, where all can take it: there may be a context for it now, on any worker.
    fn retry_starved(&self) {
        if self.shared.starved_count.load(Ordering::Relaxed) == 0 {
            return;
        }
        // While contexts are short one is enough to find out; when it has one, the others follow.
        let most = if self.shared.pool.is_short() { 1 } else { usize::MAX };
        let retried: Vec<Runnable> = {
            let mut starved = self.shared.starved();
            let most = most.min(starved.len());
            let retried = starved.drain(..most).collect();
            self.shared.starved_count.store(starved.len(), Ordering::Relaxed);
            retried
        };
        retried.into_iter().for_each(|runnable| self.shared.injector.push(runnable));
        self.shared.tell_others();
    }
}

impl<W: Wait> Links for Turn<'_, W> {
    fn next(&self, yielded: bool) -> Next {
        // In a shutdown every coroutine is cancelled before it runs: `execute` does that.
        if self.pace.look_is_due() || self.shared.is_closing() {
            return Next::Home;
        }
        match self.own() {
            Some(runnable) => Next::Run(runnable),
            None if yielded => Next::Same,
            None => Next::Home,
        }
    }

    fn requeue(&self, runnable: Runnable) {
        self.core.queue.push(runnable);
    }

    fn finished(&self) {
        count(&self.shared.counters.of(self.core.worker).finished);
        self.retry_starved();
    }

    fn starved(&self, runnable: Runnable, _error: io::Error) {
        // The error is for spawners: the pool tells the next one.
        let mut starved = self.shared.starved();
        starved.push(runnable);
        self.shared.starved_count.store(starved.len(), Ordering::Relaxed);
    }
}

/// Repeats a steal that lost a race. Each loss is another thread's success.
fn until_certain(mut steal: impl FnMut() -> Steal<Runnable>) -> Option<Runnable> {
    loop {
        match steal() {
            Steal::Success(runnable) => return Some(runnable),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

/// When a busy worker is to look at the clock: often enough for [`POLL_EVERY`], as far as the last runs predict.
struct Pace {
    /// Coroutines to run until the next look; 0 until that look has been taken.
    ticks_left: Cell<u32>,
    ticks: u32,
    clock: Instant,
    polled: Instant,
}

impl Pace {
    fn new() -> Pace {
        let now = Instant::now();
        Pace { ticks_left: Cell::new(1), ticks: 1, clock: now, polled: now }
    }

    /// Counts a coroutine that is about to run, unless it is time for a look.
    #[inline]
    fn look_is_due(&self) -> bool {
        let left = self.ticks_left.get().saturating_sub(1);
        self.ticks_left.set(left);
        left == 0
    }

    /// Notes the time and says whether it is time to poll.
    fn looked(&mut self, now: Instant) -> bool {
        let per_tick = (now - self.clock) / self.ticks;
        let aim = POLL_EVERY / 2;
        let fit = aim.as_nanos() / per_tick.as_nanos().max(1);
        self.ticks = u32::try_from(fit).unwrap_or(TICKS_MAX).clamp(1, TICKS_MAX);
        // One more than the coroutines to run: the count ends at 0.
        self.ticks_left.set(self.ticks + 1);
        self.clock = now;
        let due = now - self.polled >= POLL_EVERY;
        if due {
            self.polled = now;
        }
        due
    }

    /// Starts anew after a sleep, which has polled.
    fn slept(&mut self) {
        *self = Pace::new();
    }
}
