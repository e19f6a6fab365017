//! The built-in echo model: answers with the last user message as it was forwarded.
//!
//! It stands where an upstream would, behind the same stages, so that a first look shows what a
//! model would have seen. Its answers are governed like any other.

use crate::answer::{self, Reply};
use crate::audit::Recorded;
use crate::conn::{Connection, Next};
use crate::govern::{StreamCommitment, commit};
use crate::refusal::Refusal;
use crate::request::Outcome;
use crate::request::{self, Transformed};
use sluice_contract::decision::Verdict;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use sluice_contract::record::{End, OutcomeFixed};
use sluice_wire::dialects::Usage;
use sluice_wire::dialects::openai::{
    self, ChatAnswer, ChatChunk, ChunkBody, EmbeddingFormat, Endpoint, last_user_text,
};
use sluice_wire::http1::{HeadWriter, write_chunk_header, write_last_chunk};
use sluice_wire::json::{Document, JsonLimits, Kind};
use std::rc::Rc;

/// Bytes of text in one event of a stream, so that a short message comes in several.
const PIECE_BYTES: usize = 16;

/// Dimensions of an embedding.
const DIMENSIONS: usize = 16;

/// Inputs of an embeddings request that get a vector; more are refused by real providers too.
const INPUTS_MAX: usize = 2048;

/// What is said, and to how many inputs.
struct Said {
    text: Vec<u8>,
    inputs: usize,
}

/// Answers a request.
pub async fn answer(
    connection: &mut Connection,
    transformed: Transformed,
    recorded: Recorded,
) -> Next {
    let mut outcome = Outcome::new(connection, &transformed);
    outcome.fixed.status = 200;
    outcome.fixed.upstream_status = 200;
    let plan = Rc::clone(transformed.admitted.plan());
    outcome.fixed.target = plan
        .plan
        .upstreams
        .get(transformed.governed.upstream)
        .map_or(0, |upstream| upstream.name_id.0);
    let said = listen(&transformed);
    let next = if transformed.governed.stream
        && transformed.admitted.identified.endpoint != Endpoint::Embeddings
    {
        stream(connection, &transformed, &recorded, &mut outcome, &said).await
    } else {
        whole(connection, &transformed, &recorded, &mut outcome, &said).await
    };
    if next == Next::Drop {
        outcome.fixed.end = End::ClientLeft as u8;
    }
    request::finish(connection, transformed, recorded, &outcome);
    next
}

/// Reads the body as a model would.
fn listen(transformed: &Transformed) -> Said {
    let body = transformed.body();
    let limits = &transformed.admitted.plan().plan.snapshot.limits;
    let limits =
        JsonLimits { depth: limits.json_depth, nodes: limits.json_nodes, bytes: body.len() };
    let mut document = Document::new();
    let mut said = Said { text: Vec::new(), inputs: 1 };
    // What was governed parses; should it not, the echo is empty.
    if document.parse(body, &limits).is_err() {
        return said;
    }
    let root = sluice_wire::json::NodeId::default();
    match transformed.admitted.identified.endpoint {
        Endpoint::ChatCompletions => {
            last_user_text(&document, &mut said.text);
        }
        Endpoint::Completions => {
            if let Some(prompt) = document.get(root, b"prompt") {
                said.text.extend_from_slice(document.text(prompt));
            }
        }
        Endpoint::Embeddings => {
            if let Some(input) = document.get(root, b"input")
                && document.kind(input) == Kind::Array
            {
                let strings =
                    document.elements(input).filter(|n| document.kind(*n) == Kind::String);
                said.inputs = strings.count().clamp(1, INPUTS_MAX);
            }
        }
        Endpoint::Models | Endpoint::Model => {}
    }
    said
}

fn usage(transformed: &Transformed, said: &Said) -> Usage {
    // Four bytes a token is the usual rule of thumb; the echo has no tokeniser.
    let tokens = |bytes: usize| (bytes as u64).div_ceil(4);
    let prompt_tokens = tokens(transformed.governed.facts.text_bytes as usize);
    let completion_tokens = tokens(said.text.len());
    Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens + completion_tokens,
        cached_tokens: 0,
    }
}

