//! Inspect, decide, transform: the part of a request that only computes.
//!
//! One [`Inspector`] a worker (and one for its side thread) holds everything that is reused: the
//! parsed document, the batch of texts, the scanner, the decision cache. [`Inspector::request`] and
//! [`Inspector::response`] run the stages in order, without a pause, into a [`Governed`] that the
//! connection keeps. A body that was not governed can't be forwarded: only these two fill a
//! [`Governed`], and the forwarding stage takes nothing else.

mod commit;
mod rewrite;

pub use commit::{Commitment, StreamCommitment, commit, opaque_id, opaque_id_128};

use crate::plan::Plan;
use crate::refusal::Refusal;
use rewrite::Rewriter;
use sluice_contract::class::Class;
use sluice_contract::decision::{Decision, Verdict};
use sluice_contract::facts::{Facts, Flags, Origin, Score};
use sluice_contract::ids::NameId;
use sluice_contract::reason::Reason;
use sluice_contract::snapshot::{Enforcement, Route};
use sluice_detectors::{Batch, MEDIUM, Report, Scanner};
use sluice_policy::{
    DecisionCache, Direction, OPERATING_POINTS, PrincipalRef, Question, QuestionKeys, RouteRef,
    TargetRef,
};
use sluice_wire::dialects::openai::{Endpoint, RequestView, ResponseView};
use sluice_wire::dialects::{self, Opaque, OpaqueKind, Text};
use sluice_wire::json::{Document, JsonLimits, NodeId};
use std::sync::Arc;

/// What is asked of the stages, beside the body.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The caller, by its index in the plan.
    pub caller: usize,
    /// Keyed hash of the session that the head names.
    pub session: Option<u64>,
    /// The target to decide for, by its place in the route.
    pub attempt: usize,
}

/// What the stages made of a body. Reused from request to request.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts of a request")]
pub struct Governed {
    /// The model that was asked for.
    pub model: String,
    /// Keyed hash of the model.
    pub model_key: u64,
    /// The route, by its index.
    pub route: usize,
    /// The upstream, by its index.
    pub upstream: usize,
    /// The client asked for a stream.
    pub stream: bool,
    /// The stream is to end with token counts.
    pub include_usage: bool,
    /// Embeddings are to be in base64.
    pub base64_vectors: bool,
    /// Bound on output tokens; 0 where there is none.
    pub max_tokens: u32,
    /// Keyed hash of the session.
    pub session: u64,
    /// What is known of the content.
    pub facts: Facts,
    /// What policy says.
    pub decision: Decision,
    /// What is carried out: differs from the decision under observe.
    pub verdict: Verdict,
    /// Whether `body` stands for the body that was given.
    pub is_rewritten: bool,
    /// The new body.
    pub body: Vec<u8>,
    /// Findings that were rewritten.
    pub redactions: u64,
    /// Findings.
    pub findings: u64,
    /// Where the first finding that led to a block stands.
    pub block_path: String,
    /// Tokens that a response reports.
    pub usage: Option<dialects::Usage>,
}

impl Governed {
    /// Forgets the request; keeps the storage.
    pub fn clear(&mut self) {
        self.model.clear();
        self.body.clear();
        self.block_path.clear();
        self.facts.clear();
        self.decision = Decision::default();
        self.verdict = Verdict::Allow;
        self.is_rewritten = false;
        self.redactions = 0;
        self.findings = 0;
        self.stream = false;
        self.include_usage = false;
        self.base64_vectors = false;
        self.max_tokens = 0;
        self.session = 0;
        self.usage = None;
    }

    /// Whether the verdict that policy gave is carried out.
    pub fn is_observed(&self) -> bool {
        self.verdict != self.decision.verdict
    }

