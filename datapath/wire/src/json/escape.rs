//! Escapes of JSON strings: what they mean, and which raw bytes are behind which decoded ones.
//!
//! A surrogate pair is one escape; a lone surrogate means U+FFFD, as in every decoder that does
//! not refuse it. INVARIANT: an escape has more raw bytes than decoded ones.

use super::node::{Kind, Node};
use memchr::memchr;

/// One escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Escape {
    /// Bytes in the raw body.
    pub(super) raw_len: usize,
    /// What it means.
    pub(super) means: char,
}

/// Decodes the escape at the start of `raw`, which begins with a backslash.
pub(super) fn decode(raw: &[u8]) -> Option<Escape> {
    let means = match raw.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return decode_unicode(raw),
        _ => return None,
    };
    Some(Escape { raw_len: 2, means })
}

fn decode_unicode(raw: &[u8]) -> Option<Escape> {
    let unit = hex_unit(raw.get(2..6)?)?;
    if (0xd800..0xdc00).contains(&unit)
        && raw.get(6..8) == Some(b"\\u")
        && let Some(low) = raw.get(8..12).and_then(hex_unit)
        && (0xdc00..0xe000).contains(&low)
    {
        let code = 0x1_0000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
        return Some(Escape { raw_len: 12, means: char::from_u32(code)? });
    }
    let means = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some(Escape { raw_len: 6, means })
}

fn hex_unit(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |unit, &digit| char::from(digit).to_digit(16).map(|value| unit << 4 | value))
}

/// Maps ascending offsets of decoded text to raw offsets, in one pass over the raw string.
#[derive(Debug, Clone)]
pub struct RawCursor<'b> {
    body: &'b [u8],
    /// Raw and decoded offset of the start of the run that the cursor is in.
    raw: usize,
    decoded: usize,
    end: usize,
    has_escapes: bool,
}

impl<'b> RawCursor<'b> {
    pub(super) fn new(body: &'b [u8], node: &Node) -> Self {
        Self {
            body,
            raw: node.raw_start as usize,
            decoded: 0,
            end: node.raw_end as usize,
            has_escapes: matches!(node.kind, Kind::String | Kind::Key) && node.has_escapes(),
        }
    }

    /// The raw offset of decoded byte `offset`; within an escape, its start. Offsets must not
    /// descend from call to call.
    pub fn floor(&mut self, offset: usize) -> usize {
        match self.locate(offset) {
            Place::Plain(raw) | Place::Within { start: raw, .. } => raw,
        }
    }

    /// The raw offset of the end `offset` of a decoded range; within an escape, its end.
    pub fn ceil(&mut self, offset: usize) -> usize {
        match self.locate(offset) {
            Place::Plain(raw) | Place::Within { end: raw, .. } => raw,
        }
    }

    fn locate(&mut self, offset: usize) -> Place {
        while self.has_escapes {
            let rest = self.body.get(self.raw..self.end).unwrap_or_default();
            let run = memchr(b'\\', rest).unwrap_or(rest.len());
            if offset <= self.decoded + run {
                break;
            }
            let Some(escape) = rest.get(run..).and_then(decode) else { break };
            let start = self.raw + run;
            let end = start + escape.raw_len;
            if offset < self.decoded + run + escape.means.len_utf8() {
                return Place::Within { start, end };
            }
            self.raw = end;
            self.decoded += run + escape.means.len_utf8();
        }
        Place::Plain((self.raw + offset.saturating_sub(self.decoded)).min(self.end))
    }
}

enum Place {
    /// Between two characters, or within a run without escapes.
    Plain(usize),
    /// Within the decoded bytes of an escape.
    Within { start: usize, end: usize },
}
