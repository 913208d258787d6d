//! Physical lines of bounded length.
//!
//! Promise: however long a line is, no more than the limit is kept of it, and the next line is
//! found all the same. A byte order mark and a carriage return before the line break are dropped.

use std::io::{self, BufRead};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line without its line break.
pub(super) struct Line {
    /// Counted from 1.
    pub number: u64,
    /// The line, or its beginning when it is not whole.
    pub bytes: Vec<u8>,
    /// Whether the line is within the limit.
    pub whole: bool,
    /// Bytes of the file up to the end of this line.
    pub read_to: u64,
}

pub(super) struct Lines<R> {
    reader: R,
    bytes_max: usize,
    number: u64,
    read_to: u64,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R, bytes_max: usize) -> Self {
        Self { reader, bytes_max, number: 0, read_to: 0, ended: false }
    }

    /// The number of the line read last.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line; after an error there is none.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let mut whole = true;
        let start = self.read_to;
        while !self.ended {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            };
            self.ended = chunk.is_empty();
            let line_break = chunk.iter().position(|byte| *byte == b'\n');
            let length = line_break.unwrap_or(chunk.len());
            let kept = length.min(self.bytes_max - bytes.len());
            bytes.extend_from_slice(&chunk[..kept]);
            whole &= kept == length;
            let used = length + usize::from(line_break.is_some());
            self.reader.consume(used);
            self.read_to += used as u64;
            if line_break.is_some() {
                break;
            }
        }
        if self.read_to == start {
            return Ok(None);
        }
        self.number += 1;
        if self.number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if whole && bytes.ends_with(b"\r") {
            bytes.pop();
        }
        Ok(Some(Line { number: self.number, bytes, whole, read_to: self.read_to }))
    }
}