    /// The refusal that a block is.
    pub fn block(&self, plan: &Plan, reason: Reason) -> Refusal {
        let mut classes: Vec<Class> = self
            .decision
            .classes
            .iter()
            .filter(|action| action.verdict == Verdict::Block)
            .map(|action| action.class)
            .collect();
        classes.dedup();
        let policy = self.decision.policies.first();
        let name = policy.and_then(|id| plan.engine.name(*id)).unwrap_or("sluice.default_deny");
        let mut what: Vec<&str> = classes.iter().map(|class| class.name()).collect();
        if what.is_empty() {
            // No class led here, so scores did, or the absence of a permit.
            let scores = Score::ALL.into_iter().filter(|score| *score != Score::Risk);
            let high = scores.filter(|score| self.facts.scores.of(*score) >= MEDIUM);
            what.extend(high.map(Score::name));
        }
        if what.is_empty() {
            what.push("this request");
        }
        let what = what.join(", ");
        let whither = match plan.snapshot.upstreams.get(self.upstream) {
            Some(upstream) => format!(" for {} target `{}`", upstream.trust.name(), upstream.name),
            None => String::new(),
        };
        let advice = policy.and_then(|id| plan.engine.advice(*id));
        let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
        let mut refusal =
            Refusal::new(reason, format!("blocked by policy `{name}`: {what}{whither}{advice}"))
                .at(self.block_path.clone());
        refusal.classes = classes;
        refusal.policy = Some(name.to_owned());
        refusal
    }
}

/// Everything that the stages reuse.
pub struct Inspector {
    document: Document,
    request: RequestView,
    response: ResponseView,
    batch: Batch,
    scanner: Scanner,
    report: Report,
    rewriter: Rewriter,
    cache: DecisionCache,
}

/// A scanner could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a scanner: {0}")]
pub struct NoScanner(String);

/// A document that grew beyond this is let go.
const KEEP_BYTES: usize = 1 << 20;

impl Inspector {
    /// An inspector for `plan`.
    pub fn new(plan: &Plan) -> Result<Inspector, NoScanner> {
        let scanner =
            Scanner::new(Arc::clone(&plan.pack)).map_err(|error| NoScanner(error.to_string()))?;
        Ok(Inspector {
            document: Document::new(),
            request: RequestView::new(),
            response: ResponseView::new(),
            batch: Batch::default(),
            scanner,
            report: Report::default(),
            rewriter: Rewriter::default(),
            cache: DecisionCache::new(),
        })
    }

    /// Hits and misses of the decision cache.
    pub fn cache_stats(&self) -> sluice_policy::CacheStats {
        self.cache.stats()
    }

    /// Inspects, decides and transforms a request.
    pub fn request(
        &mut self,
        plan: &Plan,
        ask: &Ask,
        body: &[u8],
        out: &mut Governed,
    ) -> Result<(), Refusal> {
        out.clear();
        let limits = &plan.snapshot.limits;
        self.document.parse(body, &json_limits(limits.json_depth, limits.json_nodes, body))?;
        self.request.read(ask.endpoint, &self.document, body)?;
        let target_model = self.choose(plan, ask, out)?;

        self.batch.clear();
        fill(&mut self.batch, &self.document, self.request.texts(), |text| {
            self.request.pieces(text)
        });
        self.batch.end();
        self.scanner.scan(&self.batch, &mut self.report);
        self.report.facts(&self.batch, &mut out.facts);
        add_opaque(&mut out.facts, self.request.opaque());

        decide(plan, ask.caller, Direction::Request, &mut self.cache, out);
        self.rewriter.clear();
        if let Some(model) = target_model
            && out.verdict != Verdict::Block
        {
            self.rewriter.replace_string(&self.document, self.request.model, model);
        }
        let view = &self.request;
        self.rewriter.plan(
            &self.document,
            body,
            view.texts(),
            |text| view.pieces(text),
            &self.report.findings,
            out,
        );
        if out.verdict == Verdict::Block && out.block_path.is_empty() {
            self.name_attack(out);
        }
        self.rewriter.apply(body, out)?;
        self.shrink();
        Ok(())
    }

    /// A block without a finding comes from scores: names the text that has the highest.
    fn name_attack(&self, out: &mut Governed) {
        let view = &self.request;
        let score = |index: usize| {
            let scores = self.report.text_scores.get(index)?;
            let most = OPERATING_POINTS.iter().map(|points| scores.of(points.score)).max()?;
            (most > 0).then_some(most)
        };
        // The last of several: a conversation is sent again with each turn, and the new one counts.
        let highest = (0..view.texts().len()).max_by_key(|index| score(*index));
        let Some(index) = highest.filter(|index| score(*index).is_some()) else { return };
        let Some(text) = view.texts().get(index) else { return };
        let first = view.pieces(text).first().copied().unwrap_or_default();
        out.block_path = self.document.path(first);
    }

