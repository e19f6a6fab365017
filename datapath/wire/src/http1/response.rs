//! Response heads of upstreams, as strict as request heads.
//!
//! An upstream is trusted with the content, not with our framing: a response whose length could be
//! read in two ways would let its rest be taken for the answer to the next request on the pooled
//! connection. `101` is an error, since we never ask to upgrade.

use std::mem::MaybeUninit;

use super::error::ResponseError;
use super::headers::{HEADERS_MAX, HeadLimits, Headers, Span, parse_length};
use super::lines::{self, LineLimits, LineScan};
use super::method::Method;
use super::names::Known;
use super::request::Origin;

/// How the body of a response is delimited (RFC 9112 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFraming {
    /// There is no body.
    None,
    /// This many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
    /// All bytes until the upstream closes; the connection cannot be used again.
    UntilClose,
}

/// A parsed response head: ranges of the buffer it came from. Keep one for each connection and
/// [`clear`](Self::clear) it before the next response.
#[derive(Debug, Default)]
pub struct ResponseHead {
    scan: LineScan,
    /// The status code.
    pub status: u16,
    /// 0 or 1: HTTP/1.0 or HTTP/1.1.
    pub minor_version: u8,
    /// All header lines.
    pub headers: Headers,
    /// `Content-Type`.
    pub content_type: Option<Span>,
    /// `Content-Encoding`.
    pub content_encoding: Option<Span>,
    /// `Retry-After`.
    pub retry_after: Option<Span>,
    /// `x-request-id`; the first where there are several.
    pub x_request_id: Option<Span>,
    /// `Location`, which is never followed.
    pub location: Option<Span>,
    /// The upstream allows another request on this connection.
    pub keep_alive: bool,
    /// `Content-Type` is `text/event-stream`.
    pub is_event_stream: bool,
    length: Option<u64>,
    chunked: bool,
}

impl ResponseHead {
    /// An empty head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the response and the progress on an incomplete one; keeps the storage.
    pub fn clear(&mut self) {
        let mut headers = std::mem::take(&mut self.headers);
        headers.clear();
        *self = Self { headers, ..Self::default() };
    }

    /// True for `1xx`: skip the head and parse the next one.
    pub fn is_informational(&self) -> bool {
        self.status < 200
    }

    /// How the body is delimited, given the method of the request (RFC 9112 6.3).
    pub fn framing(&self, request: Method) -> ResponseFraming {
        if request == Method::Head || self.is_informational() || matches!(self.status, 204 | 304) {
            return ResponseFraming::None;
        }
        match self.length {
            _ if self.chunked => ResponseFraming::Chunked,
            Some(0) => ResponseFraming::None,
            Some(length) => ResponseFraming::Length(length),
            None => ResponseFraming::UntilClose,
        }
    }

    /// `Content-Length`, where one was sent.
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }
}

/// Parses the response head at the start of `buf`; the rules of
/// [`parse_request`](super::parse_request) hold. Informational responses (`100`, `102`, `103`) are
/// heads like others: loop while [`ResponseHead::is_informational`].
pub fn parse_response(
    buf: &[u8],
    limits: &HeadLimits,
    out: &mut ResponseHead,
) -> Result<Option<usize>, ResponseError> {
    if buf.first().is_some_and(|&first| first != b'H') {
        return Err(ResponseError::BadStatusLine);
    }
    let line_limits = LineLimits {
        head_bytes: limits.head_bytes.min(u32::MAX as usize),
        first_line_bytes: limits.head_bytes,
        headers: limits.headers.min(HEADERS_MAX),
        leading_blank: false,
    };
    // PERF: as for requests, a head that is whole and plainly fine takes the short way.
    if out.scan.is_new() {
        if let Some(end) = parse_whole(buf, &line_limits, out) {
            return Ok(Some(end));
        }
        out.clear();
    }
    let Some(span) = out.scan.advance(buf, &line_limits)? else {
        return Ok(None);
    };
    out.clear();
    let head = buf.get(..span.end).unwrap_or_default();
    if tokenise(head, out)? != head.len() {
        return Err(ResponseError::BadHeader);
    }
    out.finish(buf)?;
    Ok(Some(span.end))
}

/// The length of the head where it is complete and without fault.
fn parse_whole(buf: &[u8], limits: &LineLimits, out: &mut ResponseHead) -> Option<usize> {
    out.clear();
    let window = buf.get(..buf.len().min(limits.head_bytes))?;
    let length = tokenise(window, out).ok()?;
    let head = buf.get(..length)?;
    let plain = out.headers.len() <= limits.headers && lines::ends_in_crlf(head, &out.headers);
    (plain && out.finish(buf).is_ok()).then_some(length)
}

