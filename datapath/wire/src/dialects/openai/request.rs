//! Reads a request: its model, its options, and every text in it.
//!
//! The top level is walked once. Known places get their origin; the rest is metadata: whatever the
//! structure, each string, key and long number comes out in some text or is opaque.

use super::{Endpoint, calls, parts};
use crate::dialects::{DialectError, Opaque, OpaqueKind, Origin, Text, Texts};
use crate::json::{Document, Kind, NodeId};

/// Bytes of the longest model name.
const MODEL_BYTES_MAX: usize = 256;

/// What a request asks for, and what is in it. Keep one and read into it again.
#[derive(Debug, Default)]
pub struct RequestView {
    texts: Texts,
    /// The string that names the model.
    pub model: NodeId,
    /// The answer is to come as a stream of events.
    pub stream: bool,
    /// The stream is to end with the token counts.
    pub include_usage: bool,
    /// The bound on tokens of the answer.
    pub max_tokens: Option<u64>,
    /// The number of answers asked for.
    pub n: Option<u64>,
    /// The client's name for its end user.
    pub user: Option<NodeId>,
    /// The client's name for the conversation (`conversation`, else `prompt_cache_key`).
    pub session: Option<NodeId>,
    /// `encoding_format` of embeddings is `base64`.
    pub base64_vectors: bool,
}

impl RequestView {
    /// An empty view.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the request; keeps the storage.
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

    /// Reads the request in `document`, which was parsed from `body`.
    pub fn read(
        &mut self,
        endpoint: Endpoint,
        document: &Document,
        body: &[u8],
    ) -> Result<(), DialectError> {
        debug_assert_eq!(document.scratch().len(), body.len(), "another body's document");
        self.clear();
        let root = document.root();
        if document.kind(root) != Kind::Object {
            return Err(fault(document, None, "the body must be a JSON object"));
        }
        let mut model = None;
        let mut content = None;
        let mut cache_key = None;
        for child in document.children(root) {
            let (Some(key), value) = (child.key, child.value) else { continue };
            match document.text(key) {
                b"model" => {
                    check_model(document, value)?;
                    model = Some(value);
                    // The model's name is a word of the client's choosing.
                    self.texts.string(document, value, Origin::Metadata, Some(key));
                }
                b"messages" if endpoint == Endpoint::ChatCompletions => {
                    content = Some(value);
                    self.messages(document, value, key)?;
                }
                b"prompt" if endpoint == Endpoint::Completions => {
                    content = Some(value);
                    self.inputs(document, value, Origin::User, key);
                }
                b"suffix" if endpoint == Endpoint::Completions => {
                    self.texts.subtree(document, value, Origin::User, Some(key));
                }
                b"input" if endpoint == Endpoint::Embeddings => {
                    content = Some(value);
                    self.inputs(document, value, Origin::Document, key);
                }
                b"documents" => {
                    self.texts.key(document, key, None);
                    self.texts.subtree(document, value, Origin::Document, Some(key));
                }
                b"tools" | b"functions" => {
                    self.texts.subtree(document, value, Origin::ToolDefinition, Some(key));
                }
                name => {
                    if name == b"prompt_cache_key" {
                        cache_key = non_empty_string(document, value);
                    }
                    self.option(document, name, value)?;
                    self.texts.key(document, key, None);
                    self.texts.subtree(document, value, Origin::Metadata, Some(key));
                }
            }
        }
        self.session = self.session.or(cache_key);
        self.model = model.ok_or_else(|| missing("model", "`model` is missing"))?;
        match (endpoint, content) {
            (Endpoint::ChatCompletions, None) => Err(missing("messages", "`messages` is missing")),
            (Endpoint::Embeddings, None) => Err(missing("input", "`input` is missing")),
            // The prompt of a completion may be left out.
            _ => Ok(()),
        }
    }

    /// Takes note of an option that this node acts on.
    fn option(
        &mut self,
        document: &Document,
        name: &[u8],
        value: NodeId,
    ) -> Result<(), DialectError> {
        match name {
            b"stream" => {
                self.stream = match document.kind(value) {
                    Kind::True => true,
                    Kind::False | Kind::Null => false,
                    _ => return Err(fault(document, Some(value), "`stream` must be a boolean")),
                };
            }
            b"stream_options" => {
                self.include_usage = document
                    .get(value, b"include_usage")
                    .is_some_and(|flag| document.kind(flag) == Kind::True);
            }
            b"max_completion_tokens" => self.max_tokens = document.as_u64(value),
            b"max_tokens" => self.max_tokens = self.max_tokens.or(document.as_u64(value)),
            b"n" => self.n = document.as_u64(value),
            b"user" => self.user = non_empty_string(document, value),
            b"conversation" => {
                let id = document.get(value, b"id").unwrap_or(value);
                self.session = non_empty_string(document, id);
            }
            b"encoding_format" => self.base64_vectors = document.text(value) == b"base64",
            _ => {}
        }
        Ok(())
    }

