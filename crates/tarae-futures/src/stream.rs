//! A stream under three families of traits.
//!
//! All come down to two calls of [`tarae::net::TcpStream`]: `poll_read` and `poll_write`. The stream keeps a [`Place`] for each
//! direction: a read and a write may be pending at the same time, and each wakes its own waker. Two reads may not; that is
//! what clones are for, with places of their own.
//!
//! hyper hands out its buffers uninitialised, and says how much was written to them only in unsafe code; safe code copies. So
//! there the bytes go through a buffer on the stack, which is also why no more than [`COPIED_MAX`] are read at once.

use std::io::{self, IoSlice};
use std::net::{Shutdown, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tarae::net::Place;

/// What hyper reads at once, at most: as much as it asks for at first, and little on a stack of 256 KiB.
const COPIED_MAX: usize = 8 * 1024;

/// A TCP connection, for futures.
///
/// A clone is the same connection, and may be read while this one is written; in another coroutine, too. The connection is
/// closed with the last one.
///
/// Read and write timeouts of the socket do not matter here: use a timer, or [`tarae::timeout`] around
/// [`block_on`](tarae::future::block_on).
///
/// # Examples
///
/// ```
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use tarae::net::TcpListener;
/// use tarae_futures::TcpStream;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut stream = TcpStream::connect(listener.local_addr()?)?;
/// let (echo, _) = listener.accept()?;
///
/// tarae_futures::spawn(async move {
///     let mut from = TcpStream::new(echo);
///     let mut to = from.clone();
///     futures_util::io::copy(&mut from, &mut to).await
/// });
/// let mut answer = [0; 5];
/// tarae::future::block_on(async {
///     stream.write_all(b"hello").await?;
///     stream.read_exact(&mut answer).await
/// })?;
/// assert_eq!(&answer, b"hello");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct TcpStream {
    inner: Arc<tarae::net::TcpStream>,
    reading: Place,
    writing: Place,
}

impl TcpStream {
    /// Takes a stream, or a share in one.
    pub fn new(inner: impl Into<Arc<tarae::net::TcpStream>>) -> TcpStream {
        TcpStream { inner: inner.into(), reading: Place::new(), writing: Place::new() }
    }

    /// Connects to the first address that accepts. As [`tarae::net::TcpStream::connect`].
    ///
    /// This is a call, and no future.
    ///
    /// # Parks
    ///
    /// Until the connection is made or refused. In a future, with everything that is polled with it.
    ///
    /// # Errors
    ///
    /// That of the last address tried.
    pub fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        tarae::net::TcpStream::connect(address).map(TcpStream::new)
    }

    /// Returns the stream, for what is no future: options, addresses, calls that wait.
    pub fn as_inner(&self) -> &Arc<tarae::net::TcpStream> {
        &self.inner
    }

    /// Returns the stream.
    pub fn into_inner(self) -> Arc<tarae::net::TcpStream> {
        self.inner
    }

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.inner.poll_read(&mut self.reading, cx, buf)
    }

    fn write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner.poll_write(&mut self.writing, cx, buf)
    }

    fn write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.inner.poll_write_vectored(&mut self.writing, cx, bufs)
    }

    /// Says that nothing more will be written: the peer reads to the end.
    fn end_writing(&mut self) -> io::Result<()> {
        self.writing.leave();
        self.inner.shutdown(Shutdown::Write)
    }
}

impl Clone for TcpStream {
    fn clone(&self) -> TcpStream {
        TcpStream::new(Arc::clone(&self.inner))
    }
}

impl From<tarae::net::TcpStream> for TcpStream {
    fn from(stream: tarae::net::TcpStream) -> TcpStream {
        TcpStream::new(stream)
    }
}

impl futures_io::AsyncRead for TcpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().read(cx, buf)
    }
}

impl futures_io::AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().end_writing())
    }
}

impl tokio::io::AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = ready!(self.get_mut().read(cx, buf.initialize_unfilled()))?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().end_writing())
    }
}

impl hyper::rt::Read for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; COPIED_MAX];
        let most = buf.remaining().min(COPIED_MAX);
        let count = ready!(self.get_mut().read(cx, &mut bytes[..most]))?;
        buf.put_slice(&bytes[..count]);
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().end_writing())
    }
}
