//! TCP streams.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use tarae_reactor::Side;

use crate::cancel::{io_error, is_interrupt};

use super::polling::Place;
use super::readiness::{Readiness, Tried, is_nonblocking, on_coroutine, repeat_blocking};

/// A TCP connection.
///
/// As [`std::net::TcpStream`]. One coroutine may read while another one writes, through `&TcpStream`.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use tarae::net::{TcpListener, TcpStream};
///
/// tarae::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let server = tarae::spawn(move || -> std::io::Result<()> {
///         let (mut stream, _) = listener.accept()?;
///         let mut name = [0; 5];
///         stream.read_exact(&mut name)?;
///         stream.write_all(b"hello, ")?;
///         stream.write_all(&name)
///     });
///     let mut stream = TcpStream::connect(address)?;
///     stream.write_all(b"tarae")?;
///     let mut greeting = String::new();
///     stream.read_to_string(&mut greeting)?;
///     assert_eq!(greeting, "hello, tarae");
///     server.join().unwrap()
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpStream {
    /// Before `inner`: a registration ends before its descriptor is closed.
    readiness: Readiness,
    options: Arc<Options>,
    inner: std::net::TcpStream,
}

/// What a coroutine must know of a socket's options. Clones share the socket, and so these.
///
/// Relaxed throughout: options guard no memory.
#[derive(Debug, Default)]
struct Options {
    nonblocking: AtomicBool,
    /// Nanoseconds, 0 for none.
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
}

impl Options {
    fn timeout(&self, side: Side) -> &AtomicU64 {
        if side == Side::Read { &self.read_timeout } else { &self.write_timeout }
    }

    fn deadline(&self, side: Side) -> Option<Instant> {
        match self.timeout(side).load(Ordering::Relaxed) {
            0 => None,
            nanos => Instant::now().checked_add(Duration::from_nanos(nanos)),
        }
    }
}

