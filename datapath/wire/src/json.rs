//! JSON as spans: where every value stands in the raw body, and what its strings say.
//!
//! A body becomes one flat list of nodes in document order, so that findings map back to byte
//! ranges of the raw body and a redacted body can be written out of slices of the old one. There
//! is no tree of allocated values. `simd-json` does the work on a scratch copy; where it refuses
//! what RFC 8259 allows (integers beyond 64 bits, `1e400`, lone surrogates), a scanner of our own
//! takes over and also says what is wrong with a body that is no JSON at all.
//!
//! Two keys of the same name in one object are refused: the next reader may take the other one.

mod count;
mod duplicates;
mod escape;
mod node;
mod path;
mod scan;
mod splice;
mod tape;

pub use escape::RawCursor;
pub use node::{Child, Children, Kind, Node, NodeId};
pub use splice::{Edit, Piece, Replacement, Splice, SpliceError, escape_into};

use std::ops::Range;

/// Bounds of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// Containers within containers.
    pub depth: usize,
    /// Nodes: values and keys together.
    pub nodes: usize,
    /// Bytes of the body; never more than 4 GiB less the padding.
    pub bytes: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self { depth: 128, nodes: 256 * 1024, bytes: 8 * 1024 * 1024 }
    }
}

/// Why a body is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct JsonError {
    /// Offset in the raw body.
    pub offset: usize,
    /// What is wrong there.
    pub kind: JsonErrorKind,
}

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonErrorKind {
    /// It is not UTF-8.
    #[error("the body is not valid UTF-8")]
    InvalidUtf8,
    /// It is not JSON.
    #[error("the body is not valid JSON")]
    Syntax,
    /// Something stands behind the value.
    #[error("unexpected data after the value")]
    TrailingData,
    /// Containers are nested deeper than allowed.
    #[error("the body is nested too deep")]
    TooDeep,
    /// There are more values and keys than allowed.
    #[error("the body has too many values")]
    TooManyNodes,
    /// The body is longer than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// An object has the same key twice.
    #[error("`{path}` is given twice")]
    DuplicateKey {
        /// Path of the second one.
        path: String,
    },
}

impl JsonError {
    fn new(kind: JsonErrorKind, offset: usize) -> Self {
        Self { offset, kind }
    }

    /// The status to answer a request with.
    pub const fn status(&self) -> u16 {
        match self.kind {
            JsonErrorKind::TooLarge | JsonErrorKind::TooManyNodes => 413,
            JsonErrorKind::InvalidUtf8
            | JsonErrorKind::Syntax
            | JsonErrorKind::TrailingData
            | JsonErrorKind::TooDeep
            | JsonErrorKind::DuplicateKey { .. } => 400,
        }
    }
}

/// A parsed body. Keep one and parse into it again: its storage is reused.
///
/// The decoded text of a string stands in [`scratch`](Self::scratch) where its raw form stands in
/// the body, `text_len` bytes from `raw_start` on, since no escape is shorter than what it means.
#[derive(Default)]
pub struct Document {
    nodes: Vec<Node>,
    /// The body with its strings decoded in place, and padding.
    scratch: Vec<u8>,
    length: usize,
    /// Open containers while parsing.
    open: Vec<u32>,
    keys: Vec<duplicates::KeyHash>,
    tape: tape::TapeFront,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the content.
        f.debug_struct("Document")
            .field("nodes", &self.nodes.len())
            .field("bytes", &self.length)
            .finish_non_exhaustive()
    }
}

impl Document {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses `body`. After an error the document is empty.
    pub fn parse(&mut self, body: &[u8], limits: &JsonLimits) -> Result<(), JsonError> {
        self.clear();
        if body.len() > limits.bytes.min(u32::MAX as usize - tape::PADDING) {
            return Err(JsonError::new(JsonErrorKind::TooLarge, limits.bytes));
        }
        // A node takes at least a byte of the body, so most bodies need no counting.
        if body.len() > limits.nodes {
            count::check(body, limits.nodes)?;
        }
        self.fill(body, limits).and_then(|()| self.check_keys()).inspect_err(|_| self.clear())
    }

    /// Parses with the scanner alone: the oracle of the tests, and the path for what `simd-json`
    /// refuses.
    #[doc(hidden)]
    pub fn parse_scalar(&mut self, body: &[u8], limits: &JsonLimits) -> Result<(), JsonError> {
        self.clear();
        if body.len() > limits.bytes.min(u32::MAX as usize - tape::PADDING) {
            return Err(JsonError::new(JsonErrorKind::TooLarge, limits.bytes));
        }
        self.scan(body, limits).and_then(|()| self.check_keys()).inspect_err(|_| self.clear())
    }

