//! Forwarding: a recorded request goes to its target, and the answer comes back to the client.
//!
//! The client is watched all the while: one that leaves ends the upstream's connection, and with it
//! the work there. What fails before the upstream said anything goes back to the caller, who may
//! try another target; what fails later is answered or, in the middle of a stream, cut.

mod collect;
mod send;
mod stream;

use crate::answer::Reply;
use crate::audit::Recorded;
use crate::conn::{Connection, Next};
use crate::refusal::Refusal;
use crate::request::{self, Transformed};
use crate::upstream::Lease;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use sluice_contract::record::{End, OutcomeRecord};
use sluice_contract::snapshot::UpstreamKind;
use sluice_wire::http1::ResponseFraming;
use std::rc::Rc;

use request::Outcome;

/// What came of one target.
pub enum Attempt {
    /// The client was answered, or is gone.
    Answered(Next),
    /// The target could not be reached; another may be tried.
    Failed(Box<Transformed>, Refusal),
}

/// An upstream that began to answer.
struct Begun {
    lease: Lease,
    framing: ResponseFraming,
    is_stream: bool,
    /// Bytes that the client will get of the body as they come.
    keeps_alive: bool,
}

/// Why an upstream's answer did not come.
enum Failure {
    /// The client left.
    ClientLeft,
    /// The upstream could not be reached: another target may be tried.
    Unreachable(Refusal),
    /// The upstream failed, or what it says can't be passed on.
    Refused(Refusal),
}

/// Sends `transformed` to its target and answers the client. Takes only what was recorded.
pub async fn forward(
    connection: &mut Connection,
    transformed: Transformed,
    recorded: Recorded,
) -> Attempt {
    let plan = Rc::clone(transformed.admitted.plan());
    let Some(upstream) = plan.plan.snapshot.upstreams.get(transformed.governed.upstream) else {
        let refusal = Refusal::new(Reason::Internal, "the upstream is not there");
        return Attempt::Failed(Box::new(transformed), refusal);
    };
    match upstream.kind {
        UpstreamKind::Echo => {
            Attempt::Answered(crate::echo::answer(connection, transformed, recorded).await)
        }
        UpstreamKind::Openai => to_upstream(connection, transformed, recorded).await,
    }
}

async fn to_upstream(
    connection: &mut Connection,
    mut transformed: Transformed,
    recorded: Recorded,
) -> Attempt {
    let mut outcome = Outcome::new(connection, &transformed);
    let sent_us = connection.worker.clock.micros();
    connection.link.may_ask(connection.exchange.head.minor_version > 0);
    let begun = send::exchange(connection, &mut transformed).await;
    let first_byte_us = connection.worker.clock.micros().saturating_sub(sent_us);
    outcome.upstream_us = first_byte_us;
    outcome.fixed.first_byte_us = u32::try_from(first_byte_us).unwrap_or(u32::MAX);
    let next = match begun {
        Ok(begun) => {
            outcome.fixed.upstream_status = connection.exchange.response_head.status;
            outcome.fixed.target = transformed
                .admitted
                .plan()
                .plan
                .upstreams
                .get(transformed.governed.upstream)
                .map_or(0, |upstream| upstream.name_id.0);
            let answered = if begun.is_stream {
                stream::pass(connection, &transformed, &recorded, &mut outcome, begun).await
            } else {
                collect::answer(connection, &transformed, &recorded, &mut outcome, begun).await
            };
            match answered {
                Ok(next) => next,
                Err(Failure::ClientLeft) => left(connection, &mut outcome),
                Err(Failure::Unreachable(refusal) | Failure::Refused(refusal)) => {
                    refuse(connection, &transformed, &recorded, &mut outcome, &refusal).await
                }
            }
        }
        Err(Failure::ClientLeft) => left(connection, &mut outcome),
        Err(Failure::Unreachable(refusal)) => {
            outcome.fixed.end = End::UpstreamFailed as u8;
            outcome.fixed.reason = reason_number(refusal.reason);
            let more = transformed
                .admitted
                .plan()
                .plan
                .snapshot
                .routes
                .get(transformed.governed.route)
                .is_some_and(|route| transformed.attempt + 1 < route.targets.len());
            if more {
                let (facts, decision) = Default::default();
                recorded.close(OutcomeRecord {
                    fixed: outcome.fixed,
                    facts: &facts,
                    decision: &decision,
                });
                return Attempt::Failed(Box::new(transformed), refusal);
            }
            refuse(connection, &transformed, &recorded, &mut outcome, &refusal).await
        }
        Err(Failure::Refused(refusal)) => {
            refuse(connection, &transformed, &recorded, &mut outcome, &refusal).await
        }
    };
    request::finish(connection, transformed, recorded, &outcome);
    Attempt::Answered(next)
}

/// The low byte of a reason's number; numbers stay below 256.
pub fn reason_number(reason: Reason) -> u8 {
    u8::try_from(reason as u16).unwrap_or(u8::MAX)
}

fn left(connection: &Connection, outcome: &mut Outcome) -> Next {
    connection.worker.counters.count(Counter::ClientLeft);
    outcome.fixed.end = End::ClientLeft as u8;
    Next::Drop
}

/// Answers a decided request with a refusal.
async fn refuse(
    connection: &mut Connection,
    transformed: &Transformed,
    recorded: &Recorded,
    outcome: &mut Outcome,
    refusal: &Refusal,
) -> Next {
    connection.worker.counters.refusal(refusal.reason);
    outcome.fixed.status = refusal.reason.status();
    outcome.fixed.reason = reason_number(refusal.reason);
    outcome.fixed.end = match refusal.reason {
        Reason::UpstreamTimeout => {
            connection.worker.counters.count(Counter::UpstreamFailures);
            End::UpstreamTimeout
        }
        Reason::ResponsePolicy => End::ResponseBlocked,
        Reason::Internal => End::Internal,
        _ => {
            connection.worker.counters.count(Counter::UpstreamFailures);
            End::UpstreamFailed
        }
    } as u8;
    let verdict = if refusal.reason == Reason::ResponsePolicy {
        sluice_contract::decision::Verdict::Block
    } else {
        sluice_contract::decision::Verdict::Allow
    };
    let governance = transformed.governance(recorded, verdict);
    let reply = Reply::refusal(transformed.admitted.trace(), refusal, Some(governance));
    connection.reply(&reply, refusal.closes).await
}
