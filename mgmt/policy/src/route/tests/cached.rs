//! Cached decisions are the decisions: over random policies and random facts.

use crate::fixture::{Asked, policy};
use crate::inputs::{Inputs, KEY_BYTES_MAX};
use crate::question::Direction;
use crate::route::RoutePolicy;
use crate::{CacheStats, DecisionCache, Enforcement, Trust};
use arrayvec::ArrayVec;
use proptest::prelude::*;
use sluice_contract::class::{CLASSES, Class};
use sluice_contract::facts::{Flags, Origin, Scores};
use std::sync::LazyLock;

/// Conditions of questions about the whole, each reading something else.
const OF_WHOLE: &[&str] = &[
    "context.scores.injection >= 90",
    "context.scores.jailbreak > 49 || context.scores.risk < 20",
    "context.scores.toxicity + context.scores.harmful > 150",
    "context.attack_high",
    "context.attack_medium && !context.normalised",
    "context.text_bytes > 4096",
    "4096 <= context.text_bytes",
    "context.texts == 3",
    "context.opaque && context.opaque_bytes != 0",
    "context.route == \"a\"",
    "context.use_case == \"b\"",
    "context.model like \"b*\"",
    "context.target.trust == \"external\"",
    "context.target.region == \"b\"",
    "context.enforcement == \"observe\"",
    "context.allow_opaque",
    "context.truncated",
    "principal in Group::\"a\"",
    "principal == User::\"b\"",
    "resource in Target::\"a\"",
    "resource == Model::\"b\"",
    "context.classes.contains(Class::\"pii\")",
    "context has route && context.scores has risk",
    "context.texts * 4611686018427387904 > 7",
    "context.target == {name: \"a\", provider: \"openai\", trust: \"external\", region: \"b\"}",
];

/// Conditions of questions about one class.
const OF_CLASS: &[&str] = &[
    "context.count > 2",
    "context.count * 3 == 6",
    "context.confidence >= 75",
    "context.origins.contains(\"tool_result\")",
    "resource in Class::\"pii\"",
    "resource == Class::\"email\"",
    "context.scores.injection >= 50",
    "principal in Application::\"b\"",
    "context.target.trust == \"internal\"",
    "context.model == \"a\"",
    "context.classes.containsAny([Class::\"secret\", Class::\"email\"])",
    "context.use_case != \"\"",
];

const WHOLE_ENFORCE: &[&str] = &["block", "alert"];
const CLASS_ENFORCE: &[&str] = &["block", "alert", "mask", "redact"];

fn statement() -> impl Strategy<Value = String> {
    let of_whole = (0..WHOLE_ENFORCE.len(), any::<bool>(), 0..OF_WHOLE.len(), any::<bool>());
    let of_class = (0..CLASS_ENFORCE.len(), any::<bool>(), 0..OF_CLASS.len(), any::<bool>());
    let write = |enforce: &str, actions: &str, forbids: bool, condition: &str, when: bool| {
        let head =
            if forbids { format!("@enforce(\"{enforce}\") forbid") } else { "permit".to_owned() };
        let clause = if when { "when" } else { "unless" };
        format!("{head} (principal, action in [{actions}], resource) {clause} {{ {condition} }};\n")
    };
    let whole = "Action::\"invoke\", Action::\"answer\"";
    let class = "Action::\"disclose\", Action::\"receive\"";
    prop_oneof![
        of_whole.prop_map(move |(enforce, forbids, at, when)| {
            write(WHOLE_ENFORCE[enforce], whole, forbids, OF_WHOLE[at], when)
        }),
        of_class.prop_map(move |(enforce, forbids, at, when)| {
            write(CLASS_ENFORCE[enforce], class, forbids, OF_CLASS[at], when)
        }),
    ]
}

