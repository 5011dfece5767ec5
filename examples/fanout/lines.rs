//! Bytes in, lines out: the input buffer of every connection in this example.
//!
//! The unread bytes are `bytes[start..end]`; none before `scanned` is a line end. Blocking and
//! non-blocking connections use it alike: it only knows `Read`.

use std::io::{self, Read};

/// The received bytes that have not been taken as lines yet.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    start: usize,
    scanned: usize,
    end: usize,
}

impl LineBuffer {
    /// Reads once, at most `chunk` bytes, and returns how many arrived; zero means the peer is done.
    ///
    /// # Errors
    /// Those of the reader, `Interrupted` excepted.
    pub(crate) fn read_from(&mut self, mut reader: impl Read, chunk: usize) -> io::Result<usize> {
        self.make_room(chunk);
        loop {
            match reader.read(&mut self.bytes[self.end..self.end + chunk]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the next complete line, without its line end.
    pub(crate) fn next_line(&mut self) -> Option<&[u8]> {
        let Some(length) = self.bytes[self.scanned..self.end].iter().position(|&byte| byte == b'\n') else {
            self.scanned = self.end;
            return None;
        };
        let line = self.start..self.scanned + length;
        self.start = line.end + 1;
        self.scanned = self.start;
        Some(&self.bytes[line])
    }

    /// How many bytes have arrived that no line has been made of.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Forgets what has arrived.
    pub(crate) fn clear(&mut self) {
        (self.start, self.scanned, self.end) = (0, 0, 0);
    }

    /// Makes room for `chunk` more bytes: at the front if that is enough, else by growing.
    fn make_room(&mut self, chunk: usize) {
        if self.start == self.end {
            self.clear();
        }
        if self.bytes.len() - self.end < chunk {
            self.bytes.copy_within(self.start..self.end, 0);
            self.scanned -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.len() - self.end < chunk {
            self.bytes.resize(self.end + chunk, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of `piece` bytes and collects the lines.
    fn lines(text: &str, piece: usize) -> (Vec<String>, usize) {
        let (mut buffer, mut rest, mut lines) = (LineBuffer::default(), text.as_bytes(), Vec::new());
        while buffer.read_from(&mut rest, piece).expect("a slice can be read") > 0 {
            while let Some(line) = buffer.next_line() {
                lines.push(String::from_utf8(line.to_vec()).expect("the text is UTF-8"));
            }
        }
        (lines, buffer.len())
    }

    #[test]
    fn lines_do_not_depend_on_how_the_bytes_arrive() {
        for piece in 1..40 {
            let (lines, left) = lines("one\n\nthree is longer than the others\nfour\nrest", piece);
            assert_eq!(lines, ["one", "", "three is longer than the others", "four"], "pieces of {piece}");
            assert_eq!(left, 4);
        }
    }

    #[test]
    fn the_buffer_does_not_grow_with_the_stream() {
        let text = "a line\n".repeat(1_000);
        let (mut buffer, mut rest) = (LineBuffer::default(), text.as_bytes());
        while buffer.read_from(&mut rest, 16).expect("a slice can be read") > 0 {
            while buffer.next_line().is_some() {}
        }
        assert!(buffer.bytes.len() < 64, "{} bytes", buffer.bytes.len());
    }
}
