//! What is read out of requests.

use super::*;
use proptest::prelude::*;

fn read(endpoint: Endpoint, body: &[u8]) -> Result<(Document, RequestView), DialectError> {
    let document = document(body);
    let mut view = RequestView::new();
    view.read(endpoint, &document, body)?;
    assert_all_covered(&document, view.texts().iter().map(|text| view.pieces(text)), view.opaque());
    Ok((document, view))
}

fn chat(body: &str) -> (Document, RequestView) {
    read(Endpoint::ChatCompletions, body.as_bytes()).unwrap()
}

fn texts((document, view): &(Document, RequestView)) -> Vec<Seen> {
    view.texts().iter().map(|text| super::seen(document, text, view.pieces(text))).collect()
}

fn expect(origin: Origin, key: &str, text: &str) -> Seen {
    (origin, key.to_owned(), text.to_owned())
}

use crate::dialects::DialectError;
use Origin as O;

#[test]
fn a_chat_request() {
    let view = chat(
        r#"{"model":"gpt-4o","messages":[
            {"role":"system","content":"be brief"},
            {"role":"developer","content":"d"},
            {"role":"user","content":"hi\nthere","name":"ann"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function",
                "function":{"name":"look","arguments":"{\"q\":\"x\"}"}}]},
            {"role":"tool","tool_call_id":"call_1","content":"found"},
            {"role":"oracle","content":"hm"}],
          "tools":[{"type":"function","function":{"name":"look","description":"looks",
                "parameters":{"type":"object","properties":{"q":{"type":"string"}}}}}],
          "stream":true,"stream_options":{"include_usage":true},"max_tokens":5,
          "max_completion_tokens":7,"n":2,"user":"u1","prompt_cache_key":"c1",
          "metadata":{"case":"42","card":4111111111111111,"small":12},"x_new":["y",{"z":"w"}]}"#,
    );
    let expected = [
        expect(O::Metadata, "model", "gpt-4o"),
        expect(O::System, "content", "be brief"),
        expect(O::Developer, "content", "d"),
        expect(O::User, "content", "hi\nthere"),
        expect(O::Metadata, "name", "ann"),
        expect(O::Metadata, "id", "call_1"),
        expect(O::ToolCall, "name", "look"),
        expect(O::ToolCall, "arguments", r#"{"q":"x"}"#),
        expect(O::Metadata, "tool_call_id", "call_1"),
        expect(O::ToolResult, "content", "found"),
        expect(O::Metadata, "role", "oracle"),
        expect(O::User, "content", "hm"),
        expect(O::ToolDefinition, "name", "look"),
        expect(O::ToolDefinition, "description", "looks"),
        expect(O::Key, "properties", "q"),
        expect(O::Metadata, "user", "u1"),
        expect(O::Metadata, "prompt_cache_key", "c1"),
        expect(O::Key, "metadata", "case"),
        expect(O::Metadata, "case", "42"),
        expect(O::Key, "metadata", "card"),
        expect(O::Metadata, "card", "4111111111111111"),
        expect(O::Key, "metadata", "small"),
        expect(O::Key, "", "x_new"),
        expect(O::Metadata, "x_new", "y"),
        expect(O::Key, "x_new", "z"),
        expect(O::Metadata, "z", "w"),
    ];
    assert_eq!(texts(&view), expected);
    let (document, view) = view;
    assert_eq!(document.text(view.model), b"gpt-4o");
    assert!(view.stream && view.include_usage);
    assert_eq!((view.max_tokens, view.n), (Some(7), Some(2)));
    assert_eq!(document.text(view.user.unwrap()), b"u1");
    assert_eq!(document.text(view.session.unwrap()), b"c1");
    let nested: Vec<bool> = view.texts().iter().map(|text| text.nested_json).collect();
    assert_eq!(nested.iter().filter(|nested| **nested).count(), 1);
    assert!(nested[7]);
}

