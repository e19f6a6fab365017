//! Writers of heads and chunks: they append to a buffer, with no formatting machinery.
//!
//! A name or value that could end its line is never written: a head with one comes out as an error
//! and the buffer as it was before, so no upstream or client value can inject a header.

use super::class::{is_token, is_value};
use super::method::Method;

/// Why a head was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A header name is no token.
    #[error("a header name is malformed")]
    BadName,
    /// A header value or the host has a control character.
    #[error("a header value has a control character")]
    BadValue,
    /// The target is empty or has a character that no target has.
    #[error("the request target is malformed")]
    BadTarget,
}

/// Writes one head behind what a buffer holds. Nothing is final before [`finish`](Self::finish).
#[derive(Debug)]
#[must_use = "a head is complete only after `finish`"]
pub struct HeadWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    fault: Option<WriteError>,
}

impl<'o> HeadWriter<'o> {
    /// Begins a request head: its request line and `Host`.
    pub fn request(out: &'o mut Vec<u8>, method: Method, target: &[u8], host: &[u8]) -> Self {
        let mut writer = Self { start: out.len(), out, fault: None };
        if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            writer.fault = Some(WriteError::BadTarget);
            return writer;
        }
        writer.out.extend_from_slice(method.as_str().as_bytes());
        writer.out.push(b' ');
        writer.out.extend_from_slice(target);
        writer.out.extend_from_slice(b" HTTP/1.1\r\n");
        writer.header(b"host", host);
        writer
    }

    /// Begins a response head: its status line.
    pub fn response(out: &'o mut Vec<u8>, status: u16) -> Self {
        let start = out.len();
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason_phrase(status).as_bytes());
        out.extend_from_slice(b"\r\n");
        Self { out, start, fault: None }
    }

    /// Adds a header.
    pub fn header(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        if !is_token(name) {
            self.fault.get_or_insert(WriteError::BadName);
        } else if !is_value(value) {
            self.fault.get_or_insert(WriteError::BadValue);
        } else if self.fault.is_none() {
            self.out.extend_from_slice(name);
            self.out.extend_from_slice(b": ");
            self.out.extend_from_slice(value);
            self.out.extend_from_slice(b"\r\n");
        }
        self
    }

    /// Adds a header whose value is a number.
    pub fn header_number(&mut self, name: &[u8], value: u64) -> &mut Self {
        self.header(name, itoa::Buffer::new().format(value).as_bytes())
    }

    /// Adds `Content-Length`.
    pub fn content_length(&mut self, length: u64) -> &mut Self {
        self.header_number(b"content-length", length)
    }

    /// Adds `Transfer-Encoding: chunked`.
    pub fn chunked(&mut self) -> &mut Self {
        self.header(b"transfer-encoding", b"chunked")
    }

    /// Ends the head; on an error the buffer is as it was before the head.
    pub fn finish(self) -> Result<(), WriteError> {
        if let Some(fault) = self.fault {
            self.out.truncate(self.start);
            return Err(fault);
        }
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// Writes a whole request head.
pub fn write_request_head<'h>(
    out: &mut Vec<u8>,
    method: Method,
    target: &[u8],
    host: &[u8],
    headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
) -> Result<(), WriteError> {
    let mut writer = HeadWriter::request(out, method, target, host);
    for (name, value) in headers {
        writer.header(name, value);
    }
    writer.finish()
}

/// Writes a whole response head.
pub fn write_response_head<'h>(
    out: &mut Vec<u8>,
    status: u16,
    headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
) -> Result<(), WriteError> {
    let mut writer = HeadWriter::response(out, status);
    for (name, value) in headers {
        writer.header(name, value);
    }
    writer.finish()
}

/// Writes the size line of a chunk of `length` bytes; its data and CRLF follow. A length of zero
/// would end the body: nothing is written for it.
pub fn write_chunk_header(out: &mut Vec<u8>, length: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if length == 0 {
        return;
    }
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4);
    for digit in (0..digits).rev() {
        let nibble = (length >> (digit * 4)) & 0xf;
        out.extend(HEX.get(nibble));
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the end of a chunked body, without trailers.
pub fn write_last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// The reason phrase of a status; empty for one that we never send.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        424 => "Failed Dependency",
        425 => "Too Early",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        529 => "Site Overloaded",
        _ => "",
    }
}
