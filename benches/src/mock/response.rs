//! Response heads and bodies as bytes.
//!
//! One place writes heads, so that every framing, the deliberately broken one too, can be read side
//! by side. Names are in lower case and in a fixed order; nothing here knows OpenAI's objects.

use crate::http::push_chunk;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFraming {
    Length,
    Chunked,
    UntilClose,
    /// Content-length and transfer-encoding together, which RFC 9112 6.3 makes an error.
    Both,
}

#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub status: u16,
    pub content_type: &'a str,
    pub framing: BodyFraming,
    pub extra: &'a [(&'a str, &'a str)],
}

impl Default for Head<'_> {
    fn default() -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            framing: BodyFraming::Length,
            extra: &[],
        }
    }
}

impl Head<'_> {
    /// Appends the head for a body of `length` bytes.
    pub fn push(&self, out: &mut Vec<u8>, length: usize) {
        let mut line = |text: String| out.extend_from_slice(text.as_bytes());
        line(format!("HTTP/1.1 {} {}\r\n", self.status, phrase(self.status)));
        line(format!("content-type: {}\r\n", self.content_type));
        for (name, value) in self.extra {
            line(format!("{name}: {value}\r\n"));
        }
        if matches!(self.framing, BodyFraming::Length | BodyFraming::Both) {
            line(format!("content-length: {length}\r\n"));
        }
        if matches!(self.framing, BodyFraming::Chunked | BodyFraming::Both) {
            line("transfer-encoding: chunked\r\n".to_owned());
        }
        if self.framing == BodyFraming::UntilClose {
            line("connection: close\r\n".to_owned());
        }
        line("\r\n".to_owned());
    }

    /// The head and a whole body in this framing; chunks are cut at `chunk_bytes`.
    pub fn with_body(&self, body: &[u8], chunk_bytes: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len() + 512);
        self.push(&mut out, body.len());
        match self.framing {
            BodyFraming::Length | BodyFraming::UntilClose => out.extend_from_slice(body),
            BodyFraming::Chunked | BodyFraming::Both => {
                for piece in body.chunks(chunk_bytes.max(1)) {
                    push_chunk(&mut out, piece);
                }
                push_chunk(&mut out, b"");
            }
        }
        out
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Mock",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Framing, HttpError, ResponseHead, head_end};

    fn framing_of(framing: BodyFraming) -> Result<Framing, HttpError> {
        let wire = Head { framing, ..Head::default() }.with_body(b"{}", 1);
        ResponseHead::parse(&wire[..head_end(&wire).unwrap()]).map(|head| head.framing)
    }

    #[test]
    fn heads_say_how_their_body_ends() {
        assert_eq!(framing_of(BodyFraming::Length), Ok(Framing::Length(2)));
        assert_eq!(framing_of(BodyFraming::Chunked), Ok(Framing::Chunked));
        assert_eq!(framing_of(BodyFraming::UntilClose), Ok(Framing::Unspecified));
        assert_eq!(framing_of(BodyFraming::Both), Err(HttpError::BothFramings));
    }

    #[test]
    fn a_chunked_body_is_cut_where_asked() {
        let wire = Head { framing: BodyFraming::Chunked, ..Head::default() }.with_body(b"abc", 2);
        assert!(wire.ends_with(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"));
    }
}
