//! An answer that is collected whole: inspected, decided, rewritten, then sent.

use super::send::upstream_refusal;
use super::{Begun, Failure, Outcome};
use crate::answer::{Reply, UpstreamHead};
use crate::audit::Recorded;
use crate::conn::{Connection, InFlight, Next};
use crate::govern::commit;
use crate::link::{LinkError, unless_left};
use crate::refusal::Refusal;
use crate::request::Transformed;
use crate::side::Work;
use sluice_contract::decision::Verdict;
use sluice_contract::limits::INLINE_INSPECT_BYTES;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use sluice_wire::http1::BodyDecoder;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

/// Reads the answer's body, governs it, and sends it on.
pub(super) async fn answer(
    connection: &mut Connection,
    transformed: &Transformed,
    recorded: &Recorded,
    outcome: &mut Outcome,
    begun: Begun,
) -> Result<Next, Failure> {
    let body_us = connection.worker.clock.micros();
    let (body, _held) = read_body(connection, transformed, begun).await?;
    outcome.upstream_us += connection.worker.clock.micros().saturating_sub(body_us);
    let status = connection.exchange.response_head.status;
    let plan = Rc::clone(transformed.admitted.plan());
    outcome.fixed.response_received = commit(&plan.plan, &body);

    if body.is_empty() {
        let released = (&body[..], Released::AsReceived);
        return Ok(send(connection, transformed, recorded, outcome, released).await);
    }
    let (body, governed) = govern(connection, transformed, body).await;
    match governed {
        Ok(()) => {}
        // An error that can't be inspected keeps its status, which clients act upon, and loses its
        // text.
        Err(_) if status >= 400 => {
            connection.worker.counters.count(Counter::UpstreamFailures);
            let mut refusal = upstream_refusal(
                transformed,
                Reason::UpstreamUninspectable,
                format_args!("answered {status} with a body that cannot be inspected"),
            );
            refusal.closes = false;
            let mut text = Vec::new();
            refusal.write_body(&mut text, None);
            let released = (&text[..], Released::Changed);
            return Ok(send(connection, transformed, recorded, outcome, released).await);
        }
        Err(refusal) => return Err(Failure::Refused(refusal)),
    }
    outcome.has_response_facts = true;
    let answered = &connection.exchange.answered;
    if let Some(usage) = answered.usage {
        let count = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        outcome.fixed.prompt_tokens = count(usage.prompt_tokens);
        outcome.fixed.completion_tokens = count(usage.completion_tokens);
        outcome.fixed.cached_tokens = count(usage.cached_tokens);
    }
    outcome.fixed.verdict = answered.verdict as u8;
    connection.worker.counters.add(Counter::ResponseFindings, answered.findings);
    if answered.verdict == Verdict::Block {
        return Err(Failure::Refused(answered.block(&plan.plan, Reason::ResponsePolicy)));
    }
    if answered.is_rewritten {
        connection.worker.counters.add(Counter::Redactions, answered.redactions);
        let rewritten = std::mem::take(&mut connection.exchange.answered.body);
        let released = (&rewritten[..], Released::Changed);
        let next = send(connection, transformed, recorded, outcome, released).await;
        connection.exchange.answered.body = rewritten;
        connection.exchange.decoded = body;
        return Ok(next);
    }
    let released = (&body[..], Released::AsReceived);
    let next = send(connection, transformed, recorded, outcome, released).await;
    connection.exchange.decoded = body;
    Ok(next)
}

