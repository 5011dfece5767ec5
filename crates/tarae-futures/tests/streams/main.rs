//! Streams under each family of traits: large bodies, little room, both directions at once, and futures that are dropped.

#[path = "../../../tarae/tests/support/mod.rs"]
mod support;

mod families;

use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::{Either, select};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tarae::future::{block_on, sleep};
use tarae_futures::{TcpListener, TcpStream};

use families::{Family, FuturesIo, Hyper, Tokio, pair, pattern};
use support::{LIMIT, bounded, eventually, ms, on_workers, runtime};

/// How much goes each way: many times what the sockets hold.
const BYTES: usize = 1 << 20;

/// The same, where the kernel takes its time: nobody reads while somebody writes.
const BOTH: usize = 256 << 10;

/// Writes the pattern from one coroutine while another one reads it back, over an echo in a third.
fn echo<F: Family>() {
    let (near, far) = pair();
    let echo = tarae_futures::spawn(async move {
        let (mut from, mut to) = (far.clone(), far);
        let (mut buf, mut count) = (vec![0; 50_000], 0);
        loop {
            match F::read(&mut from, &mut buf).await? {
                0 => break,
                some => {
                    let mut sent = 0;
                    while sent < some {
                        sent += F::write(&mut to, &buf[sent..some]).await?;
                    }
                    count += some;
                }
            }
        }
        F::close(&mut to).await?;
        std::io::Result::Ok(count)
    });
    let mut writer = near.clone();
    let writing = tarae_futures::spawn(async move {
        let mut sent = 0;
        while sent < BYTES {
            let chunk: Vec<u8> = (sent..BYTES.min(sent + 70_001)).map(pattern).collect();
            let half = chunk.len() / 2;
            sent += F::write_both(&mut writer, &chunk[..half], &chunk[half..]).await?;
        }
        F::close(&mut writer).await
    });
    let mut reader = near;
    let received = block_on(async {
        let (mut buf, mut count) = (vec![0; 33_333], 0);
        loop {
            match F::read(&mut reader, &mut buf).await.unwrap() {
                0 => break count,
                some => {
                    let is_right =
                        buf[..some].iter().enumerate().all(|(at, byte)| *byte == pattern(count + at));
                    assert!(is_right, "wrong bytes after {count}");
                    count += some;
                }
            }
        }
    });
    writing.join().unwrap().unwrap();
    assert_eq!((received, echo.join().unwrap().unwrap()), (BYTES, BYTES));
}

#[test]
fn an_echo_over_futures_io_returns_every_byte() {
    on_workers(echo::<FuturesIo>);
    bounded(echo::<FuturesIo>);
}

#[test]
fn an_echo_over_tokios_traits_returns_every_byte() {
    on_workers(echo::<Tokio>);
    bounded(echo::<Tokio>);
}

#[test]
fn an_echo_over_hypers_traits_returns_every_byte() {
    on_workers(echo::<Hyper>);
    bounded(echo::<Hyper>);
}

/// One stream, one coroutine, one future of both: each direction has a waker of its own, and both are the same here.
#[test]
fn one_coroutine_reads_and_writes_at_the_same_time() {
    fn both<F: Family>() {
        let (mut near, far) = pair();
        let peer = std::thread::spawn(move || {
            let far = far.into_inner();
            // Writes all before it reads any: only a stream that reads while it writes gets through.
            (&*far).write_all(&vec![1; BOTH]).unwrap();
            let mut count = 0;
            let mut buf = vec![0; 100_000];
            while count < BOTH {
                count += (&*far).read(&mut buf).unwrap();
            }
        });
        let (mut sent, mut got, out, mut buf) = (0, 0, vec![2; BOTH], vec![0; 64 * 1024]);
        block_on(poll_fn(|cx| {
            while sent < BOTH
                && let Poll::Ready(count) = F::poll_write(Pin::new(&mut near), cx, &out[sent..])
            {
                sent += count.unwrap();
            }
            while got < BOTH
                && let Poll::Ready(count) = F::poll_read(Pin::new(&mut near), cx, &mut buf)
            {
                got += count.unwrap();
            }
            if sent == BOTH && got == BOTH { Poll::Ready(()) } else { Poll::Pending }
        }));
        peer.join().unwrap();
    }
    for check in [both::<FuturesIo>, both::<Tokio>, both::<Hyper>] {
        on_workers(check);
        bounded(check);
    }
}

/// What comes with tokio's traits, without its runtime.
#[test]
fn tokios_functions_over_its_traits_work() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional, split};
    on_workers(|| {
        let ((client, mut front), (mut back, server)) = (pair(), pair());
        let proxy = tarae_futures::spawn(async move { copy_bidirectional(&mut front, &mut back).await });
        let shouting = tarae_futures::spawn(async move {
            let (reader, mut writer) = split(server);
            let mut lines = BufReader::new(reader).lines();
            while let Some(line) = lines.next_line().await? {
                writer.write_all(format!("{}\n", line.to_uppercase()).as_bytes()).await?;
            }
            writer.shutdown().await
        });
        block_on(async {
            let (reader, mut writer) = split(client);
            writer.write_all(b"one\ntwo\n").await.unwrap();
            writer.shutdown().await.unwrap();
            let mut lines = BufReader::new(reader).lines();
            for expected in [Some("ONE"), Some("TWO"), None] {
                assert_eq!(lines.next_line().await.unwrap().as_deref(), expected);
            }
        });
        shouting.join().unwrap().unwrap();
        assert_eq!(proxy.join().unwrap().unwrap(), (8, 8));
    });
}

