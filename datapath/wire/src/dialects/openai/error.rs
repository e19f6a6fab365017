//! The OpenAI error object, with what a governed refusal adds to it.

use crate::json::escape_into;

/// An error to be sent to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErrorObject<'e> {
    /// For people; never the content.
    pub message: &'e str,
    /// `error.type`.
    pub kind: &'e str,
    /// `error.param`: the JSON path.
    pub param: Option<&'e str>,
    /// `error.code`.
    pub code: Option<&'e str>,
    /// The classes that were found; left out where there are none.
    pub classes: &'e [&'e str],
    /// The policy that decided.
    pub policy: Option<&'e str>,
    /// The id of the audit record.
    pub record: Option<&'e str>,
}

/// Appends `{"error": {...}}` to `out`.
pub fn openai_error(out: &mut Vec<u8>, error: &ErrorObject<'_>) {
    out.extend_from_slice(b"{\"error\":{\"message\":");
    string(out, error.message);
    out.extend_from_slice(b",\"type\":");
    string(out, error.kind);
    out.extend_from_slice(b",\"param\":");
    optional(out, error.param);
    out.extend_from_slice(b",\"code\":");
    optional(out, error.code);
    if !error.classes.is_empty() {
        out.extend_from_slice(b",\"classes\":[");
        for (index, class) in error.classes.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            string(out, class);
        }
        out.push(b']');
    }
    for (name, value) in [(&b",\"policy\":"[..], error.policy), (b",\"record\":", error.record)] {
        if let Some(value) = value {
            out.extend_from_slice(name);
            string(out, value);
        }
    }
    out.extend_from_slice(b"}}");
}

/// Appends a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    bytes(out, text.as_bytes());
}

/// Appends a JSON string out of UTF-8 bytes.
pub(super) fn bytes(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    escape_into(out, text);
    out.push(b'"');
}

fn optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}