async fn whole(
    connection: &mut Connection,
    transformed: &Transformed,
    recorded: &Recorded,
    outcome: &mut Outcome,
    said: &Said,
) -> Next {
    let mut body = Vec::with_capacity(512 + said.text.len());
    let id = request::request_id_text(transformed.admitted.trace());
    let usage = usage(transformed, said);
    let answer = ChatAnswer {
        id: &id,
        created: crate::clock::unix_seconds(),
        model: transformed.governed.model.as_bytes(),
        content: &said.text,
        finish_reason: "stop",
        usage,
    };
    match transformed.admitted.identified.endpoint {
        Endpoint::Embeddings => {
            let vectors: Vec<[f32; DIMENSIONS]> = (0..said.inputs).map(vector).collect();
            let format = if transformed.governed.base64_vectors {
                EmbeddingFormat::Base64
            } else {
                EmbeddingFormat::Float
            };
            let vectors = vectors.iter().map(<[f32; DIMENSIONS]>::as_slice);
            openai::embeddings_response(
                &mut body,
                answer.model,
                vectors,
                format,
                usage.prompt_tokens,
            );
        }
        Endpoint::Completions => openai::completion_response(&mut body, &answer),
        Endpoint::ChatCompletions | Endpoint::Models | Endpoint::Model => {
            openai::chat_response(&mut body, &answer);
        }
    }
    outcome.fixed.prompt_tokens = u32::try_from(usage.prompt_tokens).unwrap_or(u32::MAX);
    outcome.fixed.completion_tokens = u32::try_from(usage.completion_tokens).unwrap_or(u32::MAX);
    let plan = Rc::clone(transformed.admitted.plan());
    outcome.fixed.response_received = commit(&plan.plan, &body);

    let caller = transformed.admitted.identified.caller;
    let mut answered = std::mem::take(&mut connection.exchange.answered);
    let result = match plan.inspector.try_borrow_mut() {
        Ok(mut inspector) => {
            inspector.response(&plan.plan, caller, &transformed.governed, &body, &mut answered)
        }
        Err(_) => Err(Refusal::new(Reason::Internal, "the inspector is in use")),
    };
    connection.exchange.answered = answered;
    outcome.has_response_facts = result.is_ok();
    let answered = &mut connection.exchange.answered;
    outcome.fixed.verdict = answered.verdict as u8;
    let refusal = match result {
        Err(refusal) => Some(refusal),
        Ok(()) if answered.verdict == Verdict::Block => {
            Some(answered.block(&plan.plan, Reason::ResponsePolicy))
        }
        Ok(()) => None,
    };
    let governance = transformed.governance(recorded, answered.verdict);
    let trace = transformed.admitted.trace();
    if let Some(refusal) = refusal {
        outcome.fixed.status = refusal.reason.status();
        outcome.fixed.reason = crate::forward::reason_number(refusal.reason);
        outcome.fixed.end = End::ResponseBlocked as u8;
        connection.worker.counters.refusal(refusal.reason);
        return connection.reply(&Reply::refusal(trace, &refusal, Some(governance)), false).await;
    }
    if answered.is_rewritten {
        body = std::mem::take(&mut answered.body);
    }
    outcome.fixed.response_released = commit(&plan.plan, &body);
    outcome.fixed.response_bytes = body.len() as u64;
    connection.worker.counters.add(Counter::SentBytes, body.len() as u64);
    connection.reply(&Reply::json(trace, 200, &body, Some(governance)), false).await
}

/// A vector that tells inputs apart and means nothing.
fn vector(index: usize) -> [f32; DIMENSIONS] {
    std::array::from_fn(|dimension| {
        let place = u8::try_from((index + dimension) % DIMENSIONS).unwrap_or(0);
        f32::from(place) / 16.0
    })
}

/// Pieces of `text` of about [`PIECE_BYTES`], cut between characters.
fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_boundary = |at: usize| rest.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
        let end = (PIECE_BYTES.min(rest.len())..=rest.len()).find(|at| is_boundary(*at));
        let (piece, tail) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = tail;
        Some(piece)
    })
}

