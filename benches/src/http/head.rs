//! Request and response heads: the start line and the headers that frame the body.
//!
//! A head is parsed once it is complete (`head_end`), borrowing from the caller's buffer. Content
//! length beside a transfer coding, unequal repeated lengths and unknown codings are errors: a proxy
//! that sends one is at fault, and the mock has to say so rather than guess.

use memchr::{memchr, memmem};
use thiserror::Error;

/// No head of ours or of a proxy in front of us is longer; beyond it the peer is broken.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HttpError {
    #[error("start line is malformed")]
    StartLine,
    #[error("header line is malformed")]
    HeaderLine,
    #[error("content-length is no number, or is repeated with another value")]
    ContentLength,
    #[error("transfer-encoding is neither absent nor `chunked`")]
    TransferEncoding,
    #[error("both content-length and transfer-encoding are given")]
    BothFramings,
    #[error("chunk size line is malformed")]
    ChunkSize,
    #[error("chunk data is not followed by a line end")]
    ChunkEnd,
    #[error("head is longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    /// Neither header was there: no body in a request, until close in a response.
    Unspecified,
}

#[derive(Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    pub method: &'a [u8],
    pub target: &'a [u8],
    pub framing: Framing,
    pub expect_continue: bool,
    pub close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: u16,
    pub framing: Framing,
    pub close: bool,
}

/// The length of the head at the start of `buf`, its empty line included, once it is all there.
pub fn head_end(buf: &[u8]) -> Option<usize> {
    memmem::find(buf, b"\r\n\r\n").map(|at| at + 4)
}

impl<'a> RequestHead<'a> {
    /// Parses a complete head, as delimited by [`head_end`].
    pub fn parse(head: &'a [u8]) -> Result<Self, HttpError> {
        let (line, headers) = split_line(head).ok_or(HttpError::StartLine)?;
        let mut words = line.split(|&b| b == b' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let (Some(method), Some(target), Some(b"HTTP/1.1"), None) =
            (method, target, version, words.next())
        else {
            return Err(HttpError::StartLine);
        };
        if method.is_empty() || target.is_empty() {
            return Err(HttpError::StartLine);
        }
        let seen = Seen::read(headers)?;
        Ok(Self {
            method,
            target,
            framing: seen.framing()?,
            expect_continue: seen.expect_continue,
            close: seen.close,
        })
    }
}

impl ResponseHead {
    /// Parses a complete head, as delimited by [`head_end`].
    pub fn parse(head: &[u8]) -> Result<Self, HttpError> {
        let (line, headers) = split_line(head).ok_or(HttpError::StartLine)?;
        let status = line
            .strip_prefix(b"HTTP/1.1 ")
            .or_else(|| line.strip_prefix(b"HTTP/1.0 "))
            .and_then(|rest| rest.get(..3))
            .and_then(decimal)
            .and_then(|number| u16::try_from(number).ok())
            .ok_or(HttpError::StartLine)?;
        let seen = Seen::read(headers)?;
        Ok(Self { status, framing: seen.framing()?, close: seen.close })
    }
}

/// What the headers of interest said.
#[derive(Default)]
struct Seen {
    length: Option<u64>,
    chunked: bool,
    expect_continue: bool,
    close: bool,
}

impl Seen {
    fn read(mut headers: &[u8]) -> Result<Self, HttpError> {
        let mut seen = Self::default();
        while let Some((line, rest)) = split_line(headers) {
            headers = rest;
            if line.is_empty() {
                return Ok(seen);
            }
            let colon = memchr(b':', line).filter(|&at| at > 0).ok_or(HttpError::HeaderLine)?;
            let (name, value) = line.split_at(colon);
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            seen.note(name, value)?;
        }
        Err(HttpError::HeaderLine)
    }

    /// PERF: the length tells nearly all other headers apart without a comparison.
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), HttpError> {
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expect_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.close = value.eq_ignore_ascii_case(b"close");
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = decimal(value).ok_or(HttpError::ContentLength)?;
                if self.length.is_some_and(|earlier| earlier != length) {
                    return Err(HttpError::ContentLength);
                }
                self.length = Some(length);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(HttpError::TransferEncoding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(&self) -> Result<Framing, HttpError> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(HttpError::BothFramings),
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, true) => Ok(Framing::Chunked),
            (None, false) => Ok(Framing::Unspecified),
        }
    }
}

/// The first line without its CRLF, and what follows it.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(b'\n', bytes)?;
    let (line, rest) = bytes.split_at(end);
    Some((line.strip_suffix(b"\r")?, rest.get(1..)?))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, &digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEST: &[u8] =
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n";

    #[test]
    fn a_request_head_gives_its_framing() {
        let head = RequestHead::parse(REQUEST).unwrap();
        assert_eq!(head.method, b"POST");
        assert_eq!(head.target, b"/v1/chat/completions");
        assert_eq!(head.framing, Framing::Length(12));
        assert!(!head.close && !head.expect_continue);
    }

    #[test]
    fn names_and_values_are_read_in_any_case() {
        let head = RequestHead::parse(
            b"GET / HTTP/1.1\r\nEXPECT: 100-Continue\r\ntransfer-ENCODING:chunked\r\nConnection: Close\r\n\r\n",
        )
        .unwrap();
        assert!(head.expect_continue && head.close);
        assert_eq!(head.framing, Framing::Chunked);
    }

    #[test]
    fn framing_that_two_readers_could_read_apart_is_refused() {
        let cases: [(&[u8], HttpError); 6] = [
            (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", HttpError::BothFramings),
            (b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", HttpError::ContentLength),
            (b"Content-Length: +1\r\n\r\n", HttpError::ContentLength),
            (b"Transfer-Encoding: gzip\r\n\r\n", HttpError::TransferEncoding),
            (b"no colon\r\n\r\n", HttpError::HeaderLine),
            (b": x\r\n\r\n", HttpError::HeaderLine),
        ];
        for (headers, error) in cases {
            let head = [b"GET / HTTP/1.1\r\n".as_slice(), headers].concat();
            assert_eq!(RequestHead::parse(&head), Err(error));
        }
    }

    #[test]
    fn a_response_head_gives_its_status() {
        let head = ResponseHead::parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        assert_eq!(head, ResponseHead { status: 204, framing: Framing::Unspecified, close: false });
        assert_eq!(ResponseHead::parse(b"HTTP/1.1 2x4 No\r\n\r\n"), Err(HttpError::StartLine));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_head_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            bytes.extend_from_slice(b"\r\n\r\n");
            let end = head_end(&bytes).unwrap();
            RequestHead::parse(&bytes[..end]).ok();
            ResponseHead::parse(&bytes[..end]).ok();
        }

        #[test]
        fn a_cut_head_is_never_taken_for_a_whole_one(cut in 0..REQUEST.len()) {
            prop_assert_eq!(head_end(&REQUEST[..cut]), None);
        }
    }
}