fn tokenise(head: &[u8], out: &mut ResponseHead) -> Result<usize, ResponseError> {
    let mut table = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        head,
        &mut table,
    );
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Err(httparse::Error::Version) => return Err(ResponseError::UnsupportedVersion),
        Err(httparse::Error::Status | httparse::Error::Token) => {
            return Err(ResponseError::BadStatusLine);
        }
        Err(httparse::Error::TooManyHeaders) => return Err(ResponseError::TooManyHeaders),
        Ok(httparse::Status::Partial)
        | Err(
            httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine,
        ) => return Err(ResponseError::BadHeader),
    };
    let (Some(status), Some(minor_version)) = (response.code, response.version) else {
        return Err(ResponseError::BadStatusLine);
    };
    match status {
        101 => return Err(ResponseError::SwitchedProtocols),
        100..=599 => {}
        _ => return Err(ResponseError::BadStatus(status)),
    }
    out.status = status;
    out.minor_version = minor_version;
    let origin = Origin { head, base: 0 };
    for header in response.headers.iter() {
        let name = header.name.as_bytes();
        let value = origin.span(header.value);
        let known = Known::of(name);
        out.headers.push(origin.span(name), value, known);
        out.note(known, header.value, value)?;
    }
    Ok(length)
}

impl ResponseHead {
    /// Takes note of a header that this node acts on.
    fn note(&mut self, known: Known, value: &[u8], span: Span) -> Result<(), ResponseError> {
        let (slot, name) = match known {
            Known::Location => (&mut self.location, "location"),
            Known::RetryAfter => (&mut self.retry_after, "retry-after"),
            Known::ContentEncoding => (&mut self.content_encoding, "content-encoding"),
            Known::ContentType => {
                self.is_event_stream = is_event_stream(value);
                (&mut self.content_type, "content-type")
            }
            Known::XRequestId => {
                self.x_request_id.get_or_insert(span);
                return Ok(());
            }
            Known::Connection => {
                let kept = self.headers.push_connection(span, value);
                return if kept { Ok(()) } else { Err(ResponseError::TooManyHeaders) };
            }
            Known::ContentLength => return self.note_length(value),
            Known::TransferEncoding => return self.note_coding(value),
            Known::ApiKey
            | Known::Authorization
            | Known::Expect
            | Known::Host
            | Known::Origin
            | Known::TraceParent
            | Known::TraceState
            | Known::XApiKey
            | Known::XSluiceKey
            | Known::XSluiceSession
            | Known::HopByHop
            | Known::Other => return Ok(()),
        };
        if slot.replace(span).is_some() {
            return Err(ResponseError::DuplicateHeader(name));
        }
        Ok(())
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        let Some(Ok(length)) = parse_length(value) else {
            return Err(ResponseError::BadContentLength);
        };
        if self.length.replace(length).is_some() {
            return Err(ResponseError::DuplicateHeader("content-length"));
        }
        Ok(())
    }

    fn note_coding(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        if self.minor_version == 0 || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(ResponseError::BadTransferCoding);
        }
        if std::mem::replace(&mut self.chunked, true) {
            return Err(ResponseError::DuplicateHeader("transfer-encoding"));
        }
        Ok(())
    }

    /// What can be judged only when all lines are known.
    fn finish(&mut self, buf: &[u8]) -> Result<(), ResponseError> {
        if self.chunked && self.length.is_some() {
            return Err(ResponseError::LengthWithCoding);
        }
        // RFC 9110 8.6: neither 1xx nor 204 may carry a length or a coding. A length of zero is
        // common and harmless; anything else could be the start of a smuggled response.
        let bodiless = self.is_informational() || self.status == 204;
        if bodiless && (self.chunked || self.length.is_some_and(|length| length > 0)) {
            return Err(ResponseError::UnexpectedBody);
        }
        self.keep_alive = if self.headers.connection_names(buf, b"close") {
            false
        } else {
            self.minor_version > 0 || self.headers.connection_names(buf, b"keep-alive")
        };
        Ok(())
    }
}

/// True where the media type is `text/event-stream`, whatever its parameters.
fn is_event_stream(value: &[u8]) -> bool {
    let media_type = value.split(|&byte| byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}
