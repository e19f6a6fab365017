//! What is read out of responses and chunks.

use super::*;
use crate::dialects::Usage;
use proptest::prelude::*;

fn read(body: &[u8]) -> (Document, ResponseView) {
    let document = document(body);
    let mut view = ResponseView::new();
    view.read(&document);
    assert_all_covered(&document, view.texts().iter().map(|text| view.pieces(text)), view.opaque());
    (document, view)
}

fn said((document, view): &(Document, ResponseView), origin: Origin) -> Vec<String> {
    view.texts()
        .iter()
        .map(|text| super::seen(document, text, view.pieces(text)))
        .filter(|text| text.0 == origin)
        .map(|text| text.2)
        .collect()
}

#[test]
fn a_chat_completion() {
    let read = read(
        br#"{"id":"c1","object":"chat.completion","created":1700000000,"model":"gpt-4o-2024",
          "choices":[{"index":0,"message":{"role":"assistant","content":"hello","refusal":null,
             "reasoning_content":"thinking","tool_calls":[{"id":"t","type":"function","function":
             {"name":"f","arguments":"{}"}}],"annotations":[{"url":"https://a"}]},
             "logprobs":{"content":[{"token":"411","logprob":-1.5,"bytes":[52],"top_logprobs":
             [{"token":"x1","bytes":[1]},{"token":"y1"}]},{"token":"111","top_logprobs":[{"token":"x2"}]}]},"finish_reason":"stop"}],
          "usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,
             "prompt_tokens_details":{"cached_tokens":4}},"system_fingerprint":"fp"}"#,
    );
    assert_eq!(said(&read, Origin::Assistant), ["hello", "thinking", "411111", "x1x2"]);
    assert_eq!(said(&read, Origin::ToolCall), ["f", "{}"]);
    assert_eq!(
        said(&read, Origin::Metadata),
        ["c1", "1700000000", "gpt-4o-2024", "t", "https://a", "y1", "fp"]
    );
    let (document, view) = read;
    assert_eq!(document.text(view.model.unwrap()), b"gpt-4o-2024");
    assert_eq!(document.text(view.finish_reason.unwrap()), b"stop");
    let usage =
        Usage { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, cached_tokens: 4 };
    assert_eq!(view.usage, Some(usage));
    assert_eq!(view.opaque()[0].kind, OpaqueKind::Tokens);
}

#[test]
fn embeddings_and_completions() {
    let (document, view) = read(
        br#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.123456789,-1e-9]},
          {"embedding":"AAAAAAAAAAA="},{"embedding":"not base64"},{"embedding":[1,"x"]}],
          "model":"e","usage":{"prompt_tokens":1,"total_tokens":1}}"#,
    );
    assert_eq!(view.opaque().len(), 2);
    assert_eq!(view.usage.unwrap().total_tokens, 1);
    let texts = (document, view);
    assert_eq!(said(&texts, Origin::Metadata), ["not base64", "x", "e"]);
    let texts = read(br#"{"choices":[{"text":"once","logprobs":{"tokens":["on","ce"]}}]}"#);
    assert_eq!(said(&texts, Origin::Assistant), ["once", "once"]);
    assert_eq!(said(&read(b"[\"x\"]"), Origin::Assistant), ["x"]);
}

#[test]
fn chunks_without_parsing() {
    let usage =
        Usage { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, cached_tokens: 4 };
    for data in [
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4}}}"#,
        r#"{"choices": ["usage", {"usage": null}], "usage" : { "prompt_tokens" : 9, "completion_tokens": 3, "x": "}", "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4} } }"#,
    ] {
        assert_eq!(chunk_usage(data.as_bytes()), Some(usage));
    }
    for data in [
        r#"{"choices":[],"usage":null}"#,
        r#"{"choices":[]}"#,
        r#"{"choices":[{"delta":{"content":"\"usage\":{\"prompt_tokens\":9}"}}]}"#,
        r#"{"usage":{"prompt_tokens":9"#,
    ] {
        assert_eq!(chunk_usage(data.as_bytes()), None, "{data}");
    }
    for (data, reason) in [
        (r#"{"choices":[{"finish_reason":"stop"}]}"#, Some("stop")),
        (r#"{"choices":[{"finish_reason": null},{"finish_reason" : "length"}]}"#, Some("length")),
        (r#"{"choices":[{"finish_reason":null}]}"#, None),
        (r#"{"content":"finish_reason","finish_reason":"stop"}"#, Some("stop")),
        (r#"{"choices":[{"delta":{"content":"\"finish_reason\":\"stop\""}}]}"#, None),
        ("[DONE]", None),
    ] {
        assert_eq!(chunk_finish_reason(data.as_bytes()), reason.map(str::as_bytes), "{data}");
    }
}

proptest! {
    /// Whatever a provider answers, all of it is inspected.
    #[test]
    fn nothing_hides(
        body in crate::json::tests::json_text(),
        key in prop::sample::select(vec![
            "choices", "data", "usage", "message", "delta", "logprobs", "text", "model", "content",
            "token", "top_logprobs", "bytes",
        ]),
        outer in prop::sample::select(vec!["choices", "data", "x"]),
    ) {
        for body in [
            body.clone(),
            format!("{{\"{key}\":{body}}}"),
            format!("{{\"{outer}\":[{{\"{key}\":{body}}}]}}"),
            format!("{{\"choices\":[{{\"message\":{{\"{key}\":{body}}}}}]}}"),
            format!("{{\"choices\":[{{\"logprobs\":{{\"{key}\":[{body}]}}}}]}}"),
            format!(
                "{{\"choices\":[{{\"logprobs\":{{\"content\":[{{\"top_logprobs\":[{{\"{key}\":{body}}}, {body}]}}]}}}}]}}"
            ),
        ] {
            let mut document = Document::new();
            if document.parse(body.as_bytes(), &JsonLimits::default()).is_ok() {
                drop(read(body.as_bytes()));
            }
        }
    }

    /// The quick look at a chunk says what parsing it would.
    #[test]
    fn quick_looks_agree_with_parsing(content in "\\PC{0,20}|[\"\\\\{}:]{0,9}", prompt in any::<u32>(), pretty in any::<bool>()) {
        let value = serde_json::json!({
            "choices": [{"delta": {"content": content}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": 2, "total_tokens": 3},
        });
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.unwrap();
        let parsed = read(text.as_bytes()).1.usage;
        prop_assert_eq!(chunk_usage(text.as_bytes()), parsed);
        prop_assert_eq!(chunk_finish_reason(text.as_bytes()), Some(&b"stop"[..]));
    }
}
