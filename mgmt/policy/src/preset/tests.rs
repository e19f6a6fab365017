//! What the presets do, as POLICY.md promises it.

use super::*;
use crate::fixture::{Asked, engine};
use crate::{Engine, RoutePolicy};
use Verdict::{Alert, Allow, Block, Redact};
use sluice_contract::class::Class;
use sluice_contract::decision::Verdict;
use sluice_contract::facts::Score;

fn loaded(name: &str) -> (Engine, RoutePolicy) {
    let engine = engine(&[(name, "preset.cedar", preset(name).unwrap())]);
    let policy = engine.compose(&[name]).unwrap();
    (engine, policy)
}

#[test]
fn every_preset_loads_without_a_warning_and_says_why() {
    for name in preset_names() {
        let (engine, _) = loaded(name);
        assert_eq!(engine.warnings(), [], "{name}");
        for info in engine.policies() {
            assert!(info.reason.is_some(), "{} has no reason", info.name);
            assert!(!info.name.contains('#'), "{} has no id", info.name);
        }
    }
    assert_eq!(preset("nothing"), None);
}

/// Class, toward external and internal, in an answer from either.
type Row = (Class, Verdict, Verdict, Verdict, Verdict);

fn verdicts(preset: &str, rows: &[Row]) {
    let (_, policy) = loaded(preset);
    for (class, external, internal, from_external, from_internal) in rows {
        let of = |asked: Asked| asked.found(*class).decide(&policy).of(*class);
        assert_eq!(of(Asked::request()), *external, "{preset} {class:?} to external");
        assert_eq!(of(Asked::request().internal()), *internal, "{preset} {class:?} to internal");
        assert_eq!(of(Asked::response()), *from_external, "{preset} {class:?} from external");
        let answered = Asked::response().internal();
        assert_eq!(of(answered), *from_internal, "{preset} {class:?} from internal");
    }
}

#[test]
fn default_treats_classes_as_documented() {
    verdicts(
        "default",
        &[
            (Class::PRIVATE_KEY, Redact, Allow, Redact, Redact),
            (Class::SECRET_AWS_ACCESS_KEY, Redact, Allow, Redact, Redact),
            (Class::SECRET_GENERIC, Redact, Allow, Alert, Alert),
            (Class::PASSWORD, Redact, Allow, Alert, Alert),
            (Class::JWT, Redact, Allow, Alert, Alert),
            (Class::PAYMENT_CARD, Redact, Allow, Allow, Allow),
            (Class::IBAN, Redact, Allow, Allow, Allow),
            (Class::US_SSN, Redact, Allow, Allow, Allow),
            (Class::EMAIL, Allow, Allow, Allow, Allow),
            (Class::PHONE, Allow, Allow, Allow, Allow),
            (Class::INVISIBLE_TEXT, Alert, Alert, Allow, Allow),
            (Class::ENCODED_PAYLOAD, Alert, Alert, Allow, Allow),
            (Class::OPAQUE_IMAGE, Block, Allow, Allow, Allow),
            (Class::OPAQUE_REMOTE, Block, Allow, Allow, Allow),
        ],
    );
}

#[test]
fn privacy_adds_contact_data() {
    verdicts(
        "privacy",
        &[
            (Class::EMAIL, Redact, Allow, Redact, Allow),
            (Class::PHONE, Redact, Allow, Redact, Allow),
            (Class::HEALTH, Redact, Allow, Redact, Allow),
            (Class::US_SSN, Redact, Allow, Redact, Allow),
            (Class::PAYMENT_CARD, Redact, Allow, Redact, Allow),
            (Class::PRIVATE_KEY, Redact, Allow, Redact, Redact),
        ],
    );
}

#[test]
fn strict_blocks_and_record_does_not() {
    verdicts(
        "strict",
        &[
            (Class::EMAIL, Block, Allow, Redact, Allow),
            (Class::PAYMENT_CARD, Block, Allow, Redact, Allow),
            (Class::JWT, Block, Allow, Alert, Alert),
            (Class::INVISIBLE_TEXT, Block, Block, Allow, Allow),
        ],
    );
    verdicts(
        "record",
        &[
            (Class::PRIVATE_KEY, Allow, Allow, Allow, Allow),
            (Class::OPAQUE_IMAGE, Allow, Allow, Allow, Allow),
        ],
    );
}

#[test]
fn attacks_are_judged_at_their_operating_points() {
    let (_, policy) = loaded("default");
    for (score, hundredths, verdict) in [
        (Score::Injection, 49, Allow),
        (Score::Injection, 50, Alert),
        (Score::Injection, 89, Alert),
        (Score::Injection, 90, Block),
        (Score::Jailbreak, 90, Block),
        (Score::IndirectInjection, 39, Allow),
        (Score::IndirectInjection, 40, Alert),
        (Score::IndirectInjection, 80, Block),
        (Score::Toxicity, 100, Allow),
        (Score::PromptLeak, 100, Allow),
    ] {
        for asked in [Asked::request(), Asked::request().internal()] {
            let decision = asked.scored(score, hundredths).decide(&policy);
            assert_eq!(decision.verdict, verdict, "{score:?} {hundredths}");
        }
    }
}

#[test]
fn strict_blocks_a_suspected_attack_and_record_blocks_none() {
    let asked = Asked::request().scored(Score::IndirectInjection, 40);
    assert_eq!(asked.decide(&loaded("strict").1).verdict, Block);
    let attack = asked.scored(Score::Injection, 100);
    assert_eq!(attack.decide(&loaded("record").1).verdict, Allow);
}

#[test]
fn opaque_content_can_be_allowed_by_the_route_and_the_block_says_how() {
    let (engine, policy) = loaded("default");
    let asked = Asked::request().found(Class::OPAQUE_FILE);
    let decision = asked.decide(&policy);
    assert_eq!(decision.verdict, Block);
    let advice = engine.advice(decision.policies[0]).unwrap();
    assert!(advice.contains("allow_opaque = true"), "{advice}");
    assert_eq!(engine.name(decision.policies[0]), Some("default/opaque"));
    let allowed = asked.with(|asked| asked.allow_opaque = true);
    assert_eq!(allowed.decide(&policy).verdict, Allow);
}

#[test]
fn the_summary_says_what_is_acted_on() {
    let (_, policy) = loaded("default");
    let summary = |trust| {
        let asked = Asked::request().with(|asked| asked.trust = trust);
        asked.ask(|question| policy.summary(question.route, question.model, question.target))
    };
    let external = summary(crate::Trust::External);
    let of =
        |class| external.iter().find(|(known, _)| *known == class).map(|(_, verdict)| *verdict);
    assert_eq!(of(Class::PAYMENT_CARD), Some(Redact));
    assert_eq!(of(Class::EMAIL), Some(Allow));
    assert_eq!(of(Class::PII), None, "a group is no class of its own");
    let internal = summary(crate::Trust::Internal);
    assert!(internal.iter().all(|(class, verdict)| {
        *verdict == if class.is_a(Class::HIDDEN_CONTENT) { Alert } else { Allow }
    }));
}
