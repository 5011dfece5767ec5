//! Telling about stalls: a `tracing` event at warn level, with target `tarae`, for each; but not more than a reader can
//! take in.
//!
//! A subscriber is code of the program's, and may wait for what a stuck coroutine has: the lock of standard output, say. So
//! the monitor never calls it. A *reporter* does, a thread that is started when there is something to tell, and ends when it
//! has told.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tarae_task::Coroutine;

/// How many reports are made in one [`PERIOD`]. The rest is counted, and told with the next.
const PER_PERIOD: u32 = 10;

const PERIOD: Duration = Duration::from_secs(1);

/// How long the reporter waits for one more report before it ends.
const LINGER: Duration = Duration::from_millis(100);

/// A coroutine that was stuck while others waited.
#[derive(Debug)]
pub(crate) struct Stall {
    pub(crate) coroutine: Coroutine,
    pub(crate) stuck_for: Duration,
    /// Whether it waited in the kernel, rather than computed.
    pub(crate) waits: bool,
    /// How many coroutines waited for a worker.
    pub(crate) waiting: usize,
}

#[derive(Debug)]
enum What {
    Stall(Stall),
    NoThread(io::Error),
}

#[derive(Debug)]
struct Report {
    runtime: Box<str>,
    what: What,
    /// How many reports there were since the last that was made.
    unreported: u64,
}

/// What has been reported lately.
#[derive(Debug)]
pub(crate) struct Reports {
    runtime: Box<str>,
    reporter: Option<SyncSender<Report>>,
    period: Option<Instant>,
    reported: u32,
    unreported: u64,
}

impl Reports {
    /// Reports about the scheduler of this name.
    pub(crate) fn new(runtime: &str) -> Reports {
        Reports { runtime: runtime.into(), reporter: None, period: None, reported: 0, unreported: 0 }
    }

    pub(crate) fn stall(&mut self, stall: Stall, now: Instant) {
        self.report(What::Stall(stall), now);
    }

    /// No thread could be had for a worker whose own is stuck.
    pub(crate) fn no_thread(&mut self, error: io::Error, now: Instant) {
        self.report(What::NoThread(error), now);
    }

    fn report(&mut self, what: What, now: Instant) {
        let Some(unreported) = self.admit(now) else { return };
        if !self.send(Report { runtime: self.runtime.clone(), what, unreported }) {
            self.unreported += unreported + 1;
        }
    }

    /// Gives a report to the reporter, and starts one if there is none. Never waits.
    fn send(&mut self, report: Report) -> bool {
        let report = match self.reporter.take() {
            None => report,
            Some(reporter) => match reporter.try_send(report) {
                Err(TrySendError::Disconnected(report)) => report,
                sent => {
                    self.reporter = Some(reporter);
                    return sent.is_ok();
                }
            },
        };
        let (reporter, reports) = sync_channel(PER_PERIOD as usize);
        let tell_all = move || {
            loop {
                match reports.recv_timeout(LINGER) {
                    Ok(report) => tell(&report),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let name = format!("{}-reporter", self.runtime);
        let sent = reporter.try_send(report).is_ok();
        if thread::Builder::new().name(name).spawn(tell_all).is_err() {
            return false;
        }
        self.reporter = Some(reporter);
        sent
    }

    /// Says whether there may be one more report now, and how many there were since the last that was made.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.period.is_none_or(|period| now.saturating_duration_since(period) >= PERIOD) {
            self.period = Some(now);
            self.reported = 0;
        }
        if self.reported >= PER_PERIOD {
            self.unreported += 1;
            return None;
        }
        self.reported += 1;
        Some(std::mem::take(&mut self.unreported))
    }
}

fn tell(report: &Report) {
    let (runtime, unreported) = (&*report.runtime, report.unreported);
    match &report.what {
        What::Stall(stall) => tracing::warn!(
            target: "tarae",
            runtime,
            coroutine = stall.coroutine.id(),
            name = stall.coroutine.name().unwrap_or("<unnamed>"),
            spawned_at = %stall.coroutine.spawned_at(),
            stuck_ms = stall.stuck_for.as_secs_f64() * 1e3,
            waiting = stall.waiting,
            unreported,
            "{}",
            if stall.waits {
                "a coroutine blocks its kernel thread, and its worker went to another one; \
                 tarae::blocking would have done that at once"
            } else {
                "a coroutine computes without a pause, and its worker went to another kernel thread"
            }
        ),
        What::NoThread(error) => tracing::warn!(
            target: "tarae",
            runtime,
            %error,
            unreported,
            "coroutines wait behind one that is stuck, as there is no other kernel thread for its worker"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_reader_can_take_in_is_counted_and_told_later() {
        let (mut reports, start) = (Reports::new("test"), Instant::now());
        for _ in 0..PER_PERIOD {
            assert_eq!(reports.admit(start), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(reports.admit(start), None);
        }
        assert_eq!(reports.admit(start + PERIOD), Some(5));
        assert_eq!(reports.admit(start + PERIOD), Some(0));
    }
}
