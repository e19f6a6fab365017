//! Inspect, decide and rewrite a request: here, or on the side thread where the body is long.

use super::{Admitted, Transformed};
use crate::conn::Connection;
use crate::govern::Ask;
use crate::refusal::Refusal;
use crate::side::Work;
use sluice_contract::limits::INLINE_INSPECT_BYTES;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

/// Takes a request through inspection, decision and rewriting for the target at `attempt` of its
/// route. On a refusal the request comes back, unless it was lost with a panic.
pub async fn transform(
    connection: &mut Connection,
    admitted: Admitted,
    attempt: usize,
) -> Result<Transformed, (Option<Admitted>, Refusal)> {
    let begun = connection.worker.clock.micros();
    let ask = Ask {
        endpoint: admitted.identified.endpoint,
        caller: admitted.identified.caller,
        session: admitted.identified.session,
        attempt,
    };
    let mut governed = std::mem::take(&mut connection.exchange.governed);
    let mut admitted = admitted;
    let result = if admitted.body.len() <= INLINE_INSPECT_BYTES {
        let plan = Rc::clone(admitted.plan());
        let body = admitted.raw_body();
        // A panic is our bug; it costs this request only, and nothing of it is forwarded.
        catch_unwind(AssertUnwindSafe(|| match plan.inspector.try_borrow_mut() {
            Ok(mut inspector) => inspector.request(&plan.plan, &ask, body, &mut governed),
            Err(_) => Err(Refusal::new(Reason::Internal, "the inspector is in use")),
        }))
        .unwrap_or_else(|_panic| {
            connection.worker.counters.count(Counter::Panics);
            Err(Refusal::new(
                Reason::Internal,
                "the inspection failed; the request was not forwarded",
            ))
        })
    } else {
        connection.worker.counters.count(Counter::InspectAside);
        let plan = Arc::clone(&admitted.plan().plan);
        let buffer = std::mem::take(&mut admitted.buffer);
        let body = admitted.body.clone();
        let side = &connection.worker.side;
        match side.govern(plan, Work::Request(ask), buffer, body, governed).await {
            Ok(job) => {
                admitted.buffer = job.buffer;
                governed = job.out;
                job.result
            }
            Err((Some(job), refusal)) => {
                admitted.buffer = job.buffer;
                governed = job.out;
                Err(refusal)
            }
            Err((None, refusal)) => return Err((None, refusal)),
        }
    };
    let decided_us = connection.worker.clock.micros();
    connection.worker.counters.add(Counter::InspectMicros, decided_us - begun);
    match result {
        Ok(()) => {
            connection.worker.counters.add(Counter::Findings, governed.findings);
            connection.worker.counters.add(Counter::Redactions, governed.redactions);
            Ok(Transformed { admitted, governed, decided_us, attempt })
        }
        Err(refusal) => {
            connection.exchange.governed = governed;
            Err((Some(admitted), refusal))
        }
    }
}
