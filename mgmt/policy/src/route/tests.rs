//! Policy text and facts against decisions.

mod cached;

use super::*;
use crate::Enforcement;
use crate::fixture::{Asked, engine, policy};
use Verdict::{Alert, Allow, Block, Mask, Redact};
use sluice_contract::facts::{Flags, Score};

const PERMIT: &str = "@id(\"all\") permit (principal, action, resource);\n";

fn names(of: &RoutePolicy, decision: &Decision) -> Vec<String> {
    decision
        .policies
        .iter()
        .map(|id| {
            let own = crate::OWN_WORDS.into_iter().find(|word| NameId::of(word) == *id);
            let policy = of.policies().into_iter().find(|info| info.id == *id);
            policy.map(|info| info.name.clone()).or(own.map(str::to_owned)).unwrap()
        })
        .collect()
}

/// Policies after the permit, a question, the verdict, and who determined it.
#[track_caller]
fn decides(policies: &str, asked: &Asked, verdict: Verdict, determining: &[&str]) {
    let policy = policy(&format!("{PERMIT}{policies}"));
    let decision = asked.decide(&policy);
    assert_eq!(decision.verdict, verdict, "{policies}");
    assert_eq!(names(&policy, &decision), determining, "{policies}");
    assert!(!decision.errored);
}

#[test]
fn without_a_permit_everything_is_blocked() {
    for text in [
        "",
        "forbid (principal, action, resource);",
        "permit (principal, action, resource) when { context.route == \"other\" };",
    ] {
        let policy = policy(text);
        let decision = Asked::request().found(Class::EMAIL).decide(&policy);
        assert_eq!(decision.verdict, Block);
        assert_eq!(decision.of(Class::EMAIL), Block);
        assert!(decision.policies.contains(&NameId::of(NO_PERMIT)), "{text}");
    }
}

#[test]
fn a_mild_forbid_does_not_stand_in_for_a_permit() {
    let text = r#"
        @id("models") permit (principal, action == Action::"invoke", resource);
        @id("mask") @enforce("mask")
        forbid (principal, action == Action::"disclose", resource);
    "#;
    let policy = policy(text);
    let decision = Asked::request().found(Class::EMAIL).decide(&policy);
    assert_eq!(decision.of(Class::EMAIL), Block);
    assert_eq!(names(&policy, &decision), [NO_PERMIT, "t/mask", "t/models"]);
}

#[test]
fn a_permit_that_matches_is_named() {
    decides("", &Asked::request().found(Class::EMAIL), Allow, &["t/all"]);
    decides("", &Asked::response(), Allow, &["t/all"]);
}

