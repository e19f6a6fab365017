//! Requests as clients write them, and what an echoing upstream tells of them.

use crate::Response;
use serde_json::{Value, json};

/// A chat request with one user message.
pub fn chat(model: &str, text: &str) -> String {
    json!({"model": model, "messages": [{"role": "user", "content": text}]}).to_string()
}

/// The same, streamed.
pub fn chat_stream(model: &str, text: &str) -> String {
    json!({"model": model, "stream": true, "messages": [{"role": "user", "content": text}]})
        .to_string()
}

/// The text of a chat answer.
#[track_caller]
pub fn text_of(response: &Response) -> String {
    let json = response.json();
    let content = &json["choices"][0]["message"]["content"];
    content.as_str().unwrap_or_else(|| panic!("no content: {} {json}", response.status)).to_owned()
}

/// The body that the mock received, as the model `mock-echo-body` tells it: byte for byte.
#[track_caller]
pub fn forwarded(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    let text = text_of(response);
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "not JSON: {text}");
    text
}

/// Checks that `sent` is `original` but for the ranges that tags stand for, and gives those ranges.
#[track_caller]
pub fn replaced(original: &str, sent: &str) -> Vec<String> {
    let mut rest = original;
    let mut removed = Vec::new();
    let mut pieces = sent.split("[REDACTED:");
    let first = pieces.next().unwrap();
    // A value that was no string becomes one.
    let first = first.strip_suffix('"').filter(|_| !original.starts_with(first)).unwrap_or(first);
    rest = rest.strip_prefix(first).unwrap_or_else(|| panic!("changed before a tag: {sent}"));
    for piece in pieces {
        let (_, kept) =
            piece.split_once(']').unwrap_or_else(|| panic!("a tag without end: {sent}"));
        // What follows a tag must be found again; as far as the next tag, which may be next door.
        let at = [kept, kept.strip_prefix('"').unwrap_or(kept)].into_iter().find_map(|kept| {
            let found = if sent.ends_with(piece) {
                rest.strip_suffix(kept).map(str::len)
            } else {
                rest.find(kept)
            };
            found.map(|at| (at, kept.len()))
        });
        let (at, length) = at.unwrap_or_else(|| panic!("changed behind a tag: {sent}"));
        let (gone, after) = rest.split_at(at);
        removed.push(gone.to_owned());
        rest = after.split_at(length).1;
    }
    assert!(rest.is_empty(), "something is missing at the end: {rest}");
    removed
}
