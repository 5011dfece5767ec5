//! Sleeps, sockets, joins, scopes, timeouts: the waits of the language's own face.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use tarae::net::{TcpListener, TcpStream};
use tarae::{CancelToken, JoinSet, thread};

use crate::lives::Life;
use crate::stage::Stage;
use crate::support::ms;

pub(super) fn sleeps(stage: &Arc<Stage>) -> io::Result<()> {
    let _life = stage.life();
    stage.sleep();
    Ok(())
}

pub(super) fn parks(stage: &Arc<Stage>) -> io::Result<()> {
    stage.point(|is_held| if is_held { thread::park() } else { thread::park_timeout(ms(1)) });
    Ok(())
}

pub(super) fn lets_others_run(stage: &Arc<Stage>) -> io::Result<()> {
    stage.point(|is_held| {
        if is_held {
            stage.yields();
        }
        loop {
            thread::yield_now();
            if !is_held {
                break;
            }
        }
    });
    Ok(())
}

/// A connection: ours, and a peer of std's that does what it is told.
fn pair() -> io::Result<(TcpStream, std::net::TcpStream)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    Ok((TcpStream::from(listener.accept()?.0), peer))
}

pub(super) fn reads(stage: &Arc<Stage>) -> io::Result<()> {
    let (mut ours, peer) = pair()?;
    stage.point(|is_held| {
        let _life = stage.life();
        let mut theirs = peer.try_clone()?;
        let _writer = (!is_held).then(|| later(move || theirs.write_all(b"abc").unwrap()));
        ours.read_exact(&mut [0; 3])
    })
}

/// Does something in a moment, on a kernel thread, and waits for that in the end.
fn later(act: impl FnOnce() + Send + 'static) -> impl Sized {
    struct Joined(Option<std::thread::JoinHandle<()>>);
    impl Drop for Joined {
        fn drop(&mut self) {
            self.0.take().map(std::thread::JoinHandle::join).expect("dropped once").expect("no panic");
        }
    }
    Joined(Some(std::thread::spawn(move || {
        std::thread::sleep(ms(1));
        act();
    })))
}

pub(super) fn peeks(stage: &Arc<Stage>) -> io::Result<()> {
    let (ours, peer) = pair()?;
    stage.point(|is_held| {
        let mut theirs = peer.try_clone()?;
        let _writer = (!is_held).then(|| later(move || theirs.write_all(b"abc").unwrap()));
        ours.peek(&mut [0; 3]).map(drop)
    })
}

pub(super) fn writes(stage: &Arc<Stage>) -> io::Result<()> {
    let (mut ours, peer) = pair()?;
    // More than the buffers take.
    let bytes = vec![7; 16 << 20];
    stage.point(|is_held| {
        let _life = stage.life();
        let theirs = peer.try_clone()?;
        let _reader = (!is_held).then(|| later(move || drain(theirs, 16 << 20)));
        let written = ours.write_all(&bytes);
        if written.is_err() {
            // Or the reader would wait for the rest.
            ours.shutdown(std::net::Shutdown::Both)?;
        }
        written
    })
}

/// To the end, if that is before.
fn drain(from: std::net::TcpStream, bytes: usize) {
    let _ = io::copy(&mut from.take(bytes as u64), &mut io::sink());
}

pub(super) fn accepts(stage: &Arc<Stage>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    stage.point(|is_held| {
        let _peer = (!is_held).then(|| later(move || drop(std::net::TcpStream::connect(address).unwrap())));
        listener.accept().map(drop)
    })
}

pub(super) fn connects(stage: &Arc<Stage>) -> io::Result<()> {
    let (listener, address, mut queued) = full_listener()?;
    let listener = std::net::TcpListener::from(listener);
    stage.point(|is_held| {
        if !is_held {
            while queued.pop().is_some() {
                listener.accept()?;
            }
        }
        TcpStream::connect(address).map(drop)
    })
}

/// A listener that answers nobody any more: its queue is full.
pub(crate) fn full_listener() -> io::Result<(socket2::Socket, std::net::SocketAddr, Vec<std::net::TcpStream>)>
{
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&any.into())?;
    socket.listen(0)?;
    let address = socket.local_addr()?.as_socket().expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, ms(20)) {
        queued.push(stream);
    }
    Ok((socket, address, queued))
}

pub(super) fn joins(stage: &Arc<Stage>) -> io::Result<()> {
    let token = CancelToken::new();
    // A coroutine that is not joined to its end goes on, as a thread does.
    let _ended = CancelOnDrop(token.clone());
    let theirs = Arc::clone(stage);
    let spawned = tarae::spawn(move || {
        let life = theirs.life();
        token.run(|| theirs.sleep()).map(|()| life)
    });
    spawned.join().expect("it does not panic").map(drop)?;
    Ok(())
}