#[test]
fn obligations_are_carried_by_forbids() {
    for (enforce, verdict) in
        [("alert", Alert), ("mask", Mask), ("redact", Redact), ("block", Block)]
    {
        let text = format!(
            "@id(\"p\") @enforce(\"{enforce}\")
             forbid (principal, action == Action::\"disclose\", resource in Class::\"pii\");"
        );
        decides(&text, &Asked::request().found(Class::US_SSN), verdict, &["t/p", "t/all"]);
        decides(&text, &Asked::request().found(Class::PAYMENT_CARD), Allow, &["t/all"]);
    }
    let text = "@id(\"p\") forbid (principal, action == Action::\"disclose\", resource);";
    decides(text, &Asked::request().found(Class::EMAIL), Block, &["t/p", "t/all"]);
}

#[test]
fn the_strictest_of_several_wins_and_all_are_named() {
    let text = r#"
        @id("a") @enforce("alert") forbid (principal, action, resource);
        @id("r") @enforce("redact")
        forbid (principal, action == Action::"disclose", resource in Class::"contact");
        @id("m") @enforce("mask")
        forbid (principal, action == Action::"disclose", resource == Class::"email");
    "#;
    let asked = Asked::request().found(Class::EMAIL).found(Class::PHONE).found(Class::IBAN);
    decides(text, &asked, Redact, &["t/r", "t/m", "t/a"]);
    let decision = asked.decide(&policy(&format!("{PERMIT}{text}")));
    let of: Vec<_> = decision.classes.iter().map(|action| (action.class, action.verdict)).collect();
    assert_eq!(of, [(Class::IBAN, Alert), (Class::EMAIL, Redact), (Class::PHONE, Redact)]);
}

#[test]
fn who_asks_where_and_for_what_can_decide() {
    let hr = |asked: &mut Asked| asked.groups.push("hr".into());
    let alice = |asked: &mut Asked| asked.user = Some("alice".into());
    let cases: &[(&str, Asked, Verdict)] = &[
        ("principal in Group::\"hr\"", Asked::request(), Allow),
        ("principal in Group::\"hr\"", Asked::request().with(hr), Block),
        ("principal in Application::\"app\"", Asked::request(), Block),
        ("principal in Application::\"app\"", Asked::request().with(alice), Block),
        ("principal == User::\"alice\"", Asked::request().with(alice), Block),
        ("principal == User::\"alice\"", Asked::request(), Allow),
        ("principal is User", Asked::request(), Allow),
        ("principal is User in Group::\"hr\"", Asked::request().with(alice).with(hr), Block),
        ("principal in Team::\"team\"", Asked::request(), Block),
        ("principal in Tenant::\"default\"", Asked::request(), Block),
        ("principal in Project::\"x\"", Asked::request(), Allow),
    ];
    for (scope, asked, verdict) in cases {
        let text = format!("@id(\"p\") forbid ({scope}, action, resource);");
        assert_eq!(asked.decide(&policy(&format!("{PERMIT}{text}"))).verdict, *verdict, "{scope}");
    }
}

#[test]
fn the_context_can_decide() {
    let facts = |asked: &mut Asked| {
        asked.facts.text_bytes = 5000;
        asked.facts.texts = 3;
        asked.facts.opaque_bytes = 10;
        asked.facts.flags = Flags(Flags::OPAQUE.0 | Flags::NORMALISED.0);
        asked.use_case = Some("support".into());
        asked.region = "eu".into();
        asked.enforcement = Enforcement::Observe;
        asked.allow_opaque = true;
    };
    let asked = Asked::request().with(facts).scored(Score::Toxicity, 70).found(Class::US_SSN);
    for (condition, holds) in [
        ("context.route == \"r\"", true),
        ("context.route == \"x\"", false),
        ("context.use_case == \"support\"", true),
        ("context.enforcement == \"observe\"", true),
        ("context.allow_opaque", true),
        ("context.model like \"m*\"", true),
        ("context.target.region == \"eu\"", true),
        ("context.target.provider == \"openai\"", true),
        ("context.target.name == \"up\" && context.target.trust == \"external\"", true),
        ("context.scores.toxicity >= 70", true),
        ("context.scores.toxicity > 70", false),
        ("70 < context.scores.toxicity", false),
        ("70 <= context.scores.toxicity", true),
        ("context.scores.toxicity + context.scores.risk == 70", true),
        ("context.text_bytes > 4999", true),
        ("context.texts == 3", true),
        ("context.texts != 3", false),
        ("context.opaque && context.opaque_bytes < 11", true),
        ("context.normalised", true),
        ("context.truncated", false),
        ("context.classes.contains(Class::\"us_ssn\")", true),
        ("context.classes.containsAll([Class::\"pii\", Class::\"national_id\"])", true),
        ("context.classes.contains(Class::\"secret\")", false),
        ("resource in Target::\"up\"", true),
        ("resource in Provider::\"openai\"", true),
        ("resource == Model::\"m\"", true),
        ("resource == Model::\"n\"", false),
        ("if context.opaque then context.texts > 5 else true", false),
    ] {
        let text = format!(
            "forbid (principal, action == Action::\"invoke\", resource) when {{ {condition} }};"
        );
        let verdict = if holds { Block } else { Allow };
        let decision = asked.decide(&policy(&format!("{PERMIT}{text}")));
        assert_eq!(decision.verdict, verdict, "{condition}");
        assert!(!decision.errored, "{condition}");
    }
}

#[test]
fn what_was_found_of_a_class_can_decide() {
    let asked = Asked::request().with(|asked| {
        for _ in 0..20 {
            asked.facts.add(Class::EMAIL, Origin::ToolResult, 85);
        }
        asked.facts.add(Class::EMAIL, Origin::User, 60);
    });
    for (condition, holds) in [
        ("context.count > 20", true),
        ("context.count > 21", false),
        ("context.count * 2 == 42", true),
        ("context.confidence >= 85", true),
        ("context.confidence > 85", false),
        ("context.origins.contains(\"tool_result\")", true),
        ("context.origins.contains(\"document\")", false),
        ("context.origins.containsAny([\"user\", \"system\"])", true),
    ] {
        let text = format!(
            "forbid (principal, action == Action::\"disclose\", resource) when {{ {condition} }};"
        );
        let verdict = if holds { Block } else { Allow };
        let decision = asked.decide(&policy(&format!("{PERMIT}{text}")));
        assert_eq!(decision.verdict, verdict, "{condition}");
    }
}

#[test]
fn an_erring_policy_blocks_and_is_named_first() {
    let text = r#"
        @id("fine") forbid (principal, action == Action::"invoke", resource in Target::"up");
        @id("overflows") forbid (principal, action == Action::"invoke", resource)
        when { context.texts * 9223372036854775807 > 1 };
        @id("permit-overflows") permit (principal, action == Action::"invoke", resource)
        when { context.texts * 9223372036854775807 > 1 };
    "#;
    let policy = policy(&format!("{PERMIT}{text}"));
    let asked = Asked::request().with(|asked| asked.facts.texts = 2).found(Class::EMAIL);
    let decision = asked.decide(&policy);
    assert!(decision.errored);
    assert_eq!(decision.verdict, Block);
    let expected = ["t/overflows", "t/permit-overflows", "t/fine", "t/all"];
    assert_eq!(names(&policy, &decision), expected);
    assert_eq!(decision.of(Class::EMAIL), Allow, "its own question did not err");
}

#[test]
fn incomplete_facts_are_blocked_on_our_own_word() {
    let policy = policy(PERMIT);
    let asked =
        Asked::request().found(Class::EMAIL).with(|asked| asked.facts.flags.set(Flags::OVERFLOW));
    let decision = asked.decide(&policy);
    assert_eq!((decision.verdict, decision.of(Class::EMAIL)), (Block, Block));
    assert_eq!(names(&policy, &decision), [OVERFLOW]);
    let unknown = Asked::request().found(Class(60_000)).decide(&policy);
    assert_eq!(unknown.of(Class(60_000)), Block);
    assert_eq!(names(&policy, &unknown), [UNKNOWN_CLASS, "t/all"]);
}

#[test]
fn responses_are_asked_about_apart() {
    let text = r#"
        @id("toxic") forbid (principal, action == Action::"answer", resource)
        when { context.scores.toxicity >= 80 };
        @id("keys") @enforce("redact")
        forbid (principal, action == Action::"receive", resource in Class::"secret");
    "#;
    let toxic = |asked: Asked| asked.scored(Score::Toxicity, 90);
    decides(text, &toxic(Asked::response()), Block, &["t/toxic"]);
    decides(text, &toxic(Asked::request()), Allow, &["t/all"]);
    decides(text, &Asked::response().found(Class::JWT), Redact, &["t/keys", "t/all"]);
    decides(text, &Asked::request().found(Class::JWT), Allow, &["t/all"]);
}

#[test]
fn sets_add_up_in_order() {
    let engine = engine(&[
        ("node", "node.cedar", "@id(\"p\") permit (principal, action, resource);"),
        ("hr", "hr.cedar", "@id(\"p\") forbid (principal, action, resource);"),
    ]);
    let node = engine.compose(&["node"]).unwrap();
    let both = engine.compose(&["node", "hr", "node"]).unwrap();
    assert_eq!(Asked::request().decide(&node).verdict, Allow);
    let decision = Asked::request().decide(&both);
    assert_eq!(names(&both, &decision), ["hr/p"]);
    assert_ne!(node.fingerprint(), both.fingerprint());
    let unknown = engine.compose(&["nod"]).unwrap_err();
    let nearest = Some("node".to_owned());
    assert_eq!(unknown, ComposeError::UnknownSet { set: "nod".to_owned(), nearest });
}

#[test]
fn the_explanation_adds_up_to_the_decision() {
    let policy =
        engine(&[("d", "d.cedar", crate::preset("default").unwrap())]).compose(&["d"]).unwrap();
    let asked =
        Asked::request().found(Class::US_SSN).found(Class::EMAIL).scored(Score::Injection, 60);
    let decision = asked.decide(&policy);
    let answers = asked.ask(|question| policy.explain(question));
    assert_eq!(answers.len(), 3);
    assert_eq!(answers.iter().map(|answer| answer.verdict).max(), Some(decision.verdict));
    for answer in &answers {
        if let Some(class) = answer.class {
            assert_eq!(decision.of(class), answer.verdict);
        }
        assert!(answer.policies.iter().all(|policy| decision.policies.contains(policy)));
    }
}

#[test]
fn more_determining_policies_than_a_record_holds() {
    let forbids: Vec<_> = (0..12)
        .map(|n| {
            let enforce = if n == 11 { "redact" } else { "alert" };
            format!(
                "@id(\"p{n}\") @enforce(\"{enforce}\")
                 forbid (principal, action == Action::\"disclose\", resource);"
            )
        })
        .collect();
    let text = forbids.concat();
    let policy = policy(&format!("{PERMIT}{text}"));
    let decision = Asked::request().found(Class::EMAIL).decide(&policy);
    let named = names(&policy, &decision);
    assert_eq!(named, ["t/p11", "t/p0", "t/p1", "t/p2", "t/p3", "t/p4", "t/p5", "t/p6"]);
}

#[test]
fn a_route_policy_can_be_shared() {
    const fn is_shared<T: Send + Sync + Clone>() {}
    is_shared::<RoutePolicy>();
}
