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
