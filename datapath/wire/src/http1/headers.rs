//! The header table of a parsed head: ranges of the buffer, bounded, reused.
//!
//! Names and values stay where they arrived. Which headers are for this connection only
//! (RFC 9110 7.6.1) is decided here, once, for both directions.

use super::names::Known;

/// The most headers any head may have, whatever the limits say: the size of the tokeniser's table.
pub(super) const HEADERS_MAX: usize = 128;
/// The most `Connection` header lines; more has no honest use.
const CONNECTION_LINES_MAX: usize = 4;

/// Bounds of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, first line and empty line included.
    pub head_bytes: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// Header lines; never more than 128.
    pub headers: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: 32 * 1024, target_bytes: 8 * 1024, headers: 100 }
    }
}

/// A range of the buffer that a head was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes of this span; empty where `buf` is not the buffer that was parsed.
    #[inline]
    pub fn of(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Bytes in this span.
    #[inline]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// True where the span has no byte.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Name and value of one header line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The name as it was sent.
    pub name: Span,
    /// The value without the white space around it.
    pub value: Span,
    /// It may be passed on as far as its own name says (see [`Headers::end_to_end`]).
    pub end_to_end: bool,
}

/// All header lines of a head, in order.
#[derive(Debug, Default)]
pub struct Headers {
    table: Vec<Header>,
    connection: [Span; CONNECTION_LINES_MAX],
    connection_lines: usize,
    /// A `Connection` line names something other than `close` and `keep-alive`.
    has_named_hops: bool,
}

impl Headers {
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.connection_lines = 0;
        self.has_named_hops = false;
    }

    pub(super) fn push(&mut self, name: Span, value: Span, known: Known) {
        self.table.push(Header { name, value, end_to_end: known.is_end_to_end() });
    }

    /// Remembers a `Connection` line; false where there are too many.
    pub(super) fn push_connection(&mut self, value: Span, bytes: &[u8]) -> bool {
        self.has_named_hops |=
            !bytes.eq_ignore_ascii_case(b"keep-alive") && !bytes.eq_ignore_ascii_case(b"close");
        let Some(slot) = self.connection.get_mut(self.connection_lines) else {
            return false;
        };
        *slot = value;
        self.connection_lines += 1;
        true
    }

    /// Number of header lines.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True where the head has no header.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The lines as spans.
    pub fn spans(&self) -> &[Header] {
        &self.table
    }

    /// All headers, as name and value.
    pub fn iter<'a>(&'a self, buf: &'a [u8]) -> HeadersIter<'a> {
        HeadersIter { table: self.table.iter(), buf }
    }

    /// The headers that may be passed on: all but those for this connection, those that its
    /// `Connection` lines name, and the framing (`Content-Length`, `Expect`), which whoever
    /// forwards the message writes anew.
    pub fn end_to_end<'a>(&'a self, buf: &'a [u8]) -> EndToEnd<'a> {
        EndToEnd { headers: self, table: self.table.iter(), buf }
    }

    /// True where a `Connection` line names `token`.
    pub fn connection_names(&self, buf: &[u8], token: &[u8]) -> bool {
        self.connection
            .iter()
            .take(self.connection_lines)
            .any(|line| list_has_token(line.of(buf), token))
    }

    /// The first value of the header `name` (any case), for headers that have no field of their own.
    pub fn find<'a>(&self, buf: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
        self.table
            .iter()
            .find(|header| header.name.of(buf).eq_ignore_ascii_case(name))
            .map(|header| header.value.of(buf))
    }
}

/// Iterator of [`Headers::iter`].
#[derive(Debug)]
pub struct HeadersIter<'a> {
    table: std::slice::Iter<'a, Header>,
    buf: &'a [u8],
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.table.next()?;
        Some((header.name.of(self.buf), header.value.of(self.buf)))
    }
}

/// Iterator of [`Headers::end_to_end`].
#[derive(Debug)]
pub struct EndToEnd<'a> {
    headers: &'a Headers,
    table: std::slice::Iter<'a, Header>,
    buf: &'a [u8],
}

impl<'a> Iterator for EndToEnd<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let header = self.table.next()?;
            if !header.end_to_end {
                continue;
            }
            let name = header.name.of(self.buf);
            if self.headers.has_named_hops && self.headers.connection_names(self.buf, name) {
                continue;
            }
            return Some((name, header.value.of(self.buf)));
        }
    }
}

/// True where the header `name` concerns one connection only, by its own meaning or because
/// `connection_tokens` (the value of a `Connection` line) names it.
pub fn is_hop_by_hop(name: &[u8], connection_tokens: &[u8]) -> bool {
    Known::of(name).is_hop_by_hop() || list_has_token(connection_tokens, name)
}

/// True where the comma-separated `list` has `token`, in any case.
pub(super) fn list_has_token(list: &[u8], token: &[u8]) -> bool {
    !list.is_empty()
        && list.split(|&byte| byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(token))
}

/// RFC 9110 8.6: digits only, no list, no sign. `Err` says that the number is beyond 64 bits.
pub(super) fn parse_length(value: &[u8]) -> Option<Result<u64, LengthOverflow>> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut length = 0_u64;
    for &digit in value {
        let next =
            length.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
        match next {
            Some(next) => length = next,
            None => return Some(Err(LengthOverflow)),
        }
    }
    Some(Ok(length))
}

/// A length that 64 bits cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LengthOverflow;
