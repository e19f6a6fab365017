//! Request heads: tokenised by `httparse`, then held to RFC 9112.
//!
//! The result is ranges of the caller's buffer plus the few facts that the data path asks for.
//! A header that carries identity or framing may come once: a second one is refused, since the
//! next reader might take the other. What a request may ask for is not decided here.

use std::mem::MaybeUninit;

use super::error::RequestError;
use super::headers::{HEADERS_MAX, HeadLimits, Headers, Span, parse_length};
use super::lines::{self, LineLimits, LineScan};
use super::method::Method;
use super::names::Known;
use super::target;

/// How the body of a request is delimited (RFC 9112 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// This many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
}

/// A parsed request head: ranges of the buffer it came from. Keep one for each connection and
/// [`clear`](Self::clear) it before the next request.
#[derive(Debug, Default)]
pub struct RequestHead {
    scan: LineScan,
    /// The method.
    pub method: Method,
    /// 0 or 1: HTTP/1.0 or HTTP/1.1.
    pub minor_version: u8,
    /// The whole target as it was sent.
    pub target: Span,
    path: Span,
    query: Option<Span>,
    /// All header lines.
    pub headers: Headers,
    /// `Host`.
    pub host: Option<Span>,
    /// `Authorization`.
    pub authorization: Option<Span>,
    /// `x-api-key`.
    pub x_api_key: Option<Span>,
    /// `api-key`.
    pub api_key: Option<Span>,
    /// `x-sluice-key`.
    pub x_sluice_key: Option<Span>,
    /// `x-sluice-session`.
    pub x_sluice_session: Option<Span>,
    /// `Content-Type`.
    pub content_type: Option<Span>,
    /// `Content-Encoding`.
    pub content_encoding: Option<Span>,
    /// `Origin`.
    pub origin: Option<Span>,
    /// `traceparent`.
    pub traceparent: Option<Span>,
    /// `tracestate`; the first line where there are several.
    pub tracestate: Option<Span>,
    /// `x-request-id`.
    pub x_request_id: Option<Span>,
    /// The client waits for `100 Continue`.
    pub expect_continue: bool,
    /// The connection may carry another request after this one.
    pub keep_alive: bool,
    /// How the body is delimited.
    pub framing: Framing,
}

impl RequestHead {
    /// An empty head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the request and the progress on an incomplete one; keeps the storage.
    pub fn clear(&mut self) {
        let mut headers = std::mem::take(&mut self.headers);
        headers.clear();
        *self = Self { headers, ..Self::default() };
    }

    /// The path, without the query; `/` where an absolute target has none.
    pub fn path<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        if self.path.is_empty() { b"/" } else { self.path.of(buf) }
    }

    /// The query after the first `?`, where there is one.
    pub fn query<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        self.query.map(|query| query.of(buf))
    }
}

/// Parses the request head at the start of `buf`.
///
/// `Ok(None)` means that more bytes are needed: call again with the same bytes and more behind
/// them (what was scanned is not scanned again). `Ok(Some(n))` means that the head, with a blank
/// line before it where one was sent, is `n` bytes long; the ranges in `out` are ranges of `buf`.
/// [`RequestHead::clear`] comes before the next request.
pub fn parse_request(
    buf: &[u8],
    limits: &HeadLimits,
    out: &mut RequestHead,
) -> Result<Option<usize>, RequestError> {
    // A TLS hello or other noise is refused at its first byte rather than waited for.
    if buf.first().is_some_and(|&first| !first.is_ascii_alphabetic() && first != b'\r') {
        return Err(match buf.first() {
            Some(b'\n') => RequestError::BareLf,
            _ => RequestError::BadRequestLine,
        });
    }
    let line_limits = LineLimits {
        head_bytes: limits.head_bytes.min(u32::MAX as usize),
        // Method, version and the two spaces take less than 32 bytes beside the target.
        first_line_bytes: limits.target_bytes + 32,
        headers: limits.headers.min(HEADERS_MAX),
        leading_blank: true,
    };
    // PERF: nearly all heads come whole. What is not plainly fine goes the careful way, which has
    // the last word on what is wrong.
    if out.scan.is_new() {
        if let Some(end) = parse_whole(buf, &line_limits, limits, out) {
            return Ok(Some(end));
        }
        out.clear();
    }
    let Some(span) = out.scan.advance(buf, &line_limits)? else {
        return Ok(None);
    };
    out.clear();
    let head = buf.get(span.start..span.end).unwrap_or_default();
    if tokenise(head, span.start, limits, out)? != head.len() {
        return Err(RequestError::BadHeader);
    }
    out.finish(buf)?;
    Ok(Some(span.end))
}