impl TcpStream {
    /// Connects to the first address that accepts.
    ///
    /// As [`std::net::TcpStream::connect`].
    ///
    /// # Parks
    ///
    /// Until the connection is made or refused.
    ///
    /// # Errors
    ///
    /// That of the last address tried. `EMFILE`, `ENFILE`, `ENOMEM` when resources are used up.
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let mut last = None;
        for addr in addr.to_socket_addrs()? {
            match connect(&addr, None) {
                Ok(stream) => return Ok(stream),
                // It said so once: the next address would not be tried to its end.
                Err(error) if is_interrupt(&error) => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
        }))
    }

    /// Connects to `addr`, waiting at most `timeout`.
    ///
    /// As [`std::net::TcpStream::connect_timeout`].
    ///
    /// # Parks
    ///
    /// Until the connection is made or refused, `timeout` at most.
    ///
    /// # Errors
    ///
    /// `TimedOut` after `timeout`; `InvalidInput` if it is zero; otherwise as [`connect`](Self::connect).
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "cannot set a 0 duration timeout"));
        }
        connect(addr, Some(timeout))
    }

    /// Returns the address of the peer. As [`std::net::TcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// Returns the local address. As [`std::net::TcpStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Shuts down the reading half, the writing half, or both. As [`std::net::TcpStream::shutdown`].
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }

    /// Returns another handle to the same connection. As [`std::net::TcpStream::try_clone`]; to read and write at the
    /// same time `&TcpStream` is enough.
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        let inner = self.inner.try_clone()?;
        Ok(TcpStream { readiness: Readiness::default(), options: Arc::clone(&self.options), inner })
    }

    /// Sets how long a read may wait. As [`std::net::TcpStream::set_read_timeout`].
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_read_timeout(timeout)?;
        self.remember_timeout(Side::Read, timeout);
        Ok(())
    }

    /// Sets how long a write may wait. As [`std::net::TcpStream::set_write_timeout`].
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_write_timeout(timeout)?;
        self.remember_timeout(Side::Write, timeout);
        Ok(())
    }

    /// Returns how long a read may wait. As [`std::net::TcpStream::read_timeout`].
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.inner.read_timeout()
    }

    /// Returns how long a write may wait. As [`std::net::TcpStream::write_timeout`].
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.inner.write_timeout()
    }

    /// Receives without removing from the queue. As [`std::net::TcpStream::peek`].
    ///
    /// # Parks
    ///
    /// As [`read`](Read::read).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        // What is looked at stays: a short peek does not mean that the socket was emptied.
        self.call(Side::Read, |flags| {
            let flags = flags.receive | RecvFlags::PEEK;
            Tried::from_result(received(rustix::net::recv(&self.inner, &mut *buf, flags)))
        })
    }

    /// Sets whether small segments are sent at once. As [`std::net::TcpStream::set_nodelay`].
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.set_nodelay(nodelay)
    }

    /// Returns whether small segments are sent at once. As [`std::net::TcpStream::nodelay`].
    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.nodelay()
    }

    /// Sets the time to live of packets. As [`std::net::TcpStream::set_ttl`].
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// Returns the time to live of packets. As [`std::net::TcpStream::ttl`].
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.ttl()
    }

    /// Takes the pending error of the socket. As [`std::net::TcpStream::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Sets whether calls return `WouldBlock` instead of waiting. As [`std::net::TcpStream::set_nonblocking`].
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.inner.set_nonblocking(nonblocking)?;
        self.options.nonblocking.store(nonblocking, Ordering::Relaxed);
        Ok(())
    }

    fn remember_timeout(&self, side: Side, timeout: Option<Duration>) {
        // More than 584 years is no timeout.
        let nanos = timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(0));
        self.options.timeout(side).store(nanos, Ordering::Relaxed);
    }

    /// A stream whose socket blocks and has no timeouts.
    pub(super) fn fresh(inner: std::net::TcpStream) -> TcpStream {
        TcpStream { readiness: Readiness::default(), options: Arc::default(), inner }
    }

    /// Makes a call that waits on a coroutine as it does on a kernel thread.
    fn call<T>(&self, side: Side, mut call: impl FnMut(Flags) -> Tried<T>) -> io::Result<T> {
        if !on_coroutine() && !tarae_task::is_limited() {
            // The socket blocks, or does not, and times out, as the user set it.
            return match call(Flags::WAIT) {
                Tried::Done { value, .. } => Ok(value),
                Tried::WouldBlock => Err(Errno::AGAIN.into()),
                Tried::Failed(error) => Err(error),
            };
        }
        // A duplicate of the descriptor may have changed the mode: the socket itself is asked before a wait begins.
        let mut call = || match call(Flags::DO_NOT_WAIT) {
            Tried::WouldBlock if is_nonblocking(self.inner.as_fd()) => Tried::Failed(Errno::AGAIN.into()),
            other => other,
        };
        if self.options.nonblocking.load(Ordering::Relaxed) {
            match call() {
                Tried::Done { value, .. } => return Ok(value),
                Tried::Failed(error) => return Err(error),
                Tried::WouldBlock => {}
            }
        }
        let (fd, deadline) = (self.inner.as_fd(), || self.options.deadline(side));
        if on_coroutine() {
            self.readiness.repeat(fd, side, deadline, call)
        } else {
            repeat_blocking(fd, side, deadline(), call)
        }
    }

    /// Reads into `buf`, for a future: does not wait, but has the waker woken when there is something.
    ///
    /// Read timeouts, and whether the socket is non-blocking, do not matter here. On a kernel thread the default runtime's
    /// workers, which start on first use, look after the socket. A coroutine that goes on and on without waiting is told
    /// `Pending` now and then, and its waker is woken at once: so others run, and a cancellation is noticed.
    ///
    /// # Errors
    ///
    /// Any error of recv(2) but `EAGAIN`; `ENOSPC` or `ENOMEM` if the kernel cannot watch one more descriptor; `Other` when
    /// the runtime has shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::io::Write;
    /// use tarae::net::{Place, TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut peer = TcpStream::connect(listener.local_addr()?)?;
    /// let (stream, _) = listener.accept()?;
    /// peer.write_all(b"hello")?;
    ///
    /// let (mut place, mut buf) = (Place::new(), [0; 16]);
    /// let count = tarae::future::block_on(poll_fn(|cx| stream.poll_read(&mut place, cx, &mut buf)))?;
    /// assert_eq!(&buf[..count], b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_read(
        &self,
        place: &mut Place,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(Side::Read, place, cx, || self.try_receive(buf, Flags::DO_NOT_WAIT))
    }

    /// Writes from `buf`, for a future: does not wait, but has the waker woken when there is room.
    ///
    /// As [`poll_read`](Self::poll_read).
    ///
    /// # Errors
    ///
    /// Any error of send(2) but `EAGAIN`; otherwise as [`poll_read`](Self::poll_read).
    pub fn poll_write(&self, place: &mut Place, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(Side::Write, place, cx, || self.try_send(buf, Flags::DO_NOT_WAIT))
    }

    /// As [`poll_write`](Self::poll_write), from several buffers.
    ///
    /// # Errors
    ///
    /// As [`poll_write`](Self::poll_write).
    pub fn poll_write_vectored(
        &self,
        place: &mut Place,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(Side::Write, place, cx, || self.try_send_vectored(bufs, Flags::DO_NOT_WAIT))
    }

    fn poll<T>(
        &self,
        side: Side,
        place: &mut Place,
        cx: &mut Context<'_>,
        call: impl FnMut() -> Tried<T>,
    ) -> Poll<io::Result<T>> {
        self.readiness.poll(self.inner.as_fd(), side, place, cx, call)
    }

    fn try_send(&self, bytes: &[u8], flags: Flags) -> Tried<usize> {
        let result = rustix::net::send(&self.inner, bytes, flags.send);
        Tried::<usize>::moved(result.map_err(io::Error::from), bytes.len())
    }

    fn try_send_vectored(&self, bufs: &[IoSlice<'_>], flags: Flags) -> Tried<usize> {
        // More than the kernel takes at once is an error there; std cuts it off.
        let bufs = &bufs[..bufs.len().min(SLICES_MAX)];
        let most = bufs.iter().map(|buf| buf.len()).sum();
        let mut control = rustix::net::SendAncillaryBuffer::default();
        let result = rustix::net::sendmsg(&self.inner, bufs, &mut control, flags.send);
        Tried::<usize>::moved(result.map_err(io::Error::from), most)
    }

    fn try_receive(&self, buf: &mut [u8], flags: Flags) -> Tried<usize> {
        let most = buf.len();
        Tried::<usize>::moved(received(rustix::net::recv(&self.inner, buf, flags.receive)), most)
    }
}

