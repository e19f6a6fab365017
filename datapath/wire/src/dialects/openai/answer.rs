//! Answers that this node writes itself: the echo model, refusals, and the list of models.
//!
//! Ids and times are the caller's: nothing here knows the clock. Streams are written chunk by
//! chunk, each a complete server-sent event.

use super::error::{bytes, string};
use crate::dialects::Usage;
use base64::Engine as _;
use std::io::Write as _;

/// An answer to a chat or completion request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatAnswer<'a> {
    /// The id of the answer.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model's name (UTF-8).
    pub model: &'a [u8],
    /// What it says (UTF-8).
    pub content: &'a [u8],
    /// Why it ended.
    pub finish_reason: &'a str,
    /// Token counts.
    pub usage: Usage,
}

/// One event of a streamed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatChunk<'a> {
    /// The id of the answer.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model's name (UTF-8).
    pub model: &'a [u8],
    /// What this event brings.
    pub body: ChunkBody<'a>,
}

/// What an event of a stream brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkBody<'a> {
    /// The first event: the role.
    Role,
    /// A piece of the answer (UTF-8).
    Content(&'a [u8]),
    /// A piece of a refusal (UTF-8).
    Refusal(&'a [u8]),
    /// The end, and why.
    Finish(&'a str),
    /// The token counts, where they were asked for.
    Usage(Usage),
}

/// How embedding vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingFormat {
    /// A list of numbers.
    Float,
    /// 32-bit little-endian floats in base64.
    Base64,
}

/// A model in the list of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelEntry<'a> {
    /// Its name.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// Whose it is.
    pub owned_by: &'a str,
}

/// Appends a chat completion.
pub fn chat_response(out: &mut Vec<u8>, answer: &ChatAnswer<'_>) {
    head(out, answer.id, b"chat.completion", answer.created, answer.model);
    out.extend_from_slice(
        b",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":",
    );
    bytes(out, answer.content);
    out.extend_from_slice(b",\"refusal\":null},\"logprobs\":null,\"finish_reason\":");
    string(out, answer.finish_reason);
    out.extend_from_slice(b"}],\"usage\":");
    usage(out, answer.usage);
    out.push(b'}');
}

/// Appends one event of a streamed chat completion.
pub fn chat_chunk(out: &mut Vec<u8>, chunk: &ChatChunk<'_>) {
    out.extend_from_slice(b"data: ");
    head(out, chunk.id, b"chat.completion.chunk", chunk.created, chunk.model);
    out.extend_from_slice(b",\"choices\":[");
    match chunk.body {
        ChunkBody::Role => out.extend_from_slice(
            b"{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]",
        ),
        ChunkBody::Content(text) => delta(out, b"content", text),
        ChunkBody::Refusal(text) => delta(out, b"refusal", text),
        ChunkBody::Finish(reason) => {
            out.extend_from_slice(b"{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":");
            string(out, reason);
            out.extend_from_slice(b"}]");
        }
        ChunkBody::Usage(counts) => {
            out.extend_from_slice(b"],\"usage\":");
            usage(out, counts);
        }
    }
    out.extend_from_slice(b"}\n\n");
}

/// Appends the event that ends a stream.
pub fn stream_done(out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: [DONE]\n\n");
}

/// Appends a chat completion that refuses: `finish_reason` is `content_filter`.
pub fn refusal_response(out: &mut Vec<u8>, id: &str, created: u64, model: &[u8], message: &str) {
    head(out, id, b"chat.completion", created, model);
    out.extend_from_slice(
        b",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":",
    );
    string(out, message);
    out.extend_from_slice(b",\"refusal\":");
    string(out, message);
    out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":\"content_filter\"}],\"usage\":");
    usage(out, Usage::default());
    out.push(b'}');
}

/// Appends the whole stream of a refusal.
pub fn refusal_stream(
    out: &mut Vec<u8>,
    id: &str,
    created: u64,
    model: &[u8],
    message: &str,
    include_usage: bool,
) {
    let text = message.as_bytes();
    let chunks = [
        ChunkBody::Role,
        ChunkBody::Content(text),
        ChunkBody::Refusal(text),
        ChunkBody::Finish("content_filter"),
    ];
    let counts = include_usage.then_some(ChunkBody::Usage(Usage::default()));
    for body in chunks.into_iter().chain(counts) {
        chat_chunk(out, &ChatChunk { id, created, model, body });
    }
    stream_done(out);
}

