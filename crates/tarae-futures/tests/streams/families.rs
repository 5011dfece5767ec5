//! The three families of traits under one name each, so that one test serves all.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tarae_futures::TcpStream;

pub(crate) trait Family {
    fn poll_read(
        stream: Pin<&mut TcpStream>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>>;
    fn poll_write(stream: Pin<&mut TcpStream>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;
    fn poll_write_both(
        stream: Pin<&mut TcpStream>,
        cx: &mut Context<'_>,
        bufs: [&[u8]; 2],
    ) -> Poll<io::Result<usize>>;
    fn poll_close(stream: Pin<&mut TcpStream>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    fn read(stream: &mut TcpStream, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send {
        poll_fn(|cx| Self::poll_read(Pin::new(stream), cx, buf))
    }

    fn write(stream: &mut TcpStream, buf: &[u8]) -> impl Future<Output = io::Result<usize>> + Send {
        poll_fn(|cx| Self::poll_write(Pin::new(stream), cx, buf))
    }

    fn write_both(
        stream: &mut TcpStream,
        first: &[u8],
        second: &[u8],
    ) -> impl Future<Output = io::Result<usize>> + Send {
        poll_fn(move |cx| Self::poll_write_both(Pin::new(stream), cx, [first, second]))
    }

    fn close(stream: &mut TcpStream) -> impl Future<Output = io::Result<()>> + Send {
        poll_fn(|cx| Self::poll_close(Pin::new(stream), cx))
    }
}

pub(crate) struct FuturesIo;
pub(crate) struct Tokio;
pub(crate) struct Hyper;

impl Family for FuturesIo {
    fn poll_read(
        stream: Pin<&mut TcpStream>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        futures_io::AsyncRead::poll_read(stream, cx, buf)
    }

    fn poll_write(stream: Pin<&mut TcpStream>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        futures_io::AsyncWrite::poll_write(stream, cx, buf)
    }

    fn poll_write_both(
        stream: Pin<&mut TcpStream>,
        cx: &mut Context<'_>,
        bufs: [&[u8]; 2],
    ) -> Poll<io::Result<usize>> {
        futures_io::AsyncWrite::poll_write_vectored(stream, cx, &bufs.map(IoSlice::new))
    }

    fn poll_close(mut stream: Pin<&mut TcpStream>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(futures_io::AsyncWrite::poll_flush(stream.as_mut(), cx))?;
        futures_io::AsyncWrite::poll_close(stream, cx)
    }
}

impl Family for Tokio {
    fn poll_read(
        stream: Pin<&mut TcpStream>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = tokio::io::ReadBuf::new(buf);
        ready!(tokio::io::AsyncRead::poll_read(stream, cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_write(stream: Pin<&mut TcpStream>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        tokio::io::AsyncWrite::poll_write(stream, cx, buf)
    }

    fn poll_write_both(
        stream: Pin<&mut TcpStream>,
        cx: &mut Context<'_>,
        bufs: [&[u8]; 2],
    ) -> Poll<io::Result<usize>> {
        assert!(tokio::io::AsyncWrite::is_write_vectored(&*stream));
        tokio::io::AsyncWrite::poll_write_vectored(stream, cx, &bufs.map(IoSlice::new))
    }

    fn poll_close(mut stream: Pin<&mut TcpStream>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(tokio::io::AsyncWrite::poll_flush(stream.as_mut(), cx))?;
        tokio::io::AsyncWrite::poll_shutdown(stream, cx)
    }
}

impl Family for Hyper {
    fn poll_read(
        stream: Pin<&mut TcpStream>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = hyper::rt::ReadBuf::new(buf);
        ready!(hyper::rt::Read::poll_read(stream, cx, buf.unfilled()))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_write(stream: Pin<&mut TcpStream>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        hyper::rt::Write::poll_write(stream, cx, buf)
    }

    fn poll_write_both(
        stream: Pin<&mut TcpStream>,
        cx: &mut Context<'_>,
        bufs: [&[u8]; 2],
    ) -> Poll<io::Result<usize>> {
        assert!(hyper::rt::Write::is_write_vectored(&*stream));
        hyper::rt::Write::poll_write_vectored(stream, cx, &bufs.map(IoSlice::new))
    }

    fn poll_close(mut stream: Pin<&mut TcpStream>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(hyper::rt::Write::poll_flush(stream.as_mut(), cx))?;
        hyper::rt::Write::poll_shutdown(stream, cx)
    }
}

/// A connection with little room, so that much of what is written is written in part.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for stream in [&near, &far] {
        // Segments smaller than the loopback's would wait for each other.
        stream.set_nodelay(true).unwrap();
        socket2::SockRef::from(stream).set_send_buffer_size(16 * 1024).unwrap();
    }
    [near, far].map(|stream| TcpStream::new(tarae::net::TcpStream::from(stream))).into()
}

/// The byte at `position`.
pub(crate) fn pattern(position: usize) -> u8 {
    let word = (position as u64 / 8).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word.rotate_left(23).to_le_bytes()[position % 8]
}
