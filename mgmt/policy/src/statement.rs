//! One statement of a policy file, checked by itself: syntax, annotations, scope, words, schema.
//!
//! Every check reports what it finds and goes on, so that an operator sees all errors at once.
//! What this build cannot carry out, and what would silently never match, is refused here and
//! nowhere later.

mod check;

use crate::PolicySource;
use crate::error::{LoadError, LoadReason};
use crate::field::{Field, Number};
use crate::reads::Reads;
use crate::schema::Action;
use crate::source::position;
use cedar_policy::pst::{
    ActionConstraint, EntityOrSlot, EntityUID, ResourceConstraint, Template as Body,
};
use cedar_policy::{
    Effect, ParseErrors, Policy, PolicyId, PolicySet, Schema, Template, ValidationMode, Validator,
};
use miette::Diagnostic;
use sluice_contract::decision::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A statement that passed every check.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) policy: Policy,
    /// `set/id`.
    pub(crate) name: String,
    pub(crate) line: u32,
    /// What a match of a forbid does; `Allow` for a permit.
    pub(crate) verdict: Verdict,
    pub(crate) reason: Option<String>,
    pub(crate) advice: Option<String>,
    /// The questions that it can apply to.
    pub(crate) actions: Vec<Action>,
    pub(crate) reads: Reads,
}

/// A statement under check: where it is, and what was found.
pub(crate) struct Checked<'a> {
    source: &'a PolicySource,
    range: Range<usize>,
    pub(crate) errors: Vec<LoadError>,
    pub(crate) warnings: Vec<LoadError>,
    pub(crate) mentions: Vec<Mention>,
}

/// A name in a policy that the configuration has to know; if it does not, the policy never speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mention {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is named.
    pub what: Mentioned,
    /// The name.
    pub name: String,
}

/// What a policy can name that only the configuration knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mentioned {
    /// A route.
    Route,
    /// An upstream.
    Target,
    /// An upstream's kind.
    Provider,
}

impl<'a> Checked<'a> {
    pub(crate) fn new(source: &'a PolicySource, range: Range<usize>) -> Checked<'a> {
        Checked { source, range, errors: Vec::new(), warnings: Vec::new(), mentions: Vec::new() }
    }

    /// Checks the statement, the `number`th of its file from 1.
    pub(crate) fn statement(&mut self, number: usize, schema: &Schema) -> Option<Statement> {
        let policy = self.parse()?;
        let verdict = self.annotations(&policy);
        let name = self.name(&policy, number);
        let policy = policy.new_id(PolicyId::new(&name));
        let body = match policy.to_pst() {
            Ok(pst) => pst.body().clone(),
            Err(error) => {
                self.error(0, LoadReason::Syntax(error.to_string()), None);
                return None;
            }
        };
        let actions = self.actions(&body, verdict);
        self.entities(&policy);
        self.expressions(&body);
        self.validate(&policy, schema);
        let [reason, advice] =
            ["reason", "advice"].map(|key| policy.annotation(key).map(str::to_owned));
        self.errors.is_empty().then(|| Statement {
            name,
            line: position(&self.source.text, self.range.start).0,
            verdict,
            reason,
            advice,
            actions,
            reads: Reads::of(&body),
            policy,
        })
    }

    fn text(&self) -> &'a str {
        self.source.text.get(self.range.clone()).unwrap_or_default()
    }

