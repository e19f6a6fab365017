//! Response heads.

use crate::http1::*;

fn parse(head: &[u8]) -> Result<(Option<usize>, ResponseHead), ResponseError> {
    let mut out = ResponseHead::new();
    let limits = HeadLimits { head_bytes: 1024, ..HeadLimits::default() };
    parse_response(head, &limits, &mut out).map(|length| (length, out))
}

fn head(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n")
}

#[test]
fn framing_by_status_and_method() {
    use ResponseFraming as F;
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Post, F::Length(5)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Method::Post, F::None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Head, F::None),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::Post, F::Chunked),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::Head, F::None),
        ("HTTP/1.1 200 OK\r\n\r\n", Method::Get, F::UntilClose),
        ("HTTP/1.1 200\r\n\r\n", Method::Get, F::UntilClose),
        ("HTTP/1.1 204 No Content\r\n\r\n", Method::Get, F::None),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Method::Get, F::None),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Method::Get, F::None),
        ("HTTP/1.1 100 Continue\r\n\r\n", Method::Post, F::None),
        ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", Method::Post, F::None),
        ("HTTP/1.0 200 OK\r\n\r\n", Method::Post, F::UntilClose),
    ];
    for (text, method, framing) in cases {
        let (length, out) = parse(text.as_bytes()).unwrap();
        assert_eq!(length, Some(text.len()), "{text:?}");
        assert_eq!(out.framing(method), framing, "{text:?}");
        assert_eq!(out.is_informational(), text.contains(" 10"), "{text:?}");
    }
}

#[test]
fn known_headers() {
    let text = head(
        "Content-Type: text/event-stream; charset=utf-8\r\nContent-Encoding: gzip\r\nRetry-After: 3\r\n\
         x-request-id: a\r\nx-request-id: b\r\nConnection: close\r\nLocation: /x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n",
    );
    let buf = text.as_bytes();
    let (_, out) = parse(buf).unwrap();
    assert!(out.is_event_stream && !out.keep_alive);
    assert_eq!(out.status, 200);
    for (span, value) in [
        (out.content_type, "text/event-stream; charset=utf-8"),
        (out.content_encoding, "gzip"),
        (out.retry_after, "3"),
        (out.x_request_id, "a"),
        (out.location, "/x"),
    ] {
        assert_eq!(span.unwrap().of(buf), value.as_bytes());
    }
    assert_eq!(out.headers.end_to_end(buf).count(), 8);
    let (_, out) = parse(head("Content-Type: text/event-streams\r\n").as_bytes()).unwrap();
    assert!(!out.is_event_stream && out.keep_alive);
}

#[test]
fn what_is_refused() {
    use ResponseError as E;
    let cases = [
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n".to_owned(),
            E::SwitchedProtocols,
        ),
        ("HTTP/1.1 099 X\r\n\r\n".to_owned(), E::BadStatus(99)),
        ("HTTP/1.1 600 X\r\n\r\n".to_owned(), E::BadStatus(600)),
        ("HTTP/1.1 20 X\r\n\r\n".to_owned(), E::BadStatusLine),
        ("HTTP/1.1 200OK\r\n\r\n".to_owned(), E::BadStatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n".to_owned(), E::UnsupportedVersion),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(), E::BadStatusLine),
        ("{\"error\":1}".to_owned(), E::BadStatusLine),
        ("HTTP/1.1 200 OK\nA: b\r\n\r\n".to_owned(), E::BareLf),
        ("HTTP/1.1 204 X\r\nContent-Length: 1\r\n\r\n".to_owned(), E::UnexpectedBody),
        ("HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), E::UnexpectedBody),
        ("HTTP/1.1 100 X\r\nContent-Length: 1\r\n\r\n".to_owned(), E::UnexpectedBody),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), E::BadTransferCoding),
        (head("Content-Length: 5\r\nContent-Length: 5\r\n"), E::DuplicateHeader("content-length")),
        (head("Content-Length: 5, 5\r\n"), E::BadContentLength),
        (head("Content-Length: 99999999999999999999\r\n"), E::BadContentLength),
        (head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), E::LengthWithCoding),
        (head("Transfer-Encoding: gzip, chunked\r\n"), E::BadTransferCoding),
        (
            head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            E::DuplicateHeader("transfer-encoding"),
        ),
        (head("Content-Type: a/b\r\nContent-Type: a/b\r\n"), E::DuplicateHeader("content-type")),
        (head("X: a\r\n b\r\n"), E::BadHeader),
        (head("X : a\r\n"), E::BadHeader),
        (head("X: a\rb\r\n"), E::BadHeader),
        (head("X: a\0\r\n"), E::BadHeader),
        (head(&format!("X: {}\r\n", "a".repeat(2000))), E::HeadTooLarge),
        (head(&"X: a\r\n".repeat(110)), E::TooManyHeaders),
    ];
    for (text, error) in cases {
        let result = parse(text.as_bytes()).map(|(length, _)| length);
        assert_eq!(result, Err(error), "{text:?}");
    }
}

#[test]
fn informational_heads_come_before_the_answer() {
    let stream = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut out = ResponseHead::new();
    let mut at = 0;
    let mut seen = Vec::new();
    loop {
        let length =
            parse_response(&stream[at..], &HeadLimits::default(), &mut out).unwrap().unwrap();
        at += length;
        seen.push(out.status);
        if !out.is_informational() {
            break;
        }
        out.clear();
    }
    assert_eq!(seen, [100, 103, 200]);
    assert_eq!(&stream[at..], b"ok");
}

#[test]
fn every_prefix_is_incomplete() {
    let text = head("Content-Length: 5\r\nX: y\r\n");
    let mut out = ResponseHead::new();
    for end in 0..text.len() {
        let result = parse_response(&text.as_bytes()[..end], &HeadLimits::default(), &mut out);
        assert_eq!(result, Ok(None));
    }
    let whole = parse_response(text.as_bytes(), &HeadLimits::default(), &mut out);
    assert_eq!(whole, Ok(Some(text.len())));
    assert_eq!(out.content_length(), Some(5));
}

#[test]
fn what_is_not_passed_on() {
    let hop = [
        "Connection",
        "keep-alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "UPGRADE",
        "Proxy-Connection",
        "proxy-authenticate",
        "Proxy-Authorization",
    ];
    for name in hop {
        assert!(is_hop_by_hop(name.as_bytes(), b""), "{name}");
    }
    for name in ["content-length", "expect", "cookie", "tf", "trailex", "x-request-id", ""] {
        assert!(!is_hop_by_hop(name.as_bytes(), b"close"), "{name}");
    }
    assert!(is_hop_by_hop(b"Cookie", b"close, COOKIE ,x"));
    assert!(!is_hop_by_hop(b"Cookie", b"cookies"));
    let lines = format!("{}: chunked\r\n", hop.join(": chunked\r\n"));
    let text = head(&format!("{lines}A: b\r\nB: c\r\nConnection: b\r\n"));
    let (_, out) = parse(text.as_bytes()).unwrap();
    let passed: Vec<&[u8]> =
        out.headers.end_to_end(text.as_bytes()).map(|(name, _)| name).collect();
    assert_eq!(passed, [b"A"]);
}
