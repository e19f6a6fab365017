//! Streams of events: in one burst or paced, whole or broken off.
//!
//! Every event is a chunk of its own, as inference servers send them.

use std::{iter, time::Duration};

use super::{
    fault::Mode,
    framed::{INTERIM, framed},
    plan::{Pace, Plan, Step},
    response::{BodyFraming, Head},
};
use crate::http::push_chunk;

pub const EVENT_STREAM: Head<'_> = Head {
    status: 200,
    content_type: "text/event-stream",
    framing: BodyFraming::Chunked,
    extra: &[("cache-control", "no-cache")],
};

/// A stream, in the modes that have one; a mode about whole bodies falls to `framed`.
pub fn streamed(mode: Mode, pace: Pace, events: &[String]) -> Plan {
    let Some((kept, whole)) = extent(mode, events.len()) else {
        return framed(mode, b"{}");
    };
    let framing = match mode {
        Mode::UntilClose => BodyFraming::UntilClose,
        Mode::BadFraming => BodyFraming::Both,
        _ => BodyFraming::Chunked,
    };
    let framed_event = |event: &String| {
        let mut out = Vec::new();
        match framing {
            BodyFraming::UntilClose => out.extend_from_slice(event.as_bytes()),
            _ => push_chunk(&mut out, event.as_bytes()),
        }
        out
    };
    let mut head = Vec::new();
    if mode == Mode::Interim {
        head.extend_from_slice(INTERIM);
    }
    Head { framing, ..EVENT_STREAM }.push(&mut head, 0);
    let mut pieces: Vec<Vec<u8>> =
        iter::once(head).chain(events.iter().take(kept).map(framed_event)).collect();
    if whole && framing != BodyFraming::UntilClose {
        pieces.push(b"0\r\n\r\n".to_vec());
    }
    let before = match mode {
        Mode::Slow(milliseconds) => Duration::from_millis(milliseconds),
        _ => pace.delay,
    };
    let mut steps = Vec::with_capacity(2 * pieces.len() + 1);
    if !before.is_zero() {
        steps.push(Step::Pause(before));
    }
    if pace.chunk_delay.is_zero() {
        steps.push(Step::Write(pieces.concat()));
    } else {
        for piece in pieces {
            steps.push(Step::Write(piece));
            steps.push(Step::Pause(pace.chunk_delay));
        }
        // No wait after the last byte: the answer is over.
        steps.pop();
    }
    Plan::Steps { steps, close: !whole || framing == BodyFraming::UntilClose }
}

/// How many of the events are sent, and whether the stream is ended properly after them; none in
/// modes that do not stream.
fn extent(mode: Mode, events: usize) -> Option<(usize, bool)> {
    match mode {
        Mode::Die | Mode::DieStream => Some((events / 2, false)),
        Mode::Plain
        | Mode::EchoBody
        | Mode::Headers
        | Mode::Pii
        | Mode::Slow(_)
        | Mode::Interim
        | Mode::Chunked
        | Mode::UntilClose
        | Mode::BadFraming
        | Mode::HugeJson(_)
        | Mode::Early => Some((events, true)),
        Mode::Status(_)
        | Mode::Redirect
        | Mode::Gzip
        | Mode::Hang
        | Mode::Stall
        | Mode::Switch
        | Mode::Big(_) => None,
    }
}
