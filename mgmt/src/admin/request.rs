//! The head of a request to the management port: bounded, and only what the port needs. No I/O.

/// Bytes of a head; a longer one is 431.
pub const HEAD_BYTES_MAX: usize = 8 << 10;

/// What was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
    /// Path, without query.
    pub path: String,
    /// Host, as the client wrote it.
    pub host: Option<String>,
    /// Bearer token.
    pub bearer: Option<String>,
}

/// Why a head is no request that is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No HTTP/1 head.
    Malformed,
    /// Longer than [`HEAD_BYTES_MAX`].
    TooLong,
    /// Anything but GET and HEAD: the port changes nothing.
    Method,
}

impl Refusal {
    /// The status that says so.
    pub const fn status(self) -> u16 {
        match self {
            Refusal::Malformed => 400,
            Refusal::TooLong => 431,
            Refusal::Method => 405,
        }
    }
}

/// Reads the head that `bytes` begin with; `None` where it is not complete yet.
pub fn parse(bytes: &[u8]) -> Option<Result<Request, Refusal>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    match end.and_then(|end| bytes.get(..end)) {
        Some(head) if head.len() <= HEAD_BYTES_MAX => Some(read(head)),
        Some(_) => Some(Err(Refusal::TooLong)),
        None if bytes.len() > HEAD_BYTES_MAX => Some(Err(Refusal::TooLong)),
        None => None,
    }
}

fn read(head: &[u8]) -> Result<Request, Refusal> {
    let Ok(head) = std::str::from_utf8(head) else { return Err(Refusal::Malformed) };
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Malformed);
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || !target.starts_with('/') {
        return Err(Refusal::Malformed);
    }
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Refusal::Method),
    };
    let path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    let mut request = Request { head_only, path, host: None, bearer: None };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Refusal::Malformed)?;
        let value = value.trim_matches([' ', '\t']);
        if name.is_empty() || line.contains(|c: char| c.is_ascii_control() && c != '\t') {
            return Err(Refusal::Malformed);
        }
        let place = match name.to_ascii_lowercase().as_str() {
            "host" => &mut request.host,
            "authorization" => match value.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                    request.bearer = Some(token.trim().to_owned());
                    continue;
                }
                Some(_) | None => continue,
            },
            _ => continue,
        };
        if place.replace(value.to_owned()).is_some() {
            return Err(Refusal::Malformed);
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(text: &str) -> Result<Request, Refusal> {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_request_is_read() {
        let asked =
            ask("GET /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\nauthorization: bearer t0\r\n\r\n");
        let expected = Request {
            head_only: false,
            path: "/metrics".into(),
            host: Some("localhost".into()),
            bearer: Some("t0".into()),
        };
        assert_eq!(asked, Ok(expected));
        assert!(ask("HEAD / HTTP/1.0\r\n\r\n").unwrap().head_only);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (text, refusal) in [
            ("POST /metrics HTTP/1.1\r\n\r\n", Refusal::Method),
            ("GET /metrics\r\n\r\n", Refusal::Malformed),
            ("GET http://x/ HTTP/1.1\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/2\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n", Refusal::Malformed),
        ] {
            assert_eq!(ask(text), Err(refusal), "{text:?}");
        }
    }

    #[test]
    fn the_bound_holds_with_and_without_an_end() {
        let long = "x".repeat(HEAD_BYTES_MAX + 1);
        assert_eq!(parse(long.as_bytes()), Some(Err(Refusal::TooLong)));
        assert_eq!(ask(&format!("GET /{long} HTTP/1.1\r\n\r\n")), Err(Refusal::TooLong));
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes);
        }

        #[test]
        fn a_head_is_waited_for_until_its_end(cut in 0usize..40) {
            let head = b"GET /readyz HTTP/1.1\r\nhost: [::1]:1\r\n\r\n";
            let cut = cut.min(head.len());
            prop_assert_eq!(parse(&head[..cut]).is_some(), cut == head.len());
        }
    }
}
