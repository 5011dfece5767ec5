//! A listener whose `accept` is a future.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tarae::net::Place;

use crate::TcpStream;

/// A TCP socket that accepts connections, for futures.
///
/// Clones are the same listener.
///
/// # Examples
///
/// ```
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use tarae_futures::{TcpListener, TcpStream};
///
/// tarae::future::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = TcpStream::connect(listener.as_inner().local_addr()?)?;
///     let (mut served, _) = listener.accept().await?;
///     served.write_all(b"hello").await?;
///     let mut greeting = [0; 5];
///     client.read_exact(&mut greeting).await?;
///     assert_eq!(&greeting, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct TcpListener {
    inner: Arc<tarae::net::TcpListener>,
}

impl TcpListener {
    /// Takes a listener, or a share in one.
    pub fn new(inner: impl Into<Arc<tarae::net::TcpListener>>) -> TcpListener {
        TcpListener { inner: inner.into() }
    }

    /// Binds to the first address that can be bound, and listens. As [`tarae::net::TcpListener::bind`].
    ///
    /// # Errors
    ///
    /// That of the last address tried.
    pub fn bind<A: ToSocketAddrs>(address: A) -> io::Result<TcpListener> {
        tarae::net::TcpListener::bind(address).map(TcpListener::new)
    }

    /// Returns the listener, for what is no future.
    pub fn as_inner(&self) -> &Arc<tarae::net::TcpListener> {
        &self.inner
    }

    /// Makes a future of the next connection. Several may wait at the same time.
    ///
    /// Dropping it loses no connection: what was not accepted stays in the queue.
    ///
    /// # Errors
    ///
    /// As [`tarae::net::TcpListener::accept`], also in that it takes its time when descriptors are used up.
    pub fn accept(&self) -> Accept<'_> {
        Accept { listener: self, place: Place::new() }
    }
}

/// A future of a connection; made by [`TcpListener::accept`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Accept<'a> {
    listener: &'a TcpListener,
    place: Place,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Accept { listener, place } = self.get_mut();
        listener.inner.poll_accept(place, cx).map_ok(|(stream, address)| (TcpStream::new(stream), address))
    }
}
