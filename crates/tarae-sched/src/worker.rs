//! The loop of a worker: find work, run it, sleep.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tarae_context::Cache;
use tarae_task::{Links, Next, Ran, Runnable, sit};

use crate::core::{Core, Remote};
use crate::counters::count;
use crate::idle::Left;
use crate::pace::Pace;
use crate::scheduler::Shared;
use crate::wait::Wait;

/// How a thread's time with a worker ended.
pub(crate) enum Drove {
    /// With the scheduler. These are left, after a shutdown that ran out of time.
    ToTheEnd(Vec<Runnable>),
    /// The worker was given to another thread.
    LeftBehind,
    /// As `LeftBehind`, and the thread is not fit for others.
    Spent,
}

/// Drives a worker until the scheduler ends, or until the worker is taken away.
pub(crate) fn drive<W: Wait>(shared: &Shared<W>, core: Box<Core>) -> Drove {
    let worker = core.worker;
    let drove = sit(core, |mut place, watch| {
        shared.remotes[worker].begin_tenure(watch);
        let remote = &*shared.remotes[worker];
        let mut turn = Turn { shared, worker, remote, searching: false, searches_left: 0, pace: Pace::new() };
        while let Some(runnable) = turn.find_work(&place) {
            // Once a scheduler closes, each coroutine comes this way: `next` says so.
            if shared.is_closing() {
                runnable.cancel();
            }
            turn.pace.begin_stretch(place.runs());
            match runnable.run(place, &turn) {
                Ran::Home(home) => place = home,
                Ran::LeftBehind => {
                    shared.threads.record_left_behind(turn.pace.last_look().elapsed());
                    return Drove::LeftBehind;
                }
                Ran::Spent => return Drove::Spent,
            }
        }
        turn.end_search();
        Drove::ToTheEnd(std::iter::from_fn(|| turn.own(&place)).collect())
    });
    if let Drove::ToTheEnd(_) = drove {
        shared.remotes[worker].end_tenure();
    }
    drove
}

/// How often a worker that lived on stolen work looks for more before it sleeps: about 10 µs, a third of what it takes to
/// wake it. Whoever spawns a burst then wakes it once.
const SEARCHES_MAX: u32 = 64;

/// The state of the loop.
struct Turn<'a, W: Wait> {
    shared: &'a Shared<W>,
    worker: usize,
    remote: &'a Remote,
    /// Whether the idle protocol counts us as searching.
    searching: bool,
    /// How often to search once more before sleep.
    searches_left: u32,
    pace: Pace,
}

