//! TCP with the face of `std::net`.
//!
//! Names, signatures and behaviour are std's. On a coroutine a call that would block parks the coroutine instead; on a
//! plain kernel thread it blocks that thread, as std's does.
//!
//! # Differences from std
//!
//! - A [`TcpListener`]'s descriptor is non-blocking once a coroutine has accepted from it, as accept4(2) cannot be asked
//!   not to block; it is set back when the descriptor leaves through `into_raw_fd` or a conversion. A stream's
//!   descriptor is as the user set it, always.
//! - Reads and writes of a coroutine go through recv(2) and send(2) with `MSG_DONTWAIT`.
//! - Host names are looked up by getaddrinfo(3), which blocks the kernel thread.

mod polling;
mod readiness;
mod tcp_listener;
mod tcp_stream;

pub use polling::Place;
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
    ToSocketAddrs,
};
pub use tcp_listener::{Incoming, IntoIncoming, TcpListener};
pub use tcp_stream::TcpStream;
