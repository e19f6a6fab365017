//! The policy of one route, and how it decides.
//!
//! A request is one `invoke` and one `disclose` for each class found; a response is one `answer`
//! and one `receive` for each class. The verdict is the strictest of the answers. Cedar alone
//! judges; what this file adds is fail-closed: no permit is a block, an error is a block, facts
//! that are not complete are a block.

use crate::ask::{Asker, Said, Slice, Unasked};
use crate::cache::DecisionCache;
use crate::engine::{ERRORED, Loaded, NO_PERMIT, OVERFLOW, PolicyInfo, UNKNOWN_CLASS};
use crate::error::ComposeError;
use crate::inputs::{Bit, Inputs};
use crate::question::{Direction, PrincipalRef, Question, QuestionKeys, RouteRef, TargetRef};
use crate::reads::Reads;
use crate::schema::{Action, Types};
use cedar_policy::PolicyId;
use sluice_contract::class::{CLASSES, Class};
use sluice_contract::decision::{ClassAction, Decision, Verdict};
use sluice_contract::facts::{ClassFact, Facts, Origin};
use sluice_contract::ids::NameId;
use std::collections::HashMap;
use std::sync::Arc;

/// The policy of a route: `Send`, `Sync`, and cheap to clone.
#[derive(Clone, Debug)]
pub struct RoutePolicy(Arc<Composed>);

#[derive(Debug)]
struct Composed {
    types: Arc<Types>,
    request: Side,
    response: Side,
    /// By the name that Cedar knows it by, with its place among the policies.
    policies: HashMap<PolicyId, (u32, Arc<Loaded>)>,
    fingerprint: u64,
    words: Words,
}

/// What is asked in one direction.
#[derive(Debug, Default)]
struct Side {
    whole: Slice,
    part: Slice,
    reads: Reads,
}

/// The ids of our own words.
#[derive(Debug)]
struct Words {
    no_permit: NameId,
    overflow: NameId,
    unknown_class: NameId,
    errored: NameId,
}

/// One question and its answer, for people: what [`RoutePolicy::explain`] lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The question.
    pub action: Action,
    /// The class that it was about.
    pub class: Option<Class>,
    /// What is done.
    pub verdict: Verdict,
    /// The policies that say so, the strictest first.
    pub policies: Vec<NameId>,
    /// A policy could not be evaluated.
    pub errored: bool,
}

/// A policy that determined an answer. Orders the strictest first, then by place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Determining {
    /// 0 is the strictest.
    rank: u8,
    place: u32,
    id: NameId,
}

impl Determining {
    fn new(verdict: Verdict, place: u32, id: NameId) -> Determining {
        Determining { rank: 1 + Verdict::Block as u8 - verdict as u8, place, id }
    }

    fn erring(place: u32, id: NameId) -> Determining {
        Determining { rank: 0, place, id }
    }

    fn own(id: NameId) -> Determining {
        Determining::new(Verdict::Block, u32::MAX, id)
    }
}

/// The answer to one question.
#[derive(Debug)]
struct Outcome {
    verdict: Verdict,
    determining: Vec<Determining>,
    errored: bool,
}

impl Outcome {
    fn own(word: NameId) -> Outcome {
        let determining = vec![Determining::own(word)];
        Outcome { verdict: Verdict::Block, determining, errored: false }
    }
}