    /// Reads what the request asks for and finds its route and target; the model that the target
    /// wants instead.
    fn choose<'p>(
        &self,
        plan: &'p Plan,
        ask: &Ask,
        out: &mut Governed,
    ) -> Result<Option<&'p str>, Refusal> {
        let view = &self.request;
        let model = self.document.text_str(view.model).unwrap_or_default();
        out.model.push_str(model);
        out.model_key = opaque_id(plan, "model", model.as_bytes());
        out.stream = view.stream;
        out.include_usage = view.include_usage;
        out.base64_vectors = view.base64_vectors;
        out.max_tokens =
            view.max_tokens.map_or(0, |tokens| u32::try_from(tokens).unwrap_or(u32::MAX));
        let caller = plan.identity.caller(ask.caller);
        if !caller.is_some_and(|caller| caller.may_ask_for(model)) {
            return Err(Refusal::new(
                Reason::ModelNotAllowed,
                "this api key may not ask for this model; see `sluice key list`",
            )
            .at("model".into()));
        }
        let Some(route) = plan.route_for(model) else {
            return Err(Refusal::new(
                Reason::ModelNotFound,
                "no route takes this model; GET /v1/models lists those that are served",
            )
            .at("model".into()));
        };
        out.route = route;
        let target = plan.snapshot.routes.get(route).and_then(|r| r.targets.get(ask.attempt));
        let Some(target) = target else {
            return Err(Refusal::new(Reason::UpstreamUnreachable, "no target is left to try"));
        };
        out.upstream = target.upstream;
        out.session = ask.session.unwrap_or_else(|| {
            let principal = caller.map_or(0, |caller| caller.principal.ids.principal);
            match view.session {
                Some(node) => opaque_id(plan, "session", self.document.text(node)),
                None => opaque_id(plan, "session", &principal.to_le_bytes()),
            }
        });
        Ok(target.model.as_deref())
    }

    /// Inspects, decides and transforms a response, for the request in `asked`. What is not JSON
    /// is inspected as one text.
    pub fn response(
        &mut self,
        plan: &Plan,
        caller: usize,
        asked: &Governed,
        body: &[u8],
        out: &mut Governed,
    ) -> Result<(), Refusal> {
        out.clear();
        out.model.push_str(&asked.model);
        out.model_key = asked.model_key;
        out.route = asked.route;
        out.upstream = asked.upstream;
        let limits = &plan.snapshot.limits;
        let parsed =
            self.document.parse(body, &json_limits(limits.json_depth, limits.json_nodes, body));
        if let Err(error) = parsed {
            return Err(Refusal::new(
                Reason::UpstreamUninspectable,
                format!("the upstream's answer cannot be inspected: {error}"),
            ));
        }
        self.response.read(&self.document);
        out.usage = self.response.usage;
        self.batch.clear();
        fill(&mut self.batch, &self.document, self.response.texts(), |text| {
            self.response.pieces(text)
        });
        self.batch.end();
        self.scanner.scan(&self.batch, &mut self.report);
        self.report.facts(&self.batch, &mut out.facts);
        add_opaque(&mut out.facts, self.response.opaque());

        decide(plan, caller, Direction::Response, &mut self.cache, out);
        self.rewriter.clear();
        let view = &self.response;
        self.rewriter.plan(
            &self.document,
            body,
            view.texts(),
            |text| view.pieces(text),
            &self.report.findings,
            out,
        );
        self.rewriter.apply(body, out)?;
        self.shrink();
        Ok(())
    }

    fn shrink(&mut self) {
        self.document.shrink(KEEP_BYTES);
    }
}

fn json_limits(depth: usize, nodes: usize, body: &[u8]) -> JsonLimits {
    // The size was bounded while the body was read.
    JsonLimits { depth, nodes, bytes: body.len() }
}

fn origin(origin: dialects::Origin) -> Origin {
    match origin {
        dialects::Origin::System => Origin::System,
        dialects::Origin::Developer => Origin::Developer,
        dialects::Origin::User => Origin::User,
        dialects::Origin::Assistant => Origin::Assistant,
        dialects::Origin::ToolResult => Origin::ToolResult,
        dialects::Origin::ToolCall => Origin::ToolCall,
        dialects::Origin::ToolDefinition => Origin::ToolDefinition,
        dialects::Origin::Document => Origin::Document,
        dialects::Origin::Attachment => Origin::Attachment,
        dialects::Origin::Metadata => Origin::Metadata,
        dialects::Origin::Key => Origin::Key,
    }
}

