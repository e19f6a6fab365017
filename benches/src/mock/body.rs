//! Finding `model` and the stream flags in a request body without parsing it.
//!
//! PERF: ordinary benchmark traffic only needs three fields, so they are searched as bytes. A key is
//! told from text by its quotes, as a quote within a JSON string is always escaped. The first
//! occurrence counts at whatever depth; requests that need more are parsed by `openai`.

use memchr::memmem;

/// The value that follows the first unescaped `"key"` (given with its quotes) and its colon.
fn value_after<'a>(body: &'a [u8], quoted_key: &[u8]) -> Option<&'a [u8]> {
    memmem::find_iter(body, quoted_key).find_map(|at| {
        let escaped = at > 0 && body.get(at - 1) == Some(&b'\\');
        let rest = body.get(at + quoted_key.len()..)?.trim_ascii_start();
        let value = rest.strip_prefix(b":")?.trim_ascii_start();
        (!escaped).then_some(value)
    })
}

/// The model's name as it stands in the body; names with escapes are no modes and not undone.
pub fn model(body: &[u8]) -> Option<&str> {
    let rest = value_after(body, br#""model""#)?.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

pub fn wants_stream(body: &[u8]) -> bool {
    value_after(body, br#""stream""#).is_some_and(|value| value.starts_with(b"true"))
}

pub fn wants_usage(body: &[u8]) -> bool {
    value_after(body, br#""include_usage""#).is_some_and(|value| value.starts_with(b"true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_spacing() {
        let body =
            br#"{ "model" : "mock-die", "stream":true,"stream_options": {"include_usage": true}}"#;
        assert_eq!(model(body), Some("mock-die"));
        assert!(wants_stream(body) && wants_usage(body));
    }

    #[test]
    fn text_that_looks_like_a_field_is_not_one() {
        let body = br#"{"messages":[{"content":"say \"model\": \"x\" and \"stream\": true"}],"model":"m"}"#;
        assert_eq!(model(body), Some("m"));
        assert!(!wants_stream(body));
    }

    #[test]
    fn a_cut_body_has_no_model() {
        let body = br#"{"model":"mock-early"}"#;
        for cut in 0..body.len() - 1 {
            assert_eq!(model(&body[..cut]), None);
        }
    }
}
