//! Policy files against what is said about them.

use super::*;
use crate::fixture::{engine, sources};
use crate::{Mentioned, preset};
use proptest::prelude::*;

/// What loading `text` says, warnings too, below the file's name.
fn says(text: &str) -> Vec<String> {
    let said: Vec<LoadError> = match Engine::load(&sources(&[("t", "p/t.cedar", text)])) {
        Ok(engine) => engine.warnings().to_vec(),
        Err(errors) => errors,
    };
    let strip = |error: LoadError| error.to_string().strip_prefix("p/t.cedar:").unwrap().to_owned();
    said.into_iter().map(strip).collect()
}

/// Text, and what is said: line, column, reason, suggestion.
const TABLE: &[(&str, &[&str])] = &[
    ("", &[]),
    ("permit (principal, action, resource);", &[]),
    // Syntax.
    (
        "permit (principal, action, resource);\npermit principal;\nforbid (principal, action);",
        &[
            "2:8: unexpected token `principal` (expected `(`)",
            "3:26: this policy is missing the `resource` variable in the scope (policy scopes must \
             contain a `principal`, `action`, and `resource` element in that order)",
        ],
    ),
    (
        "// ok\n@reason(\"open) permit (principal, action, resource);",
        &["2:9: invalid token (try checking that all strings are closed properly)"],
    ),
    (
        "forbid (principal, action, resource) when { context.scores.risk > 0.9 };",
        &[
            "1:69: unexpected token `9` (numbers are whole: scores are in hundredths, `0.9` is `90`)",
        ],
    ),
    (
        "permit (\n  principal == ?principal, action, resource);",
        &["2:16: a policy template: `?principal` and `?resource` have no meaning here (write one \
           policy for each)"],
    ),
    // Annotations.
    (
        "@enforce(\"blok\") forbid (principal, action, resource);",
        &["1:1: unknown obligation `blok` (did you mean `block`?)"],
    ),
    (
        "@enforce(\"banish\") forbid (principal, action, resource);",
        &["1:1: unknown obligation `banish` (known: alert, mask, redact, block)"],
    ),
    (
        "@enforce(\"pseudonymize\")\nforbid (principal, action == Action::\"disclose\", resource);",
        &["1:1: this build cannot carry out `@enforce(\"pseudonymize\")` (it can: alert, mask, \
           redact, block)"],
    ),
    (
        "@id(\"x\")\n@enforce(\"require_approval\") forbid (principal, action, resource);",
        &[
            "2:1: this build cannot carry out `@enforce(\"require_approval\")` (it can: alert, mask, \
           redact, block)",
        ],
    ),
    (
        "@enforce(\"redact\") permit (principal, action, resource);",
        &["1:1: `@enforce` on a permit: only a `forbid` carries an obligation"],
    ),
    (
        "@enforce(\"allow\") forbid (principal, action, resource);",
        &["1:1: a `forbid` cannot allow (leave it out, or use `alert`)"],
    ),
    (
        "@enforse(\"alert\") forbid (principal, action, resource);",
        &["1:1: unknown annotation `@enforse` (did you mean `enforce`?)"],
    ),
    (
        "@id(\"a/b\") permit (principal, action, resource);",
        &["1:1: `a/b` cannot name a policy: only letters, digits, `.`, `_` and `-` can"],
    ),
    (
        "@id(\"a\") permit (principal, action, resource);\n\
         @id(\"a\") permit (principal, action, resource);",
        &["2:1: the id `t/a` is taken by the policy at p/t.cedar:1"],
    ),
    // Questions.
    (
        "@enforce(\"redact\") forbid (principal, action, resource);",
        &["1:1: `@enforce(\"redact\")` rewrites findings, and `invoke` is not about one class \
           (limit it to `action == Action::\"disclose\"` or `action == Action::\"receive\"`)"],
    ),
    ("@enforce(\"redact\") forbid (principal, action, resource in Class::\"pii\");", &[]),
    ("@enforce(\"mask\") forbid (principal, action, resource is Class);", &[]),
    (
        "permit (principal, action in [Action::\"invoke\", Action::\"call_tool\"], resource);",
        &["1:57: this build does not ask `call_tool`: the policy would do nothing"],
    ),
    (
        "permit (principal, action == Action::\"invok\", resource);",
        &["1:30: unrecognized action `Action::\"invok\"` (did you mean `Action::\"invoke\"`?)"],
    ),
    // Words.
    (
        "forbid (principal, action, resource in Class::\"payment_crad\");",
        &["1:40: unknown class `payment_crad` (did you mean `payment_card`?)"],
    ),
    (
        "forbid (principal, action, resource)\nwhen { context.classes.contains(Class::\"e-mail\") };",
        &["2:33: unknown class `e-mail` (did you mean `email`?)"],
    ),
    (
        "forbid (principal, action, resource) when { context.target.trust == \"extrenal\" };",
        &["1:69: `context.target.trust` is never `extrenal` (did you mean `external`?)"],
    ),
    (
        "forbid (principal, action == Action::\"disclose\", resource)\n\
         when { context.origins.containsAny([\"user\", \"tool-result\"]) };",
        &["2:45: `context.origins` is never `tool-result` (did you mean `tool_result`?)"],
    ),
    (
        "forbid (principal, action, resource) when { [\"obverse\"].contains(context.enforcement) };",
        &["1:46: `context.enforcement` is never `obverse` (did you mean `observe`?)"],
    ),
    // Schema.
    (
        "forbid (principal, action, resource) when { context.scores.injektion > 3 };",
        &["1:45: the context has no `scores.injektion` (did you mean `injection`?)"],
    ),
    (
        "forbid (principal, action in [Action::\"invoke\", Action::\"disclose\"], resource)\n\
         when { context.count > 3 };",
        &[
            "2:8: `context.count` is not there in `invoke` (limit the policy to questions that have \
           it, `disclose` and `receive`)",
        ],
    ),
    (
        "permit (principal == Usr::\"x\", action, resource);",
        &["1:22: unrecognized entity type `Usr` (did you mean `User`?)"],
    ),
    (
        "forbid (principal, action, resource) when { context.route > 3 };",
        &["1:45: unexpected type: expected Long but saw String"],
    ),
    (
        "permit (principal, action, resource) when { principal.name == \"x\" };",
        &["1:45: attribute `name` on entity type `Application` not found"],
    ),
    (
        "forbid (principal, action == Action::\"disclose\", resource)\n\
         when { Class::\"email\" in Class::\"pii\" };",
        &["2:8: entity literals cannot be dereferenced at any level"],
    ),
    // Warnings: taken, but odd.
    (
        "forbid (principal, action == Action::\"invoke\", resource in Class::\"pii\");",
        &["1:1: policy is impossible: the policy expression evaluates to false for all valid \
           requests"],
    ),
    (
        "forbid (principal, action, resource) when { context.scores.risk > 100 };",
        &["1:60: `context.risk` is at most 100: comparing it with 100 decides nothing"],
    ),
    (
        "forbid (principal, action == Action::\"disclose\", resource)\n\
         when { context.confidence >= 0 };",
        &["2:16: `context.confidence` is at most 100: comparing it with 0 decides nothing"],
    ),
    (
        "forbid (principal, action, resource) when { context.route == \"r\u{430}te\" };",
        &["1:62: string `\"r\u{430}te\"` contains mixed scripts"],
    ),
];

