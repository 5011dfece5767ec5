//! Mutexes, read-write locks and conditions: afterwards all are free, and no notification is lost.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tarae::sync::{Condvar, LockResult, Mutex, MutexGuard, RwLock, TryLockError};

use crate::stage::Stage;
use crate::support::{eventually, ms};

const LONG: Duration = Duration::from_secs(3600);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    held(mutex.lock())
}

/// Poisoned or not: whoever held it may have unwound.
fn held<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn is_free_afterwards<T: Send + 'static>(stage: &Arc<Stage>, mutex: &Arc<Mutex<T>>) {
    let mutex = Arc::clone(mutex);
    stage.afterwards(move || {
        assert!(!matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)), "the mutex is held");
        drop(lock(&mutex));
    });
}

/// A mutex that another one holds until the moment comes.
fn contended(stage: &Arc<Stage>, wait: impl FnOnce(&Mutex<u32>)) -> io::Result<()> {
    let mutex = Arc::new(Mutex::new(0));
    is_free_afterwards(stage, &mutex);
    let theirs = Arc::clone(&mutex);
    stage.until(
        move |moment| {
            let mut held = lock(&theirs);
            moment.wait();
            *held += 1;
        },
        || wait(&mutex),
    );
    // One that is interrupted does not come here.
    assert_eq!(*lock(&mutex), 1);
    Ok(())
}

pub(super) fn locks_a_mutex(stage: &Arc<Stage>) -> io::Result<()> {
    contended(stage, |mutex| drop(lock(mutex)))
}

pub(super) fn locks_a_mutex_in_a_timeout(stage: &Arc<Stage>) -> io::Result<()> {
    contended(stage, |mutex| tarae::timeout(LONG, || drop(lock(mutex))).expect("it is not late"))
}

pub(super) fn holds_a_mutex(stage: &Arc<Stage>) -> io::Result<()> {
    let mutex = Arc::new(Mutex::new(None));
    is_free_afterwards(stage, &mutex);
    let mut held = lock(&mutex);
    *held = Some(stage.life());
    stage.sleep();
    Ok(())
}

fn is_free_for_all_afterwards<T: Send + Sync + 'static>(stage: &Arc<Stage>, lock: &Arc<RwLock<T>>) {
    let lock = Arc::clone(lock);
    stage.afterwards(move || {
        assert!(!matches!(lock.try_write(), Err(TryLockError::WouldBlock)), "the lock is held");
        assert!(!matches!(lock.try_read(), Err(TryLockError::WouldBlock)), "the lock is held for writing");
    });
}

pub(super) fn reads_under_a_lock(stage: &Arc<Stage>) -> io::Result<()> {
    let lock = Arc::new(RwLock::new(0));
    is_free_for_all_afterwards(stage, &lock);
    let theirs = Arc::clone(&lock);
    let read = stage.until(
        move |moment| {
            let mut held = theirs.write().unwrap();
            moment.wait();
            *held = 7;
        },
        || *lock.read().unwrap(),
    );
    assert_eq!(read, 7);
    Ok(())
}

pub(super) fn writes_under_a_lock(stage: &Arc<Stage>) -> io::Result<()> {
    let lock = Arc::new(RwLock::new(stage.life()));
    is_free_for_all_afterwards(stage, &lock);
    let theirs = Arc::clone(&lock);
    stage.until(
        move |moment| {
            let _held = theirs.read().unwrap();
            moment.wait();
        },
        || *lock.write().unwrap() = stage.life(),
    );
    Ok(())
}

pub(super) fn holds_a_lock_for_reading(stage: &Arc<Stage>) -> io::Result<()> {
    let lock = Arc::new(RwLock::new(stage.life()));
    is_free_for_all_afterwards(stage, &lock);
    let _held = lock.read().unwrap();
    stage.sleep();
    Ok(())
}

pub(super) fn holds_a_lock_for_writing(stage: &Arc<Stage>) -> io::Result<()> {
    let lock = Arc::new(RwLock::new(stage.life()));
    is_free_for_all_afterwards(stage, &lock);
    let mut held = lock.write().unwrap();
    *held = stage.life();
    stage.sleep();
    Ok(())
}

/// Where the program waits, and another one behind it.
#[derive(Default)]
struct Place {
    seen: Mutex<Seen>,
    condition: Condvar,
}

#[derive(Default)]
struct Seen {
    bystander: bool,
    notified: usize,
}

/// One notification, for the program, or, if that is interrupted, for the one behind it.
pub(super) fn waits_for_a_condition(stage: &Arc<Stage>) -> io::Result<()> {
    let place = Arc::new(Place::default());
    is_free_afterwards_of(stage, &place);
    let theirs = Arc::clone(&place);
    let seen = lock(&place.seen);
    stage.until(
        move |moment| {
            moment.ready();
            // When the program waits.
            drop(lock(&theirs.seen));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut seen = lock(&theirs.seen);
                    seen.bystander = true;
                    held(theirs.condition.wait(seen)).notified += 1;
                });
                eventually("the bystander waits", || lock(&theirs.seen).bystander);
                moment.wait();
                theirs.condition.notify_one();
                eventually("the notification is not lost", || lock(&theirs.seen).notified > 0);
                theirs.condition.notify_all();
            });
        },
        || held(place.condition.wait(seen)).notified += 1,
    );
    Ok(())
}

fn is_free_afterwards_of(stage: &Arc<Stage>, place: &Arc<Place>) {
    let place = Arc::clone(place);
    stage.afterwards(move || {
        assert!(!matches!(place.seen.try_lock(), Err(TryLockError::WouldBlock)), "the mutex is held");
    });
}

pub(super) fn waits_for_a_condition_in_time(stage: &Arc<Stage>) -> io::Result<()> {
    let place = Arc::new(Place::default());
    is_free_afterwards_of(stage, &place);
    let theirs = Arc::clone(&place);
    let seen = lock(&place.seen);
    let notified = stage.until(
        move |moment| {
            moment.ready();
            drop(lock(&theirs.seen));
            moment.wait();
            lock(&theirs.seen).notified += 1;
            theirs.condition.notify_all();
        },
        || {
            let waited = place.condition.wait_timeout_while(seen, LONG, |seen| seen.notified == 0);
            held(waited).0.notified
        },
    );
    assert_eq!(notified, 1);
    Ok(())
}

/// Notified, it waits for the lock, to the end: whoever is interrupted then is so at its next wait.
pub(super) fn locks_again_after_a_condition(stage: &Arc<Stage>) -> io::Result<()> {
    let place = Arc::new(Place::default());
    is_free_afterwards_of(stage, &place);
    let theirs = Arc::clone(&place);
    let mut seen = lock(&place.seen);
    seen = stage.until(
        move |moment| {
            moment.ready();
            let mut seen = lock(&theirs.seen);
            theirs.condition.notify_one();
            moment.wait_at_most(ms(100));
            seen.notified += 1;
        },
        || held(place.condition.wait(seen)),
    );
    assert_eq!(seen.notified, 1);
    drop(seen);
    tarae::sleep(ms(1));
    Ok(())
}
