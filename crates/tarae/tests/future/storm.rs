//! Everything at once, at random: sleeps, joins, nested calls and sockets, raced, moved, timed out and cancelled.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tarae::future::{Join, block_on, sleep};
use tarae::net::{Place, TcpStream};

use crate::support::seed::Random;
use crate::support::{LIMIT, bounded, eventually, runtime};

const ACTORS: usize = 40;
const STEPS: usize = 30;

/// What the actors share.
#[derive(Default)]
struct Stage {
    /// Futures of coroutines, polled by one and awaited by another.
    joins: Mutex<Vec<Join<usize>>>,
    /// What was begun and has neither ended nor been dropped.
    alive: AtomicUsize,
}

/// Counts itself while it lives.
struct Alive(Arc<Stage>);

impl Alive {
    fn new(stage: &Arc<Stage>) -> Alive {
        stage.alive.fetch_add(1, Ordering::SeqCst);
        Alive(Arc::clone(stage))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

fn micros(random: &mut Random, below: u64) -> Duration {
    Duration::from_micros(random.below(below))
}

/// Waits for the first of the two, and drops the other one.
async fn either(mut first: impl Future + Unpin, mut second: impl Future + Unpin) {
    poll_fn(|cx| {
        let ready = Pin::new(&mut first).poll(cx).is_ready() || Pin::new(&mut second).poll(cx).is_ready();
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn step(stage: &Arc<Stage>, random: &mut Random) {
    let alive = Alive::new(stage);
    let (nap, other) = (micros(random, 3000), micros(random, 3000));
    match random.below(7) {
        0 => block_on(sleep(nap)),
        1 => block_on(either(sleep(nap), sleep(other))),
        2 => block_on(async {
            sleep(nap).await;
            block_on(either(sleep(other), sleep(nap)));
        }),
        3 => {
            let mut join = tarae::spawn(move || {
                let _alive = alive;
                block_on(sleep(nap));
                7
            })
            .into_future();
            // Polled here, awaited or dropped elsewhere.
            let ready = block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut join).poll(cx).is_ready())));
            if !ready {
                stage.joins.lock().unwrap().push(join);
            }
        }
        4 => {
            let join = stage.joins.lock().unwrap().pop();
            if let Some(join) = join {
                assert!(block_on(join).is_ok_and(|seven| seven == 7));
            }
        }
        5 => {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            let writer = tarae::spawn(move || {
                let _alive = alive;
                tarae::sleep(other);
                let _ = peer.write_all(b"x");
            });
            let (mut place, mut buf) = (Place::new(), [0; 1]);
            let read = poll_fn(|cx| stream.poll_read(&mut place, cx, &mut buf));
            block_on(either(read, sleep(nap)));
            // The byte is there, unless it was read: a future that was dropped took nothing with it.
            if buf == [0] {
                assert_eq!((&stream).read(&mut buf).unwrap(), 1);
            }
            assert_eq!(buf, *b"x");
            writer.join().unwrap();
        }
        _ => {
            let sleeper = tarae::spawn(move || {
                let _alive = alive;
                block_on(sleep(LIMIT));
            });
            tarae::sleep(nap);
            sleeper.cancel();
            let cancelled = block_on(sleeper).unwrap_err();
            assert!(tarae::is_cancelled(&*cancelled));
        }
    }
}

#[test]
fn a_storm_of_futures_leaves_nobody_waiting_and_nothing_behind() {
    let mut random = Random::from_environment();
    for workers in [1, 2, 8] {
        let mut random = random.split();
        bounded(move || {
            let (runtime, stage) = (runtime(workers), Arc::new(Stage::default()));
            let actors: Vec<_> = (0..ACTORS)
                .map(|actor| {
                    let (stage, mut random) = (Arc::clone(&stage), random.split());
                    let act = move || {
                        for _ in 0..STEPS {
                            let limit = micros(&mut random, 20_000);
                            if random.below(4) == 0 {
                                // Interrupted wherever it is: what it holds is dropped.
                                let _ = tarae::timeout(limit, || block_on(async { sleep(LIMIT).await }));
                            } else {
                                step(&stage, &mut random);
                            }
                        }
                    };
                    // Some are kernel threads.
                    if actor % 8 == 0 { Err(std::thread::spawn(act)) } else { Ok(runtime.spawn(act)) }
                })
                .collect();
            for actor in actors {
                match actor {
                    Ok(coroutine) => coroutine.join().unwrap(),
                    Err(thread) => thread.join().unwrap(),
                }
            }
            stage.joins.lock().unwrap().clear();
            eventually("nothing is left", || stage.alive.load(Ordering::SeqCst) == 0);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}