    /// `prompt` or `input`: a string, strings, tokens, or lists of tokens.
    fn inputs(&mut self, document: &Document, value: NodeId, origin: Origin, key: NodeId) {
        if document.kind(value) == Kind::Array {
            let is_tokens = |list: NodeId| {
                document
                    .elements(list)
                    .next()
                    .is_some_and(|first| document.kind(first) == Kind::Number)
            };
            if is_tokens(value) {
                self.tokens(document, value);
            }
            for element in document.elements(value) {
                if is_tokens(element) {
                    self.tokens(document, element);
                }
            }
        }
        if document.kind(value) == Kind::String {
            self.texts.string(document, value, origin, Some(key));
        } else {
            self.strings(document, value, origin, key);
        }
    }

    /// The strings of a list, each as its own text, protocol words too; other values as usual.
    fn strings(&mut self, document: &Document, list: NodeId, origin: Origin, key: NodeId) {
        if document.kind(list) != Kind::Array {
            self.texts.subtree(document, list, origin, Some(key));
            return;
        }
        for element in document.elements(list) {
            if document.kind(element) == Kind::String {
                self.texts.string(document, element, origin, Some(key));
            } else {
                self.texts.subtree(document, element, origin, Some(key));
            }
        }
    }

    fn tokens(&mut self, document: &Document, list: NodeId) {
        let bytes = document.node(list).map_or(0, |node| node.raw().len() as u64);
        self.texts.add_opaque(OpaqueKind::Tokens, bytes, list);
    }

    fn messages(
        &mut self,
        document: &Document,
        messages: NodeId,
        key: NodeId,
    ) -> Result<(), DialectError> {
        if document.kind(messages) != Kind::Array {
            return Err(fault(document, Some(messages), "`messages` must be an array"));
        }
        let mut count = 0_usize;
        for message in document.elements(messages) {
            count += 1;
            if document.kind(message) != Kind::Object {
                return Err(fault(document, Some(message), "a message must be an object"));
            }
            self.message(document, message, key);
        }
        if count == 0 {
            return Err(fault(document, Some(messages), "`messages` must not be empty"));
        }
        Ok(())
    }

    fn message(&mut self, document: &Document, message: NodeId, enclosing: NodeId) {
        let origin = document
            .get(message, b"role")
            .map_or(Origin::User, |role| role_origin(document.text(role)));
        for child in document.children(message) {
            let (Some(key), value) = (child.key, child.value) else { continue };
            match (document.text(key), document.kind(value)) {
                (b"content" | b"refusal", Kind::String) => {
                    self.texts.string(document, value, origin, Some(key));
                }
                (b"content", Kind::Array) => {
                    parts::content_parts(&mut self.texts, document, value, origin, key);
                }
                (b"tool_calls", _) => calls::tool_calls(&mut self.texts, document, value, key),
                (b"function_call", _) => calls::function(&mut self.texts, document, value, key),
                _ => {
                    self.texts.key(document, key, Some(enclosing));
                    self.texts.subtree(document, value, Origin::Metadata, Some(key));
                }
            }
        }
    }
}

/// The origin of what a role says; an unknown role is not trusted more than a user.
fn role_origin(role: &[u8]) -> Origin {
    match role {
        b"system" => Origin::System,
        b"developer" => Origin::Developer,
        b"assistant" => Origin::Assistant,
        b"tool" | b"function" => Origin::ToolResult,
        _ => Origin::User,
    }
}

fn non_empty_string(document: &Document, value: NodeId) -> Option<NodeId> {
    (document.kind(value) == Kind::String && !document.text(value).is_empty()).then_some(value)
}

fn check_model(document: &Document, value: NodeId) -> Result<(), DialectError> {
    if document.kind(value) != Kind::String {
        return Err(fault(document, Some(value), "`model` must be a string"));
    }
    match document.text(value).len() {
        0 => Err(fault(document, Some(value), "`model` must not be empty")),
        1..=MODEL_BYTES_MAX => Ok(()),
        _ => Err(fault(document, Some(value), "`model` is too long")),
    }
}

fn fault(document: &Document, at: Option<NodeId>, message: &'static str) -> DialectError {
    DialectError { param: at.map_or_else(String::new, |node| document.path(node)), message }
}

fn missing(param: &str, message: &'static str) -> DialectError {
    DialectError { param: param.to_owned(), message }
}

/// Appends the text of the last user message to `out`; false where there is none.
pub fn last_user_text(document: &Document, out: &mut Vec<u8>) -> bool {
    let Some(messages) = document.get(document.root(), b"messages") else { return false };
    let is_user = |message: &NodeId| {
        document.get(*message, b"role").is_some_and(|role| document.text(role) == b"user")
    };
    let Some(message) = document.elements(messages).filter(is_user).last() else { return false };
    let Some(content) = document.get(message, b"content") else { return false };
    match document.kind(content) {
        Kind::String => out.extend_from_slice(document.text(content)),
        Kind::Array => {
            for text in document.elements(content).flat_map(|part| parts::part_text(document, part))
            {
                out.extend_from_slice(document.text(text));
            }
        }
        _ => return false,
    }
    true
}
