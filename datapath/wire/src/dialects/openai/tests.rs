//! Requests, responses and answers of the OpenAI dialect.

mod answers;
mod requests;
mod responses;

use super::*;
use crate::dialects::{Opaque, OpaqueKind, Origin, Text};
use crate::json::{Document, JsonLimits, Kind, NodeId};

fn document(body: &[u8]) -> Document {
    let mut document = Document::new();
    document.parse(body, &JsonLimits::default()).unwrap();
    document
}

/// A text as its origin, its enclosing key, and what it says.
type Seen = (Origin, String, String);

fn seen(document: &Document, text: &Text, pieces: &[NodeId]) -> Seen {
    let said: Vec<u8> = pieces.iter().flat_map(|piece| document.text(*piece).to_vec()).collect();
    let key = text.key.map_or(&b""[..], |key| document.text(key));
    (text.origin, String::from_utf8(key.to_vec()).unwrap(), String::from_utf8(said).unwrap())
}

/// No string, key or long number of the document is left out, and none is there twice.
fn assert_all_covered<'t>(
    document: &Document,
    texts: impl Iterator<Item = &'t [NodeId]>,
    opaque: &[Opaque],
) {
    let mut pieces: Vec<NodeId> = texts.flatten().copied().collect();
    pieces.sort_unstable();
    assert!(pieces.windows(2).all(|pair| pair[0] < pair[1]), "a piece is in two texts");
    for index in 0..document.nodes().len() {
        let id = NodeId(u32::try_from(index).unwrap());
        let text = document.text(id);
        let wanted = match document.kind(id) {
            Kind::String | Kind::Key => !crate::dialects::is_protocol_word(text),
            Kind::Number => crate::dialects::is_long_number(text),
            _ => false,
        };
        let held = opaque.iter().any(|part| {
            let end = document.node(part.node).map_or(0, |node| node.next);
            part.kind != OpaqueKind::Tokens && (part.node.0..end).contains(&id.0)
        });
        assert!(
            !wanted || held || pieces.binary_search(&id).is_ok(),
            "not inspected: {} {:?}",
            document.path(id),
            String::from_utf8_lossy(text),
        );
    }
}

#[test]
fn routes() {
    let cases: [(Method, &[u8], Result<Endpoint, u16>); 13] = [
        (Method::Post, b"/v1/chat/completions", Ok(Endpoint::ChatCompletions)),
        (Method::Post, b"/v1/completions", Ok(Endpoint::Completions)),
        (Method::Post, b"/v1/embeddings", Ok(Endpoint::Embeddings)),
        (Method::Get, b"/v1/models", Ok(Endpoint::Models)),
        (Method::Get, b"/v1/models/gpt-4o", Ok(Endpoint::Model)),
        (Method::Get, b"/v1/chat/completions", Err(405)),
        (Method::Options, b"/v1/chat/completions", Err(405)),
        (Method::Post, b"/v1/models", Err(405)),
        (Method::Delete, b"/v1/models/x", Err(405)),
        (Method::Get, b"/v1/models/", Err(404)),
        (Method::Post, b"/v1/chat/completions/", Err(404)),
        (Method::Post, b"/V1/chat/completions", Err(404)),
        (Method::Post, b"/v1/responses", Err(404)),
    ];
    for (method, path, expected) in cases {
        assert_eq!(route(method, path).map_err(RouteError::status), expected);
    }
    assert_eq!(model_id(b"/v1/models/a/b").as_deref(), Some(&b"a/b"[..]));
    assert_eq!(model_id(b"/v1/models/a%2Fb").as_deref(), Some(&b"a/b"[..]));
    assert_eq!(model_id(b"/v1/models/a%2"), None);
    assert_eq!(model_id(b"/v1/models/"), None);
}