fn route_policy() -> impl Strategy<Value = RoutePolicy> {
    (prop::collection::vec(statement(), 1..8), prop::bool::weighted(0.8)).prop_map(
        |(statements, permits)| {
            let all = if permits { "permit (principal, action, resource);\n" } else { "" };
            policy(&format!("{all}{}", statements.concat()))
        },
    )
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("bc".to_owned())]
}

prop_compose! {
    fn asked()(
        response in any::<bool>(),
        (application, user) in (name(), prop::option::of(name())),
        groups in prop::collection::vec(name(), 0..2),
        use_case in prop::option::of(name()),
        (route, model, target, region) in (name(), name(), name(), name()),
        (observe, allow_opaque, internal) in any::<(bool, bool, bool)>(),
        scores in prop::array::uniform16(0u8..=100),
        flags in 0u32..16,
        sizes in (0u32..9000, 0u32..6, 0u32..3),
        found in prop::collection::vec((0..CLASSES.len(), 0..11usize, 50u8..=100), 0..6),
    ) -> Asked {
        let mut asked = Asked {
            direction: if response { Direction::Response } else { Direction::Request },
            application, user, groups, use_case, route, allow_opaque, model, target, region,
            enforcement: if observe { Enforcement::Observe } else { Enforcement::Enforce },
            trust: if internal { Trust::Internal } else { Trust::External },
            ..Asked::default()
        };
        asked.facts.scores = Scores(scores);
        // Overflow decides alone, so it is rare here.
        asked.facts.flags =
            Flags(if flags == 15 { flags } else { flags & !Flags::OVERFLOW.0 });
        (asked.facts.text_bytes, asked.facts.texts, asked.facts.opaque_bytes) = sizes;
        for (class, origin, confidence) in found {
            asked.facts.add(CLASSES[class].class, Origin::ALL[origin], confidence);
        }
        asked
    }
}

/// Questions that differ from the first in one respect or a few, so that their keys often meet.
fn family() -> impl Strategy<Value = Vec<Asked>> {
    let changes = prop::collection::vec((0..CHANGES.len(), 0..CHANGES.len(), asked()), 1..16);
    (asked(), changes).prop_map(|(first, changes)| {
        let mut family = vec![first.clone()];
        family.extend(changes.into_iter().map(|(one, other, from)| {
            let mut asked = first.clone();
            CHANGES[one](&mut asked, &from);
            CHANGES[other](&mut asked, &from);
            asked
        }));
        family
    })
}

/// Takes over one respect of another question.
const CHANGES: &[fn(&mut Asked, &Asked)] = &[
    |asked, from| asked.direction = from.direction,
    |asked, from| asked.application.clone_from(&from.application),
    |asked, from| asked.user.clone_from(&from.user),
    |asked, from| asked.groups.clone_from(&from.groups),
    |asked, from| asked.use_case.clone_from(&from.use_case),
    |asked, from| asked.route.clone_from(&from.route),
    |asked, from| asked.enforcement = from.enforcement,
    |asked, from| asked.allow_opaque = from.allow_opaque,
    |asked, from| asked.model.clone_from(&from.model),
    |asked, from| asked.target.clone_from(&from.target),
    |asked, from| asked.trust = from.trust,
    |asked, from| asked.region.clone_from(&from.region),
    |asked, from| asked.facts.scores = from.facts.scores,
    |asked, from| asked.facts.flags = from.facts.flags,
    |asked, from| asked.facts.text_bytes = from.facts.text_bytes,
    |asked, from| asked.facts.texts = from.facts.texts,
    |asked, from| asked.facts.opaque_bytes = from.facts.opaque_bytes,
    |asked, from| asked.facts.classes.clone_from(&from.facts.classes),
    |asked, _| asked.facts.classes.iter_mut().for_each(|fact| fact.count += 1),
    |asked, _| asked.facts.classes.iter_mut().for_each(|fact| fact.confidence /= 2),
    |asked, from| {
        for (mine, theirs) in asked.facts.classes.iter_mut().zip(&from.facts.classes) {
            mine.origins = theirs.origins;
        }
    },
];

