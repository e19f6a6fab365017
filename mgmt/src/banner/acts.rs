//! What a policy acts on and what it only records, in few words. Pure.
//!
//! Policy is asked about one finding of each class, and about each score at its highest; classes
//! that are treated alike are named by the group that holds them all.

use sluice_contract::class::{CLASSES, Class};
use sluice_contract::decision::Verdict;
use sluice_contract::facts::{Facts, Score};
use sluice_contract::snapshot::{Route, Trust, Upstream};
use sluice_policy::{
    Direction, Engine, PrincipalRef, Question, QuestionKeys, RoutePolicy, RouteRef, TargetRef,
};
use std::collections::BTreeMap;

/// Scores that speak of attacks.
const ATTACKS: [Score; 4] =
    [Score::Injection, Score::Jailbreak, Score::PromptLeak, Score::IndirectInjection];

/// What is done toward targets of one trust on one route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acts {
    /// The route.
    pub route: String,
    /// Trust of the targets.
    pub trust: Trust,
    /// Names by what is done with them, the strictest first; [`Verdict::Allow`] is what is only
    /// recorded.
    pub verdicts: Vec<(Verdict, Vec<&'static str>)>,
}

/// What `route` does toward its targets; one entry for each trust that they have.
pub fn acts(engine: &Engine, route: &Route, upstreams: &[Upstream]) -> Vec<Acts> {
    let sets: Vec<&str> = route.policies.iter().map(String::as_str).collect();
    let Ok(policy) = engine.compose(&sets) else { return Vec::new() };
    let mut all: Vec<Acts> = Vec::new();
    for target in &route.targets {
        let Some(upstream) = upstreams.get(target.upstream) else { continue };
        if all.iter().all(|acts| acts.trust != upstream.trust) {
            all.push(toward(&policy, route, upstream));
        }
    }
    all
}

fn toward(policy: &RoutePolicy, route: &Route, upstream: &Upstream) -> Acts {
    let target = TargetRef {
        name: &upstream.name,
        provider: upstream.kind.name(),
        trust: upstream.trust,
        region: upstream.region.as_deref().unwrap_or_default(),
    };
    let about = RouteRef {
        name: &route.name,
        enforcement: route.enforcement,
        allow_opaque: route.allow_opaque,
    };
    let summary = policy.summary(&about, "", &target);
    let mut by_verdict: BTreeMap<_, Vec<&'static str>> = BTreeMap::new();
    for (verdict, name) in grouped(&summary) {
        by_verdict.entry(std::cmp::Reverse(verdict)).or_default().push(name);
    }
    for score in ATTACKS {
        let verdict = at_its_highest(policy, &about, &target, score);
        by_verdict.entry(std::cmp::Reverse(verdict)).or_default().push(score.name());
    }
    let verdicts = by_verdict.into_iter().map(|(verdict, names)| (verdict.0, names)).collect();
    Acts { route: route.name.clone(), trust: upstream.trust, verdicts }
}

fn at_its_highest(
    policy: &RoutePolicy,
    route: &RouteRef<'_>,
    target: &TargetRef<'_>,
    score: Score,
) -> Verdict {
    let mut facts = Facts::default();
    facts.scores.raise(score, 100);
    let principal = PrincipalRef {
        tenant: "default",
        application: "anonymous",
        user: None,
        groups: &[],
        team: None,
        project: None,
        use_case: None,
    };
    let question = Question {
        direction: Direction::Request,
        principal: &principal,
        route,
        model: "",
        target,
        facts: &facts,
        keys: QuestionKeys::default(),
    };
    policy.decide_uncached(&question).verdict
}

/// Names each class by the highest group whose classes are all treated as it is.
fn grouped(summary: &[(Class, Verdict)]) -> Vec<(Verdict, &'static str)> {
    let of_group = |group: Class| {
        let mut verdicts = summary.iter().filter(|(class, _)| class.is_a(group));
        let first = verdicts.next().map(|(_, verdict)| *verdict)?;
        verdicts.all(|(_, verdict)| *verdict == first).then_some(first)
    };
    let mut names = Vec::new();
    for row in CLASSES {
        let Some(verdict) = of_group(row.class) else { continue };
        // A group above it says the same already.
        if row.parent.and_then(of_group).is_none() {
            names.push((verdict, row.name));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(of: impl Fn(Class) -> Verdict) -> Vec<(Class, Verdict)> {
        CLASSES
            .iter()
            .filter(|row| CLASSES.iter().all(|other| other.parent != Some(row.class)))
            .map(|row| (row.class, of(row.class)))
            .collect()
    }

    #[test]
    fn what_is_treated_alike_is_named_once() {
        let all = summary(|_| Verdict::Block);
        let names: Vec<_> = grouped(&all).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["regulated", "secret", "hidden_content", "opaque_content"]);
    }

    #[test]
    fn a_group_is_split_where_its_classes_differ() {
        let split = summary(|class| match class {
            Class::PAYMENT_CARD => Verdict::Redact,
            class if class.is_a(Class::SECRET) => Verdict::Redact,
            _ => Verdict::Allow,
        });
        let named = grouped(&split);
        assert!(named.contains(&(Verdict::Redact, "payment_card")));
        assert!(named.contains(&(Verdict::Redact, "secret")));
        assert!(
            named.contains(&(Verdict::Allow, "iban")) && named.contains(&(Verdict::Allow, "pii"))
        );
        assert!(!named.iter().any(|(_, name)| ["financial", "regulated", "jwt"].contains(name)));
        // Every class is covered once.
        for (class, verdict) in &split {
            let by: Vec<_> = named
                .iter()
                .filter(|(_, name)| Class::by_name(name).is_some_and(|group| class.is_a(group)))
                .collect();
            assert_eq!(by.len(), 1, "{class:?}");
            assert_eq!(by[0].0, *verdict);
        }
    }
}
