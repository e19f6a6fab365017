//! Policies loaded: all sets of a snapshot, checked, ready to be composed for each route.

use crate::PolicySource;
use crate::error::{ComposeError, LoadError, LoadReason};
use crate::route::RoutePolicy;
use crate::schema::{self, Action, Types};
use crate::source::statements;
use crate::statement::{Checked, Mention, Statement, is_forbid, is_name};
use crate::suggest;
use sluice_contract::decision::Verdict;
use sluice_contract::ids::NameId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What decides where no policy does. Their ids stand in records beside those of policies.
pub const OWN_WORDS: [&str; 4] = [NO_PERMIT, OVERFLOW, UNKNOWN_CLASS, ERRORED];

/// No permit matches.
pub const NO_PERMIT: &str = "sluice.no_permit";
/// More was found than the bounds of facts hold.
pub const OVERFLOW: &str = "sluice.overflow";
/// The facts hold a class that this build does not know.
pub const UNKNOWN_CLASS: &str = "sluice.unknown_class";
/// Cedar could not be asked.
pub const ERRORED: &str = "sluice.errored";

/// A policy that was loaded, for messages, listings and the names in records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyInfo {
    /// Its number in records.
    pub id: NameId,
    /// Its name: `set/id`, or `set/file#n` without an `@id`.
    pub name: String,
    /// Its set.
    pub set: String,
    /// Its file.
    pub file: String,
    /// The line that it starts at.
    pub line: u32,
    /// What a match does; [`Verdict::Allow`] for a permit.
    pub verdict: Verdict,
    /// Why it is there, for people: `@reason`.
    pub reason: Option<String>,
    /// What to do about a block: `@advice`.
    pub advice: Option<String>,
}

/// A policy with what it takes to evaluate it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) info: PolicyInfo,
    pub(crate) policy: cedar_policy::Policy,
    pub(crate) is_forbid: bool,
    pub(crate) actions: Vec<Action>,
    pub(crate) reads: crate::reads::Reads,
}

/// Every policy of a snapshot, checked.
#[derive(Debug)]
pub struct Engine {
    types: Arc<Types>,
    sets: BTreeMap<String, Vec<Arc<Loaded>>>,
    by_id: HashMap<NameId, Arc<Loaded>>,
    warnings: Vec<LoadError>,
    mentions: Vec<Mention>,
}

impl Engine {
    /// Loads and checks `sources`; on failure everything that is wrong, by file and line.
    pub fn load(sources: &[PolicySource]) -> Result<Engine, Vec<LoadError>> {
        let of_schema = |message: String| {
            vec![LoadError {
                file: "sluice.cedarschema".to_owned(),
                line: 1,
                column: 1,
                reason: LoadReason::Schema(message),
                suggestion: None,
            }]
        };
        let schema = schema::parse().map_err(of_schema)?;
        let types = Types::new().map_err(of_schema)?;
        let mut engine = Engine {
            types: Arc::new(types),
            sets: BTreeMap::new(),
            by_id: HashMap::new(),
            warnings: Vec::new(),
            mentions: Vec::new(),
        };
        let mut errors = Vec::new();
        for source in sources {
            engine.sets.entry(source.set.clone()).or_default();
            if !is_name(&source.set) {
                let reason = LoadReason::BadName(source.set.clone(), "policy set");
                let mut checked = Checked::new(source, 0..0);
                checked.error(0, reason, None);
                errors.append(&mut checked.errors);
            }
            for (index, range) in statements(&source.text).into_iter().enumerate() {
                let mut checked = Checked::new(source, range);
                if let Some(statement) = checked.statement(index + 1, &schema) {
                    engine.add(source, statement, &mut checked);
                }
                errors.append(&mut checked.errors);
                engine.warnings.append(&mut checked.warnings);
                engine.mentions.append(&mut checked.mentions);
            }
        }
        if errors.is_empty() { Ok(engine) } else { Err(errors) }
    }

    /// What is odd but was taken: policies that can never match, confusable names.
    pub fn warnings(&self) -> &[LoadError] {
        &self.warnings
    }

    /// Routes, targets and providers that policies name, for the configuration's check.
    pub fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// The names of the sets.
    pub fn sets(&self) -> impl Iterator<Item = &str> {
        self.sets.keys().map(String::as_str)
    }

    /// Every policy, by set and place.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.sets.values().flatten().map(|loaded| &loaded.info)
    }

    /// Every name whose id a decision can hold: policies and our own words.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.policies().map(|info| info.name.as_str()).chain(OWN_WORDS)
    }

    /// The policy with this id.
    pub fn policy(&self, id: NameId) -> Option<&PolicyInfo> {
        self.by_id.get(&id).map(|loaded| &loaded.info)
    }

    /// The name behind an id in a decision, one of our own words too.
    pub fn name(&self, id: NameId) -> Option<&str> {
        match self.policy(id) {
            Some(info) => Some(&info.name),
            None => OWN_WORDS.into_iter().find(|word| NameId::of(word) == id),
        }
    }

    /// What the policy with this id advises on a block.
    pub fn advice(&self, id: NameId) -> Option<&str> {
        self.policy(id).and_then(|info| info.advice.as_deref())
    }

    /// The policy of a route: the policies of `sets` together, in that order.
    pub fn compose(&self, sets: &[&str]) -> Result<RoutePolicy, ComposeError> {
        let mut policies: Vec<Arc<Loaded>> = Vec::new();
        for (index, name) in sets.iter().enumerate() {
            let Some(set) = self.sets.get(*name) else {
                let nearest = suggest::nearest(name, self.sets()).map(str::to_owned);
                return Err(ComposeError::UnknownSet { set: (*name).to_owned(), nearest });
            };
            if !sets.iter().take(index).any(|earlier| earlier == name) {
                policies.extend(set.iter().cloned());
            }
        }
        RoutePolicy::new(Arc::clone(&self.types), policies)
    }

    /// Takes up a statement, unless its id is taken.
    fn add(&mut self, source: &PolicySource, statement: Statement, checked: &mut Checked<'_>) {
        let id = NameId::of(&statement.name);
        if let Some(taken) = self.by_id.get(&id) {
            let reason = if taken.info.name == statement.name {
                LoadReason::DuplicateId {
                    id: statement.name,
                    file: taken.info.file.clone(),
                    line: taken.info.line,
                }
            } else {
                LoadReason::AmbiguousId(statement.name)
            };
            return checked.error(0, reason, None);
        }
        let loaded = Arc::new(Loaded {
            info: PolicyInfo {
                id,
                name: statement.name,
                set: source.set.clone(),
                file: source.file.clone(),
                line: statement.line,
                verdict: statement.verdict,
                reason: statement.reason,
                advice: statement.advice,
            },
            is_forbid: is_forbid(statement.policy.effect()),
            policy: statement.policy,
            actions: statement.actions,
            reads: statement.reads,
        });
        self.by_id.insert(id, Arc::clone(&loaded));
        self.sets.entry(source.set.clone()).or_default().push(loaded);
    }
}

#[cfg(test)]
mod tests;
