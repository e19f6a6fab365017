//! What this node writes itself, read back by another parser.

use super::*;
use crate::dialects::Usage;
use serde_json::{Value, json};

const USAGE: Usage =
    Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, cached_tokens: 0 };

fn value(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap()
}

fn events(out: &[u8]) -> Vec<Value> {
    let mut events = Vec::new();
    let mut parser = crate::sse::SseParser::new(1 << 20);
    parser
        .push(out, |event| {
            let done = event.data == b"[DONE]";
            let data = if done { &b"\"done\""[..] } else { event.data };
            events.push(serde_json::from_slice(data).unwrap());
        })
        .unwrap();
    assert!(parser.pending().is_empty());
    events
}

#[test]
fn errors() {
    let error = ErrorObject {
        message: "found \"x\"\n",
        kind: "policy_violation",
        param: Some("messages[0].content"),
        code: Some("blocked_by_policy"),
        classes: &["payment_card", "us_ssn"],
        policy: Some("p1"),
        record: Some("r1"),
    };
    let expected = json!({"error": {
        "message": "found \"x\"\n", "type": "policy_violation", "param": "messages[0].content",
        "code": "blocked_by_policy", "classes": ["payment_card", "us_ssn"], "policy": "p1",
        "record": "r1",
    }});
    assert_eq!(value(|out| openai_error(out, &error)), expected);
    let plain = ErrorObject { message: "m", kind: "t", ..ErrorObject::default() };
    let expected = json!({"error": {"message": "m", "type": "t", "param": null, "code": null}});
    assert_eq!(value(|out| openai_error(out, &plain)), expected);
}

#[test]
fn whole_answers() {
    let answer = ChatAnswer {
        id: "chatcmpl-1",
        created: 7,
        model: "écho".as_bytes(),
        content: b"a \"b\"\n",
        finish_reason: "stop",
        usage: USAGE,
    };
    let chat = value(|out| chat_response(out, &answer));
    assert_eq!(chat["object"], "chat.completion");
    assert_eq!(chat["model"], "écho");
    assert_eq!(chat["choices"][0]["message"]["content"], "a \"b\"\n");
    assert_eq!(chat["choices"][0]["finish_reason"], "stop");
    assert_eq!(chat["usage"]["total_tokens"], 3);
    let completion = value(|out| completion_response(out, &answer));
    assert_eq!(completion["object"], "text_completion");
    assert_eq!(completion["choices"][0]["text"], "a \"b\"\n");
    let refusal = value(|out| refusal_response(out, "i", 7, b"m", "no"));
    assert_eq!(refusal["choices"][0]["finish_reason"], "content_filter");
    assert_eq!(refusal["choices"][0]["message"]["refusal"], "no");
}

#[test]
fn streams() {
    let mut out = Vec::new();
    let bodies = [
        ChunkBody::Role,
        ChunkBody::Content(b"he\"y"),
        ChunkBody::Finish("stop"),
        ChunkBody::Usage(USAGE),
    ];
    for body in bodies {
        chat_chunk(&mut out, &ChatChunk { id: "i", created: 7, model: b"m", body });
    }
    stream_done(&mut out);
    let chat = events(&out);
    assert_eq!(chat.len(), 5);
    assert!(chat[..4].iter().all(|event| event["object"] == "chat.completion.chunk"));
    assert_eq!(chat[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chat[1]["choices"][0]["delta"]["content"], "he\"y");
    assert_eq!(chat[2]["choices"][0]["finish_reason"], "stop");
    assert_eq!((&chat[3]["choices"], &chat[3]["usage"]["total_tokens"]), (&json!([]), &json!(3)));
    out.clear();
    for body in bodies {
        completion_chunk(&mut out, &ChatChunk { id: "i", created: 7, model: b"m", body });
    }
    let completion = events(&out);
    assert_eq!(completion[1]["choices"][0]["text"], "he\"y");
    assert_eq!(completion[2]["choices"][0]["finish_reason"], "stop");
    assert_eq!(completion[3]["usage"]["total_tokens"], 3);
    for (include_usage, count) in [(false, 5), (true, 6)] {
        out.clear();
        refusal_stream(&mut out, "i", 7, b"m", "no", include_usage);
        let refusal = events(&out);
        assert_eq!(refusal.len(), count);
        assert_eq!(refusal[1]["choices"][0]["delta"]["content"], "no");
        assert_eq!(refusal[2]["choices"][0]["delta"]["refusal"], "no");
        assert_eq!(refusal[3]["choices"][0]["finish_reason"], "content_filter");
    }
}

#[test]
fn models_and_embeddings() {
    let models = [("a", 1), ("b/c", 2)];
    let list = value(|out| {
        models_list(out, models.map(|(id, created)| ModelEntry { id, created, owned_by: "o" }));
    });
    assert_eq!(
        list["data"][1],
        json!({"id": "b/c", "object": "model", "created": 2, "owned_by": "o"})
    );
    assert_eq!(value(|out| models_list(out, []))["data"], json!([]));
    let vectors: [&[f32]; 2] = [&[0.5, -1.0, f32::NAN, 1e-20], &[]];
    let list = value(|out| {
        embeddings_response(out, b"m", vectors, EmbeddingFormat::Float, 4);
    });
    assert_eq!(list["data"][0]["embedding"], json!([0.5, -1.0, 0.0, 1e-20]));
    assert_eq!(list["usage"]["total_tokens"], 4);
    let list = value(|out| {
        embeddings_response(out, b"m", vectors, EmbeddingFormat::Base64, 4);
    });
    // 0.5 and -1.0 in 32-bit little-endian.
    assert!(list["data"][0]["embedding"].as_str().unwrap().starts_with("AAAAPwAAgL8"));
    assert_eq!(list["data"][1]["index"], 1);
}