/// `UIO_MAXIOV` of linux/uio.h.
const SLICES_MAX: usize = 1024;

/// Whether a call may wait, in both languages. A peer that is gone is an error, not a signal, as in std.
#[derive(Clone, Copy)]
struct Flags {
    receive: RecvFlags,
    send: SendFlags,
}

impl Flags {
    const WAIT: Flags = Flags { receive: RecvFlags::empty(), send: SendFlags::NOSIGNAL };
    const DO_NOT_WAIT: Flags =
        Flags { receive: RecvFlags::DONTWAIT, send: SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT) };
}

/// The number of bytes received into a slice.
fn received<B>(result: Result<(B, usize), Errno>) -> io::Result<usize> {
    Ok(result?.1)
}

fn connect(addr: &SocketAddr, timeout: Option<Duration>) -> io::Result<TcpStream> {
    if !on_coroutine() {
        return connect_blocking(addr, timeout).map(TcpStream::fresh);
    }
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    let stream = TcpStream::fresh(std::net::TcpStream::from(socket));
    match rustix::net::connect(&stream.inner, addr) {
        Ok(()) => {}
        // Interrupted, it goes on in the background, connect(2) says.
        Err(Errno::INPROGRESS | Errno::INTR) => await_connected(&stream, timeout)?,
        Err(error) => return Err(error.into()),
    }
    stream.inner.set_nonblocking(false)?;
    Ok(stream)
}

