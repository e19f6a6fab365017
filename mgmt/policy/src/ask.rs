//! One decision as questions to Cedar: the entities and contexts, made from the inputs.
//!
//! This runs on a cache miss only. Entities are a handful made for the question, not a store: the
//! principal under its groups, the model under its target, the classes found under their
//! ancestors. Policies are validated at load to look no further (dereference level 1).

use crate::field::{Field, Number};
use crate::inputs::{Bit, Inputs};
use crate::question::Question;
use crate::reads::Reads;
use crate::schema::{Action, Types, enforcement_name};
use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicyId,
    PolicySet, Request, RestrictedExpression,
};
use sluice_contract::class::Class;
use sluice_contract::facts::{ClassFact, Origin, Score};
use sluice_contract::snapshot::{Enforcement, Trust};
use std::collections::HashSet;

/// The policies that can apply to one action. Permits and forbids are asked apart, so that a forbid
/// with a mild obligation does not hide that no permit matches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    pub(crate) permits: PolicySet,
    pub(crate) forbids: PolicySet,
}

/// What the policies of a slice say.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) permits: Vec<PolicyId>,
    pub(crate) forbids: Vec<PolicyId>,
    pub(crate) errors: Vec<PolicyId>,
}

/// Cedar could not even be asked: a bug of ours, and a block.
#[derive(Debug)]
pub(crate) struct Unasked;

/// Puts questions that share a principal, a model and a target.
pub(crate) struct Asker<'a> {
    question: &'a Question<'a>,
    inputs: &'a Inputs,
    reads: &'a Reads,
    types: &'a Types,
    authorizer: Authorizer,
    entities: Entities,
    principal: EntityUid,
    model: EntityUid,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(
        question: &'a Question<'a>,
        inputs: &'a Inputs,
        reads: &'a Reads,
        types: &'a Types,
    ) -> Result<Asker<'a>, Unasked> {
        let mut entities = Vec::with_capacity(2 + inputs.classes.len());
        let principal = if reads.names_principal() {
            let (uid, parents) = principal(question, types);
            entities.push(Entity::new_no_attrs(uid.clone(), parents));
            uid
        } else {
            Types::uid(&types.application, "")
        };
        let model = if reads.names_model() {
            let uid = Types::uid(&types.model, question.model);
            let parents = HashSet::from([
                Types::uid(&types.target, question.target.name),
                Types::uid(&types.provider, question.target.provider),
            ]);
            entities.push(Entity::new_no_attrs(uid.clone(), parents));
            uid
        } else {
            Types::uid(&types.model, "")
        };
        for fact in &inputs.classes {
            let ancestors = fact.class.lineage().skip(1).map(|class| class_uid(types, class));
            let uid = class_uid(types, fact.class);
            entities.push(Entity::new_no_attrs(uid, ancestors.collect()));
        }
        Ok(Asker {
            question,
            inputs,
            reads,
            types,
            authorizer: Authorizer::new(),
            entities: Entities::from_entities(entities, None).map_err(drop_error)?,
            principal,
            model,
        })
    }

    /// What `slice` says to `action` on the whole content, or on one class of it.
    pub(crate) fn ask(
        &self,
        action: Action,
        class: Option<&ClassFact>,
        slice: &Slice,
    ) -> Result<Said, Unasked> {
        let resource = match class {
            Some(fact) => class_uid(self.types, fact.class),
            None => self.model.clone(),
        };
        let request = Request::new(
            self.principal.clone(),
            self.types.action(action),
            resource,
            self.context(class)?,
            None,
        )
        .map_err(drop_error)?;
        let mut said = Said::default();
        for (policies, matched) in
            [(&slice.forbids, &mut said.forbids), (&slice.permits, &mut said.permits)]
        {
            if policies.is_empty() {
                continue;
            }
            let response = self.authorizer.is_authorized(&request, policies, &self.entities);
            let diagnostics = response.diagnostics();
            said.errors.extend(
                diagnostics.errors().map(|AuthorizationError::PolicyEvaluationError(error)| {
                    error.policy_id().clone()
                }),
            );
            matched.extend(diagnostics.reason().cloned());
            debug_assert!(
                response.decision() == Decision::Deny || !matched.is_empty(),
                "Cedar allowed without a permit"
            );
        }
        Ok(said)
    }

    /// The context: what the policies read, and nothing else.
    fn context(&self, class: Option<&ClassFact>) -> Result<Context, Unasked> {
        let (reads, inputs, question) = (self.reads, self.inputs, self.question);
        let use_case = question.principal.use_case.unwrap_or_default();
        let enforcement =
            if inputs.is(Bit::Observe) { Enforcement::Observe } else { Enforcement::Enforce };
        let mut pairs = Pairs { reads, pairs: Vec::with_capacity(24) };
        pairs.text(Field::Route, question.route.name);
        pairs.text(Field::UseCase, use_case);
        pairs.text(Field::Enforcement, enforcement_name(enforcement));
        pairs.text(Field::Model, question.model);
        for (field, bit) in [
            (Field::AllowOpaque, Bit::AllowOpaque),
            (Field::AttackHigh, Bit::AttackHigh),
            (Field::AttackMedium, Bit::AttackMedium),
            (Field::Opaque, Bit::Opaque),
            (Field::Normalised, Bit::Normalised),
            (Field::Truncated, Bit::Truncated),
        ] {
            pairs.bool(field, inputs.is(bit));
        }
        pairs.number(Number::TextBytes, inputs.text_bytes);
        pairs.number(Number::Texts, inputs.texts);
        pairs.number(Number::OpaqueBytes, inputs.opaque_bytes);
        if reads.has(Field::Target) {
            pairs.put("target", self.target()?);
        }
        if reads.any_score() {
            let mut scores = Pairs { reads, pairs: Vec::with_capacity(Score::ALL.len()) };
            for (score, value) in Score::ALL.into_iter().zip(inputs.scores) {
                scores.number(Number::Score(score), u32::from(value));
            }
            pairs.put("scores", scores.record()?);
        }
        if reads.has(Field::Classes) {
            pairs.put("classes", self.classes());
        }
        if let Some(fact) = class {
            pairs.number(Number::Count, u32::from(fact.count));
            pairs.number(Number::Confidence, u32::from(fact.confidence));
            if reads.has(Field::Origins) {
                pairs.put("origins", origins(fact.origins));
            }
        }
        Context::from_pairs(pairs.pairs).map_err(drop_error)
    }

    fn target(&self) -> Result<RestrictedExpression, Unasked> {
        let target = self.question.target;
        let trust = if self.inputs.is(Bit::External) { Trust::External } else { Trust::Internal };
        let mut pairs = Pairs { reads: self.reads, pairs: Vec::with_capacity(4) };
        for (name, value) in [
            ("name", target.name),
            ("provider", target.provider),
            ("trust", trust.name()),
            ("region", target.region),
        ] {
            pairs.put(name, RestrictedExpression::new_string(value.to_owned()));
        }
        pairs.record()
    }

    /// Every class found, and its ancestors.
    fn classes(&self) -> RestrictedExpression {
        let found: HashSet<Class> =
            self.inputs.classes.iter().flat_map(|fact| fact.class.lineage()).collect();
        let uids = found.into_iter().map(|class| class_uid(self.types, class));
        RestrictedExpression::new_set(uids.map(RestrictedExpression::new_entity_uid))
    }
}