async fn read_body(
    connection: &mut Connection,
    transformed: &Transformed,
    begun: Begun,
) -> Result<(Vec<u8>, InFlight), Failure> {
    let limits = &transformed.admitted.plan().plan.snapshot.limits;
    let Begun { mut lease, framing, keeps_alive, .. } = begun;
    let mut body = std::mem::take(&mut connection.exchange.decoded);
    body.clear();
    let mut held = InFlight::new(&connection.worker);
    let mut decoder = BodyDecoder::for_response(framing, limits.response_bytes);
    let Some(link) = lease.link() else { return Ok((body, held)) };
    loop {
        held.grow(body.len() as u64, limits.in_flight_bytes).map_err(Failure::Refused)?;
        let decoded = decoder.decode(link.received(), &mut body).map_err(|error| {
            let reason = match error {
                sluice_wire::http1::BodyError::TooLarge { .. } => Reason::UpstreamTooLarge,
                _ => Reason::UpstreamProtocol,
            };
            Failure::Refused(upstream_refusal(transformed, reason, error))
        })?;
        link.consume(decoded.consumed);
        if decoded.done {
            break;
        }
        link.watch().wake_at(connection.worker.clock.millis() + limits.upstream_timeout_ms);
        let more = unless_left(&mut connection.link, link.more()).await;
        match more.ok_or(Failure::ClientLeft)? {
            Ok(_) => {}
            Err(LinkError::Expired) => {
                return Err(Failure::Refused(upstream_refusal(
                    transformed,
                    Reason::UpstreamTimeout,
                    "stopped in the middle of its answer",
                )));
            }
            Err(error) => {
                if error == LinkError::Closed && decoder.finish().is_ok() {
                    return Ok((body, held));
                }
                return Err(Failure::Refused(upstream_refusal(
                    transformed,
                    Reason::UpstreamProtocol,
                    "closed the connection in the middle of its answer",
                )));
            }
        }
    }
    if keeps_alive {
        lease.keep();
    }
    Ok((body, held))
}

/// Inspects, decides and rewrites the answer into the connection's `answered`.
async fn govern(
    connection: &mut Connection,
    transformed: &Transformed,
    body: Vec<u8>,
) -> (Vec<u8>, Result<(), Refusal>) {
    let plan = Rc::clone(transformed.admitted.plan());
    let caller = transformed.admitted.identified.caller;
    let mut answered = std::mem::take(&mut connection.exchange.answered);
    if body.len() <= INLINE_INSPECT_BYTES {
        // A panic is our bug; it costs this answer only.
        let result = catch_unwind(AssertUnwindSafe(|| match plan.inspector.try_borrow_mut() {
            Ok(mut inspector) => {
                inspector.response(&plan.plan, caller, &transformed.governed, &body, &mut answered)
            }
            Err(_) => Err(Refusal::new(Reason::Internal, "the inspector is in use")),
        }));
        let result = result.unwrap_or_else(|_panic| {
            connection.worker.counters.count(Counter::Panics);
            Err(Refusal::new(Reason::Internal, "the inspection of the answer failed"))
        });
        connection.exchange.answered = answered;
        return (body, result);
    }
    connection.worker.counters.count(Counter::InspectAside);
    let asked = Box::new(crate::govern::Governed {
        model: transformed.governed.model.clone(),
        route: transformed.governed.route,
        upstream: transformed.governed.upstream,
        ..crate::govern::Governed::default()
    });
    let range = 0..body.len();
    let work = Work::Response { caller, asked };
    let side = &connection.worker.side;
    match side.govern(Arc::clone(&plan.plan), work, body, range, answered).await {
        Ok(job) => {
            connection.exchange.answered = job.out;
            (job.buffer, job.result)
        }
        Err((_, refusal)) => (Vec::new(), Err(refusal)),
    }
}

/// What the client gets, against what came.
#[derive(Clone, Copy)]
enum Released {
    AsReceived,
    Changed,
}

async fn send(
    connection: &mut Connection,
    transformed: &Transformed,
    recorded: &Recorded,
    outcome: &mut Outcome,
    (body, released): (&[u8], Released),
) -> Next {
    let status = connection.exchange.response_head.status;
    let plan = &transformed.admitted.plan().plan;
    outcome.fixed.status = status;
    outcome.fixed.response_bytes = body.len() as u64;
    // One computation where nothing was changed.
    outcome.fixed.response_released = match released {
        Released::AsReceived => outcome.fixed.response_received,
        Released::Changed => commit(plan, body),
    };
    let response_verdict = Verdict::from_number(outcome.fixed.verdict).unwrap_or_default();
    let head = std::mem::take(&mut connection.exchange.response_head);
    let bytes = std::mem::take(&mut connection.exchange.upstream_head);
    let reply = Reply {
        status,
        trace: transformed.admitted.trace(),
        content_type: b"application/json",
        body: body.into(),
        governance: Some(transformed.governance(recorded, response_verdict)),
        may_retry: None,
        allow: None,
        upstream: Some(UpstreamHead { head: &head, bytes: &bytes }),
    };
    let next = connection.reply(&reply, false).await;
    connection.exchange.response_head = head;
    connection.exchange.upstream_head = bytes;
    connection.worker.counters.add(Counter::SentBytes, body.len() as u64);
    if next == Next::Drop {
        outcome.fixed.end = sluice_contract::record::End::ClientLeft as u8;
    }
    next
}
