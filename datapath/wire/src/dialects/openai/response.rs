//! Reads a response that came whole: its texts, its token counts, why it ended.
//!
//! What the model says (content, refusals, tool calls, and the tokens of log probabilities, joined)
//! gets its origin; everything else is metadata. Embedding vectors are opaque: numbers and base64
//! that no detector could read.

use super::calls;
use crate::dialects::{Opaque, OpaqueKind, Origin, Text, Texts, Usage, base64};
use crate::json::{Document, Kind, NodeId};

/// What a response says. Keep one and read into it again.
#[derive(Debug, Default)]
pub struct ResponseView {
    texts: Texts,
    /// The model that answered.
    pub model: Option<NodeId>,
    /// Why the first choice ended.
    pub finish_reason: Option<NodeId>,
    /// Token counts, where the response has them.
    pub usage: Option<Usage>,
}

impl ResponseView {
    /// An empty view.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the response; keeps the storage.
    pub fn clear(&mut self) {
        let mut texts = std::mem::take(&mut self.texts);
        texts.clear();
        *self = Self { texts, ..Self::default() };
    }

    /// All texts to inspect.
    pub fn texts(&self) -> &[Text] {
        self.texts.texts()
    }

    /// The strings that a text consists of, in order.
    pub fn pieces(&self, text: &Text) -> &[NodeId] {
        self.texts.pieces(text)
    }

    /// What cannot be inspected as text.
    pub fn opaque(&self) -> &[Opaque] {
        self.texts.opaque()
    }

    /// Reads the response in `document`. Any JSON is taken: an answer that we do not understand is
    /// inspected as metadata all the same.
    pub fn read(&mut self, document: &Document) {
        self.clear();
        let root = document.root();
        if document.kind(root) != Kind::Object {
            self.texts.subtree(document, root, Origin::Assistant, None);
            return;
        }
        for child in document.children(root) {
            let (Some(key), value) = (child.key, child.value) else { continue };
            match (document.text(key), document.kind(value)) {
                (b"choices", Kind::Array) => {
                    for choice in document.elements(value) {
                        self.choice(document, choice, key);
                    }
                    continue;
                }
                (b"data", Kind::Array) => {
                    for item in document.elements(value) {
                        self.embedding(document, item, key);
                    }
                    continue;
                }
                (b"model", Kind::String) => self.model = Some(value),
                (b"usage", Kind::Object) => self.usage = Some(usage(document, value)),
                _ => {}
            }
            self.texts.key(document, key, None);
            self.texts.subtree(document, value, Origin::Metadata, Some(key));
        }
    }

    fn choice(&mut self, document: &Document, choice: NodeId, enclosing: NodeId) {
        if document.kind(choice) != Kind::Object {
            self.texts.subtree(document, choice, Origin::Assistant, Some(enclosing));
            return;
        }
        for child in document.children(choice) {
            let (Some(key), value) = (child.key, child.value) else { continue };
            match (document.text(key), document.kind(value)) {
                (b"message" | b"delta", Kind::Object) => self.message(document, value, key),
                (b"text", Kind::String) => {
                    self.texts.string(document, value, Origin::Assistant, Some(key));
                }
                (b"logprobs", Kind::Object) => self.logprobs(document, value, key),
                (name, kind) => {
                    if name == b"finish_reason" && kind == Kind::String {
                        self.finish_reason.get_or_insert(value);
                    }
                    self.texts.key(document, key, Some(enclosing));
                    self.texts.subtree(document, value, Origin::Metadata, Some(key));
                }
            }
        }
    }

    fn message(&mut self, document: &Document, message: NodeId, enclosing: NodeId) {
        for child in document.children(message) {
            let (Some(key), value) = (child.key, child.value) else { continue };
            match (document.text(key), document.kind(value)) {
                (b"content" | b"refusal", Kind::String) => {
                    self.texts.string(document, value, Origin::Assistant, Some(key));
                }
                (b"tool_calls", _) => {
                    calls::tool_calls(&mut self.texts, document, value, key);
                }
                (b"function_call", _) => {
                    calls::function(&mut self.texts, document, value, key);
                }
                // What a model thinks aloud is said by the model too.
                (b"content" | b"reasoning" | b"reasoning_content", _) => {
                    self.texts.key(document, key, Some(enclosing));
                    self.texts.subtree(document, value, Origin::Assistant, Some(key));
                }
                _ => {
                    self.texts.key(document, key, Some(enclosing));
                    self.texts.subtree(document, value, Origin::Metadata, Some(key));
                }
            }
        }
    }

