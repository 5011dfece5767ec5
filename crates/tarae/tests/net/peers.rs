//! Connected pairs: one end is tarae's, the other one std's.

use std::io::Read;
use std::os::fd::AsFd;

use tarae::net::{TcpListener, TcpStream};

/// A connection: tarae's end, and the peer's.
pub(crate) fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    (stream, peer)
}

/// A connection with tarae's end accepted instead of connected.
pub(crate) fn accepted_pair() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, from) = listener.accept().unwrap();
    assert_eq!(from, peer.local_addr().unwrap());
    (stream, peer)
}

/// A connection with both ends std's: the specification.
pub(crate) fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    (stream, peer)
}

/// Closes a connection with a reset.
pub(crate) fn reset(peer: std::net::TcpStream) {
    let peer = socket2::Socket::from(peer);
    peer.set_linger(Some(std::time::Duration::ZERO)).unwrap();
}

/// Whether an error is that of a wait that was cancelled.
pub(crate) fn is_cancelled(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<tarae::Cancelled>())
}

/// Whether the file is in non-blocking mode, as the kernel says.
pub(crate) fn is_nonblocking(fd: &impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(fd).unwrap().contains(rustix::fs::OFlags::NONBLOCK)
}

/// The byte at `position` of the stream numbered `stream`.
pub(crate) fn pattern(stream: u64, position: usize) -> u8 {
    let word = (position as u64 / 8).wrapping_add(stream << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word.rotate_left(23).to_le_bytes()[position % 8]
}

/// Fills `buf` with the stream's bytes from `position` on.
pub(crate) fn fill_pattern(stream: u64, position: usize, buf: &mut [u8]) {
    buf.iter_mut().enumerate().for_each(|(index, byte)| *byte = pattern(stream, position + index));
}

/// Reads to the end and returns how many bytes came, all as the pattern says.
#[track_caller]
pub(crate) fn check_pattern(stream: u64, mut from: impl Read) -> usize {
    let (mut buf, mut expected) = (vec![0; 60_000], vec![0; 60_000]);
    let mut position = 0;
    loop {
        let count = from.read(&mut buf).unwrap();
        if count == 0 {
            return position;
        }
        fill_pattern(stream, position, &mut expected[..count]);
        assert!(buf[..count] == expected[..count], "wrong bytes after {position}");
        position += count;
    }
}
