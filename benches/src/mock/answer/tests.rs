use std::time::Duration;

use super::*;
use crate::{
    http::{ChunkedDecoder, ResponseHead, head_end},
    mock::framed::INTERIM,
};

const INSTANT: Pace = Pace { chunks: 6, chunk_delay: Duration::ZERO, delay: Duration::ZERO };

fn ask(pace: Pace, target: &str, body: &str) -> (Plan, Vec<u8>) {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let raw = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nX-Seen: yes\r\n\r\n");
    let head = RequestHead::parse(raw.as_bytes()).unwrap();
    let mut out = Vec::new();
    let request = Request { head: &head, raw_head: raw.as_bytes(), body: body.as_bytes() };
    (Answers::new(pace).answer(request, &mut out), out)
}

fn chat(model: &str, stream: bool) -> (Plan, Vec<u8>) {
    let body = format!(r#"{{"model":"{model}","stream":{stream},"messages":[]}}"#);
    ask(INSTANT, "/v1/chat/completions", &body)
}

/// All bytes of a plan, with repeated pieces written out.
fn bytes_of(plan: &Plan) -> Vec<u8> {
    let Plan::Steps { steps, .. } = plan else { panic!("{plan:?} has no steps") };
    steps
        .iter()
        .flat_map(|step| match step {
            Step::Write(bytes) => bytes.clone(),
            Step::Repeat { piece, times } => piece.repeat(usize::try_from(*times).unwrap()),
            Step::Pause(_) | Step::Stall => Vec::new(),
        })
        .collect()
}

/// Status and decoded body of a well-framed answer.
fn read(wire: &[u8]) -> (u16, String) {
    let end = head_end(wire).unwrap();
    let head = ResponseHead::parse(&wire[..end]).unwrap();
    let mut body = Vec::new();
    match head.framing {
        crate::http::Framing::Chunked => {
            let mut decoder = ChunkedDecoder::default();
            let taken = decoder.decode(&wire[end..], |run| body.extend_from_slice(run)).unwrap();
            assert!(decoder.is_done() && taken == wire.len() - end);
        }
        crate::http::Framing::Length(length) => {
            body.extend_from_slice(&wire[end..]);
            assert_eq!(body.len() as u64, length);
        }
        crate::http::Framing::Unspecified => body.extend_from_slice(&wire[end..]),
    }
    (head.status, String::from_utf8(body).unwrap())
}

fn content(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap();
    value["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

#[test]
fn ordinary_answers_come_from_templates_and_differ() {
    let head = RequestHead::parse(b"POST /v1/chat/completions HTTP/1.1\r\n\r\n").unwrap();
    let request = Request { head: &head, raw_head: b"", body: br#"{"model":"gpt"}"# };
    let mut answers = Answers::new(INSTANT);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    assert_eq!(answers.answer(request, &mut first), Plan::Whole);
    assert_eq!(answers.answer(request, &mut second), Plan::Whole);
    assert_eq!(read(&first).0, 200);
    assert_ne!(content(&read(&first).1), content(&read(&second).1));
}

#[test]
fn a_burst_has_all_events_in_one_write() {
    let (plan, out) = chat("gpt", true);
    assert_eq!(plan, Plan::Whole);
    let (status, body) = read(&out);
    assert_eq!((status, body.matches("data: ").count()), (200, 6 + 1));
    assert!(body.ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_paced_stream_pauses_between_events_but_not_at_its_end() {
    let pace = Pace { chunk_delay: Duration::from_millis(5), ..INSTANT };
    let (plan, _) = ask(pace, "/v1/chat/completions", r#"{"model":"m","stream":true}"#);
    let Plan::Steps { steps, close: false } = &plan else { panic!("{plan:?}") };
    let pauses = steps.iter().filter(|step| matches!(step, Step::Pause(_))).count();
    // Head, seven events and the last chunk are nine pieces.
    assert_eq!((steps.len(), pauses), (17, 8));
    assert!(matches!(steps.last(), Some(Step::Write(_))));
}

#[test]
fn echoes_show_exactly_what_arrived() {
    let body = r#"{"model":"mock-echo-body","x":"\ud83d\"\\ ü"}"#;
    let (plan, _) = ask(INSTANT, "/v1/chat/completions", body);
    assert_eq!(content(&read(&bytes_of(&plan)).1), body);
    let (plan, _) = chat("mock-headers", false);
    let heads = content(&read(&bytes_of(&plan)).1);
    assert_eq!(heads, "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nX-Seen: yes");
}

#[test]
fn personal_data_is_whole_in_json_and_cut_in_a_stream() {
    let (plan, _) = chat("mock-pii", false);
    assert_eq!(content(&read(&bytes_of(&plan)).1), PII_TEXT);
    let (plan, _) = chat("mock-pii", true);
    let streamed = read(&bytes_of(&plan)).1;
    assert!(!streamed.contains("4111 1111 1111 1111") || !streamed.contains("536-90-4399"));
}

#[test]
fn each_fault_breaks_what_it_names() {
    let (plan, _) = chat("mock-status-503", false);
    assert_eq!(read(&bytes_of(&plan)).0, 503);
    let (plan, _) = chat("mock-redirect", false);
    assert_eq!(read(&bytes_of(&plan)).0, 302);
    let (plan, _) = chat("mock-chunked", false);
    assert_eq!(content(&read(&bytes_of(&plan)).1).len(), plain_text(NONCE_MARK).len());
    let (plan, _) = chat("mock-badframing", false);
    let wire = bytes_of(&plan);
    assert!(ResponseHead::parse(&wire[..head_end(&wire).unwrap()]).is_err());
    for (model, stream) in [("mock-die", false), ("mock-die-stream", true), ("mock-close", false)] {
        let (plan, _) = chat(model, stream);
        assert!(matches!(plan, Plan::Steps { close: true, .. }), "{model}");
    }
    let (plan, _) = chat("mock-100", false);
    assert!(bytes_of(&plan).starts_with(INTERIM));
    let (plan, _) = chat("mock-hang", true);
    assert!(bytes_of(&plan).is_empty());
}

#[test]
fn a_dying_answer_ends_within_its_body() {
    let (plan, _) = chat("mock-die", false);
    let wire = bytes_of(&plan);
    let end = head_end(&wire).unwrap();
    let head = ResponseHead::parse(&wire[..end]).unwrap();
    let crate::http::Framing::Length(length) = head.framing else { panic!() };
    assert!(((wire.len() - end) as u64) < length && wire.len() > end);
    let (plan, _) = chat("mock-die-stream", true);
    assert!(!bytes_of(&plan).ends_with(b"0\r\n\r\n"));
}

#[test]
fn big_answers_have_the_size_that_was_asked() {
    let (plan, _) = chat("mock-big-2", true);
    let (_, body) = read(&bytes_of(&plan));
    assert!(body.len() >= 2 << 20 && body.ends_with("data: [DONE]\n\n"));
    let (plan, _) = chat("mock-big-1", false);
    assert_eq!(content(&read(&bytes_of(&plan)).1).len(), 1 << 20);
    let (plan, _) = chat("mock-huge-json-100", false);
    assert_eq!(content(&read(&bytes_of(&plan)).1).len(), 100 << 10);
}

#[test]
fn a_path_prefix_selects_a_mode_too() {
    let (plan, _) = ask(INSTANT, "/mode/mock-status-401/v1/models?x=y", "");
    assert_eq!(read(&bytes_of(&plan)).0, 401);
    let (plan, _) = ask(INSTANT, "/v1/models", "");
    assert!(read(&bytes_of(&plan)).1.contains("\"mock\""));
    for target in ["/mode/mock-typo/v1/models", "/v2/models"] {
        let (plan, _) = ask(INSTANT, target, "");
        assert_eq!(read(&bytes_of(&plan)).0, 404);
    }
}

#[test]
fn an_early_answer_needs_only_the_start_of_the_body() {
    let start = br#"{"model":"mock-early","messages":[{"con"#;
    assert!(matches!(
        before_body(b"/v1/chat/completions", start),
        Some(Plan::Steps { close: true, .. })
    ));
    assert_eq!(before_body(b"/v1/chat/completions", br#"{"model":"gpt-4o","#), None);
    assert_eq!(before_body(b"/v1/chat/completions", br#"{"mod"#), None);
    assert!(before_body(b"/mode/mock-stall/v1/chat/completions", b"").is_some());
}