#[test]
fn text_parts_of_a_message_are_one_text() {
    let view = chat(
        r#"{"model":"m","messages":[{"role":"user","content":[
            {"type":"text","text":"41111111"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,aGVsbG8=","detail":"low"}},
            {"type":"text","text":"11111111","note":"n1"},
            "bare",
            {"type":"text","text":""},
            {"type":"text","text":{"value":"v1"}}]}]}"#,
    );
    let expected = [
        expect(O::Metadata, "model", "m"),
        expect(O::User, "content", "4111111111111111bare"),
        expect(O::Key, "content", "note"),
        expect(O::Metadata, "note", "n1"),
        expect(O::Key, "text", "value"),
        expect(O::User, "value", "v1"),
    ];
    assert_eq!(texts(&view), expected);
    let (_, view) = view;
    assert_eq!(view.pieces(&view.texts()[1]).len(), 3);
    assert_eq!((view.opaque()[0].kind, view.opaque()[0].bytes), (OpaqueKind::Image, 5));
}

#[test]
fn attachments_are_opaque_or_text() {
    let view = chat(
        r#"{"model":"m","messages":[{"role":"user","content":[
            {"type":"input_audio","input_audio":{"data":"aGVsbG8=","format":"wav"}},
            {"type":"file","file":{"file_data":"data:application/pdf;base64,aGVs","filename":"a.pdf"}},
            {"type":"file","file":{"file_data":"aGVs"}},
            {"type":"file","file":{"file_id":"file-1"}},
            {"type":"image_url","image_url":{"url":"https://example.com/a.png?x=secret"}},
            {"type":"image_url","image_url":"data:image/jpeg;base64,aGVs"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,not base64"}},
            {"type":"image_url","image_url":{"url":"data:text/plain;base64,aGVs"}},
            {"type":"input_audio","input_audio":{"data":"my card is 4111"}},
            {"type":"video_url","video_url":{"url":"data:video/mp4;base64,aGVs"}}]}]}"#,
    );
    let opaque: Vec<(OpaqueKind, u64)> =
        view.1.opaque().iter().map(|part| (part.kind, part.bytes)).collect();
    let kinds = [
        (OpaqueKind::Audio, 5),
        (OpaqueKind::File, 3),
        (OpaqueKind::File, 3),
        (OpaqueKind::File, 0),
        (OpaqueKind::RemoteImage, 0),
        (OpaqueKind::Image, 3),
        (OpaqueKind::Video, 3),
    ];
    assert_eq!(opaque, kinds);
    let attachments: Vec<Seen> =
        texts(&view).into_iter().filter(|text| text.0 == O::Attachment).collect();
    let expected = [
        expect(O::Attachment, "format", "wav"),
        expect(O::Attachment, "filename", "a.pdf"),
        expect(O::Attachment, "file_id", "file-1"),
        expect(O::Attachment, "url", "https://example.com/a.png?x=secret"),
        expect(O::Attachment, "url", "data:image/png;base64,not base64"),
        expect(O::Attachment, "url", "data:text/plain;base64,aGVs"),
        expect(O::Attachment, "data", "my card is 4111"),
    ];
    assert_eq!(attachments, expected);
}

