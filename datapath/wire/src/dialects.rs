//! Provider dialects: what a body asks for, and every text in it that must be inspected.
//!
//! A dialect reads a parsed document and yields the same shapes for all providers: the model, the
//! stream flag, the texts with their origin, and what cannot be inspected as text. It walks
//! everything: a field that it does not know is inspected as metadata, so nothing hides in one.
//!
//! It does not change a body, and it does not decide.

mod base64;
mod collect;
mod words;

pub mod openai;

pub use collect::{Texts, is_long_number};
pub use words::is_protocol_word;

use crate::json::NodeId;

/// Where a text stands in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The operator's instructions.
    System,
    /// The developer's instructions.
    Developer,
    /// What the user says.
    User,
    /// What the model said.
    Assistant,
    /// What a tool returned.
    ToolResult,
    /// What the model asks a tool.
    ToolCall,
    /// The description of a tool.
    ToolDefinition,
    /// A document given as context or to be embedded.
    Document,
    /// The name, address or text of an attachment.
    Attachment,
    /// Any other field.
    Metadata,
    /// The name of a member of an object.
    Key,
}

/// A text to inspect: one string, or several that read as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Where it stands.
    pub origin: Origin,
    /// The key that encloses it most closely.
    pub key: Option<NodeId>,
    /// The text is itself a JSON document.
    pub nested_json: bool,
    /// Its pieces, within the list that it came from (see [`Texts::pieces`]).
    pub(crate) pieces_start: u32,
    pub(crate) pieces_len: u32,
}

/// What an opaque part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpaqueKind {
    /// An image in the body.
    Image,
    /// Sound in the body.
    Audio,
    /// Video in the body.
    Video,
    /// A file in the body, or one kept by the provider.
    File,
    /// An image or other medium that the provider is to fetch.
    RemoteImage,
    /// Text given as token numbers.
    Tokens,
    /// An embedding vector.
    Vector,
}

/// Content that cannot be inspected as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opaque {
    /// What it is.
    pub kind: OpaqueKind,
    /// Its size, decoded where it is base64; 0 where it is not in the body.
    pub bytes: u64,
    /// The node that holds it.
    pub node: NodeId,
}

/// Token counts that a provider reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// All tokens.
    pub total_tokens: u64,
    /// Tokens of the prompt that came from a cache.
    pub cached_tokens: u64,
}

/// A body that the dialect does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DialectError {
    /// The JSON path of the fault; empty for the body as a whole.
    pub param: String,
    /// What is wrong, for the client.
    pub message: &'static str,
}

/// A path or method that the dialect does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No such path.
    #[error("unknown path")]
    NotFound,
    /// The path takes another method.
    #[error("the path takes `{allow}`")]
    MethodNotAllowed {
        /// For the `Allow` header.
        allow: &'static str,
    },
}

impl RouteError {
    /// The status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
        }
    }
}
