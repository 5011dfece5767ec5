//! A non-blocking connection that speaks lines, for the processes that run an event loop.
//!
//! Used by the backends, the load generator and the callback model. The coroutine and thread models need
//! none of it: their connections are plain blocking ones.

use std::io::{self, ErrorKind, Write};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::lines::LineBuffer;

/// What a peer may leave unread before we give it up. 10,000 replies of 1 KB are 10 MB.
const UNSENT_BYTES_MAX: usize = 64 << 20;

/// A connection with its input and output buffers.
#[derive(Debug)]
pub(crate) struct LineSocket {
    stream: TcpStream,
    pub(crate) input: LineBuffer,
    /// Lines to be sent: append, then [`flush`](Self::flush).
    pub(crate) output: Vec<u8>,
    sent: usize,
    connected: bool,
}

impl LineSocket {
    /// Registers a connection, accepted or being made, for both directions.
    pub(crate) fn new(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(LineSocket { stream, input: LineBuffer::default(), output: Vec::new(), sent: 0, connected: false })
    }

    /// Says whether a connection that was being made is made. Ask at each event.
    pub(crate) fn connected(&mut self) -> io::Result<bool> {
        if self.connected {
            return Ok(true);
        }
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {
                self.stream.set_nodelay(true)?;
                self.connected = true;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads what is there, in pieces of `chunk` bytes, and gives each line to `line`. Returns whether the
    /// peer may send more.
    ///
    /// A short read has emptied the socket, and whatever comes later raises a new event; unless this event
    /// already told of the end (`closing`), which then must be read.
    ///
    /// # Errors
    /// Those of recv(2), and `InvalidData` for a line longer than `line_max`.
    pub(crate) fn read_lines(
        &mut self,
        closing: bool,
        chunk: usize,
        line_max: usize,
        mut line: impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        loop {
            let count = match self.input.read_from(&mut self.stream, chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            while let Some(next) = self.input.next_line() {
                line(next);
            }
            if self.input.len() > line_max {
                return Err(io::Error::new(ErrorKind::InvalidData, format!("a line over {line_max} bytes")));
            }
            if count == 0 {
                return Ok(false);
            }
            if count < chunk && !closing {
                return Ok(true);
            }
        }
    }

    /// Sends as much of `output` as the socket takes; the next writable event is the time to call again.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return self.keep_unsent();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(())
    }

    /// Says whether everything has been sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.output.is_empty()
    }

    /// Tells the peer that nothing more will come.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    fn keep_unsent(&mut self) -> io::Result<()> {
        self.output.drain(..self.sent);
        self.sent = 0;
        if self.output.len() > UNSENT_BYTES_MAX {
            return Err(io::Error::other("the peer does not read"));
        }
        Ok(())
    }
}