    /// An error at `offset` of the statement.
    pub(crate) fn error(&mut self, offset: usize, reason: LoadReason, suggestion: Option<String>) {
        let error = self.located(offset, reason, suggestion);
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn warn(&mut self, offset: usize, reason: LoadReason, suggestion: Option<String>) {
        let warning = self.located(offset, reason, suggestion);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn located(&self, offset: usize, reason: LoadReason, suggestion: Option<String>) -> LoadError {
        let (line, column) = self.position(offset);
        LoadError { file: self.source.file.clone(), line, column, reason, suggestion }
    }

    /// Line and column of `offset` of the statement.
    fn position(&self, offset: usize) -> (u32, u32) {
        position(&self.source.text, self.range.start + offset)
    }

    /// Where `needle` stands in the statement; its start where it does not.
    fn find(&self, needle: &str) -> usize {
        self.text().find(needle).unwrap_or(0)
    }

    /// Where the string `word` stands, other than as the name of an entity.
    fn find_word(&self, word: &str) -> usize {
        let quoted = format!("\"{word}\"");
        let is_plain =
            |at: &usize| !self.text().get(..*at).is_some_and(|before| before.ends_with("::"));
        let mut places = self.text().match_indices(&quoted).map(|(at, _)| at);
        places.find(is_plain).unwrap_or_else(|| self.find(&quoted))
    }

    fn parse(&mut self) -> Option<Policy> {
        let text = self.text();
        let errors: ParseErrors = match Policy::parse(None, text) {
            Ok(policy) => return Some(policy),
            Err(errors) => errors,
        };
        if Template::parse(None, text).is_ok_and(|template| template.slots().next().is_some()) {
            let at = self.find("?principal").max(self.find("?resource"));
            self.error(at, LoadReason::Template, Some("write one policy for each".to_owned()));
            return None;
        }
        for error in errors.iter() {
            let at = offset(error);
            // `0.9`: Cedar has no fractions, and stops behind the point.
            let is_fraction = self.text().get(..at).is_some_and(|before| {
                before
                    .strip_suffix('.')
                    .is_some_and(|whole| whole.ends_with(|c: char| c.is_ascii_digit()))
            });
            let suggestion = if is_fraction {
                Some("numbers are whole: scores are in hundredths, `0.9` is `90`".to_owned())
            } else {
                help(error)
            };
            self.error(at, LoadReason::Syntax(error.to_string()), suggestion);
        }
        None
    }

    /// The id within the set, and with it the policy's name.
    fn name(&mut self, policy: &Policy, number: usize) -> String {
        let PolicySource { set, file, .. } = self.source;
        if let Some(id) = policy.annotation("id") {
            if !is_name(id) {
                let at = self.find("@id");
                self.error(at, LoadReason::BadName(id.to_owned(), "policy"), None);
            }
            return format!("{set}/{id}");
        }
        let file = file.rsplit('/').next().unwrap_or(file);
        format!("{set}/{file}#{number}")
    }

    /// The questions that the policy can apply to.
    fn actions(&mut self, body: &Body, verdict: Verdict) -> Vec<Action> {
        let named: Vec<Action> = match &body.action {
            ActionConstraint::Any => Action::ALL.to_vec(),
            ActionConstraint::Eq(uid) => Action::by_name(&uid.eid).into_iter().collect(),
            ActionConstraint::In(uids) => {
                uids.iter().filter_map(|uid| Action::by_name(&uid.eid)).collect()
            }
        };
        if body.action != ActionConstraint::Any {
            for action in named.iter().copied().filter(|action| !action.is_asked()) {
                let at = self.find(&format!("\"{}\"", action.name()));
                self.error(at, LoadReason::NotAsked(action), None);
            }
        }
        let of_type = resource_type(&body.resource);
        let actions: Vec<Action> = named
            .into_iter()
            .filter(|action| action.is_asked())
            .filter(|action| of_type.is_none_or(|of_type| of_type == action.resource_type()))
            .collect();
        if verdict.rewrites()
            && let Some(action) = actions.iter().copied().find(|action| !action.is_of_class())
        {
            let at = self.find("@enforce");
            let suggestion = "limit it to `action == Action::\"disclose\"` or \
                              `action == Action::\"receive\"`";
            let reason = LoadReason::RewriteOfWhole { verdict, action };
            self.error(at, reason, Some(suggestion.to_owned()));
        }
        actions
    }

    fn validate(&mut self, policy: &Policy, schema: &Schema) {
        let mut set = PolicySet::new();
        if let Err(error) = set.add(policy.clone()) {
            return self.error(0, LoadReason::Schema(error.to_string()), None);
        }
        // Level 1: principal and resource may be looked up in the hierarchy, nothing beyond them,
        // so that the few entities made for a question are enough.
        let result =
            Validator::new(schema.clone()).validate_with_level(&set, ValidationMode::Strict, 1);
        for (at, message, suggestion) in said(result.validation_errors(), policy) {
            self.error(at, LoadReason::Schema(message), suggestion);
        }
        for (at, message, suggestion) in said(result.validation_warnings(), policy) {
            self.warn(at, LoadReason::Schema(message), suggestion);
        }
    }
}

/// Whether `name` can be a part of a policy's id.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether `effect` is that of a forbid.
pub(crate) fn is_forbid(effect: Effect) -> bool {
    effect == Effect::Forbid
}

/// The type that the scope demands of the resource.
fn resource_type(constraint: &ResourceConstraint) -> Option<&'static str> {
    let stands_in = |of: &EntityUID| match of.ty.to_string().as_str() {
        "Class" => "Class",
        "Model" | "Target" | "Provider" => "Model",
        _ => "",
    };
    let is = |of: String| match of.as_str() {
        "Class" => "Class",
        "Model" => "Model",
        _ => "",
    };
    match constraint {
        ResourceConstraint::Any => None,
        ResourceConstraint::Eq(EntityOrSlot::Entity(uid)) => Some(is(uid.ty.to_string())),
        ResourceConstraint::In(EntityOrSlot::Entity(uid)) => Some(stands_in(uid)),
        ResourceConstraint::Is(of) | ResourceConstraint::IsIn(of, _) => Some(is(of.to_string())),
        ResourceConstraint::Eq(EntityOrSlot::Slot(_))
        | ResourceConstraint::In(EntityOrSlot::Slot(_)) => Some(""),
    }
}

/// Where in the statement a diagnostic points to.
fn offset(diagnostic: &dyn Diagnostic) -> usize {
    diagnostic.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset())
}

