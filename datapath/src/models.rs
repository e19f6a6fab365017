//! `GET /v1/models`: the models of all routes together.
//!
//! Names that routes spell out are listed as they stand. A route that takes anything (`*`, or a
//! prefix) lists what its upstream says that it has, as far as the caller may ask for it; only ids
//! are taken from an upstream's answer, nothing else of it passes.

use crate::answer::Reply;
use crate::conn::{Connection, Next};
use crate::link::unless_left;
use crate::refusal::Refusal;
use crate::request::Identified;
use crate::worker::WorkerPlan;
use sluice_contract::limits::{HEADERS_MAX, MODEL_BYTES_MAX};
use sluice_contract::reason::Reason;
use sluice_contract::snapshot::{Credential, UpstreamKind};
use sluice_wire::dialects::openai::{self, Endpoint, ModelEntry};
use sluice_wire::http1::{
    BodyDecoder, Framing, HeadLimits, HeadWriter, Method, ResponseHead, parse_response,
};
use sluice_wire::json::{Document, JsonLimits, Kind, NodeId};
use std::rc::Rc;

/// Bytes of an upstream's list.
const LIST_BYTES_MAX: u64 = 1 << 20;

/// Models listed.
const MODELS_MAX: usize = 4096;

/// How long an upstream may take to list its models; one that takes longer is left out.
const LIST_TIMEOUT_MS: u64 = 3_000;

/// Answers `GET /v1/models` and `GET /v1/models/{id}`.
pub async fn serve(connection: &mut Connection, identified: &Identified) -> Next {
    let plan = Rc::clone(&identified.received.plan);
    let buffer = connection.link.received();
    let wanted = openai::model_id(connection.exchange.head.path(buffer))
        .map(|id| String::from_utf8_lossy(&id).into_owned());
    let closes = connection.exchange.head.framing != Framing::None;
    connection.link.consume(identified.received.head_bytes);
    let Some(models) = collect(connection, &plan, identified.caller).await else {
        return Next::Drop;
    };
    let mut body = Vec::with_capacity(1024);
    if identified.endpoint == Endpoint::Model {
        let id = wanted.unwrap_or_default();
        let Some((name, owner)) = models.iter().find(|(name, _)| *name == id) else {
            let refusal = Refusal::new(Reason::ModelNotFound, "no route serves this model");
            let refusal = if closes { refusal.closing() } else { refusal };
            return connection.refuse(&identified.received.trace, &refusal).await;
        };
        openai::model_object(&mut body, &ModelEntry { id: name, created: 0, owned_by: owner });
    } else {
        let entries =
            models.iter().map(|(name, owner)| ModelEntry { id: name, created: 0, owned_by: owner });
        openai::models_list(&mut body, entries);
    }
    let reply = Reply::json(&identified.received.trace, 200, &body, None);
    connection.reply(&reply, closes).await
}

/// Model names and the upstreams that they go to; `None` where the client left.
async fn collect(
    connection: &mut Connection,
    plan: &Rc<WorkerPlan>,
    caller: usize,
) -> Option<Vec<(String, String)>> {
    let mut models: Vec<(String, String)> = Vec::new();
    let mut asked: Vec<usize> = Vec::new();
    for (index, route) in plan.plan.snapshot.routes.iter().enumerate() {
        let Some(target) = route.targets.first() else { continue };
        let Some(upstream) = plan.plan.snapshot.upstreams.get(target.upstream) else { continue };
        let mut found: Vec<String> =
            route.models.iter().filter(|model| !model.ends_with('*')).cloned().collect();
        let is_open = route.models.iter().any(|model| model.ends_with('*'));
        if is_open && upstream.kind == UpstreamKind::Echo {
            found.push(upstream.name.clone());
        } else if is_open && !asked.contains(&target.upstream) {
            asked.push(target.upstream);
            found.extend(ask(connection, plan, target.upstream).await?);
        }
        for model in found {
            let served = plan.plan.route_for(&model) == Some(index);
            let may = plan.plan.identity.caller(caller).is_some_and(|c| c.may_ask_for(&model));
            let known = models.iter().any(|(name, _)| *name == model);
            if served && may && !known && models.len() < MODELS_MAX {
                models.push((model, upstream.name.clone()));
            }
        }
    }
    Some(models)
}