#[test]
fn a_read_that_lost_a_race_is_dropped_and_the_next_one_gets_everything() {
    on_workers(|| {
        let (mut near, far) = pair();
        for round in 0..50u8 {
            let mut buf = [0; 8];
            block_on(async {
                let read = near.read(&mut buf);
                match select(read, sleep(ms(1))).await {
                    Either::Left(_) => panic!("there is nothing to read"),
                    Either::Right(((), read)) => drop(read),
                }
            });
            (&**far.as_inner()).write_all(&[round]).unwrap();
            assert_eq!(block_on(near.read(&mut buf)).unwrap(), 1);
            assert_eq!(buf[0], round);
        }
    });
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn clones_wait_with_wakers_of_their_own_and_what_is_dropped_is_not_woken() {
    on_workers(|| {
        let (near, far) = pair();
        let wakers: Vec<_> = (0..4).map(|_| Arc::new(Count(AtomicUsize::new(0)))).collect();
        let mut clones: Vec<TcpStream> = wakers.iter().map(|_| near.clone()).collect();
        for (clone, waker) in clones.iter_mut().zip(&wakers) {
            let waker = Waker::from(Arc::clone(waker));
            let polled = FuturesIo::poll_read(Pin::new(clone), &mut Context::from_waker(&waker), &mut [0; 1]);
            assert!(polled.is_pending());
        }
        drop(clones.pop());
        assert_eq!(Arc::strong_count(&wakers[3]), 1);
        (&**far.as_inner()).write_all(b"x").unwrap();
        eventually("three are woken", || wakers[..3].iter().all(|waker| waker.0.load(Ordering::SeqCst) == 1));
        assert_eq!(wakers[3].0.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_cancelled_coroutine_drops_its_streams() {
    on_workers(|| {
        let (mut near, far) = pair();
        let reader = tarae_futures::spawn(async move {
            let mut far = far;
            far.read(&mut [0; 1]).await
        });
        tarae::sleep(ms(2));
        reader.cancel();
        assert!(tarae::is_cancelled(&*reader.join().unwrap_err()));
        assert_eq!(block_on(near.read(&mut [0; 1])).unwrap(), 0, "the other end is closed");
    });
}

#[test]
fn a_runtime_that_shuts_down_ends_what_waits_in_futures() {
    bounded(|| {
        let runtime = runtime(2);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.as_inner().local_addr().unwrap();
        runtime.run(move || {
            tarae_futures::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    tarae_futures::spawn(async move { stream.read(&mut [0; 1]).await });
                }
            });
            let mut clients: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
            block_on(clients[0].write_all(b"x")).unwrap();
            clients.truncate(10);
            std::mem::forget(clients);
        });
        runtime.shutdown_timeout(LIMIT).expect("nobody is left");
    });
}

#[test]
fn accepts_that_are_dropped_lose_no_connection() {
    on_workers(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.as_inner().local_addr().unwrap();
        block_on(async {
            let mut dropped: Vec<_> = (0..3).map(|_| listener.accept()).collect();
            for accept in &mut dropped {
                let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *accept).poll(cx))).await;
                assert!(polled.is_pending());
            }
            drop(dropped);
            let mut client = TcpStream::connect(address).unwrap();
            let (mut served, from) = listener.accept().await.unwrap();
            assert_eq!(from, client.as_inner().local_addr().unwrap());
            served.write_all(b"ok").await.unwrap();
            let mut answer = [0; 2];
            client.read_exact(&mut answer).await.unwrap();
        });
    });
}

/// A child process with few descriptors: the accept takes its time over the error, and works again afterwards.
#[test]
fn an_accept_without_a_free_descriptor_backs_off_and_recovers() {
    support::child::alone("an_accept_without_a_free_descriptor_backs_off_and_recovers", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.as_inner().local_addr().unwrap();
        // Registers the listener, while there are descriptors.
        let polled = block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut listener.accept()).poll(cx))));
        assert!(polled.is_pending());
        let _clients: Vec<_> = (0..2).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let few = support::proc::open_descriptors() as u64 + 20;
        setrlimit(Resource::Nofile, Rlimit { current: Some(few), ..getrlimit(Resource::Nofile) }).unwrap();
        let mut hoard: Vec<std::fs::File> =
            std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        let start = std::time::Instant::now();
        for _ in 0..4 {
            let error = block_on(listener.accept()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(24), "EMFILE");
        }
        assert!(start.elapsed() >= ms(1 + 2 + 4 + 8), "it backs off");
        hoard.clear();
        block_on(listener.accept()).unwrap();
    });
}
