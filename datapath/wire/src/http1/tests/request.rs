//! Request heads.

use crate::http1::*;
use proptest::prelude::*;

fn limits() -> HeadLimits {
    HeadLimits { head_bytes: 2048, target_bytes: 128, headers: 20 }
}

fn parse(head: &[u8]) -> Result<(Option<usize>, RequestHead), RequestError> {
    let mut out = RequestHead::new();
    parse_request(head, &limits(), &mut out).map(|length| (length, out))
}

/// A head with `Host` and these lines.
fn with(lines: &str) -> String {
    format!("POST /v1/x HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

const FULL: &[u8] = b"POST /v1/chat/completions?a=b&c HTTP/1.1\r\n\
    Host: api.example.com:8080\r\n\
    Authorization: Bearer k\r\n\
    x-api-key: k2\r\n\
    API-KEY: k3\r\n\
    X-Sluice-Key: k4\r\n\
    x-sluice-session: s\r\n\
    Content-Type:application/json \r\n\
    Content-Encoding: identity\r\n\
    Content-Length: 12\r\n\
    Origin: https://example.com\r\n\
    traceparent: 00-a-b-01\r\n\
    tracestate: x=1\r\n\
    tracestate: y=2\r\n\
    X-Request-Id: r1\r\n\
    Expect: 100-Continue\r\n\
    Connection: keep-alive, X-Hop\r\n\
    X-Hop: 1\r\n\
    X-Custom: caf\xc3\xa9\r\n\r\n";

#[test]
fn a_full_head() {
    let mut input = FULL.to_vec();
    input.extend_from_slice(b"{\"a\":1}");
    let (length, head) = parse(&input).unwrap();
    assert_eq!(length, Some(FULL.len()));
    assert_eq!((head.method, head.minor_version), (Method::Post, 1));
    assert_eq!(head.target.of(&input), b"/v1/chat/completions?a=b&c");
    assert_eq!(head.path(&input), b"/v1/chat/completions");
    assert_eq!(head.query(&input), Some(&b"a=b&c"[..]));
    let known = [
        (head.host, &b"api.example.com:8080"[..]),
        (head.authorization, b"Bearer k"),
        (head.x_api_key, b"k2"),
        (head.api_key, b"k3"),
        (head.x_sluice_key, b"k4"),
        (head.x_sluice_session, b"s"),
        (head.content_type, b"application/json"),
        (head.content_encoding, b"identity"),
        (head.origin, b"https://example.com"),
        (head.traceparent, b"00-a-b-01"),
        (head.tracestate, b"x=1"),
        (head.x_request_id, b"r1"),
    ];
    for (span, value) in known {
        assert_eq!(span.unwrap().of(&input), value);
    }
    assert!(head.expect_continue && head.keep_alive);
    assert_eq!(head.framing, Framing::Length(12));
    assert_eq!(head.headers.len(), 18);
    assert_eq!(head.headers.find(&input, b"x-custom"), Some("café".as_bytes()));
    let passed: Vec<&[u8]> = head.headers.end_to_end(&input).map(|(name, _)| name).collect();
    for gone in [&b"Connection"[..], b"X-Hop", b"Content-Length", b"Expect"] {
        assert!(!passed.contains(&gone));
    }
    assert_eq!(passed.len(), 14);
}

#[test]
fn what_is_taken() {
    let cases: [(&[u8], Framing, bool); 11] = [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::None, true),
        (b"GET / HTTP/1.1\r\nhost:a\r\nConnection: Close\r\n\r\n", Framing::None, false),
        (b"GET / HTTP/1.0\r\n\r\n", Framing::None, false),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Framing::None, true),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::None, true),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Framing::None, true),
        (b"GET http://A:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", Framing::None, true),
        (
            b"POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0\r\n\r\n",
            Framing::Length(0),
            true,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
            Framing::Chunked,
            true,
        ),
        (b"PUT /%41?x=%20 HTTP/1.1\r\nHost: a\r\nX: \x80\xff\ty\r\n\r\n", Framing::None, true),
        (b"PATCH /a HTTP/1.1\r\nHost: a\r\nEmpty:\r\n\r\n", Framing::None, true),
    ];
    for (head, framing, keep_alive) in cases {
        let shown = String::from_utf8_lossy(head);
        let (length, out) = parse(head).unwrap_or_else(|error| panic!("{error} {shown}"));
        assert_eq!(length, Some(head.len()), "{shown}");
        assert_eq!((out.framing, out.keep_alive), (framing, keep_alive), "{shown}");
    }
}

