//! Checking a subject's work before it is timed.
//!
//! A whole answer and a stream must arrive complete. A bare proxy must have forwarded the request's
//! bytes as they were; Sluice must have forwarded them without the card's number. Plain blocking
//! sockets: nothing here is measured.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    error::HarnessError,
    subject::{Kind, Subject},
};
use crate::{
    http::{ChunkedDecoder, Framing, ResponseHead, head_end},
    load::tls_config,
};

const PATIENCE: Duration = Duration::from_secs(10);
const CARD: &str = "4111 1111 1111 1111";
const AROUND_CARD: [&str; 2] = ["please charge the card", "before the end of the week"];

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

pub fn verify(subject: &Subject) -> Result<(), HarnessError> {
    let name = subject.kind.name();
    let wrong = |what: String| HarnessError::Wrong { name, what };
    let whole = chat(subject, "bench", false).map_err(|error| wrong(error.to_string()))?;
    if !content(&whole).is_some_and(|text| text.starts_with("The short answer")) {
        return Err(wrong(format!("a chat was answered with `{}`", shortened(&whole))));
    }
    let stream = chat(subject, "bench", true).map_err(|error| wrong(error.to_string()))?;
    if stream.matches("data: ").count() < 3 || !stream.ends_with("data: [DONE]\n\n") {
        return Err(wrong(format!("a stream came as `{}`", shortened(&stream))));
    }
    let echoed =
        chat(subject, "mock-echo-body", false).map_err(|error| wrong(error.to_string()))?;
    let forwarded = content(&echoed)
        .ok_or_else(|| wrong(format!("an echo was answered with `{}`", shortened(&echoed))))?;
    check_forwarded(subject.kind, &forwarded).map_err(wrong)
}

/// Whether the management address says that all is up.
pub fn is_ready(admin: SocketAddr) -> bool {
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    connect(admin)
        .and_then(|mut stream| exchange(&mut stream, request.as_bytes()))
        .is_ok_and(|(status, _)| status == 200)
}

pub fn is_listening(address: SocketAddr) -> bool {
    connect(address).is_ok()
}

fn check_forwarded(kind: Kind, forwarded: &str) -> Result<(), String> {
    if !kind.is_sluice() {
        let unchanged = forwarded == request_body("mock-echo-body", false);
        return if unchanged { Ok(()) } else { Err("the forwarded body was changed".to_owned()) };
    }
    let digits: String = forwarded.chars().filter(char::is_ascii_digit).collect();
    if digits.contains(&CARD.replace(' ', "")) {
        return Err("the card's number was forwarded".to_owned());
    }
    match AROUND_CARD.iter().find(|part| !forwarded.contains(**part)) {
        Some(part) => Err(format!("`{part}` beside the card's number was not forwarded")),
        None => Ok(()),
    }
}

fn request_body(model: &str, stream: bool) -> String {
    let [before, after] = AROUND_CARD;
    json!({
        "model": model,
        "stream": stream,
        "messages": [{"role": "user", "content": format!("{before} {CARD} {after}")}],
    })
    .to_string()
}

fn chat(subject: &Subject, model: &str, stream: bool) -> io::Result<String> {
    let body = request_body(model, stream);
    let target = subject.target(stream);
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost:{}\r\n\
         authorization: Bearer sk-bench\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        target.port(),
        body.len()
    );
    let plain = connect(target)?;
    let mut stream: Box<dyn Stream> = match &subject.ca {
        None => Box::new(plain),
        Some(ca) => {
            let name = "localhost".try_into().map_err(io::Error::other)?;
            let session =
                rustls::ClientConnection::new(tls_config(ca)?, name).map_err(io::Error::other)?;
            Box::new(rustls::StreamOwned::new(session, plain))
        }
    };
    let (status, body) = exchange(&mut stream, request.as_bytes())?;
    if status != 200 {
        return Err(io::Error::other(format!("status {status}: {}", shortened(&body))));
    }
    Ok(body)
}

fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends a request that asks for the connection to be closed, and reads the answer.
fn exchange(stream: &mut impl Stream, request: &[u8]) -> io::Result<(u16, String)> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut wire = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(answer) = parse(&wire)? {
            return Ok(answer);
        }
        let length = match stream.read(&mut piece) {
            // A peer that closes without TLS's good-bye is judged by the answer's own framing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        wire.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
}

/// Status and body, once they are complete.
fn parse(wire: &[u8]) -> io::Result<Option<(u16, String)>> {
    let Some(end) = head_end(wire) else { return Ok(None) };
    let (head, rest) = wire.split_at(end);
    let head = ResponseHead::parse(head).map_err(io::Error::other)?;
    let body = match head.framing {
        Framing::Length(length) if (rest.len() as u64) < length => return Ok(None),
        Framing::Length(_) => rest.to_vec(),
        Framing::Chunked => {
            let mut decoder = ChunkedDecoder::default();
            let mut body = Vec::new();
            decoder.decode(rest, |run| body.extend_from_slice(run)).map_err(io::Error::other)?;
            if !decoder.is_done() {
                return Ok(None);
            }
            body
        }
        Framing::Unspecified => return Err(io::Error::other("an answer without framing")),
    };
    Ok(Some((head.status, String::from_utf8_lossy(&body).into_owned())))
}

fn content(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    Some(value.pointer("/choices/0/message/content")?.as_str()?.to_owned())
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_proxy_must_change_nothing() {
        let body = request_body("mock-echo-body", false);
        assert!(check_forwarded(Kind::Nginx, &body).is_ok());
        assert!(check_forwarded(Kind::Nginx, &body.replace("4111", "****")).is_err());
    }

    #[test]
    fn a_guard_must_take_out_the_card_and_nothing_else() {
        let body = request_body("mock-echo-body", false);
        assert!(check_forwarded(Kind::Sluice, &body).is_err());
        assert!(check_forwarded(Kind::Sluice, &body.replace(' ', "")).is_err());
        assert!(check_forwarded(Kind::Sluice, &body.replace(CARD, "[payment_card]")).is_ok());
        assert!(check_forwarded(Kind::Sluice, "{}").is_err());
    }
}