/// Puts every text into the batch, in order: text `n` of the batch is text `n` of the view.
fn fill<'v>(
    batch: &mut Batch,
    document: &Document,
    texts: &'v [Text],
    pieces: impl Fn(&'v Text) -> &'v [NodeId],
) {
    for text in texts {
        let key = text.key.and_then(|key| document.text_str(key));
        batch.begin(origin(text.origin), key);
        for piece in pieces(text) {
            batch.push(piece_text(document, *piece));
        }
        batch.end();
    }
}

/// The text of a string, a key or a number.
fn piece_text(document: &Document, piece: NodeId) -> &str {
    // INVARIANT: a document's strings are UTF-8 and its numbers ASCII, or it would not have parsed.
    let text = document.text_str(piece);
    text.unwrap_or_else(|| std::str::from_utf8(document.text(piece)).unwrap_or_default())
}

/// What can't be inspected is a finding of its own class.
fn add_opaque(facts: &mut Facts, opaque: &[Opaque]) {
    for part in opaque {
        let class = match part.kind {
            OpaqueKind::Image => Class::OPAQUE_IMAGE,
            OpaqueKind::Audio => Class::OPAQUE_AUDIO,
            OpaqueKind::Video | OpaqueKind::File => Class::OPAQUE_FILE,
            OpaqueKind::RemoteImage => Class::OPAQUE_REMOTE,
            OpaqueKind::Tokens => Class::OPAQUE_TOKENS,
            // A vector is what the model made; it holds nothing that was not inspected.
            OpaqueKind::Vector => continue,
        };
        facts.add(class, Origin::Attachment, 100);
        facts.flags.set(Flags::OPAQUE);
        let bytes = u32::try_from(part.bytes).unwrap_or(u32::MAX);
        facts.opaque_bytes = facts.opaque_bytes.saturating_add(bytes);
    }
}

/// Asks policy, and works out what is carried out.
fn decide(
    plan: &Plan,
    caller: usize,
    direction: Direction,
    cache: &mut DecisionCache,
    out: &mut Governed,
) {
    let (Some(route), Some(prepared), Some(upstream), Some(caller_entry)) = (
        plan.snapshot.routes.get(out.route),
        plan.routes.get(out.route),
        plan.snapshot.upstreams.get(out.upstream),
        plan.identity.caller(caller),
    ) else {
        // INVARIANT: indices come from this plan. Should that ever fail, nothing passes.
        out.decision = Decision { verdict: Verdict::Block, errored: true, ..Decision::default() };
        out.verdict = Verdict::Block;
        return;
    };
    let question = Question {
        direction,
        principal: &PrincipalRef::from(&caller_entry.principal),
        route: &RouteRef {
            name: &route.name,
            enforcement: route.enforcement,
            allow_opaque: route.allow_opaque,
        },
        model: &out.model,
        target: &TargetRef {
            name: &upstream.name,
            provider: upstream.kind.name(),
            trust: upstream.trust,
            region: upstream.region.as_deref().unwrap_or_default(),
        },
        facts: &out.facts,
        keys: QuestionKeys {
            principal: caller as u64,
            route: u32::try_from(out.route).unwrap_or(u32::MAX),
            target: u32::try_from(out.upstream).unwrap_or(u32::MAX),
            model: out.model_key,
        },
    };
    out.decision.clone_from(prepared.policy.decide(&question, cache));
    out.verdict = carried_out(route, &out.decision);
}

/// Under observe nothing is changed or blocked.
fn carried_out(route: &Route, decision: &Decision) -> Verdict {
    match route.enforcement {
        Enforcement::Enforce => decision.verdict,
        Enforcement::Observe => decision.verdict.min(Verdict::Alert),
    }
}

/// The model in records: its name where the configuration knows it, else its keyed hash; and
/// whether it is one.
pub fn model_in_record(plan: &Plan, governed: &Governed) -> (u64, bool) {
    let model = governed.model.as_str();
    let known = plan.snapshot.routes.get(governed.route).is_some_and(|route| {
        route.models.iter().any(|name| name == model)
            || route.targets.iter().any(|target| target.model.as_deref() == Some(model))
    });
    if known { (NameId::of(model).0, false) } else { (governed.model_key, true) }
}