impl RoutePolicy {
    pub(crate) fn new(
        types: Arc<Types>,
        policies: Vec<Arc<Loaded>>,
    ) -> Result<RoutePolicy, ComposeError> {
        let mut request = Side::default();
        let mut response = Side::default();
        let mut known = HashMap::with_capacity(policies.len());
        let mut text = String::new();
        for (place, loaded) in policies.into_iter().enumerate() {
            for action in &loaded.actions {
                let (side, is_part) = match action {
                    Action::Invoke => (&mut request, false),
                    Action::Disclose => (&mut request, true),
                    Action::Answer => (&mut response, false),
                    Action::Receive => (&mut response, true),
                    Action::CallTool => continue,
                };
                let slice = if is_part { &mut side.part } else { &mut side.whole };
                let set = if loaded.is_forbid { &mut slice.forbids } else { &mut slice.permits };
                set.add(loaded.policy.clone())
                    .map_err(|error| ComposeError::Cedar(error.to_string()))?;
                if is_part {
                    side.reads.merge(&loaded.reads.of_class());
                } else {
                    side.reads.merge(&loaded.reads);
                }
            }
            for part in [&loaded.info.name, loaded.info.verdict.name(), &loaded.policy.to_string()]
            {
                text.push_str(part);
                text.push('\0');
            }
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            known.insert(loaded.policy.id().clone(), (place, loaded));
        }
        Ok(RoutePolicy(Arc::new(Composed {
            types,
            request,
            response,
            policies: known,
            fingerprint: NameId::of(&text).0,
            words: Words {
                no_permit: NameId::of(NO_PERMIT),
                overflow: NameId::of(OVERFLOW),
                unknown_class: NameId::of(UNKNOWN_CLASS),
                errored: NameId::of(ERRORED),
            },
        })))
    }

    /// The decision on `question`, out of `cache` where it was made before. A hit allocates
    /// nothing.
    pub fn decide<'c>(
        &self,
        question: &Question<'_>,
        cache: &'c mut DecisionCache,
    ) -> &'c Decision {
        let reads = &self.0.side(question.direction).reads;
        let inputs = Inputs::of(question, reads);
        cache.decision(self.0.fingerprint, &inputs, || self.0.decide(question, &inputs, reads))
    }

    /// The decision on `question`, asked anew. For replay and listings.
    pub fn decide_uncached(&self, question: &Question<'_>) -> Decision {
        let reads = &self.0.side(question.direction).reads;
        self.0.decide(question, &Inputs::of(question, reads), reads)
    }

    /// The answers that make up the decision on `question`, in the order in which they are asked.
    pub fn explain(&self, question: &Question<'_>) -> Vec<Explanation> {
        let reads = &self.0.side(question.direction).reads;
        let answers = self.0.answers(question, &Inputs::of(question, reads), reads);
        answers
            .into_iter()
            .map(|(action, class, mut outcome)| {
                outcome.determining.sort_unstable();
                Explanation {
                    action,
                    class,
                    verdict: outcome.verdict,
                    policies: outcome.determining.iter().map(|policy| policy.id).collect(),
                    errored: outcome.errored,
                }
            })
            .collect()
    }

    /// What is done with one finding of each class, by a principal without groups, on the way to
    /// `target`: which classes are acted on, and which only recorded. Classes that only group
    /// others are left out.
    pub fn summary(
        &self,
        route: &RouteRef<'_>,
        model: &str,
        target: &TargetRef<'_>,
    ) -> Vec<(Class, Verdict)> {
        let principal = PrincipalRef {
            tenant: "default",
            application: "anonymous",
            user: None,
            groups: &[],
            team: None,
            project: None,
            use_case: None,
        };
        CLASSES
            .iter()
            .filter(|row| !CLASSES.iter().any(|other| other.parent == Some(row.class)))
            .map(|row| {
                let mut facts = Facts::default();
                facts.add(row.class, Origin::User, 100);
                let question = Question {
                    direction: Direction::Request,
                    principal: &principal,
                    route,
                    model,
                    target,
                    facts: &facts,
                    keys: QuestionKeys::default(),
                };
                (row.class, self.decide_uncached(&question).of(row.class))
            })
            .collect()
    }

    /// Every policy in it, in the order of the sets.
    pub fn policies(&self) -> Vec<&PolicyInfo> {
        let mut policies: Vec<_> = self.0.policies.values().collect();
        policies.sort_unstable_by_key(|(place, _)| *place);
        policies.into_iter().map(|(_, loaded)| &loaded.info).collect()
    }

    /// A number for these policies and their texts; part of the cache's keys, so that a cache never
    /// answers for other policies.
    pub fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }

    /// The decision as it would be if every input were taken as it is.
    #[cfg(test)]
    pub(crate) fn decide_in_full(&self, question: &Question<'_>) -> Decision {
        let reads = Reads::all();
        self.0.decide(question, &Inputs::of(question, &reads), &reads)
    }
}