#[test]
fn each_mistake_is_named_where_it_is() {
    for (text, said) in TABLE {
        assert_eq!(says(text), *said, "{text}");
    }
}

#[test]
fn all_mistakes_of_all_files_come_at_once() {
    // A string that is not closed hides what follows it, up to the next one.
    let closed = |text: &&str| text.matches('"').count().is_multiple_of(2);
    let texts: Vec<_> = TABLE.iter().map(|(text, _)| *text).filter(closed).collect();
    let all = texts.join("\n");
    let errors = Engine::load(&sources(&[
        ("a", "a.cedar", "permit principal;"),
        ("b c", "b.cedar", "@enforce(\"x\") @id(\"y\") forbid (principal, action, resource);"),
        ("d", "d.cedar", &all),
    ]))
    .unwrap_err();
    let of = |file| errors.iter().filter(|error| error.file == file).count();
    assert_eq!((of("a.cedar"), of("b.cedar")), (1, 2));
    assert!(of("d.cedar") >= 25, "{errors:?}");
}

#[test]
fn loading_says_the_same_every_time() {
    for (text, _) in TABLE {
        assert_eq!(says(text), says(text));
    }
}

#[test]
fn a_policy_has_a_name_a_place_and_what_it_does() {
    let engine = engine(&[(
        "hr",
        "policies/hr.cedar",
        "// first\npermit (principal, action, resource);\n\n\
         @id(\"no-ssn\") @enforce(\"mask\") @reason(\"because\") @advice(\"ask\") @note(\"n\")\n\
         forbid (principal, action == Action::\"disclose\", resource in Class::\"us_ssn\");",
    )]);
    let policies: Vec<_> = engine.policies().collect();
    assert_eq!((policies[0].name.as_str(), policies[0].line), ("hr/hr.cedar#1", 2));
    assert_eq!(policies[0].verdict, Verdict::Allow);
    let masks = policies[1];
    assert_eq!((masks.name.as_str(), masks.line), ("hr/no-ssn", 4));
    assert_eq!(masks.id, NameId::of("hr/no-ssn"));
    assert_eq!(masks.verdict, Verdict::Mask);
    assert_eq!(masks.reason.as_deref(), Some("because"));
    assert_eq!(engine.advice(masks.id), Some("ask"));
    assert_eq!(engine.policy(masks.id), Some(masks));
    assert_eq!(engine.name(NameId::of(NO_PERMIT)), Some(NO_PERMIT));
    assert_eq!(engine.name(NameId::of("nobody")), None);
    assert_eq!(engine.names().count(), 2 + OWN_WORDS.len());
}

