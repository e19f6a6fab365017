//! Collects the texts of a document: reused storage, and the walk that leaves nothing out.
//!
//! A dialect names the origin of the places it knows and hands every other subtree to
//! [`Texts::subtree`]. INVARIANT: each string, key and long number of the document is a piece of
//! some text, or equal to a protocol word, or empty, or held by an opaque entry.

use super::words::is_protocol_word;
use super::{Opaque, OpaqueKind, Origin, Text};
use crate::json::{Document, Kind, NodeId};

/// Digits from which a number may identify somebody.
const LONG_NUMBER_DIGITS: usize = 7;

/// The texts and the opaque parts of one document.
#[derive(Debug, Default)]
pub struct Texts {
    list: Vec<Text>,
    pieces: Vec<NodeId>,
    opaque: Vec<Opaque>,
    /// Open containers of a walk: where each ends and its enclosing key.
    open: Vec<(u32, Option<NodeId>)>,
}

impl Texts {
    /// Forgets all; keeps the storage.
    pub fn clear(&mut self) {
        self.list.clear();
        self.pieces.clear();
        self.opaque.clear();
        self.open.clear();
    }

    /// All texts to inspect.
    pub fn texts(&self) -> &[Text] {
        &self.list
    }

    /// The strings that a text consists of, in order; they read as one text without a gap.
    pub fn pieces(&self, text: &Text) -> &[NodeId] {
        let start = text.pieces_start as usize;
        self.pieces.get(start..start + text.pieces_len as usize).unwrap_or_default()
    }

    /// What cannot be inspected as text.
    pub fn opaque(&self) -> &[Opaque] {
        &self.opaque
    }

    /// Adds one string as a text, unless it is empty.
    pub(super) fn string(
        &mut self,
        document: &Document,
        node: NodeId,
        origin: Origin,
        key: Option<NodeId>,
    ) {
        if !document.text(node).is_empty() {
            self.push(node, origin, key, false);
        }
    }

    /// Adds one string that is a JSON document itself.
    pub(super) fn nested_json(
        &mut self,
        document: &Document,
        node: NodeId,
        origin: Origin,
        key: Option<NodeId>,
    ) {
        if !document.text(node).is_empty() {
            self.push(node, origin, key, true);
        }
    }

    fn push(&mut self, node: NodeId, origin: Origin, key: Option<NodeId>, nested_json: bool) {
        let mark = self.begin();
        self.piece(node);
        self.end(mark, origin, key, nested_json);
    }

    /// Begins a text of several pieces.
    #[expect(clippy::cast_possible_truncation, reason = "pieces are nodes, below 2^32")]
    pub(super) fn begin(&self) -> u32 {
        self.pieces.len() as u32
    }

    /// Adds a piece to the text begun last.
    pub(super) fn piece(&mut self, node: NodeId) {
        self.pieces.push(node);
    }

    /// Ends the text begun at `mark`; one without pieces is none.
    pub(super) fn end(
        &mut self,
        mark: u32,
        origin: Origin,
        key: Option<NodeId>,
        nested_json: bool,
    ) {
        let pieces_len = self.begin() - mark;
        if pieces_len > 0 {
            self.list.push(Text { origin, key, nested_json, pieces_start: mark, pieces_len });
        }
    }

    /// Adds an opaque part.
    pub(super) fn add_opaque(&mut self, kind: OpaqueKind, bytes: u64, node: NodeId) {
        self.opaque.push(Opaque { kind, bytes, node });
    }

    /// Adds a key, unless it is a word of the protocol.
    pub(super) fn key(&mut self, document: &Document, key: NodeId, enclosing: Option<NodeId>) {
        if !is_protocol_word(document.text(key)) {
            self.push(key, Origin::Key, enclosing, false);
        }
    }

    /// Adds every string, key and long number of the subtree at `root`. `key` encloses it.
    pub(super) fn subtree(
        &mut self,
        document: &Document,
        root: NodeId,
        origin: Origin,
        key: Option<NodeId>,
    ) {
        let Some(end) = document.node(root).map(|node| node.next) else { return };
        let mut enclosing = key;
        let mut at = root;
        self.open.clear();
        while at.0 < end {
            while let Some(&(inner_end, outer_key)) = self.open.last()
                && at.0 >= inner_end
            {
                enclosing = outer_key;
                self.open.pop();
            }
            let Some(node) = document.node(at) else { return };
            match node.kind {
                // A key encloses its value, then the key of the object does again.
                Kind::Key => {
                    self.key(document, at, enclosing);
                    let value = at.following();
                    let value_end = document.node(value).map_or(end, |node| node.next);
                    self.open.push((value_end, enclosing));
                    enclosing = Some(at);
                }
                Kind::String => {
                    if !is_protocol_word(document.text(at)) {
                        self.push(at, origin, enclosing, false);
                    }
                }
                Kind::Number => {
                    if node.text_len as usize >= LONG_NUMBER_DIGITS
                        && is_long_number(document.text(at))
                    {
                        self.push(at, origin, enclosing, false);
                    }
                }
                Kind::Object | Kind::Array | Kind::True | Kind::False | Kind::Null => {}
            }
            at = at.following();
        }
        self.open.clear();
    }
}

/// True where a number has at least seven significant digits.
pub fn is_long_number(digits: &[u8]) -> bool {
    digits
        .iter()
        .take_while(|byte| !matches!(byte, b'e' | b'E'))
        .filter(|byte| byte.is_ascii_digit())
        .skip_while(|byte| **byte == b'0')
        .count()
        >= LONG_NUMBER_DIGITS
}
