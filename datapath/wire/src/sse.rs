//! Server-sent events, split as the WHATWG standard says, however the bytes were cut.
//!
//! Each block up to and with its empty line comes out as one event with its raw bytes, so that
//! passing `raw` on gives back the stream byte for byte; blocks without data (comments) come out
//! too. Bytes are copied only where an event did not arrive whole. The size of an event is bounded.
//!
//! A carriage return at the end of the bytes at hand waits for what follows, since CRLF is one line
//! end. INVARIANT: the raw bytes of all events, in order, are the stream.

use memchr::{memchr, memchr2};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One block of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'e> {
    /// The bytes as they came, with the empty line at the end.
    pub raw: &'e [u8],
    /// The values of all `data` lines, joined by line feeds.
    pub data: &'e [u8],
    /// The value of the last `event` line; empty where there is none.
    pub event: &'e [u8],
    /// True where there was a `data` line: a client dispatches only such blocks.
    pub has_data: bool,
    /// False for what the stream ended in the middle of.
    pub complete: bool,
}

/// Why a stream is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event is longer than allowed.
    #[error("an event is larger than `{limit}` bytes")]
    TooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
}

/// Splits one stream.
#[derive(Debug)]
pub struct SseParser {
    /// The start of an event that is not complete.
    pending: Vec<u8>,
    scan: Scan,
    /// Joined data of an event with several data lines.
    joined: Vec<u8>,
    limit: usize,
    started: bool,
}

/// Progress within the pending event: `line_start <= scanned`.
#[derive(Debug, Clone, Copy, Default)]
struct Scan {
    line_start: usize,
    scanned: usize,
}

impl SseParser {
    /// A parser for events of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            pending: Vec::new(),
            scan: Scan::default(),
            joined: Vec::new(),
            limit,
            started: false,
        }
    }

    /// Makes the parser ready for another stream; keeps the storage.
    pub fn clear(&mut self) {
        self.pending.clear();
        self.scan = Scan::default();
        self.started = false;
    }

    /// The bytes of the event that is not complete.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Takes the next bytes of the stream and hands each complete event to `emit`. After an error
    /// the parser must not be used before [`clear`](Self::clear).
    pub fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(Event<'_>)) -> Result<(), SseError> {
        if self.pending.is_empty() {
            let used = self.split(bytes, &mut emit)?;
            self.pending.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            self.pending.extend_from_slice(bytes);
            let pending = std::mem::take(&mut self.pending);
            let used = self.split(&pending, &mut emit);
            self.pending = pending;
            self.pending.drain(..used?);
        }
        if self.pending.len() > self.limit {
            return Err(SseError::TooLarge { limit: self.limit });
        }
        Ok(())
    }

    /// The stream ended: hands out what is left, as an event that is not complete unless a carriage
    /// return ended it.
    pub fn finish(&mut self, mut emit: impl FnMut(Event<'_>)) {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            let last_line = pending.get(self.scan.line_start..).unwrap_or_default();
            let complete = last_line == b"\r";
            self.dispatch(&pending, complete, &mut emit);
        }
        self.pending = pending;
        self.clear();
    }

    /// Emits the complete events of `bytes`; the offset behind the last one.
    fn split(&mut self, bytes: &[u8], emit: &mut impl FnMut(Event<'_>)) -> Result<usize, SseError> {
        let mut start = 0;
        loop {
            let rest = bytes.get(start..).unwrap_or_default();
            let Some(length) = self.scan.event_end(rest, !self.started) else {
                return Ok(start);
            };
            if length > self.limit {
                return Err(SseError::TooLarge { limit: self.limit });
            }
            self.scan = Scan::default();
            self.dispatch(rest.get(..length).unwrap_or_default(), true, emit);
            start += length;
        }
    }

    fn dispatch(&mut self, raw: &[u8], complete: bool, emit: &mut impl FnMut(Event<'_>)) {
        let first = !std::mem::replace(&mut self.started, true);
        let mut lines = Lines { rest: if first { strip_bom(raw) } else { raw } };
        let mut event = &b""[..];
        let mut data: Option<&[u8]> = None;
        let mut data_lines = 0_usize;
        for line in &mut lines {
            let (name, value) = field(line);
            match name {
                b"data" => {
                    data_lines += 1;
                    match data {
                        None => data = Some(value),
                        Some(only) => {
                            if data_lines == 2 {
                                self.joined.clear();
                                self.joined.extend_from_slice(only);
                            }
                            self.joined.push(b'\n');
                            self.joined.extend_from_slice(value);
                        }
                    }
                }
                b"event" => event = value,
                _ => {}
            }
        }
        let data_bytes = if data_lines > 1 { &self.joined } else { data.unwrap_or_default() };
        emit(Event { raw, data: data_bytes, event, has_data: data_lines > 0, complete });
    }
}

impl Scan {
    /// Where the event at the start of `bytes` ends, behind its empty line.
    fn event_end(&mut self, bytes: &[u8], first: bool) -> Option<usize> {
        loop {
            let rest = bytes.get(self.scanned..).unwrap_or_default();
            let Some(found) = memchr2(b'\n', b'\r', rest) else {
                self.scanned = bytes.len();
                return None;
            };
            let at = self.scanned + found;
            let after = match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'\r'), None) => {
                    self.scanned = at;
                    return None;
                }
                (Some(b'\r'), Some(b'\n')) => at + 2,
                _ => at + 1,
            };
            let line = bytes.get(self.line_start..at).unwrap_or_default();
            let blank = line.is_empty() || (first && self.line_start == 0 && line == BOM);
            self.scanned = after;
            self.line_start = after;
            if blank {
                return Some(after);
            }
        }
    }
}

fn strip_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BOM).unwrap_or(bytes)
}

/// Name and value of a line; a comment has an empty name.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b':', line) {
        Some(colon) => {
            let (name, value) = line.split_at(colon);
            let value = value.get(1..).unwrap_or_default();
            (name, value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}

/// The lines of a block, whatever ends them.
struct Lines<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(b"\r\n").or_else(|| rest.get(1..)).unwrap_or_default();
        Some(line)
    }
}

#[cfg(test)]
mod tests;