pub(super) struct CancelOnDrop(pub(super) CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

pub(super) fn waits_for_a_scope(stage: &Arc<Stage>) -> io::Result<()> {
    let lives = [stage.life(), stage.life()];
    let done = std::sync::atomic::AtomicUsize::new(0);
    tarae::scope(|scope| {
        for _life in &lives {
            scope.spawn(|| {
                let life = stage.life();
                stage.sleep();
                done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                life
            });
        }
        stage.sleep();
    });
    // One that is interrupted does not come here.
    assert_eq!(done.into_inner(), lives.len());
    Ok(())
}

pub(super) fn joins_in_a_scope(stage: &Arc<Stage>) -> io::Result<()> {
    let life = stage.life();
    tarae::scope(|scope| {
        let one = scope.spawn(|| {
            stage.sleep();
            (&life, stage.life())
        });
        let other = scope.spawn(|| tarae::shield(|| tarae::sleep(ms(1))));
        let (_borrowed, _own) = one.join().unwrap();
        other.join().unwrap();
    });
    Ok(())
}

pub(super) fn nests_scopes(stage: &Arc<Stage>) -> io::Result<()> {
    tarae::scope(|outer| {
        let life = stage.life();
        let one = outer.spawn(move || {
            let here = &life;
            tarae::scope(|inner| {
                inner.spawn(move || (here, stage.sleep()));
                inner.spawn(|| stage.sleep());
            });
            life
        });
        outer.spawn(|| stage.sleep());
        drop(one.join().unwrap());
    });
    Ok(())
}

pub(super) fn has_a_scope_that_may_fail(stage: &Arc<Stage>) -> io::Result<()> {
    let lives = tarae::try_scope(|scope| -> io::Result<Vec<Life>> {
        let of = |_| {
            scope.spawn(|| {
                stage.sleep();
                Ok(stage.life())
            })
        };
        let all: Vec<_> = (0..3).map(of).collect();
        stage.sleep();
        all.into_iter().map(|one| Ok(one.join()?)).collect()
    })?;
    assert_eq!(lives.len(), 3);
    let failed = tarae::try_scope(|scope| {
        scope.spawn(|| Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)));
        scope.spawn(|| {
            tarae::sleep(Duration::MAX);
            Ok(())
        });
        thread::park();
        Ok(())
    });
    let failed = failed.unwrap_err();
    // Interrupted, it would not be heard of.
    assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    Ok(())
}

pub(super) fn joins_a_set(stage: &Arc<Stage>) -> io::Result<()> {
    let mut set = JoinSet::new();
    for _ in 0..3 {
        let theirs = Arc::clone(stage);
        set.spawn(move || {
            theirs.sleep();
            theirs.life()
        });
    }
    drop(set.join_next().expect("three").unwrap());
    assert_eq!(set.join_all().len(), 2);
    Ok(())
}

pub(super) fn has_a_timeout(stage: &Arc<Stage>) -> io::Result<()> {
    tarae::timeout(Duration::from_secs(3600), || {
        let _life = stage.life();
        stage.sleep();
    })?;
    let late = tarae::timeout(ms(1), thread::park);
    assert!(late.is_err());
    Ok(())
}

pub(super) fn runs_under_a_token(stage: &Arc<Stage>) -> io::Result<()> {
    let parent = CancelToken::new();
    let token = parent.child();
    token.run(|| {
        let _life = stage.life();
        stage.sleep();
    })?;
    Ok(())
}

pub(super) fn waits_for_a_token(stage: &Arc<Stage>) -> io::Result<()> {
    let token = CancelToken::new();
    stage.point(|is_held| {
        let theirs = token.clone();
        let _canceller = (!is_held).then(|| later(move || theirs.cancel()));
        token.wait();
    });
    Ok(())
}

pub(super) fn shields(stage: &Arc<Stage>) -> io::Result<()> {
    let whole = tarae::shield(|| {
        let life = stage.life();
        // Not for ever: nothing interrupts it.
        stage.point(|is_held| tarae::sleep(ms(if is_held { 100 } else { 1 })));
        life
    });
    tarae::sleep(ms(1));
    drop(whole);
    Ok(())
}

pub(super) fn holds_a_lock_of_std(stage: &Arc<Stage>) -> io::Result<()> {
    let mut held = stage.mutex.lock().expect("not poisoned");
    *held = stage.life();
    stage.sleep();
    Ok(())
}

pub(super) fn waits_in_a_destructor(stage: &Arc<Stage>) -> io::Result<()> {
    struct Slow<'a>(&'a Stage, Option<Life>);
    impl Drop for Slow<'_> {
        fn drop(&mut self) {
            tarae::shield(|| {
                tarae::sleep(ms(1));
                tarae::scope(|scope| {
                    scope.spawn(|| (self.0.life(), tarae::sleep(ms(1))));
                });
            });
            drop(self.1.take());
        }
    }
    let _slow = Slow(stage, Some(stage.life()));
    stage.sleep();
    Ok(())
}

pub(super) fn blocks(stage: &Arc<Stage>) -> io::Result<()> {
    let _life = tarae::blocking(|| {
        std::thread::sleep(ms(1));
        let life = stage.life();
        stage.sleep();
        life
    });
    Ok(())
}
