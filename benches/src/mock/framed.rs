//! Whole bodies, in every way that a mode frames, delays or breaks them; and bodies of a given size.

use std::time::Duration;

use super::{
    fault::Mode,
    gzip,
    openai::{self, Reply},
    plan::{Plan, Step},
    response::{BodyFraming, Head},
    streamed::EVENT_STREAM,
};
use crate::http::push_chunk;

/// Where `mock-redirect` points; following it is counted.
pub const REDIRECT_TARGET: &str = "/mock/redirected";
/// Interim answers that a client has to read over.
pub const INTERIM: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n";
const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: mock\r\n\r\nnot http";
/// Size of the pieces that large answers are written in.
const PIECE_BYTES: usize = 32 * 1024;
/// Chunk length of a chunked JSON body: small and odd, so that values are cut.
const JSON_CHUNK_BYTES: usize = 37;
/// Longer than any time-out of a proxy; a client that leaves ends it at once.
const FOR_EVER: Duration = Duration::from_hours(24);

/// A JSON body in the way that `mode` wants it.
pub fn framed(mode: Mode, json: &[u8]) -> Plan {
    let framing = |framing| Head { framing, ..Head::default() }.with_body(json, JSON_CHUNK_BYTES);
    let ordinary = || framing(BodyFraming::Length);
    let (steps, close) = match mode {
        Mode::Plain | Mode::EchoBody | Mode::Headers | Mode::Pii | Mode::HugeJson(_) => {
            (vec![Step::Write(ordinary())], false)
        }
        Mode::Status(status) => return refuse(status, &format!("mock status {status}")),
        Mode::Redirect => {
            let extra = &[("location", REDIRECT_TARGET)];
            let wire = Head { status: 302, extra, ..Head::default() }.with_body(b"{}", 1);
            (vec![Step::Write(wire)], false)
        }
        Mode::Gzip => {
            let extra = &[("content-encoding", "gzip")];
            let wire = Head { extra, ..Head::default() }.with_body(&gzip::stored(json), 1);
            (vec![Step::Write(wire)], false)
        }
        Mode::Slow(milliseconds) => {
            let pause = Step::Pause(Duration::from_millis(milliseconds));
            (vec![pause, Step::Write(ordinary())], false)
        }
        Mode::Hang => (vec![Step::Pause(FOR_EVER)], true),
        Mode::Stall => (vec![Step::Stall], true),
        Mode::Die | Mode::DieStream => {
            let mut wire = ordinary();
            wire.truncate(wire.len() - json.len().div_ceil(2));
            (vec![Step::Write(wire)], true)
        }
        Mode::Interim => (vec![Step::Write([INTERIM, ordinary().as_slice()].concat())], false),
        Mode::Switch => (vec![Step::Write(SWITCH.to_vec()), Step::Pause(FOR_EVER)], true),
        Mode::Chunked | Mode::Big(_) => (vec![Step::Write(framing(BodyFraming::Chunked))], false),
        Mode::UntilClose => (vec![Step::Write(framing(BodyFraming::UntilClose))], true),
        Mode::BadFraming => (vec![Step::Write(framing(BodyFraming::Both))], true),
        Mode::Early => (vec![Step::Write(ordinary())], true),
    };
    Plan::Steps { steps, close }
}

/// An error as the provider would send it.
pub fn refuse(status: u16, message: &str) -> Plan {
    let extra: &[(&str, &str)] =
        if matches!(status, 429 | 503) { &[("retry-after", "1")] } else { &[] };
    let wire =
        Head { status, extra, ..Head::default() }.with_body(&openai::error(status, message), 1);
    Plan::Steps { steps: vec![Step::Write(wire)], close: false }
}

/// So many megabytes of text: as events, or as one chunked JSON body.
pub fn big(reply: &Reply<'_>, stream: bool, megabytes: u64) -> Plan {
    let text = filler(PIECE_BYTES as u64);
    let (head, first, piece, last) = if stream {
        let events = Reply { text: "", ..*reply }.events(3);
        let filled = Reply { text: &text, ..*reply }.events(3);
        let longest = filled.into_iter().max_by_key(String::len).unwrap_or_default();
        let (first, last) = events.split_at(1);
        (EVENT_STREAM, first.concat(), longest, last.concat())
    } else {
        let json = String::from_utf8(Reply { text: "", ..*reply }.json()).unwrap_or_default();
        // The empty text is the only empty string in the object.
        let (first, last) = json.split_once(r#""""#).unwrap_or_default();
        let head = Head { framing: BodyFraming::Chunked, ..Head::default() };
        (head, format!("{first}\""), text, format!("\"{last}"))
    };
    let chunk = |text: &str| {
        let mut out = Vec::new();
        push_chunk(&mut out, text.as_bytes());
        out
    };
    let mut start = Vec::new();
    head.push(&mut start, 0);
    start.extend_from_slice(&chunk(&first));
    let mut end = chunk(&last);
    end.extend_from_slice(b"0\r\n\r\n");
    let times = megabytes.saturating_mul(1 << 20) / PIECE_BYTES as u64;
    let repeat = Step::Repeat { piece: chunk(&piece), times };
    Plan::Steps { steps: vec![Step::Write(start), repeat, Step::Write(end)], close: false }
}

/// So many bytes of ASCII text, at most a gigabyte.
pub fn filler(bytes: u64) -> String {
    const SENTENCE: &str = "All work and no play makes for a very long answer. ";
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(1 << 30);
    let mut text = SENTENCE.repeat(bytes.div_ceil(SENTENCE.len()));
    text.truncate(bytes);
    text
}
