//! Callbacks, generators, futures, and what else a coroutine runs by others: nobody is called twice, no body is left.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tarae::callback::{self, Done, OnFull};
use tarae::generator::{Generator, ScopedGenerator, State};
use tarae::{CancelToken, JoinSet, future};

use super::channels::Ledger;
use super::waits::CancelOnDrop;
use crate::lives::Life;
use crate::stage::Stage;
use crate::support::ms;

const LONG: Duration = Duration::from_secs(3600);

/// Another one calls back, in a moment.
fn calls_back(
    stage: &Arc<Stage>,
    wait: impl FnOnce(&mut dyn FnMut(Done<Life>)) -> Option<Life>,
    call: impl FnOnce(Done<Life>) + Send + 'static,
) -> Option<Life> {
    let (give, taken) = std::sync::mpsc::channel();
    stage.until(
        move |moment| {
            moment.ready();
            let done = taken.recv().expect("a callback");
            moment.wait();
            call(done);
        },
        || wait(&mut |done| give.send(done).expect("it waits for it")),
    )
}

pub(super) fn waits_for_a_callback(stage: &Arc<Stage>) -> io::Result<()> {
    let life = stage.life();
    let called = calls_back(stage, |start| callback::wait(start).ok(), move |done| done(life));
    assert!(called.is_some());
    // One that will not be called.
    assert!(calls_back(stage, |start| callback::wait(start).ok(), drop).is_none());
    Ok(())
}

pub(super) fn waits_for_a_callback_in_time(stage: &Arc<Stage>) -> io::Result<()> {
    let life = stage.life();
    let called = calls_back(stage, |start| callback::wait_timeout(LONG, start).ok(), move |done| done(life));
    assert!(called.is_some());
    Ok(())
}

pub(super) fn reads_a_stream(stage: &Arc<Stage>) -> io::Result<()> {
    let (emit, stream) = callback::stream(4, OnFull::DropNewest);
    let (stream, ledger) = (Arc::new(Mutex::new(stream)), Ledger::default());
    let (left, sum) = (Arc::clone(&stream), ledger.clone());
    stage.afterwards(move || {
        let mut left = left.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        sum.check(std::iter::from_fn(|| left.try_next()).count());
        assert_eq!(left.lost(), 0);
    });
    let mut ours = stream.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for in_time in [false, true] {
        let (emit, sent, life) = (emit.clone(), ledger.clone(), stage.life());
        let next = stage.until(
            move |moment| {
                moment.wait();
                sent.sends(|| emit(life));
            },
            || if in_time { ours.next_timeout(LONG).expect("in time") } else { ours.next() },
        );
        drop(next.expect("the other holds the callback"));
        ledger.note_received();
    }
    Ok(())
}

pub(super) fn runs_for_a_callback(stage: &Arc<Stage>) -> io::Result<()> {
    let called = Arc::new(AtomicUsize::new(0));
    let looked_at = Arc::clone(&called);
    stage.afterwards(move || assert_eq!(looked_at.load(Ordering::SeqCst), 1, "calls"));
    let token = CancelToken::new();
    let _ended = CancelOnDrop(token.clone());
    let theirs = Arc::clone(stage);
    let handle = callback::run(
        move || token.run(|| (theirs.life(), theirs.sleep()).0),
        move |_life| {
            called.fetch_add(1, Ordering::SeqCst);
        },
    );
    handle.join().expect("it does not panic");
    Ok(())
}

pub(super) fn resumes_a_generator(stage: &Arc<Stage>) -> io::Result<()> {
    let (theirs, own) = (Arc::clone(stage), stage.life());
    let mut lives = Generator::new(move |yielder, mut taken: Life| {
        let _own = own;
        for _ in 0..2 {
            theirs.sleep();
            let kept = theirs.life();
            drop(std::mem::replace(&mut taken, yielder.suspend(theirs.life())));
            drop(kept);
        }
        taken
    });
    for _ in 0..2 {
        assert!(matches!(lives.resume(stage.life()), State::Yielded(_)));
        // Suspended, while its owner waits.
        stage.sleep();
    }
    assert!(matches!(lives.resume(stage.life()), State::Complete(_)));
    Ok(())
}

