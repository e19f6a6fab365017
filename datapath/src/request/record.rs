//! The decision's record: what it holds, and what happens where the audit can't take it.

use super::Transformed;
use crate::audit::{Recorded, Unavailable};
use crate::conn::Connection;
use crate::forward::reason_number;
use crate::govern::{Commitment, commit, model_in_record};
use crate::refusal::Refusal;
use sluice_contract::decision::Verdict;
use sluice_contract::facts::{Facts, SCORES};
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use sluice_contract::record::{DecisionFixed, DecisionRecord, End, OutcomeFixed, OutcomeRecord};
use sluice_contract::snapshot::{self, AuditMode, Enforcement, FailureMode, Trust};
use sluice_wire::dialects::openai::Endpoint;
use std::rc::Rc;

/// What an outcome record will say.
pub struct Outcome {
    /// The fixed part, as far as it is known.
    pub fixed: OutcomeFixed,
    /// Time that was the upstream's, microseconds.
    pub upstream_us: u64,
    /// The connection's `answered` holds facts of the response.
    pub has_response_facts: bool,
}

impl Outcome {
    /// The outcome of a request that was just decided.
    pub fn new(connection: &Connection, transformed: &Transformed) -> Outcome {
        let start_us = transformed.admitted.identified.received.start_us;
        let mut fixed = Connection::no_outcome();
        let micros = |us: u64| u32::try_from(us).unwrap_or(u32::MAX);
        fixed.decided_us = micros(transformed.decided_us.saturating_sub(start_us));
        let now = connection.worker.clock.micros();
        fixed.audit_wait_us = micros(now.saturating_sub(transformed.decided_us));
        fixed.attempts = u8::try_from(transformed.attempt + 1).unwrap_or(u8::MAX);
        if transformed.governed.stream {
            fixed.flags |= OutcomeFixed::FLAG_STREAM;
        }
        Outcome { fixed, upstream_us: 0, has_response_facts: false }
    }
}

/// Commitments to the request as received and as sent.
fn commitments(transformed: &Transformed) -> (Commitment, Commitment) {
    let plan = &transformed.admitted.plan().plan;
    let received = commit(plan, transformed.admitted.raw_body());
    let sent = if transformed.governed.verdict == Verdict::Block {
        [0; 32]
    } else if transformed.governed.is_rewritten {
        commit(plan, &transformed.governed.body)
    } else {
        received
    };
    (received, sent)
}

/// Records the decision; on a sync route it returns once the record is on disk.
pub async fn record(
    connection: &mut Connection,
    transformed: Transformed,
) -> Result<(Transformed, Recorded), (Box<Transformed>, Refusal)> {
    let plan = Rc::clone(transformed.admitted.plan());
    let governed = &transformed.governed;
    let counters = Rc::clone(&connection.worker.counters);
    counters.count(Counter::Requests);
    counters.verdict(governed.verdict);
    if governed.decision.errored {
        counters.count(Counter::PolicyErrors);
    }
    if governed.is_observed() {
        counters.count(Counter::WouldAct);
    }
    let (Some(route), Some(upstream), Some(caller)) = (
        plan.plan.snapshot.routes.get(governed.route),
        plan.plan.snapshot.upstreams.get(governed.upstream),
        plan.plan.identity.caller(transformed.admitted.identified.caller),
    ) else {
        let refusal = Refusal::new(Reason::Internal, "the route is not there");
        return Err((Box::new(transformed), refusal));
    };
    let sync = route.audit_for(upstream.trust) == AuditMode::Sync;
    let mut fixed = fixed_part(&transformed, sync);
    (fixed.request_received, fixed.request_sent) = commitments(&transformed);
    let record = DecisionRecord {
        fixed,
        facts: &governed.facts,
        decision: &governed.decision,
        groups: &caller.principal.ids.groups,
    };
    let wait_ms = plan.plan.snapshot.limits.audit_wait_ms;
    let audit = Rc::clone(&connection.worker.audit);
    match audit.record(&record, sync, wait_ms).await {
        Ok(recorded) => Ok((transformed, recorded)),
        Err((why, pending)) if route.failure_mode == FailureMode::Open => {
            tracing::warn!(%why, route = %route.name, "a request passes without its record on disk");
            let recorded = pending.unwrap_or_else(|| audit.pass_unrecorded());
            Ok((transformed, recorded))
        }
        Err((why, pending)) => {
            if let Some(recorded) = pending {
                close_unsent(&transformed, connection, recorded);
            }
            Err((Box::new(transformed), unavailable(why)))
        }
    }
}