impl Composed {
    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    fn decide(&self, question: &Question<'_>, inputs: &Inputs, reads: &Reads) -> Decision {
        let mut decision = Decision::default();
        let mut determining = Vec::new();
        for (_, class, outcome) in self.answers(question, inputs, reads) {
            decision.verdict = decision.verdict.max(outcome.verdict);
            decision.errored |= outcome.errored;
            determining.extend(outcome.determining);
            if let Some(class) = class {
                // As many classes as the facts hold, so there is room.
                decision.classes.push(ClassAction { class, verdict: outcome.verdict });
            }
        }
        determining.sort_unstable();
        for policy in determining {
            decision.add_policy(policy.id);
        }
        decision
    }

    /// The questions about one content, and their answers.
    fn answers(
        &self,
        question: &Question<'_>,
        inputs: &Inputs,
        reads: &Reads,
    ) -> Vec<(Action, Option<Class>, Outcome)> {
        let side = self.side(question.direction);
        let (of_whole, of_part) = match question.direction {
            Direction::Request => (Action::Invoke, Action::Disclose),
            Direction::Response => (Action::Answer, Action::Receive),
        };
        let asker = if inputs.is(Bit::Overflow) {
            Err(self.words.overflow)
        } else {
            Asker::new(question, inputs, reads, &self.types).map_err(|Unasked| self.words.errored)
        };
        let answer = |action, fact: Option<&ClassFact>, slice: &Slice| {
            if fact.is_some_and(|fact| fact.class.row().is_none()) {
                return Outcome::own(self.words.unknown_class);
            }
            match &asker {
                Ok(asker) => self.outcome(asker.ask(action, fact, slice)),
                Err(word) => self.refusal(*word),
            }
        };
        let mut answers = Vec::with_capacity(1 + inputs.classes.len());
        answers.push((of_whole, None, answer(of_whole, None, &side.whole)));
        for fact in &inputs.classes {
            answers.push((of_part, Some(fact.class), answer(of_part, Some(fact), &side.part)));
        }
        answers
    }

    fn refusal(&self, word: NameId) -> Outcome {
        Outcome { errored: word == self.words.errored, ..Outcome::own(word) }
    }

    /// What the policies' words come to.
    fn outcome(&self, said: Result<Said, Unasked>) -> Outcome {
        let Ok(said) = said else { return self.refusal(self.words.errored) };
        let known = |id: &PolicyId| self.policies.get(id);
        let mut determining: Vec<Determining> = Vec::new();
        for (place, loaded) in said.errors.iter().filter_map(known) {
            determining.push(Determining::erring(*place, loaded.info.id));
        }
        for (place, loaded) in said.forbids.iter().filter_map(known) {
            determining.push(Determining::new(loaded.info.verdict, *place, loaded.info.id));
        }
        let strictest =
            said.forbids.iter().filter_map(known).map(|(_, loaded)| loaded.info.verdict).max();
        let errored = !said.errors.is_empty();
        let permitted = !said.permits.is_empty();
        if !permitted && !errored {
            determining.push(Determining::own(self.words.no_permit));
        }
        if determining.is_empty() {
            for (place, loaded) in said.permits.iter().filter_map(known) {
                determining.push(Determining::new(Verdict::Allow, *place, loaded.info.id));
            }
        }
        let verdict = if errored || !permitted {
            Verdict::Block
        } else {
            strictest.unwrap_or(Verdict::Allow)
        };
        Outcome { verdict, determining, errored }
    }
}

#[cfg(test)]
mod tests;
