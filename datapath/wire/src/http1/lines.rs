//! Finds the end of a head, incrementally, and holds its lines to CRLF.
//!
//! Each byte is looked at once however the head is cut, so a client that sends a byte at a time
//! costs no more than one that sends it whole. INVARIANT: `0 <= line_start <= scanned <= len`.
//! Tokenising is not done here: `httparse` gets the head once it is complete.

use super::headers::Headers;
use memchr::memchr;

/// What is wrong with the lines of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineError {
    /// A line ends with LF alone.
    BareLf,
    /// The head is longer than allowed.
    HeadTooLong,
    /// The first line is longer than allowed.
    FirstLineTooLong,
    /// More lines than headers are allowed.
    TooManyLines,
    /// More than one empty line stands before the head.
    LeadingBlank,
}

/// A complete head: `start..end` of the buffer, `end` after the empty line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadSpan {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Bounds of the line scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineLimits {
    pub(super) head_bytes: usize,
    pub(super) first_line_bytes: usize,
    pub(super) headers: usize,
    /// RFC 9112 2.2: a server ignores at least one empty line before the request line.
    pub(super) leading_blank: bool,
}

/// Where the scan of an incomplete head stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineScan {
    start: usize,
    line_start: usize,
    scanned: usize,
    lines: usize,
}

impl LineScan {
    /// True where nothing of a head was scanned yet.
    pub(super) fn is_new(&self) -> bool {
        self.scanned == 0
    }

    /// Goes on from where the last call ended; `buf` must begin with the bytes it had then.
    pub(super) fn advance(
        &mut self,
        buf: &[u8],
        limits: &LineLimits,
    ) -> Result<Option<HeadSpan>, LineError> {
        if self.scanned > buf.len() {
            *self = Self::default();
        }
        // The fault that stands first wins, so that every cut gives the same one.
        let first_line_bytes = limits.first_line_bytes.min(limits.head_bytes);
        while let Some(at) = memchr(b'\n', buf.get(self.scanned..).unwrap_or_default()) {
            let lf = self.scanned + at;
            let line = buf.get(self.line_start..lf).unwrap_or_default();
            if self.lines == 0 && line.len() > first_line_bytes {
                return Err(LineError::FirstLineTooLong);
            }
            if lf + 1 - self.start > limits.head_bytes {
                return Err(LineError::HeadTooLong);
            }
            if line.last() != Some(&b'\r') {
                return Err(LineError::BareLf);
            }
            self.scanned = lf + 1;
            self.line_start = lf + 1;
            if line.len() > 1 {
                self.lines += 1;
                if self.lines > limits.headers + 1 {
                    return Err(LineError::TooManyLines);
                }
            } else if self.lines > 0 {
                return Ok(Some(HeadSpan { start: self.start, end: lf + 1 }));
            } else if !limits.leading_blank || self.start > 0 {
                return Err(LineError::LeadingBlank);
            } else {
                self.start = lf + 1;
            }
        }
        self.scanned = buf.len();
        if self.lines == 0 && self.scanned - self.line_start > first_line_bytes {
            return Err(LineError::FirstLineTooLong);
        }
        if self.scanned - self.start > limits.head_bytes {
            return Err(LineError::HeadTooLong);
        }
        Ok(None)
    }
}

/// True where each line of a head that was tokenised whole ends in CRLF: the line before each
/// header, and the last two.
pub(super) fn ends_in_crlf(head: &[u8], headers: &Headers) -> bool {
    head.ends_with(b"\r\n\r\n")
        && headers.spans().iter().all(|header| {
            let before = (header.name.start as usize).checked_sub(2);
            before.and_then(|at| head.get(at..at + 2)) == Some(b"\r\n")
        })
}