#[test]
fn absolute_targets() {
    let head = b"\r\nGET https://Example.com/a/b?c HTTP/1.1\r\nHost: example.COM\r\n\r\n";
    let (_, out) = parse(head).unwrap();
    assert_eq!((out.path(head), out.query(head)), (&b"/a/b"[..], Some(&b"c"[..])));
    let head = b"GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n";
    let (_, out) = parse(head).unwrap();
    assert_eq!((out.path(head), out.query(head)), (&b"/"[..], Some(&b"q"[..])));
}

#[test]
fn what_is_refused() {
    use RequestError as E;
    let owned = [
        (with("Content-Length: 5\r\nContent-Length: 5\r\n"), E::DuplicateHeader("content-length")),
        (with("Content-Length: 5\r\nContent-Length: 6\r\n"), E::DuplicateHeader("content-length")),
        (with("Content-Length: 5, 5\r\n"), E::BadContentLength),
        (with("Content-Length: +5\r\n"), E::BadContentLength),
        (with("Content-Length: -1\r\n"), E::BadContentLength),
        (with("Content-Length: 0x5\r\n"), E::BadContentLength),
        (with("Content-Length:\r\n"), E::BadContentLength),
        (with("Content-Length: 5 5\r\n"), E::BadContentLength),
        (with("Content-Length: 99999999999999999999\r\n"), E::ContentLengthOverflow),
        (with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), E::LengthWithCoding),
        (with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), E::LengthWithCoding),
        (
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            E::DuplicateHeader("transfer-encoding"),
        ),
        (with("Transfer-Encoding: gzip, chunked\r\n"), E::UnknownTransferCoding),
        (with("Transfer-Encoding: chunked, chunked\r\n"), E::BadTransferCoding),
        (with("Transfer-Encoding: chunked, identity\r\n"), E::BadTransferCoding),
        (with("Transfer-Encoding: identity\r\n"), E::BadTransferCoding),
        (with("Transfer-Encoding: xchunked\r\n"), E::BadTransferCoding),
        (with("Transfer-Encoding: \"chunked\"\r\n"), E::BadTransferCoding),
        (with("Transfer-Encoding:\r\n"), E::BadTransferCoding),
        (with("Transfer-Encoding: \x0bchunked\r\n"), E::BadHeader),
        (with("Host: a\r\n"), E::DuplicateHeader("host")),
        (with("Authorization: a\r\nauthorization: b\r\n"), E::DuplicateHeader("authorization")),
        (with("x-api-key: a\r\nX-API-KEY: a\r\n"), E::DuplicateHeader("x-api-key")),
        (with("Content-Type: a/b\r\nContent-Type: a/b\r\n"), E::DuplicateHeader("content-type")),
        (with("Expect: 200-ok\r\n"), E::UnknownExpectation),
        (with("X: a\r\n b\r\n"), E::BadHeader),
        (with("X: a\r\n\tb\r\n"), E::BadHeader),
        (with(" X: a\r\n"), E::BadHeader),
        (with("X : a\r\n"), E::BadHeader),
        (with("X\t: a\r\n"), E::BadHeader),
        (with(": a\r\n"), E::BadHeader),
        (with("X\r\n"), E::BadHeader),
        (with("X: a\rb\r\n"), E::BadHeader),
        (with("X: a\r\r\n"), E::BadHeader),
        (with("X: a\0\r\n"), E::BadHeader),
        (with("X: a\x7f\r\n"), E::BadHeader),
        (with("X: a\nY: b\r\n"), E::BareLf),
        (with("X(y): a\r\n"), E::BadHeader),
        (with("Xé: a\r\n"), E::BadHeader),
        (with(&"X: a\r\n".repeat(30)), E::TooManyHeaders),
        (with(&format!("X: {}\r\n", "a".repeat(3000))), E::HeadTooLarge),
        (with(&"Connection: x\r\n".repeat(5)), E::TooManyHeaders),
    ];
    let borrowed: [(&str, E); 41] = [
        ("GET / HTTP/1.1\r\n\r\n", E::MissingHost),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", E::BadHost),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", E::BadHost),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", E::BadHost),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", E::BadHost),
        ("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", E::BadHost),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", E::BadHost),
        ("GET / HTTP/1.1\r\nHost: []\r\n\r\n", E::BadHost),
        ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", E::BadHost),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", E::BadMethod),
        ("Post / HTTP/1.1\r\nHost: a\r\n\r\n", E::BadMethod),
        ("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", E::UnknownMethod),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", E::MethodRefused),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", E::MethodRefused),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", E::BadTarget),
        ("GET v1/models HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetHostMismatch),
        ("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetHostMismatch),
        ("GET http://a/ HTTP/1.0\r\n\r\n", E::TargetHostMismatch),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET /a\"b HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", E::BadTarget),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", E::BadRequestLine),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", E::BadRequestLine),
        ("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", E::BadRequestLine),
        ("GET /\r\nHost: a\r\n\r\n", E::BadRequestLine),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", E::UnsupportedVersion),
        ("PRI * HTTP/2.0\r\n\r\n", E::UnsupportedVersion),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", E::UnsupportedVersion),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", E::BadRequestLine),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", E::BareLf),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::BareLf),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::LeadingBlank),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", E::BadTransferCoding),
    ];
    let all =
        owned.iter().map(|(head, error)| (head.as_str(), *error)).chain(borrowed.iter().copied());
    for (head, error) in all {
        let result = parse(head.as_bytes()).map(|(length, _)| length);
        assert_eq!(result, Err(error), "{head:?}");
        assert!((400..=505).contains(&error.status()));
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn refused_before_the_head_is_complete() {
    use RequestError as E;
    let long = format!("GET /{} HT", "a".repeat(200));
    let cases: [(&[u8], E); 5] = [
        (b"\x16\x03\x01\x02\x00", E::BadRequestLine),
        (b" GET /", E::BadRequestLine),
        (b"GET / HTTP/1.1\r\nHost: a\n", E::BareLf),
        (long.as_bytes(), E::TargetTooLong),
        (&[b'A'; 4000], E::TargetTooLong),
    ];
    for (head, error) in cases {
        assert_eq!(parse(head).map(|(length, _)| length), Err(error));
    }
    assert_eq!(E::TargetTooLong.status(), 414);
    let endless = with(&"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(19));
    let mut endless = endless.into_bytes();
    endless.truncate(endless.len() - 2);
    endless.extend_from_slice(&[b'a'; 2000]);
    assert_eq!(parse(&endless).map(|(length, _)| length), Err(E::HeadTooLarge));
}

#[test]
fn a_head_is_reused() {
    let mut out = RequestHead::new();
    parse_request(FULL, &limits(), &mut out).unwrap();
    let next = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    out.clear();
    assert_eq!(parse_request(next, &limits(), &mut out), Ok(Some(next.len())));
    assert_eq!((out.authorization, out.framing, out.headers.len()), (None, Framing::None, 1));
    assert_eq!(out.headers.end_to_end(next).count(), 1);
    // Nothing of the last request is left, even where the caller forgot to say so.
    parse_request(FULL, &limits(), &mut out).unwrap();
    assert_eq!(parse_request(next, &limits(), &mut out), Ok(Some(next.len())));
    assert_eq!((out.authorization, out.framing, out.headers.len()), (None, Framing::None, 1));
}

proptest! {
    /// A head that comes in any pieces is the head that comes whole.
    #[test]
    fn cuts_change_nothing(
        lines in prop::collection::vec("[A-Za-z-]{1,9}: ?[ -~]{0,12}(\r)?\n|Content-Length: [0-9]{1,3}\r\n|Host: a\r\n", 0..8),
        start in prop::sample::select(vec!["", "\r\n", "\n", "\r\n\r\n"]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        host in any::<bool>(),
    ) {
        let host = if host { "Host: a\r\n" } else { "" };
        let head = format!("{start}POST /a HTTP/1.1\r\n{host}{}\r\nbody", lines.concat());
        let head = head.as_bytes();
        let whole = parse(head).map(|(length, out)| (length, format!("{out:?}")));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(head.len())).collect();
        cuts.sort_unstable();
        cuts.push(head.len());
        let mut out = RequestHead::new();
        let mut last = Ok(None);
        for cut in cuts {
            last = parse_request(&head[..cut], &limits(), &mut out);
            if !matches!(last, Ok(None)) { break }
        }
        // An error may be seen at an earlier cut, but is the same.
        match whole {
            Ok((length, shown)) => {
                prop_assert_eq!(last, Ok(length));
                prop_assert_eq!(format!("{out:?}"), shown);
            }
            Err(error) => prop_assert_eq!(last, Err(error)),
        }
    }

    /// Whatever comes in, ranges are within the head and lines are never joined.
    #[test]
    fn noise_is_survived(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(parse(&noise));
        let mut head = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
        head.extend_from_slice(&noise);
        head.extend_from_slice(b"\r\n\r\n");
        if let Ok((Some(length), out)) = parse(&head) {
            for (name, value) in out.headers.iter(&head[..length]) {
                prop_assert!(!name.is_empty() && is_token_for_test(name));
                prop_assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            }
        }
    }
}

fn is_token_for_test(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={} ".contains(byte))
}
