//! A streamed answer: events pass as they come, without added buffering.
//!
//! Every byte goes through [`Passage`]. It changes nothing: it counts events, reads the token counts
//! and commits to what passed, and the record says that the stream was not inspected.
//! Backpressure: the next bytes are read from the upstream only once the client took the last.

use super::{Begun, Failure, Outcome};
use crate::answer::{self, UpstreamHead};
use crate::audit::Recorded;
use crate::conn::{Connection, Next};
use crate::govern::StreamCommitment;
use crate::link::{LinkError, unless_left};
use crate::refusal::Refusal;
use crate::request::Transformed;
use sluice_contract::decision::Verdict;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use sluice_contract::record::{End, OutcomeFixed};
use sluice_wire::dialects::Usage;
use sluice_wire::dialects::openai::chunk_usage;
use sluice_wire::http1::{BodyDecoder, HeadWriter, write_chunk_header, write_last_chunk};
use sluice_wire::sse::SseParser;

/// Bytes of one event; a longer one passes, but is not read for token counts.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// The stage that every byte of a stream goes through.
struct Passage {
    events: SseParser,
    counted: u64,
    usage: Option<Usage>,
    readable: bool,
    commitment: StreamCommitment,
}

impl Passage {
    fn pass(&mut self, bytes: &[u8]) {
        self.commitment.update(bytes);
        if !self.readable {
            return;
        }
        let (counted, usage) = (&mut self.counted, &mut self.usage);
        let pushed = self.events.push(bytes, |event| {
            *counted += u64::from(event.has_data);
            if let Some(found) = chunk_usage(event.data) {
                *usage = Some(found);
            }
        });
        self.readable = pushed.is_ok();
    }
}

/// Passes the stream on.
pub(super) async fn pass(
    connection: &mut Connection,
    transformed: &Transformed,
    recorded: &Recorded,
    outcome: &mut Outcome,
    begun: Begun,
) -> Result<Next, Failure> {
    let plan = std::rc::Rc::clone(transformed.admitted.plan());
    connection.worker.counters.count(Counter::Streams);
    outcome.fixed.flags |= OutcomeFixed::FLAG_STREAM | OutcomeFixed::FLAG_UNINSPECTED;
    outcome.fixed.status = connection.exchange.response_head.status;
    let mut passage = Passage {
        events: SseParser::new(EVENT_BYTES_MAX),
        counted: 0,
        usage: None,
        readable: true,
        commitment: StreamCommitment::new(&plan.plan),
    };
    let streamed = run(connection, transformed, recorded, outcome, begun, &mut passage).await;
    connection.worker.counters.add(Counter::StreamEvents, passage.counted);
    connection.worker.counters.add(Counter::SentBytes, outcome.fixed.response_bytes);
    // Received and released are the same until a stream can be rewritten: one computation.
    let commitment = passage.commitment.finish();
    outcome.fixed.response_received = commitment;
    outcome.fixed.response_released = commitment;
    if let Some(usage) = passage.usage {
        let count = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        outcome.fixed.prompt_tokens = count(usage.prompt_tokens);
        outcome.fixed.completion_tokens = count(usage.completion_tokens);
        outcome.fixed.cached_tokens = count(usage.cached_tokens);
    }
    match streamed {
        Ok(next) => Ok(next),
        Err(Cut::ClientLeft) => Err(Failure::ClientLeft),
        // The head is out, so all that can be said is an end without its last chunk, which every
        // client takes for a broken answer.
        Err(Cut::Upstream(end)) => {
            connection.worker.counters.count(Counter::UpstreamFailures);
            outcome.fixed.end = end as u8;
            Ok(Next::Drop)
        }
        Err(Cut::Head(refusal)) => Err(Failure::Refused(refusal)),
    }
}

/// Why a stream ended early.
enum Cut {
    ClientLeft,
    Upstream(End),
    Head(Refusal),
}

