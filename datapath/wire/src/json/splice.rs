//! Writes a changed body out of slices of the old one.
//!
//! Edits are ranges of the raw body in ascending order with the text that takes their place. The
//! result is a list of pieces for one gathered write: what was not edited is the old bytes, so a
//! field that nobody here knows passes untouched. Storage is reused from body to body.

use std::ops::Range;

/// How the text of an edit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The range lies within a string: the text is escaped.
    InString,
    /// The range is a whole value: the text becomes a string literal, quotes included.
    Value,
    /// The text is JSON already, or the edit adds nothing.
    Raw,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit<'t> {
    /// The raw bytes to be replaced; whole escapes (see `Document::raw_range`).
    pub range: Range<usize>,
    /// What takes their place.
    pub text: &'t [u8],
    /// How it is written.
    pub replacement: Replacement,
}

/// A run of bytes of the new body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A range of the old body.
    Original(Range<usize>),
    /// A range of the arena.
    Inserted(Range<usize>),
}

/// Why edits are refused: our own fault, never the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// An edit begins before the end of the one before it.
    #[error("edit {0} overlaps the one before it")]
    Overlap(usize),
    /// An edit reaches beyond the body.
    #[error("edit {0} is out of range")]
    OutOfRange(usize),
}

/// A changed body as pieces.
#[derive(Debug, Default)]
pub struct Splice {
    pieces: Vec<Piece>,
    arena: Vec<u8>,
    len: usize,
}

impl Splice {
    /// An empty splice.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the pieces; keeps the storage.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.arena.clear();
        self.len = 0;
    }

    /// Lays out a body of `body_len` bytes with `edits`, which ascend and do not overlap. After an
    /// error the splice is empty.
    pub fn build<'t>(
        &mut self,
        body_len: usize,
        edits: impl IntoIterator<Item = Edit<'t>>,
    ) -> Result<(), SpliceError> {
        self.clear();
        self.lay_out(body_len, edits).inspect_err(|_| self.clear())
    }

    fn lay_out<'t>(
        &mut self,
        body_len: usize,
        edits: impl IntoIterator<Item = Edit<'t>>,
    ) -> Result<(), SpliceError> {
        let mut at = 0;
        for (number, edit) in edits.into_iter().enumerate() {
            if edit.range.start < at {
                return Err(SpliceError::Overlap(number));
            }
            if edit.range.end < edit.range.start || edit.range.end > body_len {
                return Err(SpliceError::OutOfRange(number));
            }
            self.original(at..edit.range.start);
            self.insert(&edit);
            at = edit.range.end;
        }
        self.original(at..body_len);
        Ok(())
    }

    fn original(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.len += range.len();
            self.pieces.push(Piece::Original(range));
        }
    }

    fn insert(&mut self, edit: &Edit<'_>) {
        let start = self.arena.len();
        match edit.replacement {
            Replacement::InString => escape_into(&mut self.arena, edit.text),
            Replacement::Value => {
                self.arena.push(b'"');
                escape_into(&mut self.arena, edit.text);
                self.arena.push(b'"');
            }
            Replacement::Raw => self.arena.extend_from_slice(edit.text),
        }
        let range = start..self.arena.len();
        if !range.is_empty() {
            self.len += range.len();
            self.pieces.push(Piece::Inserted(range));
        }
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The inserted bytes.
    pub fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// Bytes of the new body.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True where the new body has no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The new body as slices of the old one and of the arena.
    pub fn slices<'a>(&'a self, body: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.pieces.iter().map(move |piece| match piece {
            Piece::Original(range) => body.get(range.clone()).unwrap_or_default(),
            Piece::Inserted(range) => self.arena.get(range.clone()).unwrap_or_default(),
        })
    }

    /// Appends the new body to `out`.
    pub fn write_to(&self, body: &[u8], out: &mut Vec<u8>) {
        out.reserve(self.len);
        for slice in self.slices(body) {
            out.extend_from_slice(slice);
        }
    }

    /// The new body in one piece.
    pub fn to_vec(&self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(body, &mut out);
        out
    }
}

/// Appends `text` (UTF-8) to `out`, escaped to stand within a JSON string.
pub fn escape_into(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let needs_escape = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    let mut rest = text;
    while let Some(at) = rest.iter().position(needs_escape) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, after)) = from.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend(HEX.get(usize::from(byte >> 4)));
                out.extend(HEX.get(usize::from(byte & 0xf)));
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}
