//! Just enough HTTP/1.1 for a mock upstream and a load generator: heads and chunked bodies.
//!
//! Sans-I/O and cheap: it looks for the few headers that frame a message and hands out everything
//! else untouched. It is stricter than it needs to be about framing, as the mock also witnesses what
//! a proxy under test forwards. It does not know HTTP/1.0 persistence, pipelining or trailers'
//! meaning; callers loop over messages themselves.

mod chunked;
mod head;

pub use chunked::{ChunkedDecoder, push_chunk};
pub use head::{Framing, HEAD_BYTES_MAX, HttpError, RequestHead, ResponseHead, head_end};
