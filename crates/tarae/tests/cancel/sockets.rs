//! Waits that return an `io::Result` say once that they were interrupted, and unwind from then on.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tarae::net::{TcpListener, TcpStream};
use tarae::{CancelToken, Cancelled, Elapsed};

use super::steps::full_listener;
use super::waits::{waiting, waiting_in};
use crate::support::{bounded, eventually, ms, on_workers, runtime, with_runtimes};

/// A wait of a socket that does not end by itself. What it needs, it keeps.
type Wait = Box<dyn FnMut() -> io::Result<()> + Send>;

fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (TcpStream::from(listener.accept().unwrap().0), peer)
}

fn waits() -> Vec<(&'static str, Wait)> {
    let mut all: Vec<(&'static str, Wait)> = Vec::new();
    let (mut stream, peer) = pair();
    all.push(("read", Box::new(move || (&peer, stream.read(&mut [0; 4]).map(drop)).1)));
    let (stream, peer) = pair();
    all.push(("peek", Box::new(move || (&peer, stream.peek(&mut [0; 4]).map(drop)).1)));
    let (mut stream, peer) = pair();
    let bytes = vec![1; 16 << 20];
    all.push(("write_all", Box::new(move || (&peer, stream.write_all(&bytes)).1)));
    let (mut stream, peer) = pair();
    all.push((
        "read_vectored",
        Box::new(move || (&peer, stream.read_vectored(&mut [io::IoSliceMut::new(&mut [0; 4])]).map(drop)).1),
    ));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    all.push(("accept", Box::new(move || listener.accept().map(drop))));
    let (full, address, queued) = full_listener().unwrap();
    all.push(("connect", Box::new(move || (&full, &queued, TcpStream::connect(address).map(drop)).2)));
    let (full, address, queued) = full_listener().unwrap();
    // The next address is not tried.
    let both = [address, address];
    all.push((
        "connect to two",
        Box::new(move || (&full, &queued, TcpStream::connect(&both[..]).map(drop)).2),
    ));
    all
}

/// Runs a wait twice: what it says, and whether it then unwinds.
fn twice(wait: &mut Wait) -> (io::Error, bool) {
    let said = wait().expect_err("it does not end by itself");
    let unwound = catch_unwind(AssertUnwindSafe(|| wait().expect_err("nor again")));
    (said, unwound.is_err_and(|payload| tarae::is_cancelled(&*payload)))
}

fn assert_elapsed(what: &str, (said, unwound): (io::Error, bool)) {
    assert_eq!(said.kind(), io::ErrorKind::TimedOut, "{what}: {said}");
    assert!(said.get_ref().is_some_and(|inner| inner.is::<Elapsed>()), "{what}: {said}");
    assert!(unwound, "{what}: the next wait unwinds");
}

fn assert_cancelled(what: &str, (said, unwound): (io::Error, bool)) {
    assert_eq!(said.kind(), io::ErrorKind::Other, "{what}: {said}");
    assert!(said.get_ref().is_some_and(|inner| inner.is::<Cancelled>()), "{what}: {said}");
    assert!(unwound, "{what}: the next wait unwinds");
}

#[test]
fn one_that_is_cancelled_says_so_once_and_then_unwinds() {
    with_runtimes(|runtime| {
        for (what, mut wait) in waits() {
            let one = waiting_in(runtime, move || twice(&mut wait));
            one.cancel();
            assert_cancelled(what, one.join().unwrap());
        }
    });
}

#[test]
fn one_whose_runtime_shuts_down_says_so_once_and_then_unwinds() {
    bounded(|| {
        let runtime = runtime(2);
        let all: Vec<_> = waits()
            .into_iter()
            .map(|(what, mut wait)| (what, waiting_in(&runtime, move || twice(&mut wait))))
            .collect();
        drop(runtime);
        for (what, one) in all {
            assert_cancelled(what, one.join().unwrap());
        }
    });
}

#[test]
fn a_timeout_around_it_is_an_error_of_kind_timed_out() {
    on_workers(|| {
        for (what, mut wait) in waits() {
            let said = tarae::timeout(ms(5), || twice(&mut wait)).expect("it returns");
            assert_elapsed(what, said);
            // It unwinds, if it goes on regardless.
            let (count, start) = (Cell::new(0), Instant::now());
            let never = tarae::timeout(ms(5), || {
                loop {
                    count.set(count.get() + u32::from(wait().is_err()));
                }
            });
            assert_eq!((never, count.get()), (Err::<(), _>(Elapsed), 1), "{what}");
            assert!(start.elapsed() >= ms(5));
        }
    });
}

#[test]
fn a_token_around_it_is_an_error_once() {
    on_workers(|| {
        for (what, mut wait) in waits() {
            let token = CancelToken::new();
            let theirs = token.clone();
            let one = waiting(move || theirs.run(|| twice(&mut wait)).unwrap());
            token.cancel();
            assert_cancelled(what, one.join().unwrap());
        }
    });
}

#[test]
fn a_timeout_holds_on_a_kernel_thread() {
    bounded(|| {
        for (what, mut wait) in waits() {
            let said = tarae::timeout(ms(5), || twice(&mut wait)).expect("it returns");
            assert_elapsed(what, said);
        }
    });
}

#[test]
fn the_sockets_own_timeout_is_still_its_own() {
    fn both() {
        let (mut stream, _peer) = pair();
        stream.set_read_timeout(Some(ms(5))).unwrap();
        let said = tarae::timeout(Duration::from_secs(3600), || stream.read(&mut [0]).unwrap_err());
        assert_eq!(said.unwrap().kind(), io::ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(Duration::from_secs(3600))).unwrap();
        let said = tarae::timeout(ms(5), || stream.read(&mut [0]).unwrap_err());
        assert_eq!(said.unwrap().kind(), io::ErrorKind::TimedOut);
    }
    on_workers(both);
    bounded(both);
}

#[test]
fn a_connection_is_as_good_as_before() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        let mut buf = [0; 2];
        for _ in 0..20 {
            tarae::timeout(Duration::from_micros(300), || stream.read(&mut buf).unwrap_err()).unwrap();
            peer.write_all(b"ab").unwrap();
            // What is there is read, be the deadline past.
            let read = tarae::timeout(Duration::ZERO, || {
                while stream.peek(&mut [0; 2]).is_err() {}
                stream.read_exact(&mut buf)
            });
            if read.is_err() {
                stream.read_exact(&mut buf).unwrap();
            }
            assert_eq!(buf, *b"ab");
        }
    });
}