pub(super) fn resumes_a_scoped_generator(stage: &Arc<Stage>) -> io::Result<()> {
    let lives = [stage.life(), stage.life()];
    tarae::scope(|scope| {
        let walk = ScopedGenerator::new(scope, |yielder, ()| {
            for life in &lives {
                stage.sleep();
                yielder.suspend(life);
            }
        });
        assert_eq!(walk.inspect(|_| stage.sleep()).count(), lives.len());
    });
    Ok(())
}

/// Waits while it is dropped.
struct Slow(#[expect(dead_code, reason = "it is dropped with it")] Life);

impl Drop for Slow {
    fn drop(&mut self) {
        tarae::shield(|| tarae::sleep(ms(1)));
    }
}

pub(super) fn drops_a_generator(stage: &Arc<Stage>) -> io::Result<()> {
    let own = Slow(stage.life());
    let theirs = Arc::clone(stage);
    let mut endless = Generator::new(move |yielder, ()| {
        let (_own, _other) = (own, Slow(theirs.life()));
        loop {
            yielder.suspend(Slow(theirs.life()));
        }
    });
    let _first = endless.next();
    stage.sleep();
    drop(endless);
    stage.sleep();
    Ok(())
}

/// Ready when another one says so.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(Option<Life>, Option<Waker>)>>);

impl Told {
    fn tell(&self, life: Life) {
        let waker = {
            let mut inside = self.0.lock().expect("not poisoned");
            inside.0 = Some(life);
            inside.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Future for Told {
    type Output = Life;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Life> {
        let mut inside = self.0.lock().expect("not poisoned");
        match inside.0.take() {
            Some(life) => Poll::Ready(life),
            None => {
                inside.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

pub(super) fn polls_a_future(stage: &Arc<Stage>) -> io::Result<()> {
    for nested in [false, true] {
        let (told, life) = (Told::default(), stage.life());
        let theirs = told.clone();
        stage.until(
            move |moment| {
                moment.wait();
                theirs.tell(life);
            },
            || {
                if nested {
                    future::block_on(async { drop(future::block_on(told)) });
                } else {
                    drop(future::block_on(told));
                }
            },
        );
    }
    Ok(())
}

pub(super) fn awaits_a_sleep(stage: &Arc<Stage>) -> io::Result<()> {
    stage.point(|is_held| {
        future::block_on(async {
            let _life = stage.life();
            future::sleep(if is_held { LONG } else { ms(1) }).await;
        });
    });
    Ok(())
}

pub(super) fn awaits_a_join(stage: &Arc<Stage>) -> io::Result<()> {
    let token = CancelToken::new();
    let _ended = CancelOnDrop(token.clone());
    let theirs = Arc::clone(stage);
    let handle = tarae::spawn(move || token.run(|| (theirs.life(), theirs.sleep()).0));
    future::block_on(async move { handle.await.expect("it does not panic").map(drop) })?;
    Ok(())
}

pub(super) fn shuts_a_set_down(stage: &Arc<Stage>) -> io::Result<()> {
    let mut set = JoinSet::new();
    for _ in 0..2 {
        let theirs = Arc::clone(stage);
        set.spawn(move || {
            let _slow = Slow(theirs.life());
            tarae::sleep(Duration::MAX);
        });
    }
    let theirs = Arc::clone(stage);
    set.spawn(move || {
        let _life = theirs.life();
        // Not for ever: nothing interrupts it.
        tarae::shield(|| theirs.point(|is_held| tarae::sleep(ms(if is_held { 100 } else { 1 }))));
    });
    stage.sleep();
    set.shutdown();
    assert!(set.is_empty());
    tarae::sleep(ms(1));
    Ok(())
}

pub(super) fn locks_its_thread(stage: &Arc<Stage>) -> io::Result<()> {
    let _lock = tarae::lock_thread()?;
    let _life = stage.life();
    stage.sleep();
    tarae::scope(|scope| {
        scope.spawn(|| stage.sleep());
    });
    Ok(())
}

tarae::coroutine_local! {
    static LOCAL: RefCell<Vec<Slow>> = RefCell::default();
}

pub(super) fn waits_with_a_local(stage: &Arc<Stage>) -> io::Result<()> {
    tarae::scope(|scope| {
        scope.spawn(|| {
            LOCAL.with_borrow_mut(|all| all.push(Slow(stage.life())));
            stage.sleep();
        });
        LOCAL.with_borrow_mut(|all| all.push(Slow(stage.life())));
        stage.sleep();
    });
    Ok(())
}