/// What a diagnostic proposes.
fn help(diagnostic: &dyn Diagnostic) -> Option<String> {
    let label =
        || diagnostic.labels().and_then(|mut labels| labels.next()?.label().map(str::to_owned));
    diagnostic.help().map(|help| help.to_string()).or_else(label)
}

/// The validator's words, one for each place, in order.
///
/// It speaks once for each action and type of principal that a policy can apply to, in no fixed
/// order. An attribute that only some questions have is said to be missing in those that lack it.
fn said<'a, D: Diagnostic + 'a>(
    diagnostics: impl Iterator<Item = &'a D>,
    policy: &Policy,
) -> Vec<(usize, String, Option<String>)> {
    let prefix = format!("for policy `{}`, ", policy.id());
    let mut places: BTreeMap<usize, BTreeSet<(String, Option<String>)>> = BTreeMap::new();
    for diagnostic in diagnostics {
        let message = diagnostic.to_string();
        let message = message.strip_prefix(&prefix).unwrap_or(&message).to_owned();
        let help = help(diagnostic).map(|help| help.replace(&prefix, ""));
        places.entry(offset(diagnostic)).or_default().insert((message, help));
    }
    places
        .into_iter()
        .filter_map(|(at, said)| {
            let lacking: Vec<_> = said.iter().filter_map(|(message, _)| lacking(message)).collect();
            let (message, help) = said.first()?.clone();
            let Some((attribute, _)) = lacking.first() else { return Some((at, message, help)) };
            let path: Vec<_> = attribute.split('.').collect();
            if Number::at(&path).is_none() && Field::at(&path).is_none() {
                return Some((at, format!("the context has no `{attribute}`"), help));
            }
            let actions: Vec<_> = lacking.iter().map(|(_, action)| format!("`{action}`")).collect();
            let help = "limit the policy to questions that have it, `disclose` and `receive`";
            let message = format!("`context.{attribute}` is not there in {}", actions.join(", "));
            Some((at, message, Some(help.to_owned())))
        })
        .collect()
}

/// The attribute that the validator misses in the context, and the action.
fn lacking(message: &str) -> Option<(&str, &str)> {
    let rest = message.strip_prefix("attribute `")?;
    let (attribute, rest) = rest.split_once("` in context for Action::\"")?;
    let (action, _) = rest.split_once('"')?;
    Some((attribute, action))
}