async fn run(
    connection: &mut Connection,
    transformed: &Transformed,
    recorded: &Recorded,
    outcome: &mut Outcome,
    begun: Begun,
    passage: &mut Passage,
) -> Result<Next, Cut> {
    let limits = &transformed.admitted.plan().plan.snapshot.limits;
    let Begun { mut lease, framing, keeps_alive, .. } = begun;
    // HTTP/1.0 knows no chunks: there the end of the connection is the end of the answer.
    let chunked = connection.exchange.head.minor_version > 0;
    let closes = !chunked || !connection.exchange.head.keep_alive;
    connection.link.may_ask(false);
    let mut message = connection.link.outgoing();
    write_head(&mut message, connection, transformed, recorded, chunked, closes)
        .map_err(Cut::Head)?;
    connection.worker.counters.status(connection.exchange.response_head.status);

    let mut decoder = BodyDecoder::for_response(framing, u64::MAX);
    let mut decoded = std::mem::take(&mut connection.exchange.decoded);
    let Some(link) = lease.link() else { return Err(Cut::Upstream(End::Internal)) };
    loop {
        decoded.clear();
        let taken = decoder.decode(link.received(), &mut decoded);
        let taken = taken.map_err(|_error| Cut::Upstream(End::UpstreamFailed))?;
        link.consume(taken.consumed);
        if !decoded.is_empty() {
            passage.pass(&decoded);
            outcome.fixed.response_bytes += decoded.len() as u64;
            if chunked {
                write_chunk_header(&mut message, decoded.len());
            }
            message.extend_from_slice(&decoded);
            if chunked {
                message.extend_from_slice(b"\r\n");
            }
        }
        if decoder.is_done() && chunked {
            write_last_chunk(&mut message);
        }
        if !message.is_empty() {
            // The upstream's next bytes may arrive while these go out; one buffer of them.
            if !decoder.is_done() {
                link.arm();
            }
            connection.send(message).await.map_err(|_error| Cut::ClientLeft)?;
            message = connection.link.outgoing();
        }
        if decoder.is_done() {
            break;
        }
        let waited_us = connection.worker.clock.micros();
        link.watch().wake_at(connection.worker.clock.millis() + limits.upstream_timeout_ms);
        let more = unless_left(&mut connection.link, link.more()).await;
        outcome.upstream_us += connection.worker.clock.micros().saturating_sub(waited_us);
        match more.ok_or(Cut::ClientLeft)? {
            Ok(_) => {}
            Err(LinkError::Expired) => return Err(Cut::Upstream(End::UpstreamTimeout)),
            Err(LinkError::Closed) if decoder.finish().is_ok() => {}
            Err(_) => return Err(Cut::Upstream(End::UpstreamFailed)),
        }
    }
    connection.exchange.decoded = decoded;
    if keeps_alive {
        lease.keep();
    }
    Ok(if closes || connection.worker.is_draining() { Next::Close } else { Next::KeepAlive })
}

fn write_head(
    message: &mut Vec<u8>,
    connection: &Connection,
    transformed: &Transformed,
    recorded: &Recorded,
    chunked: bool,
    closes: bool,
) -> Result<(), Refusal> {
    let upstream = UpstreamHead {
        head: &connection.exchange.response_head,
        bytes: &connection.exchange.upstream_head,
    };
    let mut head = HeadWriter::response(message, upstream.head.status);
    head.header(b"content-type", b"text/event-stream; charset=utf-8");
    if chunked {
        head.chunked();
    }
    let governance = transformed.governance(recorded, Verdict::Allow);
    answer::common(&mut head, transformed.admitted.trace(), Some(&governance));
    answer::pass_headers(&mut head, &upstream);
    if closes {
        head.header(b"connection", b"close");
    }
    head.finish().map_err(|error| {
        Refusal::new(Reason::UpstreamProtocol, format!("an upstream header is malformed: {error}"))
    })
}