impl<W: Wait> Turn<'_, W> {
    fn find_work(&mut self, core: &Core) -> Option<Runnable> {
        loop {
            if self.shared.must_stop() {
                return None;
            }
            if self.look_is_due() {
                self.look_around(core);
            }
            let found = self.own(core).or_else(|| self.injected(core)).or_else(|| self.stolen(core));
            if let Some(mut runnable) = found {
                self.end_search();
                self.note_latency(&mut runnable);
                return Some(runnable);
            }
            if self.shared.may_end() {
                return None;
            }
            if self.searching && self.searches_left > 0 {
                self.searches_left -= 1;
                (0..16).for_each(|_| std::hint::spin_loop());
                continue;
            }
            self.sleep(core);
        }
    }

    #[inline]
    fn own(&self, core: &Core) -> Option<Runnable> {
        core.pop(self.remote)
    }

    /// Notes how long a coroutine has waited that is about to run, if that is being measured.
    #[inline]
    fn note_latency(&self, runnable: &mut Runnable) {
        if let Some(stamp) = runnable.take_stamp() {
            self.shared.clock.record(stamp, &self.remote.schedule_latency);
        }
    }

    fn injected(&self, core: &Core) -> Option<Runnable> {
        let injector = &self.shared.injector;
        if injector.is_empty() {
            return None;
        }
        let first = core.fetch_injected(injector)?;
        self.tell_of_rest(core);
        Some(first)
    }

    /// A search tells others at its end. Who was not searching does it here: whoever was woken for the rest of a batch may
    /// have looked while it was on its way to our queue.
    fn tell_of_rest(&self, core: &Core) {
        let left_some = core.queued(self.remote) > 0 || !self.shared.injector.is_empty();
        if !self.searching && left_some {
            self.shared.tell_others();
        }
    }

    /// Takes half of what another worker has queued, if nobody else is searching.
    fn stolen(&mut self, core: &Core) -> Option<Runnable> {
        if !self.searching {
            if self.shared.remotes.len() == 1 || !self.shared.idle.begin_search() {
                return None;
            }
            self.searching = true;
        }
        let stolen = self
            .others()
            .find_map(|other| self.shared.remotes[other].steal(core))
            .inspect(|_| count(&self.shared.counters.of(self.worker).stolen));
        if stolen.is_some() {
            self.searches_left = SEARCHES_MAX;
        }
        // Something may have been injected while another was searching.
        stolen.or_else(|| self.injected(core))
    }

    /// The other workers, beginning with the next one, so that thieves do not all go to the same.
    fn others(&self) -> impl Iterator<Item = usize> + use<W> {
        let (me, workers) = (self.worker, self.shared.remotes.len());
        (1..workers).map(move |distance| (me + distance) % workers)
    }

    fn end_search(&mut self) {
        if std::mem::take(&mut self.searching)
            && let Some(worker) = self.shared.idle.found()
        {
            self.shared.notify(worker);
        }
    }

    #[inline]
    fn look_is_due(&self) -> bool {
        // Relaxed: advice.
        self.pace.look_is_due(self.remote) || self.remote.look_wanted.load(Ordering::Relaxed)
    }

    /// Looks at what a busy worker would otherwise not come to.
    fn look_around(&mut self, core: &Core) {
        let wanted = self.remote.look_wanted.load(Ordering::Relaxed);
        if !self.pace.looked(Instant::now(), core) && !wanted {
            return;
        }
        self.in_batch(core, |turn| turn.shared.wait.poll(turn.worker));
        self.remote.count_look();
        core.serve_oldest(self.remote);
        if core.serve_injected(self.remote, &self.shared.injector) > 0 {
            self.tell_of_rest(core);
        }
        self.shared.retry_starved();
    }

    /// Lets `wake` wake many: they go to the queue in their order, and others are told once.
    fn in_batch(&self, core: &Core, wake: impl FnOnce(&Self)) {
        core.in_batch.set(true);
        wake(self);
        core.in_batch.set(false);
        if core.queued(self.remote) > 1 {
            self.shared.tell_others();
        }
    }

    /// Sleeps until there may be something to do.
    fn sleep(&mut self, core: &Core) {
        let (me, idle) = (self.worker, &self.shared.idle);
        self.searches_left = 0;
        idle.announce(me, std::mem::take(&mut self.searching));
        let found = self.second_look();
        if !found {
            self.in_batch(core, |turn| turn.shared.wait.wait(me, turn.shared.recheck()));
            self.remote.count_look();
            self.shared.retry_starved();
        }
        if idle.retract(me) == Left::Claimed {
            self.searching = true;
        }
        // Where the second look found something there may be more, and whoever queued it may have relied on our search:
        // so it goes on. If another searches now, it began after our announcement, and will look.
        if found && !self.searching && self.shared.remotes.len() > 1 {
            self.searching = idle.begin_search();
            if !self.searching {
                std::thread::yield_now();
            }
        }
        self.pace.slept(core);
    }

    /// The look after the announcement: is anything queued anywhere?
    fn second_look(&self) -> bool {
        !self.shared.injector.is_empty() || self.shared.remotes.iter().any(|remote| remote.queued() > 0)
    }
}

impl<W: Wait> Links for Turn<'_, W> {
    type Seat = Core;

    fn cache<'s>(&self, core: &'s Core) -> &'s RefCell<Cache> {
        &core.cache
    }

    #[inline(always)]
    fn next(&self, core: &Core, yielded: bool) -> Next {
        self.remote.turn.begin_run();
        // In a shutdown every coroutine is cancelled before it runs: `drive` does that. Asked each time: whoever is cancelled
        // may drop what others wait for, and they must find themselves cancelled, too.
        if self.look_is_due() || self.shared.is_closing() {
            return Next::Home;
        }
        match self.own(core) {
            Some(mut runnable) => {
                self.note_latency(&mut runnable);
                Next::Run(runnable)
            }
            None if yielded => Next::Same,
            None => Next::Home,
        }
    }

    fn requeue(&self, core: Option<&Core>, runnable: Runnable) {
        match core {
            Some(core) => core.push(self.remote, runnable),
            None => self.shared.inject(runnable),
        }
    }

    fn parking(&self, core: Option<&Core>) {
        self.shared.counters.count(core.map(|core| core.worker), |set| &set.parks);
    }

    fn finished(&self, core: Option<&Core>) {
        self.shared.counters.count(core.map(|core| core.worker), |set| &set.finished);
        self.shared.retry_starved();
    }

    fn has_stopped(&self) -> bool {
        self.shared.must_stop()
    }

    fn starved(&self, _core: &Core, runnable: Runnable, _error: io::Error) {
        // The error is for spawners: the pool tells the next one.
        let mut starved = self.shared.starved();
        starved.push(runnable);
        self.shared.starved_count.store(starved.len(), Ordering::Relaxed);
    }
}