#[test]
fn nothing_interrupts_a_shielded_socket() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        let reader = waiting(move || {
            let mut buf = [0; 2];
            tarae::shield(|| stream.read_exact(&mut buf)).unwrap();
            let after = stream.read(&mut [0]).unwrap_err();
            (buf, after.get_ref().is_some_and(|inner| inner.is::<Cancelled>()))
        });
        reader.cancel();
        tarae::sleep(ms(2));
        peer.write_all(b"ab").unwrap();
        assert_eq!(reader.join().unwrap(), (*b"ab", true));
    });
}

/// It never waits, but lets others run when it has had its turn.
#[test]
fn a_stream_that_is_always_ready_is_interrupted_at_the_end_of_a_turn() {
    on_workers(|| {
        let (mut stream, mut peer) = pair();
        let feeder = std::thread::spawn(move || while peer.write_all(&[7; 1 << 16]).is_ok() {});
        let started = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&started);
        let reader = tarae::spawn(move || {
            let mut buf = [0; 64];
            theirs.store(true, Ordering::SeqCst);
            loop {
                if let Err(error) = stream.read(&mut buf) {
                    return error;
                }
            }
        });
        eventually("it reads", || started.load(Ordering::SeqCst));
        tarae::sleep(ms(5));
        reader.cancel();
        let error = reader.join().unwrap();
        assert!(error.get_ref().is_some_and(|inner| inner.is::<Cancelled>()), "{error}");
        feeder.join().unwrap();
    });
}
