//! Canaries: made-up secrets, identifiers and attacks that go through the real stages at start and
//! at each reload. A guard that does nothing keeps the node from getting ready.
//!
//! Each canary of the detectors goes in as a chat message, as a tool result, and as a completion's
//! prompt; what counts is that the facts name it, whatever this node's policies then do.

use crate::govern::{Ask, Governed, Inspector};
use crate::plan::Plan;
use sluice_detectors::{Canary, Expect, canaries};
use sluice_wire::dialects::openai::Endpoint;
use sluice_wire::json::escape_into;

/// Runs every canary on every surface. Returns how many were caught, and how many there are.
pub fn run(plan: &Plan, inspector: &mut Inspector) -> (u32, u32) {
    // Canaries need a model that a route takes; a pattern stands for any of its names.
    let model = plan.snapshot.routes.first().and_then(|route| route.models.first());
    let model = model.map_or("canary", |model| model.strip_suffix('*').unwrap_or(model));
    let model = if model.is_empty() { "canary" } else { model };
    let mut governed = Governed::default();
    let (mut passed, mut all) = (0, 0);
    for canary in canaries() {
        for (endpoint, body) in surfaces(model, &canary.text) {
            all += 1;
            if is_caught(plan, inspector, &mut governed, endpoint, &body, &canary) {
                passed += 1;
            } else {
                tracing::error!(canary = %canary.name, ?endpoint, "a canary was not caught");
            }
        }
    }
    (passed, all)
}

fn is_caught(
    plan: &Plan,
    inspector: &mut Inspector,
    governed: &mut Governed,
    endpoint: Endpoint,
    body: &[u8],
    canary: &Canary,
) -> bool {
    let caller = plan.identity.for_canaries();
    let ask = Ask { endpoint, caller, session: None, attempt: 0 };
    if let Err(refusal) = inspector.request(plan, &ask, body, governed) {
        tracing::error!(reason = refusal.reason.code(), "a canary was refused");
        return false;
    }
    match canary.expects {
        Expect::Class(class) => governed.facts.classes.iter().any(|fact| fact.class.is_a(class)),
        Expect::Score(score, at_least) => governed.facts.scores.of(score) >= at_least,
    }
}

fn surfaces(model: &str, text: &str) -> [(Endpoint, Vec<u8>); 3] {
    let body = |before: &str, after: &str| {
        let mut body = b"{\"model\":\"".to_vec();
        escape_into(&mut body, model.as_bytes());
        body.extend_from_slice(before.as_bytes());
        escape_into(&mut body, text.as_bytes());
        body.extend_from_slice(after.as_bytes());
        body
    };
    [
        (
            Endpoint::ChatCompletions,
            body("\",\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}"),
        ),
        (
            Endpoint::ChatCompletions,
            body(
                "\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"",
                "\"}]}",
            ),
        ),
        (Endpoint::Completions, body("\",\"prompt\":\"", "\"}")),
    ]
}
