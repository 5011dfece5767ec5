//! TCP listeners.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::iter::FusedIterator;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tarae_reactor::Side;
use tarae_task::{Reason, try_wait_until};

use super::{Place, TcpStream};
use crate::cancel::io_error;

use super::polling::BackingOff;
use super::readiness::{Readiness, Tried, block, is_nonblocking, on_coroutine};

/// How long the first accept of a row that finds no descriptor free waits before it says so. It doubles with each.
const BACK_OFF_FIRST: Duration = Duration::from_millis(1);

/// How often it doubles: to about 130 ms.
const BACK_OFF_DOUBLINGS: u32 = 7;

/// A TCP socket that accepts connections.
///
/// As [`std::net::TcpListener`].
///
/// # Examples
///
/// ```no_run
/// use std::io::Write;
///
/// tarae::run(|| {
///     let listener = tarae::net::TcpListener::bind("127.0.0.1:7878")?;
///     for stream in listener.incoming() {
///         let mut stream = stream?;
///         tarae::spawn(move || stream.write_all(b"hello\n"));
///     }
///     Ok(())
/// })
/// # .map_err(|error: std::io::Error| error)?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpListener {
    /// Before `inner`: a registration ends before its descriptor is closed.
    readiness: Readiness,
    options: Arc<Options>,
    inner: std::net::TcpListener,
}

/// What clones share, as they share the socket.
///
/// # Invariants
///
/// Where `hidden` is set, the descriptor is non-blocking. Both change under `changing`.
#[derive(Debug, Default)]
struct Options {
    changing: Mutex<()>,
    /// What the user asked for. Relaxed: guards no memory.
    nonblocking: AtomicBool,
    /// Whether the descriptor is non-blocking on our account. Release and Acquire: who sees it set need not look.
    hidden: AtomicBool,
    /// How many accepts in a row found no descriptor free.
    failed_in_a_row: AtomicU32,
}

