//! One request as a row: what `audit list` prints and `tail` shows.

use super::time::rfc3339;
use serde::Serialize;
use sluice_contract::class::Class;
use sluice_contract::decision::Verdict;
use sluice_contract::ids::SnapshotHash;
use sluice_contract::reason::Reason;
use sluice_contract::record::{
    ClassEntry, DecisionFixed, DecisionView, End, OutcomeFixed, OutcomeView,
};
use std::collections::{BTreeMap, HashMap};

/// A decision and its outcome, joined. Fields of the outcome are null where none came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    /// Id of the decision record, as in `x-sluice-record`.
    pub record: String,
    /// Time of the decision, RFC 3339 in UTC.
    pub time: String,
    /// The principal: its name where one is known, else its opaque id in hex.
    pub principal: String,
    /// What was done with the request.
    pub verdict: &'static str,
    /// What was found in the request, and how often.
    pub classes: BTreeMap<String, u32>,
    /// Model asked for; `hash:...` where the configuration does not know it.
    pub model: String,
    /// The upstream; null where there was none.
    pub target: Option<String>,
    /// Status sent to the client, 0 where none was sent; null without an outcome.
    pub status: Option<u16>,
    /// What policy said; differs from `verdict` under observe.
    pub decided: &'static str,
    /// Whether the route only observes.
    pub observe: bool,
    /// `internal` or `external`.
    pub trust: &'static str,
    /// The route.
    pub route: String,
    /// Policies that determined the verdict.
    pub policies: Vec<String>,
    /// The tenant, as `principal`.
    pub tenant: Option<String>,
    /// The application, as `principal`.
    pub application: Option<String>,
    /// The user, as `principal`.
    pub user: Option<String>,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// Whether the request waited for its record to be on disk.
    pub sync: bool,
    /// Attempt at a target, from 0.
    pub attempt: u8,
    /// First twelve digits of the snapshot's hash.
    pub snapshot: String,
    /// Request id, hex; a keyed hash where the client chose it.
    pub request_id: String,
    /// Trace id, hex.
    pub trace_id: String,
    /// Bytes of the request body received.
    pub received_bytes: u32,
    /// How the request ended.
    pub end: Option<&'static str>,
    /// Code of the reason, where the request was refused after its decision.
    pub reason: Option<&'static str>,
    /// What was done with the response.
    pub response_verdict: Option<&'static str>,
    /// What was found in the response, and how often.
    pub response_classes: Option<BTreeMap<String, u32>>,
    /// Bytes of the response body released.
    pub response_bytes: Option<u64>,
    /// Status of the upstream; 0 where none came.
    pub upstream_status: Option<u16>,
    /// Prompt tokens by the upstream's count.
    pub prompt_tokens: Option<u32>,
    /// Completion tokens.
    pub completion_tokens: Option<u32>,
    /// Prompt tokens read from the provider's cache.
    pub cached_tokens: Option<u32>,
    /// From the first byte of the request to the decision, microseconds.
    pub decided_us: Option<u32>,
    /// Waiting for the record, microseconds.
    pub audit_wait_us: Option<u32>,
    /// From forwarding to the first byte of the upstream's answer, microseconds.
    pub first_byte_us: Option<u32>,
    /// From the first byte of the request to the last of the answer, microseconds.
    pub total_us: Option<u32>,
}

/// The names that ids stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Names of the configuration, from dictionary records.
    pub configured: HashMap<u64, String>,
    /// Names of opaque ids, from the map kept apart from the log.
    pub principals: HashMap<u64, String>,
}

impl Names {
    fn configured(&self, id: u64) -> String {
        self.configured.get(&id).cloned().unwrap_or_else(|| format!("{id:016x}"))
    }

    fn opaque(&self, id: u64) -> String {
        self.principals.get(&id).cloned().unwrap_or_else(|| format!("{id:016x}"))
    }
}

impl Row {
    pub(super) fn new(
        decision: &DecisionView,
        outcome: Option<&OutcomeView>,
        names: &Names,
    ) -> Row {
        let fixed = &decision.fixed;
        let has = |flag: u32| fixed.flags & flag != 0;
        let some = |id: u64| (id != 0).then(|| names.opaque(id));
        let target = match (fixed.target, outcome.map_or(0, |outcome| outcome.fixed.target)) {
            (0, 0) => None,
            (0, answered) => Some(names.configured(answered)),
            (asked, _) => Some(names.configured(asked)),
        };
        let model = if has(DecisionFixed::FLAG_MODEL_HASHED) {
            format!("hash:{:016x}", fixed.model)
        } else {
            names.configured(fixed.model)
        };
        let end = outcome.map(|outcome| &outcome.fixed);
        Row {
            record: decision.header.id().to_string(),
            time: rfc3339(decision.header.time_ns),
            principal: names.opaque(fixed.principal),
            verdict: verdict(fixed.verdict),
            classes: counts(&decision.classes),
            model,
            target,
            status: end.map(|end| end.status),
            decided: verdict(fixed.decided),
            observe: has(DecisionFixed::FLAG_OBSERVE),
            trust: if fixed.trust == 0 { "internal" } else { "external" },
            route: names.configured(fixed.route),
            policies: decision.policies.iter().map(|id| names.configured(*id)).collect(),
            tenant: some(fixed.tenant),
            application: some(fixed.application),
            user: some(fixed.user),
            stream: has(DecisionFixed::FLAG_STREAM),
            sync: has(DecisionFixed::FLAG_SYNC),
            attempt: fixed.attempt,
            snapshot: SnapshotHash(fixed.snapshot).to_string().chars().take(12).collect(),
            request_id: hex(&fixed.request_id),
            trace_id: hex(&fixed.trace_id),
            received_bytes: fixed.received_bytes,
            end: end.map(|end| End::from_number(end.end).map_or("unknown", End::name)),
            reason: end.and_then(reason),
            response_verdict: end.map(|end| verdict(end.verdict)),
            response_classes: outcome.map(|outcome| counts(&outcome.classes)),
            response_bytes: end.map(|end| end.response_bytes),
            upstream_status: end.map(|end| end.upstream_status),
            prompt_tokens: end.map(|end| end.prompt_tokens),
            completion_tokens: end.map(|end| end.completion_tokens),
            cached_tokens: end.map(|end| end.cached_tokens),
            decided_us: end.map(|end| end.decided_us),
            audit_wait_us: end.map(|end| end.audit_wait_us),
            first_byte_us: end.map(|end| end.first_byte_us),
            total_us: end.map(|end| end.total_us),
        }
    }
}

fn verdict(number: u8) -> &'static str {
    Verdict::from_number(number).map_or("unknown", Verdict::name)
}

/// The reason of an outcome. The record keeps the low byte of its number, which is all of it.
fn reason(end: &OutcomeFixed) -> Option<&'static str> {
    match end.reason {
        0 => None,
        number => Some(Reason::from_number(u16::from(number)).map_or("unknown", Reason::code)),
    }
}

fn counts(classes: &[ClassEntry]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for entry in classes {
        let name = match Class(entry.class).row() {
            Some(row) => row.name.to_owned(),
            None => format!("class_{}", entry.class),
        };
        *counts.entry(name).or_insert(0) += u32::from(entry.count);
    }
    counts
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}
