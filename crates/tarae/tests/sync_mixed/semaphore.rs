//! The semaphore: no permit is lost or made, whoever is cancelled or out of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tarae::sync::{AcquireTimeoutError, Semaphore, TryAcquireError};
use tarae::thread;

use crate::support::seed::Random;
use crate::support::{MOMENT, bounded, ms, on_workers, runtime};

#[test]
fn those_who_wait_are_served_in_order_however_many_they_want() {
    on_workers(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let waiters: Vec<_> = [3, 1, 2]
            .into_iter()
            .map(|wanted| {
                let (semaphore, order) = (Arc::clone(&semaphore), Arc::clone(&order));
                let waiter = thread::spawn(move || {
                    semaphore.acquire_many(wanted).unwrap().forget();
                    order.lock().unwrap().push(wanted);
                });
                tarae::sleep(ms(5));
                waiter
            })
            .collect();
        semaphore.add_permits(2);
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits, "nobody overtakes");
        for _ in 0..4 {
            tarae::sleep(ms(5));
            semaphore.add_permits(1);
        }
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*order.lock().unwrap(), [3, 1, 2]);
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn a_wait_ends_at_its_time_and_lets_by_who_is_behind() {
    on_workers(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let behind = thread::spawn({
            let semaphore = Arc::clone(&semaphore);
            move || {
                tarae::sleep(ms(10));
                semaphore.acquire().unwrap().forget();
            }
        });
        let begin = Instant::now();
        assert_eq!(semaphore.acquire_many_timeout(2, MOMENT).unwrap_err(), AcquireTimeoutError::Timeout);
        assert!(begin.elapsed() >= MOMENT);
        behind.join().unwrap();
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn closing_ends_every_wait() {
    on_workers(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let held = semaphore.acquire().unwrap();
        let coroutines = [0; 5].map(|_| {
            let semaphore = Arc::clone(&semaphore);
            thread::spawn(move || semaphore.acquire().is_err())
        });
        let kernel_thread = std::thread::spawn({
            let semaphore = Arc::clone(&semaphore);
            move || semaphore.acquire_timeout(Duration::MAX).unwrap_err()
        });
        tarae::sleep(MOMENT);
        semaphore.close();
        assert!(coroutines.into_iter().all(|coroutine| coroutine.join().unwrap()));
        assert_eq!(kernel_thread.join().unwrap(), AcquireTimeoutError::Closed);
        drop(held);
        assert_eq!(semaphore.available_permits(), 1);
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    });
}

#[test]
fn a_storm_of_cancellations_and_timeouts_loses_no_permit() {
    const PERMITS: usize = 4;
    for workers in [1, 2, 8] {
        bounded(move || {
            let runtime = runtime(workers);
            let mut random = Random::from_environment();
            let semaphore = Arc::new(Semaphore::new(PERMITS));
            let lent = Arc::new(AtomicUsize::new(0));
            struct Lent<'a>(&'a AtomicUsize, usize);
            impl Drop for Lent<'_> {
                fn drop(&mut self) {
                    self.0.fetch_sub(self.1, Ordering::SeqCst);
                }
            }
            let work = |semaphore: Arc<Semaphore>, lent: Arc<AtomicUsize>, mut random: Random| {
                move || {
                    for _ in 0..20 {
                        let wanted = 1 + random.below(3) as u32;
                        let permit = match random.below(3) {
                            0 => semaphore
                                .acquire_many_timeout(wanted, Duration::from_micros(random.below(300)))
                                .ok(),
                            1 => semaphore.try_acquire_many(wanted).ok(),
                            _ => semaphore.acquire_many(wanted).ok(),
                        };
                        let Some(permit) = permit else { continue };
                        let count = permit.num_permits();
                        assert!(lent.fetch_add(count, Ordering::SeqCst) + count <= PERMITS);
                        let _lent = Lent(&lent, count);
                        thread::yield_now();
                    }
                }
            };
            for _ in 0..15 {
                let spawn = |random: &mut Random| {
                    runtime.spawn(work(Arc::clone(&semaphore), Arc::clone(&lent), random.split()))
                };
                let coroutines: Vec<_> = (0..16).map(|_| spawn(&mut random)).collect();
                let kernel_thread =
                    std::thread::spawn(work(Arc::clone(&semaphore), Arc::clone(&lent), random.split()));
                for coroutine in &coroutines {
                    if random.below(2) == 0 {
                        coroutine.cancel();
                    }
                    if random.below(4) == 0 {
                        thread::sleep(Duration::from_micros(random.below(100)));
                    }
                }
                for coroutine in coroutines {
                    if let Err(payload) = coroutine.join() {
                        assert!(
                            !payload.is::<String>() && !payload.is::<&str>(),
                            "an assertion in a coroutine"
                        );
                    }
                }
                kernel_thread.join().unwrap();
                assert_eq!(semaphore.available_permits(), PERMITS);
            }
        });
    }
}
