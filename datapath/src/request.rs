//! The life of a request, stage by stage.
//!
//! Each stage takes what the one before it gave and gives what the next one takes, so a stage that
//! is skipped does not compile:
//!
//! [`Received`] (head) → [`Identified`] (who) → [`Admitted`] (body, within bounds) → [`Transformed`]
//! (inspected, decided, rewritten) → [`Recorded`] (in the ring, or on disk) → forwarded and
//! answered ([`crate::forward`]) → outcome recorded.

mod checks;
mod inspect;
mod record;

use crate::answer::{Governance, Reply};
use crate::audit::Recorded;
use crate::conn::{Connection, InFlight, Next, NoBody};
use crate::forward::{self, Attempt};
use crate::govern::Governed;
use crate::refusal::Refusal;
use crate::trace::Trace;
use crate::worker::WorkerPlan;
pub use record::Outcome;
use sluice_contract::decision::{Decision, Verdict};
use sluice_contract::facts::Facts;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use sluice_contract::record::{End, OutcomeRecord};
use sluice_contract::snapshot::BlockAs;
use sluice_wire::dialects::openai::{self, Endpoint};
use std::ops::Range;
use std::rc::Rc;

/// A request whose head was read.
pub struct Received {
    /// The plan that it runs on.
    pub plan: Rc<WorkerPlan>,
    /// Bytes of the head.
    pub head_bytes: usize,
    /// When its first byte was there, microseconds.
    pub start_us: u64,
    /// Ids.
    pub trace: Trace,
}

impl Received {
    /// A request whose head of `head_bytes` bytes stands first in the client's buffer.
    pub fn new(
        connection: &Connection,
        plan: Rc<WorkerPlan>,
        head_bytes: usize,
        start_us: u64,
    ) -> Received {
        let head = &connection.exchange.head;
        let buffer = connection.link.received();
        let request_id = head.x_request_id.map(|span| span.of(buffer));
        let parent = head.traceparent.map(|span| span.of(buffer));
        let trace = connection.trace(&plan, request_id, parent);
        Received { plan, head_bytes, start_us, trace }
    }
}

/// A request whose caller is known.
pub struct Identified {
    /// What was received.
    pub received: Received,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The caller, by its index in the plan.
    pub caller: usize,
    /// Keyed hash of the session that the head names.
    pub session: Option<u64>,
}

/// A request whose body was read, within its bounds.
pub struct Admitted {
    /// Who.
    pub identified: Identified,
    /// Head and body, in one buffer.
    pub buffer: Vec<u8>,
    /// The body in it.
    pub body: Range<usize>,
    /// What it holds of the worker's memory, given back when the request ends.
    _held: InFlight,
}

impl Admitted {
    /// The plan that it runs on.
    pub fn plan(&self) -> &Rc<WorkerPlan> {
        &self.identified.received.plan
    }

    /// Its ids.
    pub fn trace(&self) -> &Trace {
        &self.identified.received.trace
    }

    /// The body as it came.
    pub fn raw_body(&self) -> &[u8] {
        self.buffer.get(self.body.clone()).unwrap_or_default()
    }

    /// The head as it came.
    pub fn raw_head(&self) -> &[u8] {
        self.buffer.get(..self.body.start).unwrap_or_default()
    }
}

/// A request that was inspected, decided and rewritten for one target.
pub struct Transformed {
    /// The request.
    pub admitted: Admitted,
    /// What the stages made of it.
    pub governed: Box<Governed>,
    /// When that was done, microseconds.
    pub decided_us: u64,
    /// The target, by its place in the route.
    pub attempt: usize,
}

impl Transformed {
    /// The body to forward.
    pub fn body(&self) -> &[u8] {
        if self.governed.is_rewritten { &self.governed.body } else { self.admitted.raw_body() }
    }

    /// Lends the buffer with the body to forward, to be sent from where it lies.
    pub fn lend_body(&mut self) -> (Vec<u8>, Range<usize>) {
        if self.governed.is_rewritten {
            let body = std::mem::take(&mut self.governed.body);
            let range = 0..body.len();
            (body, range)
        } else {
            (std::mem::take(&mut self.admitted.buffer), self.admitted.body.clone())
        }
    }

    /// Takes the lent buffer back.
    pub fn return_body(&mut self, buffer: Vec<u8>) {
        if self.governed.is_rewritten {
            self.governed.body = buffer;
        } else {
            self.admitted.buffer = buffer;
        }
    }

    /// What answers say of the decision.
    pub fn governance<'a>(&'a self, recorded: &Recorded, response: Verdict) -> Governance<'a> {
        Governance {
            record: recorded.id(),
            request: &self.governed,
            verdict: self.governed.verdict.max(response),
        }
    }
}

/// Serves a request from its head on.
pub async fn serve(connection: &mut Connection, received: Received) -> Next {
    let identified = match checks::identify(connection, received) {
        Ok(identified) => identified,
        Err(refused) => {
            let (received, refusal) = *refused;
            connection.link.consume(received.head_bytes);
            return connection.refuse(&received.trace, &refusal).await;
        }
    };
    if !identified.endpoint.has_body() {
        return crate::models::serve(connection, &identified).await;
    }
    let admitted = match admit(connection, identified).await {
        Ok(admitted) => admitted,
        Err((_, NoBody::Gone)) => return Next::Drop,
        Err((identified, NoBody::Refused(refusal))) => {
            return connection.refuse(&identified.received.trace, &refusal).await;
        }
    };
    govern_and_forward(connection, admitted).await
}