#[test]
fn names_that_only_the_configuration_knows_are_noted() {
    let engine = engine(&[(
        "t",
        "t.cedar",
        "forbid (principal, action, resource in Target::\"openai\")\n\
         when { context.route == \"hr\" || [\"vllm\", \"openai\"].contains(context.target.name) }\n\
         unless { resource in Provider::\"x\" };",
    )]);
    let mut mentions: Vec<_> = engine
        .mentions()
        .iter()
        .map(|mention| (mention.line, mention.column, mention.what, mention.name.as_str()))
        .collect();
    mentions.sort_unstable_by_key(|(line, column, ..)| (*line, *column));
    assert_eq!(
        mentions,
        [
            (1, 9 + 31, Mentioned::Target, "openai"),
            (2, 25, Mentioned::Route, "hr"),
            (2, 34, Mentioned::Target, "vllm"),
            (2, 42, Mentioned::Target, "openai"),
            (3, 22, Mentioned::Provider, "x"),
        ]
    );
}

#[test]
fn one_set_can_be_several_files() {
    let engine = engine(&[
        ("t", "a.cedar", "permit (principal, action, resource);"),
        ("t", "b.cedar", "forbid (principal, action, resource);"),
        ("empty", "empty.cedar", "// nothing\n"),
    ]);
    assert_eq!(engine.sets().collect::<Vec<_>>(), ["empty", "t"]);
    assert_eq!(engine.compose(&["t"]).unwrap().policies().len(), 2);
    assert_eq!(engine.compose(&["empty"]).unwrap().policies().len(), 0);
    let presets = engine.compose(&[]).unwrap();
    assert!(presets.policies().is_empty() && preset("default").is_some());
}

proptest! {
    #[test]
    fn no_text_makes_loading_panic(
        parts in prop::collection::vec((0..TABLE.len(), 0usize..120, 0usize..120), 0..4),
        noise in "[;\"/@(){}a-z \\\\\n]{0,12}",
    ) {
        let mut text = noise;
        for (row, from, to) in parts {
            let chars = TABLE[row].0.chars();
            text.extend(chars.skip(from.min(to)).take(from.abs_diff(to)));
        }
        let lines = u32::try_from(text.lines().count()).unwrap() + 1;
        if let Err(errors) = Engine::load(&sources(&[("t", "t.cedar", &text)])) {
            prop_assert!(errors.iter().all(|error| (1..=lines).contains(&error.line)));
        }
    }
}

/// The operators' guide.
mod guide {
    use super::*;
    use crate::field::{Field, Number};
    use crate::{Action, OPERATING_POINTS};
    use sluice_contract::facts::{Origin, Score};

    const GUIDE: &str = include_str!("../../POLICY.md");

    #[test]
    fn its_examples_load_with_every_preset() {
        let blocks: Vec<&str> = GUIDE
            .split("```cedar\n")
            .skip(1)
            .map(|rest| rest.split_once("```").unwrap().0)
            .collect();
        assert!(blocks.len() >= 5);
        let engine = engine(&[
            ("examples", "POLICY.md", &blocks.concat()),
            ("default", "default.cedar", preset("default").unwrap()),
        ]);
        assert_eq!(engine.warnings(), []);
        engine.compose(&["default", "examples"]).unwrap();
    }

    #[test]
    fn it_knows_every_name() {
        let mut names: Vec<String> = OWN_WORDS.map(str::to_owned).to_vec();
        names.extend(Action::ALL.map(|action| action.name().to_owned()));
        names.extend(Verdict::ALL.into_iter().skip(1).map(|verdict| verdict.name().to_owned()));
        names.extend(crate::preset_names().map(str::to_owned));
        names.extend(Origin::ALL.map(|origin| format!("\"{}\"", origin.name())));
        names.extend(Score::ALL.map(|score| format!("scores.{}", score.name())));
        let plain = Field::ATTRIBUTES.into_iter().filter(|field| *field != Field::Target);
        names.extend(plain.map(|field| field.name().to_owned()));
        names.extend(Number::PLAIN.map(|number| number.name().to_owned()));
        names.extend(["name", "provider", "trust", "region"].map(|name| format!("target.{name}")));
        for name in names {
            assert!(GUIDE.contains(&format!("`{name}`")), "{name} is not explained");
        }
    }

    #[test]
    fn its_operating_points_are_those_of_the_build() {
        for points in OPERATING_POINTS {
            let (name, medium, high) = (points.score.name(), points.medium, points.high);
            let row = format!("| `{name}` | {medium} | {high} |");
            assert!(GUIDE.contains(&row), "{row}");
        }
    }
}
