//! Hostile and unusual HTTP/1.1, as raw bytes: each gets its status, a message that could be read
//! in two ways never gets through, and the node goes on serving.
#![cfg(test)]
#![expect(clippy::string_slice, reason = "the strings are ASCII; a wrong cut fails the test")]

use sluice_tests::{Client, Mock, Node, Setup, Upstream, chat, eventually, forwarded, text_of};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// What follows the answer on the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Closes,
    Stays,
}
use Then::{Closes, Stays};

const PATH: &str = "/v1/chat/completions";

fn echo_body() -> String {
    chat("echo", "Hello.")
}

/// A chat request with these header lines beside the usual ones and this body.
fn request(lines: &str, body: &str) -> String {
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{lines}\r\n{body}"
    )
}

/// The same, with its length.
fn sized(lines: &str, body: &str) -> String {
    request(&format!("content-length: {}\r\n{lines}", body.len()), body)
}

fn chunked(body: &str) -> String {
    request("transfer-encoding: chunked\r\n", body)
}

/// Each piece in a chunk of its own, and the end.
fn in_chunks(pieces: &[&str]) -> String {
    let chunks = pieces.iter().fold(String::new(), |mut chunks, piece| {
        write!(chunks, "{:x}\r\n{piece}\r\n", piece.len()).unwrap();
        chunks
    });
    chunks + "0\r\n\r\n"
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn every_malformed_head_gets_its_status() {
    let node = Node::start(Setup::default().limits("head_bytes = 8192\n"));
    let body = echo_body();
    let length = body.len();
    let get = |rest: &str| format!("GET /v1/models HTTP/1.1\r\n{rest}\r\n");
    let cases: Vec<(&str, String, u16, Then)> = vec![
        // Smuggling: two readings of where a message ends.
        ("length and coding", request(&format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"), &body), 400, Closes),
        ("coding and length", request(&format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"), &body), 400, Closes),
        ("two equal lengths", sized(&format!("content-length: {length}\r\n"), &body), 400, Closes),
        ("two lengths", sized("content-length: 3\r\n", &body), 400, Closes),
        ("a list of lengths", request(&format!("content-length: {length}, {length}\r\n"), &body), 400, Closes),
        ("a signed length", request(&format!("content-length: +{length}\r\n"), &body), 400, Closes),
        ("a negative length", request("content-length: -1\r\n", ""), 400, Closes),
        ("a length in hex", request("content-length: 0x10\r\n", &body), 400, Closes),
        ("a length of words", request("content-length: ten\r\n", &body), 400, Closes),
        ("an empty length", request("content-length:\r\n", &body), 400, Closes),
        ("a huge length", request("content-length: 99999999999999999999999\r\n", ""), 413, Closes),
        ("an obscured coding", request("transfer-encoding: xchunked\r\n", "0\r\n\r\n"), 400, Closes),
        ("two codings", request("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501, Closes),
        ("chunked twice", request("transfer-encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400, Closes),
        ("identity coding", request("transfer-encoding: identity\r\n", &body), 400, Closes),
        ("coding lines", request("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n"), 400, Closes),
        ("a coding behind a tab", request("transfer-encoding:\u{b}chunked\r\n", "0\r\n\r\n"), 400, Closes),
        ("chunked in HTTP/1.0", "POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(), 400, Closes),
        // Lines.
        ("a folded line", request("x: a\r\n b\r\ncontent-length: 0\r\n", ""), 400, Closes),
        ("a line feed alone", "GET /v1/models HTTP/1.1\nhost: localhost\n\n".into(), 400, Closes),
        ("a line feed within", get("host: localhost\r\nx: a\ny: b\r\n"), 400, Closes),
        ("a carriage return within", get("host: localhost\r\nx: a\rb\r\n"), 400, Closes),
        ("a null within", get("host: localhost\r\nx: a\0b\r\n"), 400, Closes),
        ("a space before the colon", get("host: localhost\r\nx : a\r\n"), 400, Closes),
        ("a space before the name", get(" host: localhost\r\n"), 400, Closes),
        ("a line without a colon", get("host: localhost\r\nnonsense\r\n"), 400, Closes),
        ("an empty name", get("host: localhost\r\n: a\r\n"), 400, Closes),
        ("a name of other letters", get("host: localhost\r\nxé: a\r\n"), 400, Closes),
        // The first line.
        ("no target", "GET HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 400, Closes),
        ("two spaces", "GET  /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 400, Closes),
        ("a space in the target", "GET /v1/mod els HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 400, Closes),
        ("a fragment", "GET /v1/models#x HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 400, Closes),
        ("another version", "GET /v1/models HTTP/1.2\r\nhost: localhost\r\n\r\n".into(), 505, Closes),
        ("the second version", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505, Closes),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n".into(), 400, Closes),
        ("a TLS hello", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".into(), 400, Closes),
        ("a method in lower case", "get /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 400, Closes),
        ("an unknown method", "BREW /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 501, Closes),
        ("CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n".into(), 405, Closes),
        ("TRACE", "TRACE / HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 405, Closes),
        ("a target without slash", "GET v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 400, Closes),
        ("an absolute target elsewhere", "GET http://example.com/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 400, Closes),
        ("an absolute target of another scheme", "GET ftp://localhost/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 400, Closes),
        ("an absolute target", "GET http://localhost/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 200, Stays),
        ("a long target", format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(4000)), 414, Closes),
        // Bounds.
        ("a long header", get(&format!("host: localhost\r\nx: {}\r\n", "a".repeat(9000))), 431, Closes),
        ("many headers", get(&format!("host: localhost\r\n{}", "x: a\r\n".repeat(200))), 431, Closes),
        ("an endless head", format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: {}", "a".repeat(20_000)), 431, Closes),
        // Host, origin, types.
        ("no host", get(""), 400, Closes),
        ("two hosts", get("host: localhost\r\nhost: localhost\r\n"), 400, Closes),
        ("a malformed host", get("host: local host\r\n"), 400, Closes),
        ("a host with a user", get("host: me@localhost\r\n"), 400, Closes),
        ("a foreign host", get("host: rebound.example.com\r\n"), 403, Stays),
        ("a loopback look-alike", get("host: localhost.example.com\r\n"), 403, Stays),
        ("a loopback host by number", get("host: 127.0.0.1:8080\r\n"), 200, Stays),
        ("a loopback host of six", get("host: [::1]:8080\r\n"), 200, Stays),
        ("a foreign origin", sized("origin: https://example.com\r\n", &body), 403, Closes),
        ("a null origin", sized("origin: null\r\n", &body), 403, Closes),
        ("a local origin", sized("origin: http://localhost:3000\r\n", &body), 200, Stays),
        ("plain text", format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{body}"), 415, Closes),
        ("a form", format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"), 415, Closes),
        ("no content type", format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}"), 415, Closes),
        ("JSON with a charset", format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\nContent-Type: Application/JSON; charset=utf-8\r\ncontent-length: {length}\r\n\r\n{body}"), 200, Stays),
        ("gzip", sized("content-encoding: gzip\r\n", &body), 415, Closes),
        ("identity encoding", sized("content-encoding: identity\r\n", &body), 200, Stays),
        ("two authorizations", sized("authorization: Bearer a\r\nauthorization: Bearer b\r\n", &body), 400, Closes),
        ("another expectation", sized("expect: 200-ok\r\n", &body), 417, Closes),
        ("no length", request("", ""), 411, Stays),
        ("an upgrade", sized("connection: upgrade\r\nupgrade: websocket\r\n", &body), 200, Stays),
        ("one blank line before", format!("\r\n{}", sized("", &body)), 200, Stays),
        ("two blank lines before", format!("\r\n\r\n{}", sized("", &body)), 400, Closes),
        // Chunks.
        ("a chunk size of words", chunked("zz\r\n"), 400, Closes),
        ("a negative chunk size", chunked("-1\r\n"), 400, Closes),
        ("a chunk size with a prefix", chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400, Closes),
        ("a chunk size that wraps", chunked("10000000000000000\r\n"), 400, Closes),
        ("an empty chunk size", chunked("\r\n"), 400, Closes),
        ("a chunk extension", chunked(&format!("{length:x};x=y\r\n{body}\r\n0\r\n\r\n")), 400, Closes),
        ("a chunk that ends late", chunked("2\r\nabc\r\n0\r\n\r\n"), 400, Closes),
        ("a chunk with a line feed", chunked(&format!("{length:x}\n{body}\r\n0\r\n\r\n")), 400, Closes),
        ("a chunk with a space", chunked(&format!("{length:x} \r\n{body}\r\n0\r\n\r\n")), 400, Closes),
        ("a malformed trailer", chunked(&format!("{length:x}\r\n{body}\r\n0\r\nnonsense\r\n\r\n")), 400, Closes),
        ("long trailers", chunked(&format!("{length:x}\r\n{body}\r\n0\r\nx: {}\r\n\r\n", "a".repeat(20_000))), 431, Closes),
        ("trailers", chunked(&format!("{length:x}\r\n{body}\r\n0\r\nx: y\r\nauthorization: Bearer x\r\n\r\n")), 200, Stays),
        ("upper-case sizes and zeros", chunked(&format!("000{length:X}\r\n{body}\r\n000\r\n\r\n")), 200, Stays),
    ];
    for (name, bytes, status, then) in cases {
        let mut client = node.client();
        // The node may have refused and closed before all was sent.
        client.try_send(bytes.as_bytes()).ok();
        let response = client.try_response(false).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(response.status, status, "{name}: {}", response.text());
        if status >= 400 {
            let error = &response.json()["error"];
            assert!(
                error["message"].as_str().is_some_and(|text| text.len() > 10),
                "{name}: {error}"
            );
            assert!(error["type"].is_string() && error["code"].is_string(), "{name}: {error}");
        }
        let closes = response.header("connection") == Some("close");
        assert_eq!(closes, then == Closes, "{name}: {:?}", response.headers);
        if then == Closes {
            assert!(client.is_closed(), "{name}: the connection goes on");
        } else {
            assert_eq!(client.chat(echo_body()).status, 200, "{name}: and then");
        }
    }
    let metrics = node.metrics();
    assert!(metrics.count("sluice_refusals_total{reason=\"bad_request\"}") > 40);
    assert_eq!(metrics.count("sluice_panics_total"), 0);
    eventually("every connection is gone", || node.metrics().count("sluice_connections_open") == 0);
    // Refusals are counted by source and second, in the log too.
    eventually("refusals are recorded", || {
        node.assert_verifies()["kinds"]["refusals"].as_u64().unwrap() > 0
    });
}

#[test]
fn one_smuggled_request_is_one_request() {
    // The upstream counts: whatever a body contains, it must arrive as one body.
    let mock = Mock::start();
    let node = Node::start(Setup::to_mock(&mock, "internal", ""));
    let inner = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}");
    let body = chat("mock-echo-body", &inner);
    let mut client = node.client();
    let response = client.chat(&body);
    assert_eq!(forwarded(&response), body);
    let pieces: Vec<&str> = vec![&body[..20], &body[20..21], &body[21..]];
    client.send(chunked(&in_chunks(&pieces)));
    assert_eq!(forwarded(&client.response()), body);
    assert_eq!(mock.stat("requests"), 3);
    assert_eq!(mock.stat("bad_requests"), 0);
}

#[test]
fn keep_alive_pipelining_and_cuts() {
    let node = Node::echo();
    // Many in one write, answered in order.
    let mut client = node.client();
    let all: String = (0..20).map(|n| sized("", &chat("echo", &format!("number {n}.")))).collect();
    client.send(all);
    for n in 0..20 {
        assert_eq!(text_of(&client.response()), format!("number {n}."));
    }
    // Streams and other requests mixed.
    let stream = sluice_tests::chat_stream("echo", "streamed");
    client.send(sized("", &stream) + &sized("", &echo_body()) + &sized("", &stream));
    assert_eq!(client.response().events().last().map(String::as_str), Some("[DONE]"));
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().events().last().map(String::as_str), Some("[DONE]"));
    // Byte by byte.
    let mut client = node.client();
    for byte in sized("", &echo_body()).bytes() {
        client.send([byte]);
    }
    assert_eq!(client.response().status, 200);
    // In chunks of one byte.
    let body = echo_body();
    let bytes: Vec<&str> = body.split("").filter(|byte| !byte.is_empty()).collect();
    client.send(chunked(&in_chunks(&bytes)));
    assert_eq!(client.response().status, 200);
    // The client wants an end.
    client.send(sized("connection: close\r\n", &echo_body()));
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert!(client.is_closed());
    assert_eq!(node.metrics().count("sluice_connections_total"), 2);
}

#[test]
fn http_1_0_and_head() {
    let node = Node::echo();
    let body = echo_body();
    let old = |more: &str| {
        format!(
            "POST {PATH} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{more}\r\n{body}",
            body.len()
        )
    };
    let mut client = node.client();
    client.send(old(""));
    assert_eq!(client.response().status, 200);
    assert!(client.is_closed());
    let mut client = node.client();
    client.send(old("connection: keep-alive\r\n"));
    assert_eq!(client.response().status, 200);
    client.send(old(""));
    assert_eq!(client.response().status, 200);
    // HTTP/1.0 knows no chunks: a stream ends with the connection.
    let stream = sluice_tests::chat_stream("echo", "streamed");
    let mut client = node.client();
    client.send(format!("POST {PATH} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{stream}", stream.len()));
    let response = client.response();
    assert_eq!(response.header("transfer-encoding"), None);
    assert_eq!(response.events().last().map(String::as_str), Some("[DONE]"));

    let mut client = node.client();
    client.send("HEAD /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let head = client.head_response();
    assert!(head.body.is_empty());
    // Whatever its status, no body follows, so the next answer is the next request's.
    if head.header("connection") != Some("close") {
        assert_eq!(client.chat(echo_body()).status, 200);
    }
}

#[test]
fn expectations_are_met() {
    let node = Node::start(Setup::default().limits("body_bytes = 1000\n"));
    let body = echo_body();
    let head = |length: usize| {
        format!(
            "POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut client = node.client();
    client.send(head(body.len()));
    assert_eq!(client.read_head().unwrap().status, 100);
    client.send(&body);
    assert_eq!(client.response().status, 200);
    // Where the head is refused, the body is not asked for.
    client.send(head(1001));
    assert_eq!(client.read_head().unwrap().status, 413);
    let mut client = node.client();
    client.send(head(body.len()).replace("localhost", "example.com"));
    assert_eq!(client.read_head().unwrap().status, 403);
    // Who sends it all anyway is answered once.
    let mut client = node.client();
    client.send(head(body.len()) + &body);
    assert_eq!(client.read_head().unwrap().status, 200);
}

#[test]
fn a_client_that_has_said_everything_is_still_answered() {
    let mock = Mock::start();
    let node = Node::start(Setup::to_mock(&mock, "external", ""));
    for model in ["any", "mock-slow-300"] {
        let mut client = node.client();
        client.send(sized("", &chat(model, "Hello.")));
        client.finish();
        assert_eq!(client.response().status, 200, "{model}");
        assert!(client.is_closed());
    }
    // A stream, once it has begun.
    let mut client = node.client();
    client.send(sized("", &sluice_tests::chat_stream("mock-slow-300", "Hello.")));
    client.finish();
    assert_eq!(client.response().events().last().map(String::as_str), Some("[DONE]"));
    // Who only looks like that, and is gone, is found out.
    let mut client = node.client();
    client.send(sized("", &chat("mock-slow-60000", "Hello.")));
    client.finish();
    eventually("it waits", || node.metrics().count("sluice_requests_in_flight") == 1);
    drop(client);
    eventually("its upstream is told", || mock.stat("cancelled") == 1);
    // Half a head, half a body, nothing: no answer, no harm.
    for bytes in ["", "POST /v1/chat", &sized("", "{}{}")[..90]] {
        let mut client = node.client();
        client.send(bytes);
        client.finish();
        assert!(client.read_some().is_ok_and(|count| count == 0), "{bytes}");
    }
}

#[test]
fn slow_heads_and_bodies_are_timed_out() {
    let limits = "head_timeout_ms = 300\nbody_timeout_ms = 300\nidle_timeout_ms = 400\n";
    let node = Node::start(Setup::default().limits(limits));
    let mut client = node.client();
    client.send("GET /v1/mod");
    let response = client.response();
    assert_eq!((response.status, response.error("code").as_str()), (408, Some("request_timeout")));
    assert!(client.is_closed());
    // A drip does not put it off: the time is for the whole head.
    let mut client = node.client();
    let begun = Instant::now();
    while client.try_send(b"x").is_ok() && begun.elapsed() < Duration::from_secs(10) {
        client.set_patience(Duration::from_millis(20));
        if client.read_some().is_ok() {
            break;
        }
    }
    client.set_patience(Duration::from_secs(10));
    assert_eq!(client.response().status, 408);
    let mut client = node.client();
    client.send(&sized("", &echo_body())[..120]);
    assert_eq!(client.response().status, 408);
    assert!(client.is_closed());
    // An idle connection is closed without a word, after its request was answered.
    let mut client = node.client();
    assert_eq!(client.chat(echo_body()).status, 200);
    assert!(client.is_closed());
    assert!(node.client().is_closed());
}

#[test]
fn connections_are_bounded() {
    let node = Node::start(Setup::default().limits("connections = 3\n"));
    let mut clients: Vec<Client> = (0..3).map(|_| node.client()).collect();
    for client in &mut clients {
        assert_eq!(client.chat(echo_body()).status, 200);
    }
    assert!(node.client().is_closed(), "one more is closed at once");
    assert_eq!(node.metrics().count("sluice_connections_refused_total"), 1);
    clients.pop().unwrap().leave();
    eventually("there is room again", || {
        let mut client = node.client();
        client.try_send(sized("", &echo_body()).as_bytes()).is_ok()
            && client.try_response(false).is_ok_and(|response| response.status == 200)
    });
}

#[test]
fn a_slow_reader_holds_back_its_upstream_only() {
    let mock = Mock::start();
    let node = Node::start(Setup::to_mock(&mock, "external", ""));
    let mut slow = node.client();
    slow.send_post(PATH, &[], sluice_tests::chat_stream("mock-big-200", "Go."));
    assert_eq!(slow.read_head().unwrap().status, 200);
    // It reads nothing more; the others are served, and little is held for it.
    for _ in 0..20 {
        assert_eq!(node.chat(chat("any", "Hello.")).status, 200);
    }
    if let Some(pid) = node.group().data_path() {
        let held = sluice_tests::resident_bytes(pid);
        assert!(held < 400 << 20, "{held} bytes are held");
    }
    let mut seen = 0;
    while seen < 4 << 20 {
        seen += slow.chunk().unwrap().len();
    }
    slow.leave();
    eventually("its upstream is told", || mock.stat("cancelled") == 1);
}

#[test]
fn a_reader_that_stops_is_cut_off() {
    let mock = Mock::start();
    let limits = "send_timeout_ms = 400\n";
    let node = Node::start(Setup::to_mock(&mock, "external", "").limits(limits));
    let mut stopped = node.client();
    stopped.send_post(PATH, &[], sluice_tests::chat_stream("mock-big-200", "Go."));
    assert_eq!(stopped.read_head().unwrap().status, 200);
    eventually("its upstream is told", || mock.stat("cancelled") == 1);
    eventually("it is over", || node.metrics().count("sluice_requests_in_flight") == 0);
    // What is left in between comes, and then an end that is none.
    while stopped.chunk().is_ok_and(|chunk| {
        assert!(!chunk.is_empty(), "ended as if it were whole");
        true
    }) {}
}

#[test]
fn upstream_heads_are_read_strictly_too() {
    let answers: [(&str, u16); 12] = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}", 502),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            502,
        ),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", 502),
        ("HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\n{}", 502),
        ("HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\n{}", 502),
        ("HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", 502),
        ("nonsense\r\n\r\n", 502),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 502),
        ("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"cut\":", 502),
        ("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nnot JSON", 502),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 8\r\n\r\nnot JSON", 500),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200),
    ];
    let upstream = Upstream::start(move |stream, _| {
        while let Some(request) = Upstream::read_request(stream) {
            let number = request.rsplit("number ").next().unwrap();
            let number: usize = number.split('.').next().unwrap().parse().unwrap();
            if std::io::Write::write_all(stream, answers[number].0.as_bytes()).is_err() {
                return;
            }
            if number < 11 {
                return;
            }
        }
    });
    let rest = upstream.toml("own", "internal") + &Setup::route("own", "");
    let node = Node::start(Setup { rest, ..Setup::default() });
    for (number, (answer, status)) in answers.iter().enumerate() {
        let response = node.chat(chat("m", &format!("number {number}.")));
        assert_eq!(response.status, *status, "{answer:?}: {}", response.text());
        if *status == 502 {
            let code = response.error("code");
            assert!(code.as_str().unwrap().starts_with("upstream_"), "{answer:?}: {code}");
            assert!(
                response.error("message").as_str().unwrap().contains("upstream"),
                "{}",
                response.text()
            );
        }
    }
}

#[test]
fn no_header_of_an_upstream_breaks_out() {
    let upstream = Upstream::start(|stream, _| {
        while Upstream::read_request(stream).is_some() {
            let more = "x-own: yes\r\nx-sluice-verdict: allow\r\nset-cookie: a=b\r\nconnection: x-hop\r\n\
                        x-hop: 1\r\nkeep-alive: timeout=5\r\nserver: own\r\nx-ratelimit-remaining-requests: 9\r\n\
                        alt-svc: h3\r\nx-request-id: theirs\r\n";
            Upstream::answer(stream, "200 OK", more, &Upstream::completion("Hi"));
        }
    });
    let rest = upstream.toml("own", "internal") + &Setup::route("own", "");
    let node = Node::start(Setup { rest, ..Setup::default() });
    let response =
        Client::connect(node.address).post(PATH, &[("x-request-id", "mine")], chat("m", "Hi"));
    assert_eq!(response.header("x-request-id"), Some("mine"));
    assert_eq!(response.header("x-sluice-verdict"), Some("allow"));
    assert_eq!(response.header("x-ratelimit-remaining-requests"), Some("9"));
    assert_eq!(response.header("x-own"), Some("yes"));
    for gone in ["set-cookie", "x-hop", "keep-alive", "alt-svc"] {
        assert_eq!(response.header(gone), None, "{gone}");
    }
}
