//! Sans-I/O codecs for the data path: HTTP/1.1, JSON spans, server-sent events, provider dialects.
//!
//! Bytes go in, events and bytes come out; nothing here knows of sockets, clocks or threads. Every
//! parser takes bounds from its caller, works in one pass over borrowed bytes, and keeps its
//! storage in structs that the caller reuses from request to request. What a parser does not fully
//! understand it refuses: two readers of the same bytes must never see different messages.
//!
//! It does not decide anything, and it depends on no other crate of this workspace.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod dialects;
pub mod http1;
pub mod json;
pub mod sse;
