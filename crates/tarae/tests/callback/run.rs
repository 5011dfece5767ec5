//! Straight code for a caller that passes a callback.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use tarae::callback;

use crate::support::{LIMIT, ON_PURPOSE, bounded, hush, ms, on_workers, panic_on_purpose, runtime, text_of};

#[test]
fn on_done_gets_the_result_or_the_payload() {
    on_workers(|| {
        hush();
        let (send, receive) = mpsc::channel();
        let (first, second) = (send.clone(), send);
        callback::run(|| 5, move |result| first.send(result.map_err(drop)).unwrap()).join().unwrap();
        assert_eq!(receive.recv(), Ok(Ok(5)));
        let told = move |result: tarae::thread::Result<i32>| {
            assert_eq!(text_of(&*result.unwrap_err()), ON_PURPOSE);
            second.send(Ok(6)).unwrap();
        };
        callback::run(|| panic_on_purpose(), told).join().unwrap();
        assert_eq!(receive.recv(), Ok(Ok(6)));
    });
}

#[test]
fn on_done_is_called_once_when_it_is_cancelled_started_or_not() {
    on_workers(|| {
        for pause in [0, 5] {
            let calls = Arc::new(AtomicUsize::new(0));
            let own = Arc::clone(&calls);
            let running = callback::run(
                || tarae::sleep(LIMIT),
                move |result| {
                    assert!(tarae::is_cancelled(&*result.unwrap_err()));
                    // Not interrupted.
                    tarae::sleep(ms(2));
                    own.fetch_add(1, Ordering::SeqCst);
                },
            );
            if pause > 0 {
                tarae::sleep(ms(pause));
            }
            running.cancel();
            let _ = running.join();
            assert_eq!(calls.load(Ordering::SeqCst), 1, "after {pause} ms");
        }
    });
}

#[test]
fn a_runtime_that_shuts_down_still_tells() {
    bounded(|| {
        let runtime = runtime(1);
        let (send, receive) = mpsc::channel();
        runtime.run(move || {
            for _ in 0..10 {
                let send = send.clone();
                callback::run(|| tarae::sleep(LIMIT), move |result| send.send(result.is_err()).unwrap());
            }
        });
        drop(runtime);
        assert_eq!(receive.iter().collect::<Vec<_>>(), [true; 10]);
    });
}

#[test]
fn the_result_need_not_be_send_and_a_panic_of_on_done_reaches_who_joins() {
    on_workers(|| {
        hush();
        callback::run(|| Rc::new(1), |result| assert_eq!(*result.unwrap(), 1)).join().unwrap();
        let panics = callback::run(|| (), |_| panic_on_purpose());
        assert_eq!(text_of(&*panics.join().unwrap_err()), ON_PURPOSE);
    });
}