/// Appends a text completion.
pub fn completion_response(out: &mut Vec<u8>, answer: &ChatAnswer<'_>) {
    head(out, answer.id, b"text_completion", answer.created, answer.model);
    out.extend_from_slice(b",\"choices\":[{\"index\":0,\"text\":");
    bytes(out, answer.content);
    out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
    string(out, answer.finish_reason);
    out.extend_from_slice(b"}],\"usage\":");
    usage(out, answer.usage);
    out.push(b'}');
}

/// Appends one event of a streamed text completion; a role is an empty text.
pub fn completion_chunk(out: &mut Vec<u8>, chunk: &ChatChunk<'_>) {
    let (text, reason) = match chunk.body {
        ChunkBody::Role => (&b""[..], None),
        ChunkBody::Content(text) | ChunkBody::Refusal(text) => (text, None),
        ChunkBody::Finish(reason) => (&b""[..], Some(reason)),
        ChunkBody::Usage(counts) => {
            out.extend_from_slice(b"data: ");
            head(out, chunk.id, b"text_completion", chunk.created, chunk.model);
            out.extend_from_slice(b",\"choices\":[],\"usage\":");
            usage(out, counts);
            out.extend_from_slice(b"}\n\n");
            return;
        }
    };
    out.extend_from_slice(b"data: ");
    head(out, chunk.id, b"text_completion", chunk.created, chunk.model);
    out.extend_from_slice(b",\"choices\":[{\"index\":0,\"text\":");
    bytes(out, text);
    out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
    match reason {
        Some(reason) => string(out, reason),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b"}]}\n\n");
}

/// Appends the list of models.
pub fn models_list<'m>(out: &mut Vec<u8>, models: impl IntoIterator<Item = ModelEntry<'m>>) {
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    for (index, model) in models.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        model_object(out, &model);
    }
    out.extend_from_slice(b"]}");
}

/// Appends one model.
pub fn model_object(out: &mut Vec<u8>, model: &ModelEntry<'_>) {
    out.extend_from_slice(b"{\"id\":");
    string(out, model.id);
    out.extend_from_slice(b",\"object\":\"model\",\"created\":");
    number(out, model.created);
    out.extend_from_slice(b",\"owned_by\":");
    string(out, model.owned_by);
    out.push(b'}');
}

/// Appends the answer to an embeddings request.
pub fn embeddings_response<'v>(
    out: &mut Vec<u8>,
    model: &[u8],
    vectors: impl IntoIterator<Item = &'v [f32]>,
    format: EmbeddingFormat,
    prompt_tokens: u64,
) {
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    for (index, vector) in vectors.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"object\":\"embedding\",\"index\":");
        number(out, index as u64);
        out.extend_from_slice(b",\"embedding\":");
        match format {
            EmbeddingFormat::Float => floats(out, vector),
            EmbeddingFormat::Base64 => packed(out, vector),
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"model\":");
    bytes(out, model);
    out.extend_from_slice(b",\"usage\":{\"prompt_tokens\":");
    number(out, prompt_tokens);
    out.extend_from_slice(b",\"total_tokens\":");
    number(out, prompt_tokens);
    out.extend_from_slice(b"}}");
}

fn floats(out: &mut Vec<u8>, vector: &[f32]) {
    out.push(b'[');
    for (index, value) in vector.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // JSON has no infinities.
        let value = if value.is_finite() { *value } else { 0.0 };
        let written = write!(out, "{value:?}");
        debug_assert!(written.is_ok(), "a vector takes all bytes");
    }
    out.push(b']');
}

fn packed(out: &mut Vec<u8>, vector: &[f32]) {
    let raw: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    string(out, &base64::engine::general_purpose::STANDARD.encode(raw));
}

fn head(out: &mut Vec<u8>, id: &str, object: &[u8], created: u64, model: &[u8]) {
    out.extend_from_slice(b"{\"id\":");
    string(out, id);
    out.extend_from_slice(b",\"object\":");
    bytes(out, object);
    out.extend_from_slice(b",\"created\":");
    number(out, created);
    out.extend_from_slice(b",\"model\":");
    bytes(out, model);
}

fn delta(out: &mut Vec<u8>, field: &[u8], text: &[u8]) {
    out.extend_from_slice(b"{\"index\":0,\"delta\":{");
    bytes(out, field);
    out.push(b':');
    bytes(out, text);
    out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":null}]");
}

fn usage(out: &mut Vec<u8>, counts: Usage) {
    out.extend_from_slice(b"{\"prompt_tokens\":");
    number(out, counts.prompt_tokens);
    out.extend_from_slice(b",\"completion_tokens\":");
    number(out, counts.completion_tokens);
    out.extend_from_slice(b",\"total_tokens\":");
    number(out, counts.total_tokens);
    out.push(b'}');
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
