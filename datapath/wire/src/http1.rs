//! HTTP/1.1, strict by RFC 9112: request and response heads, message bodies, and writers.
//!
//! A head is parsed into ranges of the caller's buffer, never copied. Whatever two parsers could
//! read in two ways (bare line feeds, folded lines, repeated lengths, a length beside a transfer
//! coding) is refused, since that is what request smuggling is made of.
//!
//! Nothing here buffers: the caller keeps the bytes until a head is complete, and a body decoder
//! hands on what it decodes.

mod body;
mod class;
mod error;
mod headers;
mod lines;
mod method;
mod names;
mod request;
mod response;
mod target;
mod write;

pub use body::{BodyDecoder, BodyError, Decoded};
pub use error::{RequestError, ResponseError};
pub use headers::{EndToEnd, HeadLimits, Header, Headers, HeadersIter, Span, is_hop_by_hop};
pub use method::Method;
pub use request::{Framing, RequestHead, parse_request};
pub use response::{ResponseFraming, ResponseHead, parse_response};
pub use write::{
    HeadWriter, WriteError, reason_phrase, write_chunk_header, write_last_chunk,
    write_request_head, write_response_head,
};

#[cfg(test)]
mod tests;
