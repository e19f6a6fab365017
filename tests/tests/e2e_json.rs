//! JSON in every form that the grammar allows: what is hidden in it is found, what is not hidden
//! passes byte for byte, whatever the spaces, escapes, depths and cuts.
#![cfg(test)]

use serde_json::Value;
use sluice_tests::{Mock, Node, Setup, forwarded, replaced};

const CARD: &str = "4111 1111 1111 1111";

/// Bodies of each kind.
const BODIES: u64 = 300;

/// Writes a request with a tree of values, in a form that its numbers decide.
struct Writer {
    state: u64,
    out: String,
    /// Put into one of the strings, after so many other values.
    hidden: Option<String>,
    before: u64,
}

impl Writer {
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap() % bound
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        texts[self.below(texts.len())]
    }

    fn push(&mut self, texts: &[&'static str]) {
        let text = self.one_of(texts);
        self.out.push_str(text);
    }

    fn space(&mut self) {
        for _ in 0..self.below(3) {
            self.push(&[" ", "\t", "\r", "\n"]);
        }
    }

    /// A string, each character as it is or escaped.
    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match self.below(4) {
                0 => {
                    let upper = self.below(2) == 0;
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let hex = if upper { format!("{unit:04X}") } else { format!("{unit:04x}") };
                        self.out.extend(["\\u", &hex]);
                    }
                }
                1 if c == '/' => self.out += "\\/",
                _ if matches!(c, '"' | '\\') => self.out.extend(['\\', c]),
                _ if c == '\n' => self.out += "\\n",
                _ => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn leaf(&mut self) {
        if self.before == 0
            && let Some(hidden) = self.hidden.take()
        {
            return self.string(&hidden);
        }
        self.before = self.before.saturating_sub(1);
        match self.below(4) {
            0 => self.push(&["true", "false", "null"]),
            1 => self.push(&["0", "-0.0", "1e5", "12.50", "-3E-2", "123456"]),
            _ => {
                let text = self.one_of(&[
                    "plain",
                    "Gr\u{fc}\u{df}e \u{1f600}",
                    "a \"b\" / c\n",
                    "",
                    "\u{6f22}",
                    "\\x",
                ]);
                self.string(text);
            }
        }
    }

    fn value(&mut self, depth: usize) {
        self.space();
        let count = self.below(5);
        match if depth == 0 { 3 } else { self.below(4) } {
            0 => self.list('[', ']', count, depth),
            1 => self.list('{', '}', count, depth),
            _ => self.leaf(),
        }
        self.space();
    }

    fn list(&mut self, open: char, close: char, count: usize, depth: usize) {
        self.out.push(open);
        for n in 0..count {
            if n > 0 {
                self.out.push(',');
            }
            self.space();
            if open == '{' {
                // All different: a duplicate would be refused.
                self.string(&format!("key {n} \u{e9}"));
                self.space();
                self.out.push(':');
            }
            self.value(depth - 1);
        }
        self.space();
        self.out.push(close);
    }

    fn body(mut self) -> String {
        let start =
            r#"{"model" :"mock-echo-body","messages":[{"role":"user","content":"Hi"}],"tree":["#;
        start.clone_into(&mut self.out);
        for _ in 0..4 {
            self.value(6);
            self.out.push(',');
        }
        self.before = 0;
        self.leaf();
        self.out + "]}"
    }
}

#[test]
fn whatever_the_form_nothing_hides_and_nothing_else_changes() {
    let mock = Mock::start();
    let node = Node::start(Setup::to_mock(&mock, "external", ""));
    let mut client = node.client();
    for seed in 1..=BODIES {
        for hides in [true, false] {
            let hidden = hides.then(|| format!("it is {CARD}, yes"));
            let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let body = Writer { state, out: String::new(), hidden, before: seed % 40 }.body();
            assert!(serde_json::from_str::<Value>(&body).is_ok(), "{seed}: no JSON: {body}");
            let head = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            // In two cuts anywhere.
            let bytes = [head.as_bytes(), body.as_bytes()].concat();
            let cut = usize::try_from(state >> 40).unwrap() % bytes.len();
            client.send(&bytes[..cut]);
            client.send(&bytes[cut..]);
            let sent = forwarded(&client.response());
            if !hides {
                assert_eq!(sent, body, "{seed}");
                continue;
            }
            let decoded: Value = serde_json::from_str(&sent).unwrap();
            let tree = decoded["tree"].to_string();
            assert!(tree.contains("it is [REDACTED:payment_card], yes"), "{seed}: {body}\n{sent}");
            assert!(!tree.contains(CARD), "{seed}: {sent}");
            assert_eq!(replaced(&body, &sent).len(), 1, "{seed}");
        }
    }
    assert_eq!(node.metrics().count("sluice_panics_total"), 0);
}
