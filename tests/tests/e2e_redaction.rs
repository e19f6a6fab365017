//! What reaches an upstream: nothing that policy keeps back, wherever and however it is written.
//!
//! The mock answers with the bytes that it received, so "never forwarded" is looked at where it
//! counts. Everything that was not redacted must be byte for byte what was sent.
#![cfg(test)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use sluice_tests::{Mock, Node, Setup, chat, forwarded, replaced};
use std::fmt::Write as _;

const CARD: &str = "4111 1111 1111 1111";
const DIGITS: &str = "4111111111111111";
const SSN: &str = "536-90-4399";
const TOKEN: &str = "ghp_R7vQ2mX9kLs4TzBw8NcYpHd3JgFa5E0uKq1V";

fn external(mock: &Mock) -> Node {
    Node::start(Setup::to_mock(mock, "external", ""))
}

/// Sends `body`, which holds one thing to redact, and checks that it was redacted, that nothing else
/// changed, and that neither the thing nor a trace of it was forwarded.
#[track_caller]
fn redacts(node: &Node, name: &str, body: &str, class: &str, never: &[&str]) {
    let response = node.chat(body);
    assert_eq!(response.status, 200, "{name}: {}", response.text());
    let sent = forwarded(&response);
    for never in never {
        assert!(!sent.contains(never), "{name}: `{never}` was forwarded: {sent}");
    }
    assert!(sent.contains(&format!("[REDACTED:{class}")), "{name}: {sent}");
    let removed = replaced(body, &sent);
    let bytes: usize = removed.iter().map(String::len).sum();
    assert!((1..400).contains(&bytes), "{name}: too much is gone: {removed:?}");
    assert_eq!(response.header("x-sluice-verdict"), Some("redact"), "{name}");
    let findings = response.header("x-sluice-findings").unwrap();
    assert!(findings.contains(class), "{name}: {findings}");
}

fn user(text: &str) -> String {
    chat("mock-echo-body", text)
}

fn with(fields: &str) -> String {
    format!(
        r#"{{"model":"mock-echo-body","messages":[{{"role":"user","content":"Hello."}}],{fields}}}"#
    )
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        write!(out, "\\u{:04x}", u32::from(c)).unwrap();
        out
    })
}

