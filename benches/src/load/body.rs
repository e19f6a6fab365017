//! A pool of whole requests (head and body), each made different as it is sent.
//!
//! Bodies are chats as clients send them: a system prompt, then turns of user and assistant. Every
//! text has a nonce in it, patched before each sending, so that no cache of scans, ours or another's,
//! sees a text twice. PERF: sending costs one copy of the request and eight bytes a text.

use memchr::memmem;
use serde_json::json;

use super::{options::Options, prose::Prose, random::Random};
use crate::nonce::{NONCE_BYTES, nonce};

/// Memory for the pool: more would only measure the load generator's cache misses.
const POOL_BYTES: usize = 8 << 20;
const POOL_REQUESTS_MAX: usize = 4096;
/// Stands in prepared texts where a nonce goes.
const MARK: &str = "nonce###";
/// The smallest body that has room for a system prompt and a question.
pub const BODY_BYTES_MIN: usize = 512;
/// Closes the last text and everything around it.
const END: &str = r#""}]}"#;
/// What official clients send beside the essentials.
const CLIENT_HEADERS: &str = "accept: application/json\r\n\
    accept-encoding: gzip, deflate\r\n\
    connection: keep-alive\r\n\
    user-agent: OpenAI/Python 2.8.1\r\n\
    x-stainless-arch: x64\r\n\
    x-stainless-async: false\r\n\
    x-stainless-lang: python\r\n\
    x-stainless-os: Linux\r\n\
    x-stainless-package-version: 2.8.1\r\n\
    x-stainless-retry-count: 0\r\n\
    x-stainless-runtime: CPython\r\n\
    x-stainless-runtime-version: 3.13.1\r\n\
    content-type: application/json\r\n";
/// Test numbers of four issuers, valid by their check digit.
const CARDS: [&str; 4] =
    ["4111 1111 1111 1111", "5555555555554444", "3782 822463 10005", "6011-1111-1111-1117"];

struct Prepared {
    bytes: Vec<u8>,
    nonces_at: Vec<usize>,
}

pub struct Pool {
    requests: Vec<Prepared>,
    next: usize,
    counter: u32,
}

impl Pool {
    /// Threads with different seeds have different texts and different nonces.
    pub fn new(options: &Options, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let count = (POOL_BYTES / options.body_bytes.max(1)).clamp(1, POOL_REQUESTS_MAX);
        let prose = Prose::new();
        let requests = (0..count).map(|_| prepare(options, &prose, &mut random)).collect();
        let counter = u32::try_from(random.next() >> 32).unwrap_or_default();
        Self { requests, next: 0, counter }
    }

    /// Replaces `out` by the next request.
    pub fn fill(&mut self, out: &mut Vec<u8>) {
        out.clear();
        self.next = if self.next + 1 < self.requests.len() { self.next + 1 } else { 0 };
        let Some(request) = self.requests.get(self.next) else { return };
        out.extend_from_slice(&request.bytes);
        for &at in &request.nonces_at {
            self.counter = self.counter.wrapping_add(1);
            if let Some(place) = out.get_mut(at..at + NONCE_BYTES) {
                place.copy_from_slice(&nonce(self.counter));
            }
        }
    }
}

/// One body as the load generator sends it, without its head: what the micro benches work on.
pub fn sample_body(options: &Options, seed: u64) -> Vec<u8> {
    let body = body(options, &Prose::new(), &mut Random::new(seed));
    let word = nonce(u32::try_from(seed & 0x00ff_ffff).unwrap_or_default());
    body.replace(MARK, &String::from_utf8_lossy(&word)).into_bytes()
}

fn prepare(options: &Options, prose: &Prose, random: &mut Random) -> Prepared {
    let body = body(options, prose, random);
    let host = options.host.clone().unwrap_or_else(|| options.target.to_string());
    let mut bytes = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
         {CLIENT_HEADERS}content-length: {}\r\n\r\n",
        options.bearer,
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body.as_bytes());
    let nonces_at = memmem::find_iter(&bytes, MARK.as_bytes()).collect();
    Prepared { bytes, nonces_at }
}

