//! Measurements that other processes cannot spoil: how much of the CPUs was left to us is measured beside.
//!
//! A limit on time is a statement about a machine that does nothing else. So a measurement that is within its limit counts
//! at once, one that is not counts as a failure only if nobody else had the CPUs, and is otherwise made again. On a machine
//! that is never quiet it says nothing in the end, and says so.
#![allow(dead_code, reason = "every test program has its own copy, and none uses all of it")]

use std::fs;
use std::time::Duration;

/// The share of all CPUs that others may take while we measure. More, and it can be all of one for longer than a limit.
const OTHERS_MAX: f64 = 0.04;

const ATTEMPTS: u32 = 10;

/// What a measurement says: whether it is within its limits, and its figures.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) holds: bool,
    pub(crate) figures: String,
}

/// Asserts that `measure` keeps within its limits on an undisturbed machine.
#[track_caller]
pub(crate) fn undisturbed(mut measure: impl FnMut() -> Verdict) {
    let mut said = Vec::new();
    for _ in 0..ATTEMPTS {
        let before = Usage::now();
        let Verdict { holds, figures } = measure();
        let others = before.share_of_others();
        println!("figures: {figures} (others had {:.0} % of the CPUs)", others * 100.0);
        if holds {
            return;
        }
        said.push(format!("{figures} while others had {:.0} % of the CPUs", others * 100.0));
        assert!(others > OTHERS_MAX, "not within the limits on a quiet machine: {}", said.join("; "));
        // Whatever it was may be over soon.
        std::thread::sleep(Duration::from_millis(500));
    }
    eprintln!("skipped: the machine is never quiet: {}", said.join("; "));
}

/// CPU time so far, in ticks of the kernel's.
struct Usage {
    /// Of everyone, interrupts not counted: they are done for whoever they hit.
    busy: u64,
    ours: u64,
    all: u64,
}

impl Usage {
    fn now() -> Usage {
        let stat = fs::read_to_string("/proc/stat").expect("/proc is mounted");
        let line = stat.lines().next().expect("the line of all CPUs");
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).map(|field| field.parse().expect("ticks")).collect();
        let &[user, nice, system, idle, iowait, irq, softirq, steal, ..] = &ticks[..] else {
            panic!("an unknown /proc/stat: {line}");
        };
        let busy = user + nice + system + steal;
        Usage { busy, ours: own_ticks(), all: busy + idle + iowait + irq + softirq }
    }

    fn share_of_others(&self) -> f64 {
        let now = Usage::now();
        let others = (now.busy - self.busy).saturating_sub(now.ours - self.ours);
        others as f64 / (now.all - self.all).max(1) as f64
    }
}

/// User and system time of this process.
fn own_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc is mounted");
    // The name, in parentheses, may contain anything; utime and stime are the 14th and 15th field of all.
    let (_, rest) = stat.rsplit_once(')').expect("the name's end");
    rest.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks")).sum()
}
