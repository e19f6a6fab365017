//! What the management port answers. No I/O.

use super::metrics;
use super::request::Request;
use crate::manage::vitals::Vitals;
use sha2::{Digest, Sha256};
use std::net::IpAddr;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Who may ask.
pub struct Guard {
    token: Option<[u8; 32]>,
}

impl Guard {
    /// Asks for `token`, or, without one, for a loopback name as host.
    pub fn new(token: Option<&str>) -> Guard {
        Guard { token: token.map(|token| Sha256::digest(token.as_bytes()).into()) }
    }

    fn refusal(&self, request: &Request) -> Option<u16> {
        let Some(expected) = &self.token else {
            let host = request.host.as_deref();
            return host.is_some_and(|host| !is_loopback_name(host)).then_some(403);
        };
        let given = request.bearer.as_deref().unwrap_or_default();
        let given: [u8; 32] = Sha256::digest(given.as_bytes()).into();
        (!is_same(expected, &given)).then_some(401)
    }
}

/// Compares in constant time.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let difference = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// Whether `host`, with or without a port, can only mean this machine.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    status: u16,
    kind: &'static str,
    body: String,
}

impl Answer {
    /// A refusal; the status says it all.
    pub fn refusal(status: u16) -> Answer {
        Answer { status, kind: TEXT, body: format!("{}\n", phrase(status)) }
    }

    /// Whether the request was refused, as opposed to answered with bad news.
    pub const fn is_refusal(&self) -> bool {
        matches!(self.status, 400..=499)
    }

    /// The bytes of the answer.
    pub fn encode(&self, head_only: bool) -> Vec<u8> {
        let extra = match self.status {
            401 => "www-authenticate: Bearer\r\n",
            405 => "allow: GET, HEAD\r\n",
            _ => "",
        };
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n{extra}\
             cache-control: no-store\r\nx-content-type-options: nosniff\r\n\
             connection: close\r\n\r\n",
            self.status,
            phrase(self.status),
            self.kind,
            self.body.len()
        )
        .into_bytes();
        if !head_only {
            bytes.extend_from_slice(self.body.as_bytes());
        }
        bytes
    }
}

const fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// Answers `request`.
pub fn answer(request: &Request, guard: &Guard, vitals: &Vitals) -> Answer {
    // That the process is alive is no secret, and probes carry no token.
    if request.path == "/healthz" {
        return Answer { status: 200, kind: TEXT, body: "ok\n".to_owned() };
    }
    if let Some(status) = guard.refusal(request) {
        return Answer::refusal(status);
    }
    match request.path.as_str() {
        "/readyz" => {
            let problems = vitals.problems();
            let status = if problems.is_empty() { 200 } else { 503 };
            let body = serde_json::json!({ "ready": problems.is_empty(), "problems": problems });
            Answer { status, kind: JSON, body: format!("{body}\n") }
        }
        "/metrics" => Answer {
            status: 200,
            kind: "text/plain; version=0.0.4; charset=utf-8",
            body: metrics::render(vitals),
        },
        "/status" => match serde_json::to_string(&vitals.status()) {
            Ok(body) => Answer { status: 200, kind: JSON, body: body + "\n" },
            Err(_) => Answer::refusal(500),
        },
        _ => Answer::refusal(404),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in
            ["localhost", "LOCALHOST:8081", "127.0.0.1:8081", "127.9.9.9", "[::1]:8081", "[::1]"]
        {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in
            ["example.com", "localhost.example.com:8081", "10.0.0.1", "[::2]:1", "", "127.0.0.1.x"]
        {
            assert!(!is_loopback_name(host), "{host}");
        }
    }

    #[test]
    fn a_token_is_asked_for_where_there_is_one() {
        let request = |bearer: Option<&str>| Request {
            head_only: false,
            path: "/metrics".into(),
            host: Some("example.com".into()),
            bearer: bearer.map(str::to_owned),
        };
        let guard = Guard::new(Some("a token of some length"));
        assert_eq!(guard.refusal(&request(Some("a token of some length"))), None);
        assert_eq!(guard.refusal(&request(Some("a token of some lengt"))), Some(401));
        assert_eq!(guard.refusal(&request(None)), Some(401));
        assert_eq!(Guard::new(None).refusal(&request(None)), Some(403));
    }

    #[test]
    fn a_head_is_answered_without_a_body() {
        let answer = Answer::refusal(404);
        let whole = String::from_utf8(answer.encode(false)).unwrap();
        let head = String::from_utf8(answer.encode(true)).unwrap();
        assert_eq!(whole, head.clone() + "Not Found\n");
        assert!(head.contains("content-length: 10\r\n") && head.ends_with("\r\n\r\n"));
    }
}