async fn admit(
    connection: &mut Connection,
    identified: Identified,
) -> Result<Admitted, (Identified, NoBody)> {
    let mut held = InFlight::new(&connection.worker);
    let plan = Rc::clone(&identified.received.plan);
    let head_bytes = identified.received.head_bytes;
    match connection.read_body(&plan.plan.snapshot.limits, head_bytes, &mut held).await {
        Ok(buffer) => {
            let body = head_bytes..buffer.len();
            Ok(Admitted { identified, buffer, body, _held: held })
        }
        Err(no_body) => Err((identified, no_body)),
    }
}

/// Tries the targets of the route in order: each is decided on its own, recorded, and only then
/// sent to.
async fn govern_and_forward(connection: &mut Connection, admitted: Admitted) -> Next {
    let mut admitted = admitted;
    let mut attempt = 0;
    let mut failure: Option<Refusal> = None;
    loop {
        let transformed = match inspect::transform(connection, admitted, attempt).await {
            Ok(transformed) => transformed,
            Err((back, refusal)) => {
                // With no target left, what the last one failed with is the answer.
                let refusal = failure.unwrap_or(refusal);
                return refuse_admitted(connection, back, refusal).await;
            }
        };
        if attempt > 0 && transformed.governed.verdict == Verdict::Block {
            // This target may not have it; the one before could not be reached.
            attempt += 1;
            admitted = take_back(connection, transformed);
            continue;
        }
        let (transformed, recorded) = match record::record(connection, transformed).await {
            Ok(recorded) => recorded,
            Err((transformed, refusal)) => {
                let back = take_back(connection, *transformed);
                return refuse_admitted(connection, Some(back), refusal).await;
            }
        };
        if transformed.governed.verdict == Verdict::Block {
            return block(connection, transformed, recorded).await;
        }
        match forward::forward(connection, transformed, recorded).await {
            Attempt::Answered(next) => return next,
            Attempt::Failed(transformed, refusal) => {
                connection.worker.counters.count(Counter::UpstreamFailures);
                failure = Some(refusal);
                attempt += 1;
                admitted = take_back(connection, *transformed);
            }
        }
    }
}

/// Gives the request back for another target, and the storage to the connection.
fn take_back(connection: &mut Connection, transformed: Transformed) -> Admitted {
    connection.exchange.governed = transformed.governed;
    transformed.admitted
}

async fn refuse_admitted(
    connection: &mut Connection,
    admitted: Option<Admitted>,
    refusal: Refusal,
) -> Next {
    let Some(admitted) = admitted else {
        let Some(plan) = connection.worker.plan() else { return Next::Drop };
        let trace = connection.trace(&plan, None, None);
        return connection.refuse(&trace, &refusal.closing()).await;
    };
    let next = connection.refuse(admitted.trace(), &refusal).await;
    connection.link.recycle(admitted.buffer);
    next
}

/// Answers a request that policy blocks, and records that.
async fn block(connection: &mut Connection, transformed: Transformed, recorded: Recorded) -> Next {
    let plan = Rc::clone(transformed.admitted.plan());
    let refusal = transformed.governed.block(&plan.plan, Reason::Policy);
    connection.worker.counters.refusal(Reason::Policy);
    let governance = transformed.governance(&recorded, Verdict::Allow);
    let route = plan.plan.snapshot.routes.get(transformed.governed.route);
    let as_refusal = route.is_some_and(|route| route.block_as == BlockAs::Refusal)
        && transformed.admitted.identified.endpoint == Endpoint::ChatCompletions;
    let mut reply = Reply::refusal(transformed.admitted.trace(), &refusal, Some(governance));
    if as_refusal {
        let mut body = Vec::with_capacity(512);
        let (id, created) =
            (request_id_text(transformed.admitted.trace()), crate::clock::unix_seconds());
        let model = transformed.governed.model.as_bytes();
        reply.status = 200;
        reply.may_retry = None;
        if transformed.governed.stream {
            reply.content_type = b"text/event-stream";
            let usage = transformed.governed.include_usage;
            openai::refusal_stream(&mut body, &id, created, model, &refusal.message, usage);
        } else {
            openai::refusal_response(&mut body, &id, created, model, &refusal.message);
        }
        reply.body = body.into();
    }
    let status = reply.status;
    let next = connection.reply(&reply, refusal.closes).await;
    let mut outcome = Outcome::new(connection, &transformed);
    outcome.fixed.status = status;
    outcome.fixed.end = End::Blocked as u8;
    outcome.fixed.reason = forward::reason_number(Reason::Policy);
    finish(connection, transformed, recorded, &outcome);
    next
}

/// `chatcmpl-` and the request's id.
pub fn request_id_text(trace: &Trace) -> String {
    let id = String::from_utf8_lossy(&trace.request_id);
    format!("chatcmpl-{}", id.strip_prefix("req_").unwrap_or(&id))
}

/// Records the outcome, counts, and gives the storage back.
pub fn finish(
    connection: &mut Connection,
    transformed: Transformed,
    recorded: Recorded,
    outcome: &Outcome,
) {
    let worker = &connection.worker;
    let total_us = worker.clock.micros() - transformed.admitted.identified.received.start_us;
    let mut fixed = outcome.fixed;
    fixed.total_us = u32::try_from(total_us).unwrap_or(u32::MAX);
    worker.counters.added(total_us.saturating_sub(outcome.upstream_us));
    let (no_facts, no_decision) = (Facts::default(), Decision::default());
    let answered = &connection.exchange.answered;
    let (facts, decision) = if outcome.has_response_facts {
        (&answered.facts, &answered.decision)
    } else {
        (&no_facts, &no_decision)
    };
    recorded.close(OutcomeRecord { fixed, facts, decision });
    connection.exchange.governed = transformed.governed;
    connection.link.recycle(transformed.admitted.buffer);
}
