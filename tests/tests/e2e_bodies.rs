//! Bodies that are refused: too large, not JSON, ambiguous, bombs, or no request. None is forwarded,
//! each error object says what and where, and none shows content.
#![cfg(test)]

use serde_json::{Value, json};
use sluice_tests::{Mock, Node, Setup, chat, eventually, forwarded};

const CHAT: &str = "/v1/chat/completions";

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn every_bad_body_gets_a_clear_4xx_and_is_not_forwarded() {
    let mock = Mock::start();
    let setup = Setup::to_mock(&mock, "external", "").limits("json_nodes = 4096\n");
    let node = Node::start(setup);
    let ok = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;
    let with = |more: &str| ok.replacen('{', &format!("{{{more},"), 1);
    let deep = |open: &str, close: &str, depth: usize| {
        with(&format!(r#""x":{}1{}"#, open.repeat(depth), close.repeat(depth)))
    };
    let cases: Vec<(&str, &str, Vec<u8>, &str, Value)> = vec![
        ("nothing", CHAT, vec![], "invalid_json", Value::Null),
        ("white space", CHAT, b" \r\n\t ".to_vec(), "invalid_json", Value::Null),
        ("no JSON", CHAT, b"model=m".to_vec(), "invalid_json", Value::Null),
        ("half of it", CHAT, ok.as_bytes()[..30].to_vec(), "invalid_json", Value::Null),
        ("two of them", CHAT, format!("{ok}{ok}").into_bytes(), "invalid_json", Value::Null),
        ("bytes behind it", CHAT, format!("{ok}x").into_bytes(), "invalid_json", Value::Null),
        ("a null behind it", CHAT, format!("{ok}\0").into_bytes(), "invalid_json", Value::Null),
        (
            "a byte order mark",
            CHAT,
            format!("\u{feff}{ok}").into_bytes(),
            "invalid_json",
            Value::Null,
        ),
        (
            "a comma too many",
            CHAT,
            ok.replace("}]", ",}]").into_bytes(),
            "invalid_json",
            Value::Null,
        ),
        ("single quotes", CHAT, ok.replace('"', "'").into_bytes(), "invalid_json", Value::Null),
        ("a comment", CHAT, with("/* x */\"a\":1").into_bytes(), "invalid_json", Value::Null),
        ("not a number", CHAT, with(r#""x":NaN"#).into_bytes(), "invalid_json", Value::Null),
        ("a leading zero", CHAT, with(r#""x":01"#).into_bytes(), "invalid_json", Value::Null),
        (
            "a control character",
            CHAT,
            ok.replace("Hi", "H\ni").into_bytes(),
            "invalid_json",
            Value::Null,
        ),
        ("a bad escape", CHAT, ok.replace("Hi", r"\q").into_bytes(), "invalid_json", Value::Null),
        (
            "half an escape",
            CHAT,
            ok.replace("Hi", r"\u12").into_bytes(),
            "invalid_json",
            Value::Null,
        ),
        (
            "UTF-16",
            CHAT,
            ok.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "invalid_json",
            Value::Null,
        ),
        (
            "invalid UTF-8",
            CHAT,
            ok.replace("Hi", "@@").bytes().map(|b| if b == b'@' { 0xff } else { b }).collect(),
            "invalid_json",
            Value::Null,
        ),
        ("overlong UTF-8", CHAT, replaced(ok, b"\xc0\xaf"), "invalid_json", Value::Null),
        ("a surrogate in UTF-8", CHAT, replaced(ok, b"\xed\xa0\x80"), "invalid_json", Value::Null),
        (
            "a duplicate key",
            CHAT,
            with(r#""model":"other""#).into_bytes(),
            "invalid_json",
            json!("model"),
        ),
        (
            "a duplicate key, escaped",
            CHAT,
            with(r#""mod\u0065l":"other""#).into_bytes(),
            "invalid_json",
            json!("model"),
        ),
        (
            "a duplicate key, deep",
            CHAT,
            with(r#""x":[{"y":{"z":1,"z":2}}]"#).into_bytes(),
            "invalid_json",
            json!("x[0].y.z"),
        ),
        (
            "a duplicate in a message",
            CHAT,
            ok.replace(r#""role""#, r#""content":"other","role""#).into_bytes(),
            "invalid_json",
            json!("messages[0].content"),
        ),
        ("a deep array", CHAT, deep("[", "]", 500).into_bytes(), "invalid_json", Value::Null),
        (
            "a deep object",
            CHAT,
            deep("{\"a\":", "}", 500).into_bytes(),
            "invalid_json",
            Value::Null,
        ),
        ("a very deep array", CHAT, "[".repeat(500_000).into_bytes(), "invalid_json", Value::Null),
        (
            "many nodes",
            CHAT,
            with(&format!(r#""x":[{}0]"#, "[],".repeat(5000))).into_bytes(),
            "invalid_json",
            Value::Null,
        ),
        ("an array", CHAT, b"[]".to_vec(), "invalid_body", Value::Null),
        ("a string", CHAT, b"\"hello\"".to_vec(), "invalid_body", Value::Null),
        ("a number", CHAT, b"4111111111111111".to_vec(), "invalid_body", Value::Null),
        ("an empty object", CHAT, b"{}".to_vec(), "invalid_body", json!("model")),
        (
            "no model",
            CHAT,
            br#"{"messages":[{"role":"user","content":"Hi"}]}"#.to_vec(),
            "invalid_body",
            json!("model"),
        ),
        (
            "a model of a number",
            CHAT,
            ok.replace("\"m\"", "7").into_bytes(),
            "invalid_body",
            json!("model"),
        ),
        (
            "an empty model",
            CHAT,
            ok.replace("\"m\"", "\"\"").into_bytes(),
            "invalid_body",
            json!("model"),
        ),
        (
            "a long model",
            CHAT,
            ok.replace("\"m\"", &format!("\"{}\"", "m".repeat(300))).into_bytes(),
            "invalid_body",
            json!("model"),
        ),
        ("no messages", CHAT, br#"{"model":"m"}"#.to_vec(), "invalid_body", json!("messages")),
        (
            "no message",
            CHAT,
            br#"{"model":"m","messages":[]}"#.to_vec(),
            "invalid_body",
            json!("messages"),
        ),
        (
            "messages of text",
            CHAT,
            br#"{"model":"m","messages":"Hi"}"#.to_vec(),
            "invalid_body",
            json!("messages"),
        ),
        (
            "a message of text",
            CHAT,
            br#"{"model":"m","messages":[{},"Hi"]}"#.to_vec(),
            "invalid_body",
            json!("messages[1]"),
        ),
        (
            "a stream of text",
            CHAT,
            with(r#""stream":"yes""#).into_bytes(),
            "invalid_body",
            json!("stream"),
        ),
        (
            "no input",
            "/v1/embeddings",
            br#"{"model":"m"}"#.to_vec(),
            "invalid_body",
            json!("input"),
        ),
    ];
    for (name, path, body, code, param) in cases {
        let response = node.client().post(path, &[], &body);
        assert_eq!(response.status, 400, "{name}: {}", response.text());
        let error = &response.json()["error"];
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &param), "{name}: {error}");
        assert_eq!(error["type"], "invalid_request_error", "{name}");
        assert!(error["message"].as_str().unwrap().len() > 10, "{name}: {error}");
        assert_eq!(response.header("x-should-retry"), Some("false"), "{name}");
        // Nothing was decided, so there is no record.
        assert_eq!(response.header("x-sluice-record"), None, "{name}");
    }
    // The question for the count is the only request that there was.
    assert_eq!(mock.stat("requests"), 1);
    // The same connection goes on after a body that was read whole.
    let mut client = node.client();
    assert_eq!(client.chat("{").status, 400);
    assert_eq!(client.chat(ok).status, 200);
    assert_eq!(node.metrics().count("sluice_panics_total"), 0);
    nothing_held(&node);
}

/// What a request holds is given back right after its answer.
fn nothing_held(node: &Node) {
    eventually("nothing is held", || node.metrics().count("sluice_in_flight_bytes") == 0);
}

fn replaced(text: &str, bytes: &[u8]) -> Vec<u8> {
    let (before, after) = text.split_once("Hi").unwrap();
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let mock = Mock::start();
    let node = Node::start(Setup::to_mock(&mock, "external", "").limits("body_bytes = 2000\n"));
    let of = |length: usize| {
        let body = chat("mock-echo-body", "");
        let filler = "x".repeat(length - body.len());
        chat("mock-echo-body", &filler)
    };
    assert_eq!(forwarded(&node.chat(of(2000))), of(2000));
    let response = node.chat(of(2001));
    assert_eq!((response.status, response.error("code")), (413, json!("body_too_large")));
    assert!(response.error("message").as_str().unwrap().contains("limits.body_bytes"));
    // Announced and not sent: the answer comes at once.
    let mut client = node.client();
    client.send(format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n"));
    assert_eq!(client.response().status, 413);
    // In chunks nobody announces anything.
    let mut client = node.client();
    client.send(format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"));
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    for _ in 0..5 {
        // It may have refused by now.
        client.try_send(chunk.as_bytes()).ok();
    }
    assert_eq!(client.response().status, 413);
    nothing_held(&node);
}

#[test]
fn what_is_held_in_memory_is_bounded() {
    let mock = Mock::start();
    let limits = "body_bytes = 1500000\nin_flight_bytes = 6000000\n";
    let node = Node::start(Setup::to_mock(&mock, "external", "").limits(limits));
    let head = |length: usize| {
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{{"
        )
    };
    // One that announces much and sends little holds its place; one more has none.
    let mut first = node.client();
    first.send(head(1_400_000));
    eventually("it holds its place", || node.metrics().count("sluice_in_flight_bytes") > 4_000_000);
    let mut second = node.client();
    second.send(head(1_400_000));
    let response = second.response();
    assert_eq!((response.status, response.error("code")), (503, json!("overloaded")));
    assert!(response.header("retry-after").is_some());
    assert_eq!(response.header("x-should-retry"), Some("true"));
    // Small ones still pass.
    assert_eq!(node.chat(chat("m", "Hi")).status, 200);
    first.leave();
    nothing_held(&node);
    let big = chat("mock-echo-body", &"word ".repeat(100_000));
    assert_eq!(forwarded(&node.chat(&big)), big);
}

#[test]
fn long_and_hostile_bodies_are_inspected_whole() {
    let mock = Mock::start();
    let node = Node::start(Setup::to_mock(&mock, "external", ""));
    let card = "4111 1111 1111 1111";
    let bodies = [
        // Over the bound for inspection in place, the thing at the end.
        chat("mock-echo-body", &format!("{} {card}", "lorem ipsum dolor ".repeat(60_000))),
        // Nothing but escapes.
        format!(
            r#"{{"model":"mock-echo-body","messages":[{{"role":"user","content":"{} {card}"}}]}}"#,
            r"\u0061\n".repeat(60_000)
        ),
        // Many small texts.
        format!(
            r#"{{"model":"mock-echo-body","x":[{}"it is {card}"],"messages":[{{"role":"user","content":"Hi"}}]}}"#,
            r#""ab","#.repeat(50_000)
        ),
        // Many keys.
        format!(
            r#"{{"model":"mock-echo-body","x":{{{}"z":"it is {card}"}},"messages":[{{"role":"user","content":"Hi"}}]}}"#,
            (0..50_000).fold(String::new(), |text, n| text + &format!("\"k{n}\":0,"))
        ),
    ];
    for body in bodies {
        let response = node.chat(&body);
        let sent = forwarded(&response);
        assert!(!sent.contains(card), "of {} bytes", body.len());
        assert_eq!(sent.len(), body.len() - card.len() + "[REDACTED:payment_card]".len());
        assert_eq!(response.header("x-sluice-findings"), Some("payment_card=1"));
    }
    assert!(node.metrics().count("sluice_inspect_aside_total") >= 4);
}