async fn stream(
    connection: &mut Connection,
    transformed: &Transformed,
    recorded: &Recorded,
    outcome: &mut Outcome,
    said: &Said,
) -> Next {
    connection.worker.counters.count(Counter::Streams);
    outcome.fixed.flags |= OutcomeFixed::FLAG_STREAM | OutcomeFixed::FLAG_UNINSPECTED;
    let chunked = connection.exchange.head.minor_version > 0;
    let closes = !chunked || !connection.exchange.head.keep_alive;
    let mut message = connection.link.outgoing();
    let mut head = HeadWriter::response(&mut message, 200);
    head.header(b"content-type", b"text/event-stream; charset=utf-8");
    if chunked {
        head.chunked();
    }
    let governance = transformed.governance(recorded, Verdict::Allow);
    answer::common(&mut head, transformed.admitted.trace(), Some(&governance));
    if closes {
        head.header(b"connection", b"close");
    }
    // Every value is ours and was checked when it was taken.
    if head.finish().is_err() {
        return Next::Drop;
    }
    connection.worker.counters.status(200);
    let id = request::request_id_text(transformed.admitted.trace());
    let counts = usage(transformed, said);
    let created = crate::clock::unix_seconds();
    let model = transformed.governed.model.as_bytes();
    let is_chat = transformed.admitted.identified.endpoint == Endpoint::ChatCompletions;
    let bodies = std::iter::once(ChunkBody::Role)
        .chain(pieces(&said.text).map(ChunkBody::Content))
        .chain(std::iter::once(ChunkBody::Finish("stop")))
        .chain(transformed.governed.include_usage.then_some(ChunkBody::Usage(counts)));
    let plan = Rc::clone(transformed.admitted.plan());
    let mut commitment = StreamCommitment::new(&plan.plan);
    let mut event = Vec::with_capacity(512);
    for body in bodies {
        event.clear();
        let chunk = ChatChunk { id: &id, created, model, body };
        if is_chat {
            openai::chat_chunk(&mut event, &chunk);
        } else {
            openai::completion_chunk(&mut event, &chunk);
        }
        release(&mut message, &event, chunked, &mut commitment, outcome);
        connection.worker.counters.count(Counter::StreamEvents);
        if connection.send(message).await.is_err() {
            return Next::Drop;
        }
        message = connection.link.outgoing();
    }
    event.clear();
    openai::stream_done(&mut event);
    release(&mut message, &event, chunked, &mut commitment, outcome);
    if chunked {
        write_last_chunk(&mut message);
    }
    outcome.fixed.prompt_tokens = u32::try_from(counts.prompt_tokens).unwrap_or(u32::MAX);
    outcome.fixed.completion_tokens = u32::try_from(counts.completion_tokens).unwrap_or(u32::MAX);
    outcome.fixed.response_received = commitment.finish();
    outcome.fixed.response_released = outcome.fixed.response_received;
    connection.worker.counters.add(Counter::SentBytes, outcome.fixed.response_bytes);
    match connection.send(message).await {
        Ok(()) if closes => Next::Close,
        Ok(()) => Next::KeepAlive,
        Err(_) => Next::Drop,
    }
}

fn release(
    message: &mut Vec<u8>,
    event: &[u8],
    chunked: bool,
    commitment: &mut StreamCommitment,
    outcome: &mut Outcome,
) {
    commitment.update(event);
    outcome.fixed.response_bytes += event.len() as u64;
    if chunked {
        write_chunk_header(message, event.len());
    }
    message.extend_from_slice(event);
    if chunked {
        message.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_between_characters_and_lose_nothing() {
        for text in ["", "short", "ein längerer Text mit Umlauten äöü und 漢字漢字漢字漢字"]
        {
            let joined: Vec<u8> = pieces(text.as_bytes()).flatten().copied().collect();
            assert_eq!(joined, text.as_bytes());
            assert!(pieces(text.as_bytes()).all(|piece| std::str::from_utf8(piece).is_ok()));
        }
    }
}