impl TcpListener {
    /// Binds to the first address that can be bound, and listens. As [`std::net::TcpListener::bind`].
    ///
    /// # Errors
    ///
    /// That of the last address tried.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        Ok(TcpListener::fresh(std::net::TcpListener::bind(addr)?))
    }

    /// Accepts a connection. As [`std::net::TcpListener::accept`].
    ///
    /// # Parks
    ///
    /// Until somebody connects. When descriptors or memory are used up, also for 1 to 130 ms before the error is
    /// returned, longer each time: the connection stays in the queue, and a loop that goes on does not spin.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`, `ENOMEM`, `ENOBUFS` when resources are used up; accepting again works as soon as they are not.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        if self.options.nonblocking.load(Ordering::Relaxed) {
            return self.accepted(self.inner.accept());
        }
        let accepted = if on_coroutine() {
            self.hide_nonblocking()?;
            self.readiness.repeat(
                self.inner.as_fd(),
                Side::Read,
                || None,
                || Tried::from_result(self.inner.accept()),
            )
        } else {
            self.accept_blocking()
        };
        self.accepted(accepted)
    }

    /// Accepts a connection, for a future: does not wait, but has the waker woken when somebody connects.
    ///
    /// Whether the listener is non-blocking does not
    /// matter here. On a kernel thread the default runtime's workers, which start on first use, look after it.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept), after the same pause; `ENOSPC` or `ENOMEM` if the kernel cannot watch one more descriptor.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use tarae::net::{Place, TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let peer = TcpStream::connect(listener.local_addr()?)?;
    /// let mut place = Place::new();
    /// let (_, address) = tarae::future::block_on(poll_fn(|cx| listener.poll_accept(&mut place, cx)))?;
    /// assert_eq!(address, peer.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_accept(
        &self,
        place: &mut Place,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if let Some(backing_off) = &mut place.backing_off {
            ready!(Pin::new(&mut backing_off.sleep).poll(cx));
            return place.backing_off.take().map_or(Poll::Pending, |over| Poll::Ready(Err(over.error)));
        }
        self.hide_nonblocking()?;
        let accept = || Tried::from_result(self.inner.accept());
        let accepted = self.readiness.poll(self.inner.as_fd(), Side::Read, place, cx, accept);
        match ready!(accepted) {
            Err(error) if out_of_resources(&error) => {
                let sleep = crate::future::sleep(self.back_off());
                place.backing_off = Some(Box::new(BackingOff { sleep, error }));
                self.poll_accept(place, cx)
            }
            other => Poll::Ready(self.accepted(other)),
        }
    }

    /// How long to wait after one more accept that found no descriptor free.
    fn back_off(&self) -> Duration {
        let before = self.options.failed_in_a_row.fetch_add(1, Ordering::Relaxed);
        BACK_OFF_FIRST * (1 << before.min(BACK_OFF_DOUBLINGS))
    }

    /// Returns an iterator over the connections to come. As [`std::net::TcpListener::incoming`].
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Turns the listener into an iterator over the connections to come.
    pub fn into_incoming(self) -> IntoIncoming {
        IntoIncoming { listener: self }
    }

    /// Returns the local address. As [`std::net::TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Returns another handle to the same listener. As [`std::net::TcpListener::try_clone`].
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        let inner = self.inner.try_clone()?;
        Ok(TcpListener { readiness: Readiness::default(), options: Arc::clone(&self.options), inner })
    }

    /// Sets the time to live of packets. As [`std::net::TcpListener::set_ttl`].
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// Returns the time to live of packets. As [`std::net::TcpListener::ttl`].
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.ttl()
    }

    /// Takes the pending error of the socket. As [`std::net::TcpListener::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Sets whether `accept` returns `WouldBlock` instead of waiting. As [`std::net::TcpListener::set_nonblocking`].
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        let _changing = self.changing();
        // On a listener that coroutines use, the descriptor stays as they need it: waiting is up to us.
        if nonblocking || !self.options.hidden.load(Ordering::Acquire) {
            self.inner.set_nonblocking(nonblocking)?;
        }
        self.options.nonblocking.store(nonblocking, Ordering::Relaxed);
        Ok(())
    }

    fn fresh(inner: std::net::TcpListener) -> TcpListener {
        TcpListener { readiness: Readiness::default(), options: Arc::default(), inner }
    }

    fn accepted(
        &self,
        accepted: io::Result<(std::net::TcpStream, SocketAddr)>,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        match accepted {
            Ok((stream, addr)) => {
                self.options.failed_in_a_row.store(0, Ordering::Relaxed);
                Ok((TcpStream::fresh(stream), addr))
            }
            Err(error) => {
                if out_of_resources(&error) && !self.options.nonblocking.load(Ordering::Relaxed) {
                    let until = Instant::now() + self.back_off();
                    let slept = try_wait_until(Reason::Sleep, Some(until), |_| None::<Infallible>);
                    slept.map_err(io_error)?;
                }
                Err(error)
            }
        }
    }

    /// On a kernel thread: the descriptor blocks, unless a coroutine has used it.
    fn accept_blocking(&self) -> io::Result<(std::net::TcpStream, SocketAddr)> {
        if tarae_task::is_limited() {
            self.hide_nonblocking()?;
        }
        loop {
            match self.inner.accept() {
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        && !self.options.nonblocking.load(Ordering::Relaxed) =>
                {
                    tarae_task::check().map_err(io_error)?;
                    block(self.inner.as_fd(), Side::Read, tarae_task::deadline_of_wait(None))?;
                }
                other => return other,
            }
        }
    }

    /// Makes the descriptor non-blocking, without telling.
    fn hide_nonblocking(&self) -> io::Result<()> {
        if !self.options.hidden.load(Ordering::Acquire) {
            let _changing = self.changing();
            self.inner.set_nonblocking(true)?;
            self.options.hidden.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Takes the socket out, as the user set it.
    fn into_inner(self) -> std::net::TcpListener {
        let changing = self.changing();
        let hidden = self.options.hidden.swap(false, Ordering::AcqRel);
        if hidden && !self.options.nonblocking.load(Ordering::Relaxed) {
            // It fails for a closed descriptor only, which this one is not.
            let _ = self.inner.set_nonblocking(false);
        }
        drop(changing);
        self.inner
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn changing(&self) -> MutexGuard<'_, ()> {
        self.options.changing.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Whether an accept failed for want of descriptors or memory: the connection is still in the queue.
fn out_of_resources(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}

/// An iterator over the connections to a listener; it never ends. As [`std::net::Incoming`].
#[must_use = "iterators are lazy and do nothing unless consumed"]
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}

/// An iterator over the connections to a listener that it owns; it never ends.
#[must_use = "iterators are lazy and do nothing unless consumed"]
#[derive(Debug)]
pub struct IntoIncoming {
    listener: TcpListener,
}

impl Iterator for IntoIncoming {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for IntoIncoming {}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The listener stays blocking or not, as it was.
impl From<std::net::TcpListener> for TcpListener {
    fn from(inner: std::net::TcpListener) -> TcpListener {
        let nonblocking = is_nonblocking(inner.as_fd());
        let listener = TcpListener::fresh(inner);
        listener.options.nonblocking.store(nonblocking, Ordering::Relaxed);
        listener
    }
}

impl From<TcpListener> for std::net::TcpListener {
    fn from(listener: TcpListener) -> std::net::TcpListener {
        listener.into_inner()
    }
}

impl From<OwnedFd> for TcpListener {
    fn from(fd: OwnedFd) -> TcpListener {
        TcpListener::from(std::net::TcpListener::from(fd))
    }
}

impl From<TcpListener> for OwnedFd {
    fn from(listener: TcpListener) -> OwnedFd {
        listener.into_inner().into()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl IntoRawFd for TcpListener {
    fn into_raw_fd(self) -> RawFd {
        self.into_inner().into_raw_fd()
    }
}