fn class_uid(types: &Types, class: Class) -> EntityUid {
    Types::uid(&types.class, class.name())
}

/// The principal and what it stands in.
fn principal(question: &Question<'_>, types: &Types) -> (EntityUid, HashSet<EntityUid>) {
    let principal = question.principal;
    let mut parents: HashSet<EntityUid> =
        principal.groups.iter().map(|group| Types::uid(&types.group, group)).collect();
    parents.insert(Types::uid(&types.tenant, principal.tenant));
    parents.extend(principal.team.map(|team| Types::uid(&types.team, team)));
    parents.extend(principal.project.map(|project| Types::uid(&types.project, project)));
    let application = Types::uid(&types.application, principal.application);
    match principal.user {
        Some(user) => {
            parents.insert(application);
            (Types::uid(&types.user, user), parents)
        }
        None => (application, parents),
    }
}

/// The names of the origins among `bits`.
fn origins(bits: u16) -> RestrictedExpression {
    let origins = Origin::ALL.into_iter().filter(|origin| bits & origin.bit() != 0);
    RestrictedExpression::new_set(
        origins.map(|origin| RestrictedExpression::new_string(origin.name().to_owned())),
    )
}

/// Attributes of a context or a record, those that are read.
struct Pairs<'a> {
    reads: &'a Reads,
    pairs: Vec<(String, RestrictedExpression)>,
}

impl Pairs<'_> {
    fn put(&mut self, name: &str, value: RestrictedExpression) {
        self.pairs.push((name.to_owned(), value));
    }

    fn text(&mut self, field: Field, value: &str) {
        if self.reads.has(field) {
            self.put(field.name(), RestrictedExpression::new_string(value.to_owned()));
        }
    }

    fn bool(&mut self, field: Field, value: bool) {
        if self.reads.has(field) {
            self.put(field.name(), RestrictedExpression::new_bool(value));
        }
    }

    fn number(&mut self, number: Number, value: u32) {
        if self.reads.cuts(number).is_read() {
            self.put(number.name(), RestrictedExpression::new_long(i64::from(value)));
        }
    }

    fn record(self) -> Result<RestrictedExpression, Unasked> {
        RestrictedExpression::new_record(self.pairs).map_err(drop_error)
    }
}

/// These errors are about duplicate attributes and entities, which is to say about this file.
fn drop_error<E>(_: E) -> Unasked {
    Unasked
}