#[test]
fn completions_and_embeddings() {
    let view = read(
        Endpoint::Completions,
        br#"{"model":"m","prompt":["once","user"],"suffix":"end","stream":null}"#,
    )
    .unwrap();
    let said: Vec<Seen> = texts(&view).into_iter().filter(|text| text.0 == O::User).collect();
    let expected = [
        expect(O::User, "prompt", "once"),
        // A protocol word is a word of the user's here.
        expect(O::User, "prompt", "user"),
        expect(O::User, "suffix", "end"),
    ];
    assert_eq!(said, expected);
    let view = read(
        Endpoint::Embeddings,
        br#"{"model":"m","input":[[1,2],[3],"a doc",[12345678]],"encoding_format":"base64"}"#,
    )
    .unwrap();
    let (document, view) = view;
    assert!(view.base64_vectors);
    let kinds: Vec<OpaqueKind> = view.opaque().iter().map(|part| part.kind).collect();
    assert_eq!(kinds, [OpaqueKind::Tokens; 3]);
    let last = view.texts().last().unwrap();
    assert_eq!(
        super::seen(&document, last, view.pieces(last)),
        expect(O::Document, "input", "12345678")
    );
    let view = read(Endpoint::Embeddings, br#"{"model":"m","input":[1,2,3]}"#).unwrap();
    assert_eq!(view.1.opaque().len(), 1);
    let view = read(Endpoint::Completions, br#"{"model":"m"}"#).unwrap();
    assert_eq!(view.1.texts().len(), 1);
}

#[test]
fn what_is_refused() {
    let long = format!(r#"{{"model":"{}","messages":[{{}}]}}"#, "m".repeat(257));
    let cases = [
        (Endpoint::ChatCompletions, "[]", ""),
        (Endpoint::ChatCompletions, "\"x\"", ""),
        (Endpoint::ChatCompletions, r#"{"messages":[{}]}"#, "model"),
        (Endpoint::ChatCompletions, r#"{"model":1,"messages":[{}]}"#, "model"),
        (Endpoint::ChatCompletions, r#"{"model":"","messages":[{}]}"#, "model"),
        (Endpoint::ChatCompletions, &long, "model"),
        (Endpoint::ChatCompletions, r#"{"model":"m"}"#, "messages"),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":{}}"#, "messages"),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":[]}"#, "messages"),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":[{},"x"]}"#, "messages[1]"),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":[{}],"stream":"true"}"#, "stream"),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":[{}],"stream":1}"#, "stream"),
        (Endpoint::Embeddings, r#"{"model":"m"}"#, "input"),
    ];
    for (endpoint, body, param) in cases {
        let error = read(endpoint, body.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(error.param, param, "{body}");
        assert!(!error.message.is_empty());
    }
}

#[test]
fn sessions_and_last_user_text() {
    let base = r#""model":"m","messages":[{"role":"user","content":"first"},{"role":"user","content":[
        {"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":"no"}]"#;
    for (extra, session) in [
        (r#""conversation":"c1","prompt_cache_key":"k""#, Some("c1")),
        (r#""prompt_cache_key":"k","conversation":{"id":"c2"}"#, Some("c2")),
        (r#""prompt_cache_key":"k","conversation":{"x":1}"#, Some("k")),
        (r#""conversation":"""#, None),
        (r#""user":"u""#, None),
    ] {
        let (document, view) = chat(&format!("{{{base},{extra}}}"));
        let found = view.session.and_then(|session| document.text_str(session));
        assert_eq!(found, session);
        let mut out = Vec::new();
        assert!(last_user_text(&document, &mut out));
        assert_eq!(out, b"ab");
    }
    assert!(!last_user_text(&document(b"{}"), &mut Vec::new()));
}

#[test]
fn long_numbers() {
    for (digits, long) in [
        ("1234567", true),
        ("-4111111111111111", true),
        ("123456", false),
        ("0.0000001", false),
        ("4.111111111111111e15", true),
        ("1e300000000", false),
        ("0000001234567", true),
    ] {
        assert_eq!(crate::dialects::is_long_number(digits.as_bytes()), long, "{digits}");
    }
}

proptest! {
    /// Whatever stands in the known places, all of it is inspected.
    #[test]
    fn nothing_hides(
        values in prop::collection::vec((
            prop::sample::select(vec![
                "content", "tool_calls", "function_call", "name", "refusal", "audio", "x",
            ]),
            crate::json::tests::json_text(),
        ), 1..5),
        parts in prop::collection::vec((
            prop::sample::select(vec![
                "text", "image_url", "input_audio", "file", "refusal", "type", "y", "video_url",
            ]),
            crate::json::tests::json_text(),
        ), 0..4),
        top in prop::collection::vec((
            prop::sample::select(vec![
                "tools", "functions", "prompt", "input", "documents", "metadata", "stop", "user",
                "stream_options", "n", "conversation", "suffix",
            ]),
            crate::json::tests::json_text(),
        ), 0..4),
        endpoint in prop::sample::select(vec![
            Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::Embeddings,
        ]),
    ) {
        let members = |list: &[(&str, String)]| {
            let list: Vec<String> =
                list.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            list.join(",")
        };
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user",{}}},{{"role":"tool","content":[{{{}}}]}}]{}{}}}"#,
            members(&values),
            members(&parts),
            if top.is_empty() { "" } else { "," },
            members(&top),
        );
        let mut document = Document::new();
        if document.parse(body.as_bytes(), &JsonLimits::default()).is_ok() {
            drop(read(endpoint, body.as_bytes()));
        }
    }
}
