//! A parser of our own, for what `simd-json` refuses and RFC 8259 allows, and for error messages.
//!
//! It takes any JSON: integers of any length, exponents of any size, lone surrogates. No recursion:
//! open containers stand on a bounded stack. It is the second, slower reader; both must agree on
//! every body, which the tests hold.

use super::escape;
use super::node::{Kind, Node};
use super::{JsonError, JsonErrorKind, JsonLimits};
use memchr::memchr2;

/// Parses `body` into `nodes`; `scratch` holds a copy of the body and gets the decoded strings.
pub(super) fn scan(
    body: &[u8],
    scratch: &mut [u8],
    limits: &JsonLimits,
    nodes: &mut Vec<Node>,
    open: &mut Vec<u32>,
) -> Result<(), JsonError> {
    if let Err(error) = simdutf8::compat::from_utf8(body) {
        return Err(JsonError::new(JsonErrorKind::InvalidUtf8, error.valid_up_to()));
    }
    Scanner { body, scratch, limits, nodes, open, at: 0 }.run()
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// After `[`.
    ValueOrClose,
    /// After `{`.
    KeyOrClose,
    /// After a comma in an object.
    Key,
    /// After a value within a container.
    CommaOrClose,
}

struct Scanner<'a> {
    body: &'a [u8],
    scratch: &'a mut [u8],
    limits: &'a JsonLimits,
    nodes: &'a mut Vec<Node>,
    open: &'a mut Vec<u32>,
    at: usize,
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), JsonError> {
        let mut expect = Expect::Value;
        loop {
            self.skip_space();
            let Some(&byte) = self.body.get(self.at) else { return Err(self.syntax()) };
            expect = match (expect, byte) {
                (Expect::Value | Expect::ValueOrClose, b'{') => {
                    self.open_container(Kind::Object)?;
                    Expect::KeyOrClose
                }
                (Expect::Value | Expect::ValueOrClose, b'[') => {
                    self.open_container(Kind::Array)?;
                    Expect::ValueOrClose
                }
                (Expect::ValueOrClose, b']') | (Expect::KeyOrClose, b'}') => self.close()?,
                (Expect::CommaOrClose, b']') if self.top() == Some(Kind::Array) => self.close()?,
                (Expect::CommaOrClose, b'}') if self.top() == Some(Kind::Object) => self.close()?,
                (Expect::CommaOrClose, b',') => {
                    self.at += 1;
                    if self.top() == Some(Kind::Object) { Expect::Key } else { Expect::Value }
                }
                (Expect::Key | Expect::KeyOrClose, b'"') => {
                    self.string(Kind::Key)?;
                    self.skip_space();
                    if self.body.get(self.at) != Some(&b':') {
                        return Err(self.syntax());
                    }
                    self.at += 1;
                    Expect::Value
                }
                (Expect::Value | Expect::ValueOrClose, _) => {
                    self.scalar(byte)?;
                    Expect::CommaOrClose
                }
                (Expect::CommaOrClose | Expect::Key | Expect::KeyOrClose, _) => {
                    return Err(self.syntax());
                }
            };
            if self.open.is_empty() {
                self.skip_space();
                return if self.at == self.body.len() {
                    Ok(())
                } else {
                    Err(JsonError::new(JsonErrorKind::TrailingData, self.at))
                };
            }
        }
    }

    fn syntax(&self) -> JsonError {
        JsonError::new(JsonErrorKind::Syntax, self.at)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.body.get(self.at) {
            self.at += 1;
        }
    }

    fn top(&self) -> Option<Kind> {
        let index = *self.open.last()?;
        self.nodes.get(index as usize).map(|node| node.kind)
    }

    /// Adds a node; offsets and counts fit 32 bits as the body does.
    #[expect(clippy::cast_possible_truncation, reason = "the body is bounded below 4 GiB")]
    fn push(
        &mut self,
        kind: Kind,
        start: usize,
        end: usize,
        text_len: usize,
    ) -> Result<(), JsonError> {
        if self.nodes.len() >= self.limits.nodes {
            return Err(JsonError::new(JsonErrorKind::TooManyNodes, start));
        }
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node {
            kind,
            raw_start: start as u32,
            raw_end: end as u32,
            text_len: text_len as u32,
            next,
        });
        Ok(())
    }

    fn open_container(&mut self, kind: Kind) -> Result<(), JsonError> {
        if self.open.len() >= self.limits.depth {
            return Err(JsonError::new(JsonErrorKind::TooDeep, self.at));
        }
        self.push(kind, self.at, self.at, 0)?;
        self.open.extend(self.nodes.last().map(|node| node.next - 1));
        self.at += 1;
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "the body is bounded below 4 GiB")]
    fn close(&mut self) -> Result<Expect, JsonError> {
        self.at += 1;
        let next = self.nodes.len() as u32;
        let index = self.open.pop().unwrap_or_default();
        let Some(node) = self.nodes.get_mut(index as usize) else { return Err(self.syntax()) };
        node.raw_end = self.at as u32;
        node.next = next;
        Ok(Expect::CommaOrClose)
    }

    fn scalar(&mut self, first: u8) -> Result<(), JsonError> {
        match first {
            b'"' => self.string(Kind::String),
            b't' => self.literal(b"true", Kind::True),
            b'f' => self.literal(b"false", Kind::False),
            b'n' => self.literal(b"null", Kind::Null),
            _ => self.number(),
        }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<(), JsonError> {
        let start = self.at;
        if !self.body.get(start..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.syntax());
        }
        self.at += word.len();
        self.push(kind, start, self.at, word.len())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.body.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.body.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let leading_zero = self.body.get(self.at) == Some(&b'0');
        match self.digits() {
            0 => return Err(self.syntax()),
            2.. if leading_zero => return Err(self.syntax()),
            _ => {}
        }
        if self.body.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.syntax());
            }
        }
        if let Some(b'e' | b'E') = self.body.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.body.get(self.at) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.syntax());
            }
        }
        self.push(Kind::Number, start, self.at, self.at - start)
    }

    /// Reads a string, decoding it into the scratch copy at its own place.
    fn string(&mut self, kind: Kind) -> Result<(), JsonError> {
        let start = self.at + 1;
        let mut raw = start;
        let mut decoded = start;
        loop {
            let rest = self.body.get(raw..).unwrap_or_default();
            let Some(run) = memchr2(b'"', b'\\', rest) else { return Err(self.syntax()) };
            let plain = rest.get(..run).unwrap_or_default();
            if let Some(control) = plain.iter().position(|&byte| byte < b' ') {
                return Err(JsonError::new(JsonErrorKind::Syntax, raw + control));
            }
            if let Some(target) = self.scratch.get_mut(decoded..decoded + run) {
                target.copy_from_slice(plain);
            }
            raw += run;
            decoded += run;
            if rest.get(run) == Some(&b'"') {
                break;
            }
            let Some(escape) = rest.get(run..).and_then(escape::decode) else {
                return Err(JsonError::new(JsonErrorKind::Syntax, raw));
            };
            let mut utf8 = [0; 4];
            let means = escape.means.encode_utf8(&mut utf8).as_bytes();
            if let Some(target) = self.scratch.get_mut(decoded..decoded + means.len()) {
                target.copy_from_slice(means);
            }
            raw += escape.raw_len;
            decoded += means.len();
        }
        self.at = raw + 1;
        self.push(kind, start, raw, decoded - start)
    }
}
