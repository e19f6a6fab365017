//! The mock over real sockets: what its parts cannot show one by one.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Instant,
};

use clap::Parser as _;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::http::{ChunkedDecoder, Framing, ResponseHead, head_end, push_chunk};

fn started(arguments: &[&str]) -> SocketAddr {
    let fixed = ["sluice-mock", "--listen", "127.0.0.1:0"];
    start(&Options::parse_from(fixed.iter().chain(arguments))).unwrap().address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn post(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One answer off the front of what comes; what follows it stays in `wire`.
fn read_answer(stream: &mut TcpStream, wire: &mut Vec<u8>) -> (u16, String) {
    loop {
        if let Some(answer) = take_answer(wire) {
            return answer;
        }
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "closed within an answer");
        wire.extend_from_slice(&piece[..length]);
    }
}

fn take_answer(wire: &mut Vec<u8>) -> Option<(u16, String)> {
    let end = head_end(wire)?;
    let head = ResponseHead::parse(&wire[..end]).unwrap();
    let mut body = Vec::new();
    let taken = match head.framing {
        Framing::Length(length) => {
            let length = usize::try_from(length).unwrap();
            body.extend_from_slice(wire.get(end..end + length)?);
            end + length
        }
        Framing::Chunked => {
            let mut decoder = ChunkedDecoder::default();
            let taken = decoder.decode(&wire[end..], |run| body.extend_from_slice(run)).unwrap();
            decoder.is_done().then_some(end + taken)?
        }
        Framing::Unspecified => end,
    };
    wire.drain(..taken);
    Some((head.status, String::from_utf8(body).unwrap()))
}

fn stat(address: SocketAddr, name: &str) -> u64 {
    let mut stream = connect(address);
    stream.write_all(b"GET /mock/stats HTTP/1.1\r\nhost: m\r\n\r\n").unwrap();
    let (_, body) = read_answer(&mut stream, &mut Vec::new());
    serde_json::from_str::<Value>(&body).unwrap()[name].as_u64().unwrap()
}

/// Waits for a counter: the mock learns of a closed connection a moment later.
fn await_stat(address: SocketAddr, name: &str, expected: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while stat(address, name) != expected {
        assert!(Instant::now() < deadline, "{name} never became {expected}");
    }
}

#[test]
fn a_client_that_leaves_is_counted_at_once() {
    let address = started(&[]);
    let mut stream = connect(address);
    stream.write_all(&post(r#"{"model":"mock-hang"}"#)).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    await_stat(address, "cancelled", 1);
    // The only connection left is the one that asks.
    await_stat(address, "connections_open", 1);
}

#[test]
fn a_request_that_follows_during_a_pause_is_not_lost() {
    let address = started(&["--chunk-delay-ms", "2", "--chunks", "4"]);
    let mut stream = connect(address);
    let mut wire = Vec::new();
    stream.write_all(&post(r#"{"model":"m","stream":true}"#)).unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    wire.extend_from_slice(&first);
    stream.write_all(&post(r#"{"model":"mock-echo-body"}"#)).unwrap();
    assert!(read_answer(&mut stream, &mut wire).1.ends_with("data: [DONE]\n\n"));
    assert!(read_answer(&mut stream, &mut wire).1.contains("mock-echo-body"));
}

#[test]
fn expectations_are_answered_before_the_body() {
    let mut stream = connect(started(&[]));
    let mut wire = Vec::new();
    stream
        .write_all(
            b"POST /v1/chat/completions HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n",
        )
        .unwrap();
    assert_eq!(read_answer(&mut stream, &mut wire).0, 100);
    stream.write_all(b"{}").unwrap();
    assert_eq!(read_answer(&mut stream, &mut wire).0, 200);
}

#[test]
fn an_early_answer_comes_before_the_body_and_closes() {
    let mut stream = connect(started(&[]));
    stream
        .write_all(
            b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 999\r\n\r\n{\"model\":\"mock-early\",",
        )
        .unwrap();
    assert_eq!(read_answer(&mut stream, &mut Vec::new()).0, 200);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn broken_framing_is_refused_and_counted() {
    let address = started(&[]);
    for request in [
        "POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "BROKEN\r\n\r\n",
    ] {
        let mut stream = connect(address);
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream, &mut Vec::new()).0, 400);
    }
    await_stat(address, "bad_requests", 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn requests_cut_anywhere_are_each_answered_in_order(
        texts in proptest::collection::vec("[a-z ]{0,40}", 1..5),
        chunked in any::<bool>(),
        cuts in proptest::collection::vec(1_usize..60, 0..12),
    ) {
        static ADDRESS: std::sync::LazyLock<SocketAddr> =
            std::sync::LazyLock::new(|| started(&["--threads", "2"]));
        let bodies: Vec<String> = texts
            .iter()
            .map(|text| format!(r#"{{"model":"mock-echo-body","text":"{text}"}}"#))
            .collect();
        let mut wire = Vec::new();
        for body in &bodies {
            if chunked {
                wire.extend_from_slice(
                    b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
                );
                for piece in body.as_bytes().chunks(7) {
                    push_chunk(&mut wire, piece);
                }
                push_chunk(&mut wire, b"");
            } else {
                wire.extend_from_slice(&post(body));
            }
        }
        let mut stream = connect(*ADDRESS);
        let mut rest = wire.as_slice();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            stream.write_all(piece).unwrap();
            rest = after;
        }
        stream.write_all(rest).unwrap();
        let mut received = Vec::new();
        for body in &bodies {
            let (status, answer) = read_answer(&mut stream, &mut received);
            let answer: Value = serde_json::from_str(&answer).unwrap();
            prop_assert_eq!(status, 200);
            prop_assert_eq!(answer["choices"][0]["message"]["content"].as_str(), Some(body.as_str()));
        }
    }
}
