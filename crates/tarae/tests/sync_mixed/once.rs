//! What happens once: the others wait, and one that is cancelled on the way leaves what std leaves for a panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tarae::sync::{LazyLock, Once, OnceLock};
use tarae::thread;

use crate::support::{MOMENT, hush, ms, on_workers, with_runtimes};

#[test]
fn one_initialises_and_all_see_it() {
    with_runtimes(|runtime| {
        let cell = Arc::new((OnceLock::new(), AtomicUsize::new(0)));
        let ask = |cell: Arc<(OnceLock<usize>, AtomicUsize)>| {
            move || {
                *cell.0.get_or_init(|| {
                    tarae::sleep(ms(5));
                    cell.1.fetch_add(1, Ordering::SeqCst) + 7
                })
            }
        };
        let waiter = runtime.spawn({
            let cell = Arc::clone(&cell);
            move || *cell.0.wait()
        });
        let coroutines = [0; 10].map(|_| runtime.spawn(ask(Arc::clone(&cell))));
        let threads = [0; 3].map(|_| std::thread::spawn(ask(Arc::clone(&cell))));
        assert!(coroutines.into_iter().all(|coroutine| coroutine.join().unwrap() == 7));
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 7));
        assert_eq!(waiter.join().unwrap(), 7);
    });
}

#[test]
fn a_cancelled_initialiser_comes_to_its_end_in_a_once_and_leaves_a_cell_empty() {
    on_workers(|| {
        hush();
        let shared = Arc::new((Once::new(), OnceLock::new()));
        let [once, cell] = [true, false].map(|once| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if once {
                    shared.0.call_once(|| tarae::sleep(MOMENT));
                    // The first wait after it.
                    tarae::sleep(Duration::MAX);
                }
                shared.1.get_or_init(|| tarae::sleep(Duration::MAX));
            })
        });
        tarae::sleep(ms(5));
        // They wait for one that must not be interrupted, and for a value.
        let waiter = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.0.call_once(|| unreachable!("another one does"))
        });
        let second = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.1.set(())
        });
        tarae::sleep(ms(5));
        assert!(!second.is_finished());
        once.cancel();
        cell.cancel();
        waiter.join().unwrap();
        assert_eq!(second.join().unwrap(), Ok(()));
        assert!(once.join().is_err() && cell.join().is_err());
        assert!(shared.0.is_completed());
    });
}

#[test]
fn a_cancelled_waiter_leaves_the_others_waiting() {
    on_workers(|| {
        static VALUES: [LazyLock<u8>; 3] = [const {
            LazyLock::new(|| {
                tarae::sleep(MOMENT);
                3
            })
        }; 3];
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let value = &VALUES[NEXT.fetch_add(1, Ordering::SeqCst) % 3];
        let maker = thread::spawn(|| **value);
        tarae::sleep(ms(5));
        let [fickle, patient] = [0; 2].map(|_| thread::spawn(|| **value));
        tarae::sleep(ms(5));
        fickle.cancel();
        assert!(fickle.join().is_err());
        assert_eq!((maker.join().unwrap(), patient.join().unwrap()), (3, 3));
    });
}