    /// Log probabilities say the answer again, token by token: the tokens are one text, and so are
    /// the likeliest alternatives, which are mostly the same tokens.
    fn logprobs(&mut self, document: &Document, logprobs: NodeId, enclosing: NodeId) {
        for child in document.children(logprobs) {
            let (Some(key), value) = (child.key, child.value) else { continue };
            self.texts.key(document, key, Some(enclosing));
            if document.kind(value) != Kind::Array {
                self.texts.subtree(document, value, Origin::Metadata, Some(key));
                continue;
            }
            for node_of in [token_of, likeliest_of] {
                let mark = self.texts.begin();
                for token in document.elements(value).filter_map(|entry| node_of(document, entry)) {
                    self.texts.piece(token);
                }
                self.texts.end(mark, Origin::Assistant, Some(key), false);
            }
            for entry in document.elements(value) {
                let joined = [token_of(document, entry), likeliest_of(document, entry)];
                self.token_entry(document, entry, key, joined);
            }
        }
    }

    /// What an entry has beside its joined tokens. `bytes` spells a token in numbers: opaque.
    fn token_entry(
        &mut self,
        document: &Document,
        entry: NodeId,
        enclosing: NodeId,
        joined: [Option<NodeId>; 2],
    ) {
        if joined.contains(&Some(entry)) {
            return;
        }
        if document.kind(entry) != Kind::Object {
            self.texts.subtree(document, entry, Origin::Metadata, Some(enclosing));
            return;
        }
        for child in document.children(entry) {
            let (Some(key), value) = (child.key, child.value) else { continue };
            self.texts.key(document, key, Some(enclosing));
            match (document.text(key), document.kind(value)) {
                _ if joined.contains(&Some(value)) => continue,
                (b"top_logprobs", Kind::Array) => {
                    for alternative in document.elements(value) {
                        self.token_entry(document, alternative, key, joined);
                    }
                    continue;
                }
                (b"bytes", Kind::Array) => {
                    let bytes = document.elements(value).count() as u64;
                    self.texts.add_opaque(OpaqueKind::Tokens, bytes, value);
                }
                _ => {}
            }
            self.texts.subtree(document, value, Origin::Metadata, Some(key));
        }
    }

    fn embedding(&mut self, document: &Document, item: NodeId, enclosing: NodeId) {
        if document.kind(item) != Kind::Object {
            self.texts.subtree(document, item, Origin::Metadata, Some(enclosing));
            return;
        }
        for child in document.children(item) {
            let (Some(key), value) = (child.key, child.value) else { continue };
            let vector = match (document.text(key), document.kind(value)) {
                (b"embedding", Kind::String) => base64::decoded_len(document.text(value)),
                (b"embedding", Kind::Array) => {
                    let all_numbers = document
                        .elements(value)
                        .all(|element| document.kind(element) == Kind::Number);
                    let raw = document.node(value).map_or(0, |node| node.raw().len() as u64);
                    all_numbers.then_some(raw)
                }
                _ => None,
            };
            if let Some(bytes) = vector {
                self.texts.add_opaque(OpaqueKind::Vector, bytes, value);
                continue;
            }
            self.texts.key(document, key, Some(enclosing));
            self.texts.subtree(document, value, Origin::Metadata, Some(key));
        }
    }
}

/// The token of an entry of log probabilities: the entry itself, or its `token`.
fn token_of(document: &Document, entry: NodeId) -> Option<NodeId> {
    let token = match document.kind(entry) {
        Kind::String => entry,
        _ => document.get(entry, b"token")?,
    };
    (document.kind(token) == Kind::String && !document.text(token).is_empty()).then_some(token)
}

/// The token of the first alternative of an entry.
fn likeliest_of(document: &Document, entry: NodeId) -> Option<NodeId> {
    let alternatives = document.get(entry, b"top_logprobs")?;
    if document.kind(alternatives) != Kind::Array {
        return None;
    }
    document.elements(alternatives).next().and_then(|first| token_of(document, first))
}

/// The counts of a `usage` object.
pub(super) fn usage(document: &Document, usage: NodeId) -> Usage {
    let count = |key: &[u8]| {
        document.get(usage, key).and_then(|value| document.as_u64(value)).unwrap_or_default()
    };
    let cached = document
        .get(usage, b"prompt_tokens_details")
        .and_then(|details| document.get(details, b"cached_tokens"))
        .and_then(|value| document.as_u64(value));
    Usage {
        prompt_tokens: count(b"prompt_tokens"),
        completion_tokens: count(b"completion_tokens"),
        total_tokens: count(b"total_tokens"),
        cached_tokens: cached.unwrap_or_default(),
    }
}