/// The decision may yet reach the disk; its outcome says that the request was not forwarded.
fn close_unsent(transformed: &Transformed, connection: &Connection, recorded: Recorded) {
    let mut outcome = Outcome::new(connection, transformed);
    outcome.fixed.status = Reason::AuditUnavailable.status();
    outcome.fixed.end = End::AuditUnavailable as u8;
    outcome.fixed.reason = reason_number(Reason::AuditUnavailable);
    let (facts, decision) = (Facts::default(), sluice_contract::decision::Decision::default());
    recorded.close(OutcomeRecord { fixed: outcome.fixed, facts: &facts, decision: &decision });
}

fn unavailable(why: Unavailable) -> Refusal {
    let advice = match why {
        Unavailable::DiskFull => "free space on the state directory's disk",
        Unavailable::WriteError => "see the management process's log",
        Unavailable::Stalled => "see `sluice status`",
    };
    Refusal::new(
        Reason::AuditUnavailable,
        format!("{why}, so the request was not forwarded; {advice}"),
    )
}

fn endpoint_number(endpoint: Endpoint) -> u8 {
    match endpoint {
        Endpoint::ChatCompletions => snapshot::Endpoint::ChatCompletions as u8,
        Endpoint::Completions => snapshot::Endpoint::Completions as u8,
        Endpoint::Embeddings => snapshot::Endpoint::Embeddings as u8,
        // Without a body nothing is decided.
        Endpoint::Models | Endpoint::Model => 0,
    }
}

fn fixed_part(transformed: &Transformed, sync: bool) -> DecisionFixed {
    let identified = &transformed.admitted.identified;
    let plan = &identified.received.plan.plan;
    let governed = &transformed.governed;
    let trace = transformed.admitted.trace();
    let mut fixed = DecisionFixed {
        snapshot: plan.hash.0,
        trace_id: trace.trace_id,
        request_id: trace.request_id_recorded,
        secrets: plan.secrets.version,
        session: governed.session,
        max_tokens: governed.max_tokens,
        scores: [0; SCORES],
        verdict: governed.verdict as u8,
        endpoint: endpoint_number(identified.endpoint),
        attempt: u8::try_from(transformed.attempt).unwrap_or(u8::MAX),
        ..DecisionFixed::ZERO
    };
    if let Some(caller) = plan.identity.caller(identified.caller) {
        let ids = &caller.principal.ids;
        fixed.principal = ids.principal;
        fixed.tenant = ids.tenant;
        fixed.application = ids.application;
        fixed.user = ids.user;
        fixed.team = ids.team;
        fixed.project = ids.project;
        fixed.use_case = ids.use_case;
    }
    let (model, is_hashed) = model_in_record(plan, governed);
    fixed.model = model;
    let mut flag = |set: bool, flag: u32| {
        if set {
            fixed.flags |= flag;
        }
    };
    flag(is_hashed, DecisionFixed::FLAG_MODEL_HASHED);
    flag(trace.is_client_id, DecisionFixed::FLAG_CLIENT_REQUEST_ID);
    flag(governed.stream, DecisionFixed::FLAG_STREAM);
    flag(sync, DecisionFixed::FLAG_SYNC);
    if let Some(route) = plan.snapshot.routes.get(governed.route) {
        flag(route.enforcement == Enforcement::Observe, DecisionFixed::FLAG_OBSERVE);
        flag(route.allow_opaque, DecisionFixed::FLAG_ALLOW_OPAQUE);
    }
    if let Some(route) = plan.routes.get(governed.route) {
        fixed.route = route.name_id.0;
    }
    if let (Some(upstream), Some(prepared)) =
        (plan.snapshot.upstreams.get(governed.upstream), plan.upstreams.get(governed.upstream))
    {
        fixed.target = prepared.name_id.0;
        fixed.region = prepared.region_id.0;
        fixed.trust = u8::from(upstream.trust == Trust::External);
        fixed.provider = upstream.kind as u8;
    }
    let bytes = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    fixed.received_bytes = bytes(transformed.admitted.raw_body().len());
    if governed.verdict != Verdict::Block {
        fixed.sent_bytes = bytes(transformed.body().len());
    }
    fixed
}
