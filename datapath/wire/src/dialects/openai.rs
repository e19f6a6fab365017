//! The OpenAI dialect: chat completions, completions, embeddings and models.
//!
//! Requests and responses are read from parsed documents, never into structs of their own: fields
//! that this file does not know stay in the body and are inspected as metadata. Writers for what
//! this node answers itself (errors, refusals, the echo model) stand beside the readers.

mod answer;
mod calls;
mod error;
mod parts;
mod request;
mod response;
mod stream;

pub use answer::{
    ChatAnswer, ChatChunk, ChunkBody, EmbeddingFormat, ModelEntry, chat_chunk, chat_response,
    completion_chunk, completion_response, embeddings_response, model_object, models_list,
    refusal_response, refusal_stream, stream_done,
};
pub use error::{ErrorObject, openai_error};
pub use request::{RequestView, last_user_text};
pub use response::ResponseView;
pub use stream::{chunk_finish_reason, chunk_usage};

use super::RouteError;
use crate::http1::Method;
use std::borrow::Cow;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`.
    ChatCompletions,
    /// `POST /v1/completions`.
    Completions,
    /// `POST /v1/embeddings`.
    Embeddings,
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/models/{id}`; see [`model_id`].
    Model,
}

impl Endpoint {
    /// The path without a model id.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Models | Self::Model => "/v1/models",
        }
    }

    /// True where the request has a body to inspect.
    pub const fn has_body(self) -> bool {
        match self {
            Self::ChatCompletions | Self::Completions | Self::Embeddings => true,
            Self::Models | Self::Model => false,
        }
    }
}

const MODEL_PREFIX: &[u8] = b"/v1/models/";

/// The endpoint of a method and path; the path comes without its query.
pub fn route(method: Method, path: &[u8]) -> Result<Endpoint, RouteError> {
    let endpoint = match path {
        b"/v1/chat/completions" => Endpoint::ChatCompletions,
        b"/v1/completions" => Endpoint::Completions,
        b"/v1/embeddings" => Endpoint::Embeddings,
        b"/v1/models" => Endpoint::Models,
        _ if path.len() > MODEL_PREFIX.len() && path.starts_with(MODEL_PREFIX) => Endpoint::Model,
        _ => return Err(RouteError::NotFound),
    };
    let (wanted, allow) =
        if endpoint.has_body() { (Method::Post, "POST") } else { (Method::Get, "GET") };
    if method == wanted { Ok(endpoint) } else { Err(RouteError::MethodNotAllowed { allow }) }
}

/// The model of `GET /v1/models/{id}`, percent-decoded.
pub fn model_id(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    let id = path.strip_prefix(MODEL_PREFIX).filter(|id| !id.is_empty())?;
    if !id.contains(&b'%') {
        return Some(Cow::Borrowed(id));
    }
    let mut decoded = Vec::with_capacity(id.len());
    let mut rest = id;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (hex, after) = rest.split_at_checked(2)?;
        let value = hex.iter().try_fold(0_u8, |value, &digit| {
            let digit = u8::try_from(char::from(digit).to_digit(16)?).ok()?;
            Some(value << 4 | digit)
        })?;
        decoded.push(value);
        rest = after;
    }
    Some(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests;
