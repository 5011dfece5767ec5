//! Wakers of a program's own that call back while they are woken.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use tarae::future::{Sleep, block_on, sleep};

use crate::support::{eventually, ms, on_workers};

/// An executor in one object: polls its future where it is woken.
struct Inline {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    polls: AtomicUsize,
}

impl Inline {
    fn start(future: impl Future<Output = ()> + Send + 'static) -> Arc<Inline> {
        let inline =
            Arc::new(Inline { future: Mutex::new(Some(Box::pin(future))), polls: AtomicUsize::new(0) });
        Arc::clone(&inline).wake();
        inline
    }

    fn is_done(&self) -> bool {
        self.future.lock().unwrap().is_none()
    }
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        self.polls.fetch_add(1, Ordering::SeqCst);
        let mut slot = self.future.lock().unwrap();
        if let Some(future) = &mut *slot
            && let Poll::Ready(()) = future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            *slot = None;
        }
    }
}

#[test]
fn a_future_that_is_polled_by_its_waker_arms_drops_and_joins_there() {
    on_workers(|| {
        let inline = Inline::start(async {
            for _ in 0..3 {
                sleep(ms(2)).await;
                // Armed and taken back, where timers are being fired.
                let mut naps: Vec<Sleep> = (0..10).map(|_| sleep(ms(1000))).collect();
                for nap in &mut naps {
                    let mut polled = false;
                    std::future::poll_fn(|cx| {
                        polled |= Pin::new(&mut *nap).poll(cx).is_ready();
                        Poll::Ready(())
                    })
                    .await;
                    assert!(!polled);
                }
            }
            assert_eq!(tarae::spawn(|| 3).await.unwrap(), 3);
        });
        eventually("it is done", || inline.is_done());
        assert!(inline.polls.load(Ordering::SeqCst) >= 4);
        block_on(sleep(ms(1)));
    });
}
