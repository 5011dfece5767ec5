//! Semaphores, barriers, groups and initialisations: afterwards all permits are back, and whoever comes later is not kept.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tarae::sync::{Barrier, Once, OnceLock, Semaphore, WaitGroup};

use crate::stage::Stage;
use crate::support::ms;

const LONG: Duration = Duration::from_secs(3600);

const PERMITS: u32 = 3;

/// A semaphore of which another one has `taken` permits until the moment comes.
fn contended(stage: &Arc<Stage>, taken: u32, wait: impl FnOnce(&Arc<Semaphore>)) -> io::Result<()> {
    let semaphore = Arc::new(Semaphore::new(PERMITS as usize));
    all_permits_are_back_afterwards(stage, &semaphore);
    let theirs = Arc::clone(&semaphore);
    stage.until(
        move |moment| {
            let _permits = theirs.try_acquire_many(taken).expect("there are");
            moment.wait();
        },
        || wait(&semaphore),
    );
    Ok(())
}

fn all_permits_are_back_afterwards(stage: &Arc<Stage>, semaphore: &Arc<Semaphore>) {
    let semaphore = Arc::clone(semaphore);
    stage.afterwards(move || {
        assert_eq!(semaphore.available_permits(), PERMITS as usize, "permits");
        semaphore.try_acquire_many(PERMITS).expect("nobody stands in line").forget();
    });
}

pub(super) fn acquires_a_permit(stage: &Arc<Stage>) -> io::Result<()> {
    contended(stage, PERMITS, |semaphore| drop(semaphore.acquire().expect("open")))
}

pub(super) fn acquires_several_permits(stage: &Arc<Stage>) -> io::Result<()> {
    contended(stage, 1, |semaphore| {
        let owned = Arc::clone(semaphore).acquire_many_owned(PERMITS).expect("open");
        assert_eq!(owned.num_permits(), PERMITS as usize);
    })
}

pub(super) fn acquires_an_owned_permit_in_time(stage: &Arc<Stage>) -> io::Result<()> {
    contended(stage, 2, |semaphore| {
        drop(semaphore.acquire_many_timeout(2, LONG).expect("open, and in time"));
        drop(Arc::clone(semaphore).acquire_owned().expect("open"));
    })
}

pub(super) fn holds_permits(stage: &Arc<Stage>) -> io::Result<()> {
    let semaphore = Arc::new(Semaphore::new(PERMITS as usize));
    all_permits_are_back_afterwards(stage, &semaphore);
    let mut some = semaphore.acquire_many(2).expect("open");
    let one = some.split(1);
    stage.sleep();
    drop(one);
    stage.sleep();
    Ok(())
}

pub(super) fn waits_at_a_barrier(stage: &Arc<Stage>) -> io::Result<()> {
    let (barrier, has_passed) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)));
    let (place, other) = (Arc::clone(&barrier), Arc::clone(&has_passed));
    stage.in_place_of_it(move || {
        // One that has left is not counted, unless all were there at that moment.
        while !other.load(Ordering::SeqCst) {
            let _ = tarae::timeout(ms(5), || place.wait());
        }
    });
    let looked_at = Arc::clone(&barrier);
    stage.afterwards(move || {
        assert!(tarae::timeout(ms(1), || looked_at.wait()).is_err(), "one alone passes");
    });
    let theirs = Arc::clone(&barrier);
    stage.until(
        move |moment| {
            moment.wait();
            theirs.wait();
            has_passed.store(true, Ordering::SeqCst);
        },
        || barrier.wait(),
    );
    Ok(())
}

pub(super) fn waits_for_a_group(stage: &Arc<Stage>) -> io::Result<()> {
    let group = WaitGroup::new();
    let theirs = group.clone();
    stage.until(
        move |moment| {
            moment.wait();
            // For the program's handle: one that was interrupted has none.
            theirs.wait();
        },
        || group.wait(),
    );
    Ok(())
}

pub(super) fn waits_for_an_initialisation(stage: &Arc<Stage>) -> io::Result<()> {
    for waits in [false, true] {
        let once = Arc::new(Once::new());
        let looked_at = Arc::clone(&once);
        stage.afterwards(move || assert!(looked_at.is_completed(), "an initialisation that was made"));
        let theirs = Arc::clone(&once);
        stage.until(
            move |moment| theirs.call_once(|| moment.wait()),
            || if waits { once.wait() } else { once.call_once(|| unreachable!("another one does")) },
        );
        assert!(once.is_completed());
    }
    Ok(())
}

pub(super) fn waits_for_a_value(stage: &Arc<Stage>) -> io::Result<()> {
    for waits in [false, true] {
        let value = Arc::new(OnceLock::new());
        let looked_at = Arc::clone(&value);
        stage.afterwards(move || assert!(looked_at.get().is_some(), "a value that was set"));
        let (theirs, life) = (Arc::clone(&value), stage.life());
        stage.until(
            move |moment| {
                theirs.get_or_init(|| {
                    moment.wait();
                    life
                });
            },
            || if waits { value.wait() } else { value.get_or_init(|| unreachable!("another one does")) },
        );
    }
    Ok(())
}

pub(super) fn makes_a_value(stage: &Arc<Stage>) -> io::Result<()> {
    let value = Arc::new(OnceLock::new());
    let (later, life) = (Arc::clone(&value), stage.life());
    // One that was not made can be made.
    stage.afterwards(move || {
        later.get_or_init(|| life);
    });
    value.get_or_init(|| {
        let life = stage.life();
        stage.sleep();
        life
    });
    Ok(())
}