/// A body of exactly `body_bytes`, or of `BODY_BYTES_MIN` if that is more.
fn body(options: &Options, prose: &Prose, random: &mut Random) -> String {
    let size = options.body_bytes.max(BODY_BYTES_MIN);
    let stream = if options.stream {
        r#","stream":true,"stream_options":{"include_usage":true}"#
    } else {
        ""
    };
    let model = json!(options.model);
    let mut body = format!(
        r#"{{"model":{model},"temperature":0.7,"max_tokens":512{stream},"messages":[{{"role":"system","content":"You are {MARK}, a careful assistant. "#
    );
    prose.push(&mut body, size / 8, random);
    body.push_str("\"}");
    // A pair of turns is at most this long; the last question fills what is left.
    let (turn_min, turn_spread) = (120, 680);
    let pair_bytes_max = 2 * (turn_min + turn_spread) + 600;
    while body.len() + pair_bytes_max < size {
        for role in ["user", "assistant"] {
            body.extend([r#",{"role":""#, role, r#"","content":"About "#, MARK, ": "]);
            prose.push(&mut body, turn_min + random.below(turn_spread), random);
            body.push_str("\"}");
        }
    }
    body.extend([r#",{"role":"user","content":"Now "#, MARK, ". "]);
    if options.with_card {
        body.push_str("Please charge the card ");
        body.push_str(random.pick(&CARDS));
        body.push_str(" today. ");
    }
    let left = size.saturating_sub(body.len() + END.len());
    prose.push_exactly(&mut body, left, random);
    body.push_str(END);
    body
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::Value;

    use super::*;
    use crate::http::{Framing, RequestHead, head_end};

    fn pool(arguments: &[&str]) -> Pool {
        let fixed = ["sluice-load", "--target", "127.0.0.1:1"];
        Pool::new(&Options::parse_from(fixed.iter().chain(arguments)), 5)
    }

    fn next_body(pool: &mut Pool) -> Value {
        let mut request = Vec::new();
        pool.fill(&mut request);
        let end = head_end(&request).unwrap();
        let head = RequestHead::parse(&request[..end]).unwrap();
        assert_eq!(head.framing, Framing::Length((request.len() - end) as u64));
        assert!(!request.contains(&b'#'));
        serde_json::from_slice(&request[end..]).unwrap()
    }

    #[test]
    fn requests_are_valid_chats_of_the_exact_size() {
        for size in [512, 2048, 32 * 1024] {
            let mut pool = pool(&["--body-bytes", &size.to_string()]);
            for _ in 0..20 {
                let mut request = Vec::new();
                pool.fill(&mut request);
                assert_eq!(request.len() - head_end(&request).unwrap(), size);
            }
            let body = next_body(&mut pool);
            let messages = body["messages"].as_array().unwrap();
            assert_eq!(messages[0]["role"], "system");
            assert_eq!(messages.last().unwrap()["role"], "user");
            assert!(size < 32 * 1024 || messages.len() > 20);
        }
    }

    #[test]
    fn no_text_is_sent_twice() {
        let mut pool = pool(&["--body-bytes", "2048"]);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..3 * POOL_REQUESTS_MAX {
            for message in next_body(&mut pool)["messages"].as_array().unwrap() {
                assert!(seen.insert(message["content"].as_str().unwrap().to_owned()));
            }
        }
    }

    /// Or the benchmark would measure findings and call them clean traffic.
    #[test]
    fn only_chats_with_a_card_set_off_a_detector() {
        use sluice_detectors::{Batch, MEDIUM, Pack, Report, Scanner};

        let mut scanner = Scanner::new(Pack::compile().unwrap().into()).unwrap();
        let mut report = Report::default();
        for (arguments, findings) in
            [(&["--body-bytes", "32768"][..], 0), (&[], 0), (&["--with-card"], 1)]
        {
            let mut pool = pool(arguments);
            for _ in 0..64 {
                let mut batch = Batch::default();
                for message in next_body(&mut pool)["messages"].as_array().unwrap() {
                    let origin = sluice_contract::facts::Origin::User;
                    batch.add(origin, Some("content"), message["content"].as_str().unwrap());
                }
                scanner.scan(&batch, &mut report);
                assert_eq!(report.findings.len(), findings, "{report:?}");
                assert!(report.scores.0.iter().all(|&score| score < MEDIUM), "{report:?}");
            }
        }
    }

    #[test]
    fn a_stream_and_a_card_come_when_asked() {
        let body = next_body(&mut pool(&["--stream", "--with-card"]));
        assert_eq!(body["stream_options"]["include_usage"], true);
        assert!(CARDS.iter().any(|card| body.to_string().contains(card)));
        assert!(next_body(&mut pool(&[]))["stream"].is_null());
    }
}