    fn check_keys(&mut self) -> Result<(), JsonError> {
        duplicates::check(&self.nodes, &self.scratch, &mut self.keys).map_err(|id| {
            let offset = self.node(id).map_or(0, |node| node.raw_start as usize);
            JsonError::new(JsonErrorKind::DuplicateKey { path: self.path(id) }, offset)
        })
    }

    fn fill(&mut self, body: &[u8], limits: &JsonLimits) -> Result<(), JsonError> {
        self.length = body.len();
        self.scratch.extend_from_slice(body);
        self.scratch.resize(body.len() + tape::PADDING, b' ');
        let front =
            self.tape.fill(body, &mut self.scratch, limits, &mut self.nodes, &mut self.open);
        match front {
            Ok(()) => Ok(()),
            Err(tape::Refused) => self.scan(body, limits),
        }
    }

    fn scan(&mut self, body: &[u8], limits: &JsonLimits) -> Result<(), JsonError> {
        self.nodes.clear();
        self.open.clear();
        self.length = body.len();
        self.scratch.clear();
        self.scratch.extend_from_slice(body);
        scan::scan(body, &mut self.scratch, limits, &mut self.nodes, &mut self.open)
    }

    /// Forgets the document; keeps the storage.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.scratch.clear();
        self.open.clear();
        self.length = 0;
    }

    /// Gives back storage where one large body made it grow beyond `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let nodes_bytes = self.nodes.capacity() * size_of::<Node>();
        if self.scratch.capacity() + nodes_bytes > bytes {
            *self = Self::default();
        }
    }

    /// All nodes, in document order; the first is the top-level value.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// The kind of a node; `Null` where there is no such node.
    pub fn kind(&self, id: NodeId) -> Kind {
        self.node(id).map_or(Kind::Null, |node| node.kind)
    }

    /// The top-level value.
    pub const fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// The body with all strings decoded in place: the text of a node is
    /// `raw_start .. raw_start + text_len`. Bytes between texts mean nothing.
    pub fn scratch(&self) -> &[u8] {
        self.scratch.get(..self.length).unwrap_or_default()
    }

    /// The decoded text of a string or key (UTF-8; a lone surrogate is U+FFFD), the digits of a
    /// number, the word of a literal; empty for containers.
    pub fn text(&self, id: NodeId) -> &[u8] {
        self.node(id).map_or(&b""[..], |node| node.text(&self.scratch))
    }

    /// The decoded text of a string or key as `str`.
    pub fn text_str(&self, id: NodeId) -> Option<&str> {
        let node = self.node(id)?;
        if !matches!(node.kind, Kind::String | Kind::Key) {
            return None;
        }
        simdutf8::basic::from_utf8(node.text(&self.scratch)).ok()
    }

    /// The value of `key` in the object `object`.
    pub fn get(&self, object: NodeId, key: &[u8]) -> Option<NodeId> {
        self.children(object).find_map(|child| {
            let found = self.text(child.key?) == key;
            found.then_some(child.value)
        })
    }

    /// The members of an object or the elements of an array; nothing for other nodes.
    pub fn children(&self, id: NodeId) -> Children<'_> {
        Children::new(&self.nodes, id)
    }

    /// The elements of the array `array`, without keys.
    pub fn elements(&self, array: NodeId) -> impl Iterator<Item = NodeId> {
        self.children(array).map(|child| child.value)
    }

    /// A non-negative integer that fits 64 bits.
    pub fn as_u64(&self, id: NodeId) -> Option<u64> {
        let node = self.node(id)?;
        if node.kind != Kind::Number {
            return None;
        }
        let digits = std::str::from_utf8(node.text(&self.scratch)).ok()?;
        digits.parse().ok()
    }

    /// Where a node stands, as error messages name it: `messages[2].content`. Keys that are no
    /// plain names are given by their position, since a key may be content.
    pub fn path(&self, id: NodeId) -> String {
        path::path(self, id)
    }

    /// The offset in the raw body of the byte `decoded` of the text of a node. Within an escape,
    /// the start of the escape.
    pub fn raw_offset(&self, body: &[u8], id: NodeId, decoded: usize) -> usize {
        self.raw_cursor(body, id).floor(decoded)
    }

    /// The raw range behind a range of decoded text: whole escapes.
    pub fn raw_range(&self, body: &[u8], id: NodeId, decoded: Range<usize>) -> Range<usize> {
        let mut cursor = self.raw_cursor(body, id);
        let start = cursor.floor(decoded.start);
        let end = if decoded.is_empty() { start } else { cursor.ceil(decoded.end) };
        start..end
    }

    /// Maps ascending offsets of one node in one pass.
    pub fn raw_cursor<'b>(&self, body: &'b [u8], id: NodeId) -> RawCursor<'b> {
        let node = self.node(id).copied().unwrap_or_default();
        RawCursor::new(body, &node)
    }
}

#[cfg(test)]
pub(crate) mod tests;