/// Asks an upstream for its models. One that fails has none; `None` where the client left.
async fn ask(
    connection: &mut Connection,
    plan: &Rc<WorkerPlan>,
    upstream: usize,
) -> Option<Vec<String>> {
    let pools = Rc::clone(&connection.worker.pools);
    let clock = connection.worker.clock;
    let asking = async {
        let mut lease = pools.lease(&plan.plan, upstream, true).await.ok()?;
        let link = lease.link()?;
        link.watch().kill_at(clock.millis() + LIST_TIMEOUT_MS);
        let message = build(link.outgoing(), plan, upstream)?;
        link.send(message).await.ok()?;
        let limits = HeadLimits { head_bytes: 32 << 10, target_bytes: 0, headers: HEADERS_MAX };
        let mut head = ResponseHead::new();
        loop {
            if !link.received().is_empty()
                && let Some(bytes) = parse_response(link.received(), &limits, &mut head).ok()?
            {
                link.consume(bytes);
                if !head.is_informational() {
                    break;
                }
                head.clear();
                continue;
            }
            link.more().await.ok()?;
        }
        if head.status != 200 || head.content_encoding.is_some() {
            return None;
        }
        let mut decoder = BodyDecoder::for_response(head.framing(Method::Get), LIST_BYTES_MAX);
        let mut body = Vec::new();
        loop {
            let decoded = decoder.decode(link.received(), &mut body).ok()?;
            link.consume(decoded.consumed);
            if decoded.done {
                break;
            }
            if link.more().await.is_err() {
                decoder.finish().ok()?;
                break;
            }
        }
        let keeps_alive = head.keep_alive;
        if keeps_alive {
            lease.keep();
        }
        Some(ids(&body))
    };
    let found = unless_left(&mut connection.link, asking).await?;
    Some(found.unwrap_or_default())
}

fn build(mut message: Vec<u8>, plan: &WorkerPlan, upstream: usize) -> Option<Vec<u8>> {
    let configured = plan.plan.snapshot.upstreams.get(upstream)?;
    let prepared = plan.plan.upstreams.get(upstream)?;
    let target = [configured.base_path.as_bytes(), b"/v1/models"].concat();
    let mut head = HeadWriter::request(&mut message, Method::Get, &target, &prepared.host);
    head.header(b"accept", b"application/json");
    head.header(b"accept-encoding", b"identity");
    if configured.credential == Credential::Key
        && let Some(authorization) = &prepared.authorization
    {
        head.header(b"authorization", authorization);
    }
    head.finish().ok()?;
    Some(message)
}

/// The ids in an upstream's list.
fn ids(body: &[u8]) -> Vec<String> {
    let limits = JsonLimits { depth: 16, nodes: 64 << 10, bytes: body.len() };
    let mut document = Document::new();
    if document.parse(body, &limits).is_err() {
        return Vec::new();
    }
    let Some(data) = document.get(NodeId::default(), b"data") else { return Vec::new() };
    if document.kind(data) != Kind::Array {
        return Vec::new();
    }
    document
        .elements(data)
        .filter_map(|model| document.get(model, b"id"))
        .filter(|id| document.kind(*id) == Kind::String)
        .filter_map(|id| document.text_str(id))
        .filter(|id| !id.is_empty() && id.len() <= MODEL_BYTES_MAX)
        .map(str::to_owned)
        .take(MODELS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_are_taken() {
        let body = br#"{"data":[{"id":"a","x":"secret"},{"id":7},{"no":1},{"id":"b"}]}"#;
        assert_eq!(ids(body), ["a", "b"]);
        assert!(ids(b"not json").is_empty() && ids(b"{\"data\":3}").is_empty());
    }
}