#[test]
fn identifiers_and_secrets_are_redacted_wherever_they_stand() {
    let mock = Mock::start();
    let node = external(&mock);
    for (value, class) in [(CARD, "payment_card"), (SSN, "us_ssn"), (TOKEN, "secret.github_token")]
    {
        let case = |name: &str, body: &str| {
            redacts(&node, &format!("{class} in {name}"), body, class, &[value]);
        };
        case("a user's message", &user(&format!("Please use {value} for it.")));
        case(
            "a message of many words",
            &user(&format!("{} {value} {}", "word ".repeat(2000), "word ".repeat(2000))),
        );
        for role in ["system", "developer", "assistant"] {
            let body = format!(
                r#"{{"model":"mock-echo-body","messages":[{{"role":"{role}","content":"It is {value}."}},{{"role":"user","content":"Go on."}}]}}"#
            );
            case(role, &body);
        }
        case(
            "an earlier turn",
            &format!(
                r#"{{"messages":[{{"role":"user","content":"I have {value}"}},{{"role":"assistant","content":"I see."}},{{"role":"user","content":"And now?"}}],"model":"mock-echo-body"}}"#
            ),
        );
        case("an unknown field", &with(&format!(r#""metadata_of_tomorrow": "It is {value}.""#)));
        case(
            "an unknown field, nested",
            &with(&format!(r#""x":[[{{"y":{{"z":[1,true,null,"It is {value}"]}}}}]]"#)),
        );
        case("the end user's name", &with(&format!(r#""user":"card {value}""#)));
        case("a stop word", &with(&format!(r#""stop":["x","my {value}"]"#)));
        case(
            "a tool's definition",
            &with(&format!(
                r#""tools":[{{"type":"function","function":{{"name":"pay","description":"Pays with {value} always","parameters":{{"type":"object"}}}}}}]"#
            )),
        );
        case(
            "an enum of a tool's definition",
            &with(&format!(
                r#""tools":[{{"type":"function","function":{{"name":"pay","parameters":{{"type":"object","properties":{{"n":{{"enum":["number {value}"]}}}}}}}}}}]"#
            )),
        );
        case(
            "a tool's result",
            &format!(
                r#"{{"model":"mock-echo-body","messages":[{{"role":"user","content":"Hi"}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]}},{{"role":"tool","tool_call_id":"c","content":"On file: {value}"}}]}}"#
            ),
        );
        case(
            "a text part",
            &format!(
                r#"{{"model":"mock-echo-body","messages":[{{"role":"user","content":[{{"type":"text","text":"Look:"}},{{"type":"text","text":"it is {value} here"}}]}}]}}"#
            ),
        );
        let deep = format!("{}\"It is {value}\"{}", "[".repeat(64), "]".repeat(64));
        case("an array 64 deep", &with(&format!(r#""x":{deep}"#)));
        let deep = format!("{}\"It is {value}\"{}", "{\"a\":".repeat(64), "}".repeat(64));
        case("an object 64 deep", &with(&format!(r#""x":{deep}"#)));
    }
    assert_eq!(node.metrics().count("sluice_panics_total"), 0);
    node.assert_verifies();
}

#[test]
fn a_tool_call_stays_json_when_its_arguments_are_redacted() {
    let mock = Mock::start();
    let node = external(&mock);
    for arguments in [
        format!(r#"{{"card":"{CARD}","amount":12}}"#),
        format!(r#"{{"card":{DIGITS},"amount":12}}"#),
        format!(r#"{{"list":[{DIGITS}, {DIGITS}],"amount":12}}"#),
    ] {
        let body = json!({"model": "mock-echo-body", "messages": [
            {"role": "user", "content": "Pay."},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "pay", "arguments": arguments}}
            ]},
            {"role": "tool", "tool_call_id": "c", "content": "done"},
        ]})
        .to_string();
        let sent = forwarded(&node.chat(&body));
        assert!(!sent.contains(CARD) && !sent.contains(DIGITS), "{sent}");
        let value: Value = serde_json::from_str(&sent).unwrap();
        let inner =
            value["messages"][1]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
        let inner: Value = serde_json::from_str(inner).unwrap_or_else(|e| panic!("{e}: {inner}"));
        assert_eq!(inner["amount"], 12, "{inner}");
    }
}

#[test]
fn what_is_encoded_or_disguised_is_found() {
    let mock = Mock::start();
    let node = external(&mock);
    for (value, class) in [(CARD, "payment_card"), (SSN, "us_ssn"), (TOKEN, "secret.github_token")]
    {
        let phrase = format!("The number is {value} and that is all.");
        let hex = phrase.bytes().fold(String::new(), |mut out, byte| {
            write!(out, "{byte:02x}").unwrap();
            out
        });
        let percent = phrase.bytes().fold(String::new(), |mut out, byte| {
            write!(out, "%{byte:02X}").unwrap();
            out
        });
        let base64 = BASE64.encode(&phrase);
        let wide: String = value
            .chars()
            .map(|c| match c {
                '!'..='~' => char::from_u32(u32::from(c) + 0xFEE0).unwrap(),
                c => c,
            })
            .collect();
        let zero_width: String = value.chars().flat_map(|c| [c, '\u{200b}']).collect();
        let joiner: String = value.chars().flat_map(|c| [c, '\u{2060}']).collect();
        let tags: String = value.chars().flat_map(|c| [c, '\u{e0041}']).collect();
        let mut cases = vec![
            ("base64", base64.clone()),
            ("base64 twice", BASE64.encode(&base64)),
            ("hex", hex.clone()),
            ("percent", percent.clone()),
            ("zero-width spaces", zero_width),
            ("word joiners", joiner),
            ("tag characters", tags),
        ];
        if class != "secret.github_token" {
            cases.push(("full width", wide));
        }
        for (name, text) in cases {
            let body = user(&format!("Here: {text} (end)"));
            let never = [value, base64.as_str(), hex.as_str(), percent.as_str(), text.as_str()];
            redacts(&node, &format!("{class} as {name}"), &body, class, &never);
        }
        // Escapes of JSON itself: the string is the same, the bytes are not.
        let body = format!(
            r#"{{"model":"mock-echo-body","messages":[{{"role":"user","content":"Here: {} (end)"}}]}}"#,
            escaped(value)
        );
        redacts(&node, &format!("{class} in \\u escapes"), &body, class, &[value, &escaped(value)]);
        let (head, tail) = value.split_at(value.len() / 2);
        let body = format!(
            r#"{{"model":"mock-echo-body","messages":[{{"role":"user","content":"Here: {head}{} (end)"}}]}}"#,
            escaped(tail)
        );
        redacts(
            &node,
            &format!("{class} half in \\u escapes"),
            &body,
            class,
            &[value, &escaped(tail)],
        );
    }
}

#[test]
fn nothing_hides_across_text_parts() {
    let mock = Mock::start();
    let node = external(&mock);
    let parts = |texts: &[&str]| {
        let parts: Vec<String> =
            texts.iter().map(|text| format!(r#"{{"type":"text","text":"{text}"}}"#)).collect();
        format!(
            r#"{{"model":"mock-echo-body","messages":[{{"role":"user","content":[{}]}}]}}"#,
            parts.join(",")
        )
    };
    let tag = "[REDACTED:payment_card]";
    for (name, split, expected) in [
        (
            "two parts",
            parts(&["It is 4111 1111", " 1111 1111 ok"]),
            parts(&[&format!("It is {tag}"), " ok"]),
        ),
        (
            "three parts",
            parts(&["It is 4111 11", "11 1111", " 1111 ok"]),
            parts(&[&format!("It is {tag}"), "", " ok"]),
        ),
        (
            "escapes at the seam",
            parts(&["It is 4111 1111 \\u0031", "\\u0031\\u0031\\u0031 1111 ok"]),
            parts(&[&format!("It is {tag}"), " ok"]),
        ),
    ] {
        let response = node.chat(&split);
        assert_eq!(forwarded(&response), expected, "{name}");
    }
    let halves = TOKEN.split_at(20);
    let sent =
        forwarded(&node.chat(parts(&[&format!("use {}", halves.0), &format!("{} now", halves.1)])));
    assert!(!sent.contains(halves.0) && !sent.contains(halves.1), "{sent}");
}

#[test]
fn numbers_are_inspected_and_become_strings() {
    let mock = Mock::start();
    let node = external(&mock);
    for (original, expected) in [
        (format!(r#""x":{DIGITS}"#), r#""x":"[REDACTED:payment_card]""#.to_owned()),
        (format!(r#""x":[1, {DIGITS} ,2]"#), r#""x":[1, "[REDACTED:payment_card]" ,2]"#.to_owned()),
        (
            format!(r#""seed":{DIGITS},"n":1"#),
            r#""seed":"[REDACTED:payment_card]","n":1"#.to_owned(),
        ),
    ] {
        assert_eq!(forwarded(&node.chat(with(&original))), with(&expected));
    }
    for harmless in [r#""x":1234567890123456"#, r#""x":[0.1234567, -1e300, 12345678]"#] {
        assert_eq!(forwarded(&node.chat(with(harmless))), with(harmless));
    }
}

#[test]
fn a_key_cannot_be_rewritten_so_it_is_refused() {
    let mock = Mock::start();
    let node = external(&mock);
    for (fields, param) in [
        (format!(r#""x":{{"{CARD}":1}}"#), "x"),
        (format!(r#""{CARD}":true"#), ""),
        (format!(r#""x":[{{"a":{{"{}":1}}}}]"#, escaped(SSN)), "x[0].a"),
        (format!(r#""x":{{"{TOKEN}":null}}"#), "x"),
    ] {
        let before = mock.stat("requests");
        let response = node.chat(with(&fields));
        assert_eq!(response.status, 403, "{}", response.text());
        assert_eq!(response.error("code"), "blocked_by_policy");
        assert!(
            !response.text().contains(CARD) && !response.text().contains(TOKEN),
            "{}",
            response.text()
        );
        let told = response.error("param");
        let told = told.as_str().unwrap_or_default();
        assert!(told.starts_with(param), "{told}");
        // One more is the question for the count.
        assert_eq!(mock.stat("requests"), before + 1, "it was forwarded");
    }
}

#[test]
fn what_needs_no_redaction_is_forwarded_byte_for_byte() {
    let mock = Mock::start();
    let node = external(&mock);
    for body in [
        user("Nothing to see here."),
        // Odd but valid JSON: spaces, escapes, number forms, unknown fields, order.
        "{ \"messages\" : [ {\"content\":\"caf\\u00e9 \\/ \\ud83d\\ude00 \\\"q\\\" \\t\",\"role\" :\"user\"} ]\t,\r\n \"model\":\"mock-echo-body\" , \"temperature\":1.0e-0,\"top_p\":-0.0, \"x\":[ ] ,\"y\":{ } }".to_owned(),
        with(r#""future":{"a":[null,true,false,1E+2,123456789012345678901234567890]}"#),
        // Contact data is recorded, not altered.
        user("Write to jane.doe@example.com or call +41 44 668 18 00."),
    ] {
        let response = node.chat(&body);
        assert_eq!(forwarded(&response), body);
    }
}

#[test]
fn every_endpoint_is_governed() {
    let mock = Mock::start();
    let rest = format!(
        "[[upstream]]\nname = \"mock\"\nurl = \"http://{}/mode/mock-echo-body\"\ntrust = \"external\"\n{}",
        mock.address,
        Setup::route("mock", "")
    );
    let node = Node::start(Setup { rest, ..Setup::default() });
    let body = json!({"model": "any", "prompt": ["fine", format!("the {CARD}")], "suffix": SSN})
        .to_string();
    let response = node.client().post("/v1/completions", &[], &body);
    let sent = response.json()["choices"][0]["text"].as_str().unwrap().to_owned();
    assert!(!sent.contains(CARD) && !sent.contains(SSN), "{sent}");
    assert_eq!(replaced(&body, &sent), [CARD, SSN]);
    let body = json!({"model": "any", "input": ["fine", format!("the {CARD}")]}).to_string();
    let response = node.client().post("/v1/embeddings", &[], &body);
    assert_eq!(response.header("x-sluice-verdict"), Some("redact"), "{}", response.text());
    assert_eq!(response.json()["data"].as_array().unwrap().len(), 2);
    for (path, method, status) in [
        ("/v1/chat/completions", "GET", 405),
        ("/v1/responses", "POST", 404),
        ("/v1/decisions", "POST", 404),
        ("/v1/files", "POST", 404),
        ("/", "GET", 404),
        ("/v1/chat/completions/", "POST", 404),
        ("/v1//chat/completions", "POST", 404),
        ("/V1/chat/completions", "POST", 404),
        ("/v1/chat/completions%2f", "POST", 404),
        ("/readyz", "GET", 404),
        ("/metrics", "GET", 404),
    ] {
        let mut client = node.client();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n",
            node.address
        );
        client.send(head + if method == "POST" { "content-length: 2\r\n\r\n{}" } else { "\r\n" });
        let response = client.response();
        assert_eq!(response.status, status, "{method} {path}");
        assert!(
            response.error("code").is_string()
                && response.header("x-should-retry") == Some("false")
        );
    }
}