fn connect_blocking(addr: &SocketAddr, timeout: Option<Duration>) -> io::Result<std::net::TcpStream> {
    let left =
        tarae_task::deadline_of_wait(None).map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let Some(least) = [timeout, left].into_iter().flatten().min() else {
        return std::net::TcpStream::connect(addr);
    };
    if left.is_some_and(|left| left.is_zero()) {
        tarae_task::check().map_err(io_error)?;
    }
    // Zero is refused; and only a destructor that runs while we unwind comes here late.
    let connected = std::net::TcpStream::connect_timeout(addr, least.max(Duration::from_nanos(1)));
    if connected.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        tarae_task::check().map_err(io_error)?;
    }
    connected
}

fn await_connected(stream: &TcpStream, timeout: Option<Duration>) -> io::Result<()> {
    let deadline = || timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let connected = stream.readiness.repeat(stream.inner.as_fd(), Side::Write, deadline, || {
        match stream.inner.take_error() {
            Ok(Some(error)) | Err(error) => return Tried::Failed(error),
            Ok(None) => {}
        }
        // Without an error it is connected or still trying; only a connected socket has a peer.
        match stream.inner.peer_addr() {
            Ok(_) => Tried::Done { value: (), drained: false },
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Tried::WouldBlock,
            Err(error) => Tried::Failed(error),
        }
    });
    match connected {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"))
        }
        other => other,
    }
}

impl Read for &TcpStream {
    /// # Parks
    ///
    /// Until at least one byte arrives, the peer closes, or the read timeout passes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` after the read timeout, as in std; any error of recv(2) but `EAGAIN`, which is waited out.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.call(Side::Read, |flags| self.try_receive(buf, flags))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        // More than the kernel takes at once is an error there; std cuts it off.
        let fits = bufs.len().min(SLICES_MAX);
        let bufs = &mut bufs[..fits];
        let most = bufs.iter().map(|buf| buf.len()).sum();
        self.call(Side::Read, |flags| {
            let mut control = rustix::net::RecvAncillaryBuffer::default();
            let result = rustix::net::recvmsg(&self.inner, bufs, &mut control, flags.receive);
            Tried::<usize>::moved(result.map(|message| message.bytes).map_err(io::Error::from), most)
        })
    }
}

impl Write for &TcpStream {
    /// # Parks
    ///
    /// Until there is room for at least one byte, or the write timeout passes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` after the write timeout, as in std; any error of send(2) but `EAGAIN`, which is waited out.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.call(Side::Write, |flags| self.try_send(buf, flags))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.call(Side::Write, |flags| self.try_send_vectored(bufs, flags))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The stream keeps the socket's options: blocking or not, timeouts.
impl From<std::net::TcpStream> for TcpStream {
    fn from(inner: std::net::TcpStream) -> TcpStream {
        let nonblocking = is_nonblocking(inner.as_fd());
        let (read, write) = (inner.read_timeout(), inner.write_timeout());
        let stream = TcpStream::fresh(inner);
        stream.options.nonblocking.store(nonblocking, Ordering::Relaxed);
        stream.remember_timeout(Side::Read, read.ok().flatten());
        stream.remember_timeout(Side::Write, write.ok().flatten());
        stream
    }
}

impl From<TcpStream> for std::net::TcpStream {
    fn from(stream: TcpStream) -> std::net::TcpStream {
        stream.inner
    }
}

impl From<OwnedFd> for TcpStream {
    fn from(fd: OwnedFd) -> TcpStream {
        TcpStream::from(std::net::TcpStream::from(fd))
    }
}

impl From<TcpStream> for OwnedFd {
    fn from(stream: TcpStream) -> OwnedFd {
        stream.inner.into()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl IntoRawFd for TcpStream {
    fn into_raw_fd(self) -> RawFd {
        self.inner.into_raw_fd()
    }
}