/// The length of the head where it is complete and without fault.
fn parse_whole(
    buf: &[u8],
    line_limits: &LineLimits,
    limits: &HeadLimits,
    out: &mut RequestHead,
) -> Option<usize> {
    out.clear();
    let start = if buf.starts_with(b"\r\n") { 2 } else { 0 };
    let longest = buf.len().min(start + line_limits.head_bytes);
    let window = buf.get(start..longest)?;
    let length = tokenise(window, start, limits, out).ok()?;
    let head = buf.get(..start + length)?;
    // `httparse` skips empty lines, and takes a line feed alone for a line end.
    let begins = start + out.method.as_str().len() + 1 == out.target.start as usize;
    let plain = begins
        && out.headers.len() <= line_limits.headers
        && lines::ends_in_crlf(head, &out.headers);
    (plain && out.finish(buf).is_ok()).then_some(head.len())
}

fn tokenise(
    head: &[u8],
    base: usize,
    limits: &HeadLimits,
    out: &mut RequestHead,
) -> Result<usize, RequestError> {
    let mut table = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(head, &mut table) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Err(RequestError::BadHeader),
        Err(error) => return Err(blame(error, head)),
    };
    let (Some(method), Some(target), Some(minor_version)) =
        (request.method, request.path, request.version)
    else {
        return Err(RequestError::BadRequestLine);
    };
    out.method = Method::parse(method.as_bytes())?;
    out.minor_version = minor_version;
    if target.len() > limits.target_bytes {
        return Err(RequestError::TargetTooLong);
    }
    let origin = Origin { head, base };
    out.target = origin.span(target.as_bytes());
    for header in request.headers.iter() {
        let name = header.name.as_bytes();
        let value = origin.span(header.value);
        let known = Known::of(name);
        out.headers.push(origin.span(name), value, known);
        out.note(known, header.value, value)?;
    }
    Ok(length)
}

/// Turns slices of a head back into ranges of the buffer that it came from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'b> {
    pub(super) head: &'b [u8],
    pub(super) base: usize,
}

impl Origin<'_> {
    /// The range of `part`, a slice of the head.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the line scan bounds a head to u32::MAX bytes"
    )]
    pub(super) fn span(self, part: &[u8]) -> Span {
        let start = self.base + part.as_ptr().addr().saturating_sub(self.head.as_ptr().addr());
        Span { start: start as u32, end: (start + part.len()) as u32 }
    }
}

/// `httparse` says where it stopped, not whose fault it is.
fn blame(error: httparse::Error, head: &[u8]) -> RequestError {
    match error {
        httparse::Error::TooManyHeaders => RequestError::TooManyHeaders,
        httparse::Error::Version if ends_with_other_version(head) => {
            RequestError::UnsupportedVersion
        }
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::NewLine
        | httparse::Error::Status => RequestError::BadHeader,
        httparse::Error::Token | httparse::Error::Version => RequestError::BadRequestLine,
    }
}

