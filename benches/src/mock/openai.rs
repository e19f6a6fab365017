//! `OpenAI`'s objects as an upstream sends them: completions, stream events, embeddings, models, errors.
//!
//! Rendered with `serde_json`, off the fast path (`template` keeps the results). Ids and times are
//! constants, so that equal requests have equal answers. Token counts are a fixed fraction of the
//! text's length: nobody should take them for real ones.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const CREATED: u64 = 1_760_000_000;
const EMBEDDING_DIMENSIONS: usize = 16;
const EMBEDDING_DIMENSIONS_MAX: usize = 4096;
const EMBEDDING_INPUTS_MAX: usize = 2048;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Chat,
    Completion,
}

/// One generated answer, before it is cut into events or framed.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    pub endpoint: Endpoint,
    pub model: &'a str,
    pub text: &'a str,
    /// Whether a stream ends with a chunk of token counts.
    pub usage: bool,
}

impl Reply<'_> {
    pub fn json(&self) -> Vec<u8> {
        let choice = match self.endpoint {
            Endpoint::Chat => json!({
                "index": 0, "finish_reason": "stop", "logprobs": null,
                "message": {"role": "assistant", "content": self.text, "refusal": null},
            }),
            Endpoint::Completion => {
                json!({"index": 0, "finish_reason": "stop", "logprobs": null, "text": self.text})
            }
        };
        let mut object = self.object("", &json!([choice]));
        if let Some(fields) = object.as_object_mut() {
            fields.insert("usage".to_owned(), self.token_counts());
        }
        object.to_string().into_bytes()
    }

    /// `count` events (at least three), then token counts where asked for, then the end mark; each
    /// with its `data:` and empty line.
    pub fn events(&self, count: usize) -> Vec<String> {
        let count = count.max(3);
        let text_events = match self.endpoint {
            Endpoint::Chat => count - 2,
            Endpoint::Completion => count - 1,
        };
        let mut choices = Vec::with_capacity(count);
        if self.endpoint == Endpoint::Chat {
            choices.push(json!({
                "index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null,
            }));
        }
        choices.extend(pieces(self.text, text_events).map(|piece| match self.endpoint {
            Endpoint::Chat => {
                json!({"index": 0, "delta": {"content": piece}, "finish_reason": null})
            }
            Endpoint::Completion => json!({"index": 0, "text": piece, "finish_reason": null}),
        }));
        choices.push(match self.endpoint {
            Endpoint::Chat => json!({"index": 0, "delta": {}, "finish_reason": "stop"}),
            Endpoint::Completion => json!({"index": 0, "text": "", "finish_reason": "stop"}),
        });
        let mut events: Vec<String> = choices
            .into_iter()
            .map(|choice| event(&self.object(".chunk", &json!([choice]))))
            .collect();
        if self.usage {
            let mut counts = self.object(".chunk", &json!([]));
            if let Some(fields) = counts.as_object_mut() {
                fields.insert("usage".to_owned(), self.token_counts());
            }
            events.push(event(&counts));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    fn object(&self, chunk: &str, choices: &Value) -> Value {
        let (id, object) = match self.endpoint {
            Endpoint::Chat => ("chatcmpl-mock", format!("chat.completion{chunk}")),
            // The older endpoint has one object name for both.
            Endpoint::Completion => ("cmpl-mock", "text_completion".to_owned()),
        };
        json!({
            "id": id, "object": object, "created": CREATED, "model": self.model,
            "choices": choices,
        })
    }

    fn token_counts(&self) -> Value {
        let completion = self.text.len() / 4;
        json!({"prompt_tokens": 7, "completion_tokens": completion, "total_tokens": 7 + completion})
    }
}

fn event(object: &Value) -> String {
    format!("data: {object}\n\n")
}

/// `text` in `count` pieces of about equal length that together are the text.
fn pieces(text: &str, count: usize) -> impl Iterator<Item = &str> {
    let cut = move |index: usize| text.floor_char_boundary(text.len() * index / count);
    (0..count).map(move |index| text.get(cut(index)..cut(index + 1)).unwrap_or_default())
}

/// One vector for each input, as floats or in base64, as the request asks.
pub fn embeddings(request: &Value) -> Vec<u8> {
    let field = |name: &str| request.get(name).unwrap_or(&Value::Null);
    let dimensions = field("dimensions")
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(EMBEDDING_DIMENSIONS)
        .min(EMBEDDING_DIMENSIONS_MAX);
    let base64 = field("encoding_format").as_str() == Some("base64");
    let input = field("input");
    // A list of numbers is one input of tokens.
    let inputs = match input.as_array() {
        Some(list) if !list.iter().all(Value::is_number) => list.as_slice(),
        _ => std::slice::from_ref(input),
    };
    let data: Vec<Value> = inputs
        .iter()
        .take(EMBEDDING_INPUTS_MAX)
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(&input.to_string(), dimensions);
            let embedding = if base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    json!({
        "object": "list", "model": field("model"), "data": data,
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    })
    .to_string()
    .into_bytes()
}

/// Numbers in -1..1 that depend on the text: FNV-1a, then xorshift.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (0..dimensions)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let [a, b, ..] = state.to_le_bytes();
            f32::from(i16::from_le_bytes([a, b])) / 32768.0
        })
        .collect()
}

pub fn models() -> Vec<u8> {
    let model =
        |id: &str| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "mock"});
    json!({"object": "list", "data": [model("mock"), model("mock-embedding")]})
        .to_string()
        .into_bytes()
}

pub fn error(status: u16, message: &str) -> Vec<u8> {
    let kind = if status >= 500 { "server_error" } else { "invalid_request_error" };
    json!({"error": {"message": message, "type": kind, "param": null, "code": null}})
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: Reply<'_> =
        Reply { endpoint: Endpoint::Chat, model: "m", text: "grüße an alle", usage: true };

    fn parsed(event: &str) -> Value {
        serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()
    }

    #[test]
    fn a_stream_has_as_many_events_as_asked_and_says_the_text() {
        let events = REPLY.events(34);
        assert_eq!(events.len(), 34 + 2);
        let text: String = events[..34]
            .iter()
            .filter_map(|event| {
                Some(parsed(event)["choices"][0]["delta"]["content"].as_str()?.to_owned())
            })
            .collect();
        assert_eq!(text, REPLY.text);
        assert_eq!(parsed(&events[33])["choices"][0]["finish_reason"], "stop");
        assert_eq!(parsed(&events[34])["choices"], json!([]));
        assert_eq!(events[35], "data: [DONE]\n\n");
    }

    #[test]
    fn without_usage_a_stream_has_no_counts() {
        let events = Reply { usage: false, endpoint: Endpoint::Completion, ..REPLY }.events(1);
        assert_eq!(events.len(), 3 + 1);
        assert!(events.iter().all(|event| !event.contains("usage")));
    }

    #[test]
    fn each_input_has_a_vector_of_its_own() {
        let floats: Value =
            serde_json::from_slice(&embeddings(&json!({"input": ["a", "b"], "dimensions": 3})))
                .unwrap();
        assert_eq!(floats["data"].as_array().unwrap().len(), 2);
        assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
        let packed: Value = serde_json::from_slice(&embeddings(
            &json!({"input": "a", "encoding_format": "base64", "dimensions": 3}),
        ))
        .unwrap();
        let bytes = STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap()).unwrap();
        assert_eq!(bytes.len(), 12);
        let tokens: Value =
            serde_json::from_slice(&embeddings(&json!({"input": [1, 2, 3]}))).unwrap();
        assert_eq!(tokens["data"].as_array().unwrap().len(), 1);
    }
}