fn key(policy: &RoutePolicy, asked: &Asked) -> ArrayVec<u8, KEY_BYTES_MAX> {
    let mut key = ArrayVec::new();
    asked.ask(|question| {
        let reads = &policy.0.side(question.direction).reads;
        Inputs::of(question, reads).write_key(policy.fingerprint(), &mut key);
    });
    key
}

proptest! {
    /// The decision on the inputs is the decision on everything, cached or not, and again.
    #[test]
    fn what_is_left_out_and_what_is_remembered_changes_nothing(
        policy in route_policy(),
        questions in family(),
        bound in prop_oneof![Just(2), Just(1000)],
    ) {
        let mut cache = DecisionCache::with_bound(bound);
        for asked in questions.iter().chain(&questions) {
            let full = asked.ask(|question| policy.decide_in_full(question));
            let uncached = asked.ask(|question| policy.decide_uncached(question));
            let cached = asked.ask(|question| policy.decide(question, &mut cache).clone());
            prop_assert_eq!(&uncached, &full);
            prop_assert_eq!(&cached, &full);
        }
        prop_assert!(cache.len() <= bound);
    }

    /// Equal keys, equal decisions.
    #[test]
    fn equal_keys_have_equal_decisions(
        policy in route_policy(),
        questions in family(),
    ) {
        let mut seen: Vec<(ArrayVec<u8, KEY_BYTES_MAX>, &Asked)> = Vec::new();
        for asked in &questions {
            let key = key(&policy, asked);
            match seen.iter().find(|(known, _)| *known == key) {
                Some((_, twin)) => {
                    let mine = asked.ask(|question| policy.decide_in_full(question));
                    let theirs = twin.ask(|question| policy.decide_in_full(question));
                    prop_assert_eq!(mine, theirs);
                }
                None => seen.push((key, asked)),
            }
        }
    }
}

static DEFAULT: LazyLock<RoutePolicy> = LazyLock::new(|| policy(crate::preset("default").unwrap()));

#[test]
fn what_no_policy_reads_does_not_miss() {
    let mut cache = DecisionCache::new();
    for number in 0..100_u8 {
        let asked = Asked::request().found(Class::EMAIL).with(|asked| {
            asked.user = Some(format!("user {number}"));
            asked.model = format!("model {number}");
            asked.facts.text_bytes = u32::from(number);
            asked.facts.scores.0[5] = number;
            asked.facts.scores.0[0] = number / 3;
            asked.facts.classes[0].count = u16::from(number);
        });
        asked.ask(|question| DEFAULT.decide(question, &mut cache).clone());
    }
    assert_eq!(cache.stats(), CacheStats { hits: 99, misses: 1, emptied: 0 });
}

#[test]
fn a_full_cache_is_emptied_and_goes_on() {
    let mut cache = DecisionCache::with_bound(2);
    for class in [Class::EMAIL, Class::PHONE, Class::IBAN, Class::EMAIL, Class::EMAIL] {
        let asked = Asked::request().found(class);
        let verdict = asked.ask(|question| DEFAULT.decide(question, &mut cache).of(class));
        assert_eq!(verdict, asked.decide(&DEFAULT).of(class));
    }
    assert_eq!(cache.stats(), CacheStats { hits: 1, misses: 4, emptied: 1 });
    assert_eq!(cache.len(), 2);
    cache.clear();
    assert!(cache.is_empty());
}

#[test]
fn other_policies_are_not_answered_from_the_same_cache() {
    let mut cache = DecisionCache::new();
    let nothing = policy("");
    let asked = Asked::request();
    let first = asked.ask(|question| DEFAULT.decide(question, &mut cache).verdict);
    let second = asked.ask(|question| nothing.decide(question, &mut cache).verdict);
    assert_ne!(first, second);
}
