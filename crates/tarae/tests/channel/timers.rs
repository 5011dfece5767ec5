//! `after`, `at` and `never`.
//!
//! Would catch: a message that comes early, twice, never, or with another moment; one that several receive; a timer that counts
//! as ended; a moment that has passed, or that no clock tells, that is taken for the other; a select that does not wake for
//! its timer, or only for the first of several.

use std::time::{Duration, Instant};

use crate::crew::{Crew, alone, everywhere, join_all};
use crate::subject::channel::{
    Receiver, RecvTimeoutError, Select, TryRecvError, after, at, never, select, unbounded,
};
use crate::support::{LIMIT, MOMENT, ms};

/// Asserts what must hold until `moment`, unless that has passed meanwhile.
#[track_caller]
fn until(moment: Instant, holds: impl FnOnce() -> bool) {
    assert!(holds() || Instant::now() >= moment, "too early");
}

#[test]
fn after_fires_once_and_not_early() {
    alone(|| {
        let start = Instant::now();
        let timer = after(ms(12));
        let mut early = None;
        until(start + ms(12), || {
            early = timer.try_recv().ok();
            early.is_none()
        });
        if early.is_some() {
            // The machine was busy; what is left to see is that it fires once.
            return assert_eq!(timer.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
        }
        let told = timer.recv().unwrap();
        assert!(start.elapsed() >= ms(12));
        assert!((start + ms(12)..=Instant::now()).contains(&told), "{:?}", told - start);
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(timer.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
        select! {
            recv(timer) -> _ => panic!("it fires once"),
            default(MOMENT) => {}
        }
    });
}

#[test]
fn at_tells_the_moment_it_was_asked_for() {
    alone(|| {
        let moment = Instant::now() + ms(12);
        let timer = at(moment);
        until(moment, || timer.is_empty());
        assert_eq!(timer.recv(), Ok(moment));
        assert!(Instant::now() >= moment);
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
        // However late it is received.
        let moment = Instant::now() + ms(5);
        let timer = at(moment);
        tarae::sleep(ms(20));
        assert_eq!(timer.recv(), Ok(moment));
    });
}

#[test]
fn a_moment_that_has_passed_is_there_at_once() {
    alone(|| {
        let now = Instant::now();
        assert_eq!(at(now).try_recv(), Ok(now));
        assert_eq!(at(now - ms(1)).recv(), Ok(now - ms(1)));
        assert_eq!(at(now).recv_timeout(Duration::ZERO), Ok(now));
        assert!(after(Duration::ZERO).try_recv().is_ok());
        select! {
            recv(at(now)) -> told => assert_eq!(told, Ok(now)),
            default => panic!("it is ready"),
        }
    });
}

#[test]
fn a_timer_holds_one_at_most() {
    alone(|| {
        let soon = Instant::now() + ms(15);
        for timer in [after(ms(15)), at(soon)] {
            let expect = |length: usize| {
                assert_eq!(timer.capacity(), Some(1));
                assert_eq!(
                    (timer.len(), timer.is_empty(), timer.is_full()),
                    (length, length == 0, length == 1)
                );
            };
            until(soon, || (timer.len(), timer.is_empty(), timer.is_full()) == (0, true, false));
            tarae::thread::sleep_until(soon + ms(1));
            expect(1);
            timer.recv().unwrap();
            expect(0);
        }
    });
}

#[test]
fn a_timeout_shorter_than_the_timer_passes_first() {
    alone(|| {
        let timer = after(LIMIT);
        let start = Instant::now();
        assert_eq!(timer.recv_timeout(ms(5)), Err(RecvTimeoutError::Timeout));
        assert_eq!(timer.recv_deadline(Instant::now() + ms(5)), Err(RecvTimeoutError::Timeout));
        assert_eq!(timer.recv_deadline(Instant::now() - ms(5)), Err(RecvTimeoutError::Timeout));
        assert!((ms(10)..LIMIT).contains(&start.elapsed()));
        // The message is still to come.
        let due = Instant::now() + MOMENT;
        let timer = at(due);
        let first = timer.recv_timeout(ms(1));
        until(due, || first.is_err());
        assert!(first.is_ok() || timer.recv_timeout(LIMIT) == Ok(due));
    });
}

#[test]
fn clones_share_the_one_message() {
    everywhere(|crew| {
        let timer = after(ms(5));
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let timer = timer.clone();
                crew.spawn(move || timer.recv_timeout(ms(40)).is_ok())
            })
            .collect();
        let fired = join_all(waiting).into_iter().filter(|fired| *fired).count();
        assert_eq!(fired, 1);
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn clones_share_the_one_message_in_a_race() {
    everywhere(|crew| {
        for _ in 0..50 {
            let timer = after(Duration::from_micros(300));
            let looking: Vec<_> = (0..3)
                .map(|_| {
                    let timer = timer.clone();
                    crew.spawn(move || {
                        let start = Instant::now();
                        let mut got = 0;
                        while start.elapsed() < ms(2) {
                            got += usize::from(timer.try_recv().is_ok());
                            tarae::yield_now();
                        }
                        got
                    })
                })
                .collect();
            let got: usize = join_all(looking).into_iter().sum();
            assert_eq!(got + timer.try_iter().count(), 1);
        }
    });
}

#[test]
fn a_select_waits_for_the_first_of_its_timers() {
    alone(|| {
        let start = Instant::now();
        let (late, soon) = (after(LIMIT), after(ms(10)));
        select! {
            recv(late) -> _ => panic!("the later one"),
            recv(soon) -> told => assert!(told.unwrap() >= start + ms(10)),
        }
        assert!((ms(10)..LIMIT).contains(&start.elapsed()));
        select! {
            recv(late) -> _ => panic!("the later one"),
            recv(soon) -> _ => panic!("it has fired"),
            default(ms(5)) => {}
        }
        let timers = [LIMIT, ms(5), LIMIT, LIMIT].map(after);
        let mut select = Select::new();
        timers.iter().for_each(|timer| {
            select.recv(timer);
        });
        let chosen = select.select();
        assert_eq!(chosen.index(), 1);
        chosen.recv(&timers[1]).unwrap();
    });
}

#[test]
fn a_select_prefers_what_comes_before_its_timer() {
    everywhere(|crew| {
        let (sender, receiver) = unbounded();
        let sending = crew.spawn(move || {
            tarae::sleep(ms(5));
            sender.send(1).unwrap();
            sender
        });
        select! {
            recv(receiver) -> got => assert_eq!(got, Ok(1)),
            recv(after(LIMIT)) -> _ => panic!("not yet"),
        }
        let _sender = sending.join();
        select! {
            recv(receiver) -> _ => panic!("nothing else was sent"),
            recv(after(ms(5))) -> told => assert!(told.is_ok()),
        }
    });
}

#[test]
fn ready_waits_for_a_timer() {
    alone(|| {
        let due = Instant::now() + ms(12);
        let timer = at(due);
        let mut select = Select::new();
        let index = select.recv(&timer);
        until(due, || select.try_ready().is_err());
        until(due, || select.ready_timeout(ms(1)).is_err());
        assert_eq!(select.ready(), index);
        assert!(Instant::now() >= due);
        // It was ready, and still is.
        assert_eq!(select.try_ready(), Ok(index));
        timer.recv().unwrap();
        assert!(select.try_ready().is_err());
    });
}

#[test]
fn one_timer_in_several_cases_fires_in_each_in_turn() {
    alone(|| {
        let mut hits = [0; 3];
        for _ in 0..600 {
            let timer = at(Instant::now());
            select! {
                recv(timer) -> told => { told.unwrap(); hits[0] += 1 }
                recv(timer) -> told => { told.unwrap(); hits[1] += 1 }
                recv(timer) -> told => { told.unwrap(); hits[2] += 1 }
            }
            assert!(timer.is_empty());
        }
        assert!(hits.iter().all(|count| *count > 100), "{hits:?}");
    });
}

/// Some wait for a message, some for the timer, through `receive`.
fn race(crew: &Crew, receive: fn(&Receiver<Instant>) -> bool) {
    let timer = after(ms(4));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let timer = timer.clone();
            crew.spawn(move || receive(&timer))
        })
        .collect();
    assert_eq!(join_all(waiting).into_iter().filter(|got| *got).count(), 1);
}

#[test]
fn a_timer_fires_for_one_of_several_selects() {
    everywhere(|crew| {
        for _ in 0..5 {
            race(crew, |timer| {
                select! { recv(timer) -> told => told.is_ok(), default(ms(15)) => false }
            });
            race(crew, |timer| {
                let mut select = Select::new();
                select.recv(timer);
                let until = Instant::now() + ms(15);
                while select.ready_deadline(until).is_ok() {
                    if timer.try_recv().is_ok() {
                        return true;
                    }
                }
                false
            });
        }
    });
}

#[test]
fn never_is_never_ready() {
    alone(|| {
        let never = never::<i32>();
        assert_eq!(never.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(never.recv_timeout(ms(5)), Err(RecvTimeoutError::Timeout));
        assert_eq!(never.recv_deadline(Instant::now() - ms(5)), Err(RecvTimeoutError::Timeout));
        assert_eq!((never.len(), never.capacity()), (0, Some(0)));
        assert!(never.is_empty() && never.is_full());
        assert_eq!(never.try_iter().count(), 0);
        let start = Instant::now();
        select! {
            recv(never) -> _ => unreachable!(),
            default(ms(8)) => assert!(start.elapsed() >= ms(8)),
        }
        select! {
            recv(never) -> _ => unreachable!(),
            recv(never.clone()) -> _ => unreachable!(),
            recv(after(ms(1))) -> _ => {}
        }
    });
}

#[test]
fn a_duration_without_end_never_passes() {
    alone(|| {
        let far = after(Duration::MAX);
        assert_eq!(far.recv_timeout(ms(5)), Err(RecvTimeoutError::Timeout));
        select! {
            recv(far) -> _ => unreachable!(),
            recv(after(ms(3))) -> told => assert!(told.is_ok()),
        }
    });
}

#[test]
fn an_optional_case_is_never_when_it_is_not_there() {
    alone(|| {
        let (sender, receiver) = unbounded();
        sender.send(1).unwrap();
        for there in [None, Some(&receiver)] {
            let mut got = None;
            select! {
                recv(there.unwrap_or(&never())) -> message => got = message.ok(),
                recv(there.map_or_else(|| after(ms(2)), |_| never())) -> _ => {}
            }
            assert_eq!(got, there.map(|_| 1));
        }
    });
}

#[test]
fn thousands_of_timers_fire_each_in_its_time() {
    alone(|| {
        let start = Instant::now();
        let timers: Vec<_> = (0..2_000).map(|n| (ms(n % 20), after(ms(n % 20)))).collect();
        for (delay, timer) in timers {
            assert!(timer.recv().unwrap() >= start + delay);
            assert!(start.elapsed() >= delay);
        }
    });
}

#[test]
fn timers_that_nobody_waits_for_are_dropped() {
    alone(|| {
        for _ in 0..2_000 {
            drop(after(LIMIT));
            drop(at(Instant::now() + LIMIT).clone());
        }
    });
}