/// True where the first line is well-formed but for its version: three parts, the last `HTTP/x.y`.
fn ends_with_other_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let Some((rest, version)) = line.split_last_chunk::<9>() else { return false };
    memchr::memchr_iter(b' ', rest).count() == 1
        && matches!(version, [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

impl RequestHead {
    /// Takes note of a header that this node acts on.
    fn note(&mut self, known: Known, value: &[u8], span: Span) -> Result<(), RequestError> {
        let (slot, name) = match known {
            Known::Host => (&mut self.host, "host"),
            Known::Authorization => (&mut self.authorization, "authorization"),
            Known::XApiKey => (&mut self.x_api_key, "x-api-key"),
            Known::ApiKey => (&mut self.api_key, "api-key"),
            Known::XSluiceKey => (&mut self.x_sluice_key, "x-sluice-key"),
            Known::XSluiceSession => (&mut self.x_sluice_session, "x-sluice-session"),
            Known::ContentType => (&mut self.content_type, "content-type"),
            Known::ContentEncoding => (&mut self.content_encoding, "content-encoding"),
            Known::Origin => (&mut self.origin, "origin"),
            Known::TraceParent => (&mut self.traceparent, "traceparent"),
            Known::XRequestId => (&mut self.x_request_id, "x-request-id"),
            Known::TraceState => {
                self.tracestate.get_or_insert(span);
                return Ok(());
            }
            Known::Expect => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(RequestError::UnknownExpectation);
                }
                // RFC 9110 10.1.1: an expectation in an HTTP/1.0 request is ignored.
                self.expect_continue = self.minor_version > 0;
                return Ok(());
            }
            Known::Connection => {
                let kept = self.headers.push_connection(span, value);
                return if kept { Ok(()) } else { Err(RequestError::TooManyHeaders) };
            }
            Known::ContentLength => return self.note_length(value),
            Known::TransferEncoding => return self.note_coding(value),
            Known::Location | Known::RetryAfter | Known::HopByHop | Known::Other => {
                return Ok(());
            }
        };
        if slot.replace(span).is_some() {
            return Err(RequestError::DuplicateHeader(name));
        }
        Ok(())
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), RequestError> {
        let length = match parse_length(value) {
            None => return Err(RequestError::BadContentLength),
            Some(Err(_overflow)) => return Err(RequestError::ContentLengthOverflow),
            Some(Ok(length)) => length,
        };
        match self.framing {
            Framing::None => self.framing = Framing::Length(length),
            Framing::Length(_) => return Err(RequestError::DuplicateHeader("content-length")),
            Framing::Chunked => return Err(RequestError::LengthWithCoding),
        }
        Ok(())
    }

    fn note_coding(&mut self, value: &[u8]) -> Result<(), RequestError> {
        // RFC 9112 6.1: a transfer coding in HTTP/1.0 is a sign of a forwarding fault.
        if self.minor_version == 0 {
            return Err(RequestError::BadTransferCoding);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            let last = value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
            let codings = value
                .split(|&byte| byte == b',')
                .filter(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            return Err(
                if last.trim_ascii().eq_ignore_ascii_case(b"chunked") && codings.count() == 1 {
                    RequestError::UnknownTransferCoding
                } else {
                    RequestError::BadTransferCoding
                },
            );
        }
        match self.framing {
            Framing::None => self.framing = Framing::Chunked,
            Framing::Length(_) => return Err(RequestError::LengthWithCoding),
            Framing::Chunked => return Err(RequestError::DuplicateHeader("transfer-encoding")),
        }
        Ok(())
    }

    /// What can be judged only when all lines are known.
    fn finish(&mut self, buf: &[u8]) -> Result<(), RequestError> {
        let host = self.host.map(|host| host.of(buf));
        match host {
            Some(host) if !target::is_host(host) => return Err(RequestError::BadHost),
            None if self.minor_version > 0 => return Err(RequestError::MissingHost),
            Some(_) | None => {}
        }
        let parts = target::parse(self.target.of(buf), self.method, host)?;
        let base = self.target.start;
        self.path = Span { start: base + parts.path.start, end: base + parts.path.end };
        self.query =
            parts.query.map(|query| Span { start: base + query.start, end: base + query.end });
        self.keep_alive = if self.headers.connection_names(buf, b"close") {
            false
        } else {
            self.minor_version > 0 || self.headers.connection_names(buf, b"keep-alive")
        };
        Ok(())
    }
}
