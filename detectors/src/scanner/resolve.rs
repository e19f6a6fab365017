//! From everything that was found to findings that do not overlap.
//!
//! Where two overlap, the one that proves more wins, then the longer one; its span grows over what
//! the loser covered, so that redaction never leaves a part of either standing. Hidden content
//! under another finding keeps counting without a span of its own.
//! INVARIANT: the winners cover every byte that anything covered.

use crate::finding::{Finding, Report};
use sluice_contract::class::Class;
use sluice_contract::facts::Flags;
use sluice_contract::limits::FINDINGS_MAX;

/// Gap in bytes over which findings of invisible text are one.
const HIDDEN_GAP: u32 = 12;

/// Moves what `raw` holds into `out`, resolved.
pub(super) fn resolve(raw: &mut Vec<Finding>, out: &mut Report) {
    raw.sort_unstable_by_key(|f| (f.text, f.start, std::cmp::Reverse(f.end), f.class.0));
    raw.dedup();
    for finding in raw.drain(..) {
        let Some(last) = out.findings.last_mut().filter(|last| touches(last, &finding)) else {
            keep(out, finding);
            continue;
        };
        let (start, end) = (last.start.min(finding.start), last.end.max(finding.end));
        let loser = if wins(&finding, last) { std::mem::replace(last, finding) } else { finding };
        last.start = start;
        last.end = end;
        let same = last.class == loser.class;
        if same {
            last.confidence = last.confidence.max(loser.confidence);
        } else if loser.class.is_a(Class::HIDDEN_CONTENT) {
            shadow(out, loser);
        }
    }
}

fn keep(out: &mut Report, finding: Finding) {
    if out.findings.len() < FINDINGS_MAX {
        out.findings.push(finding);
    } else {
        out.flags.set(Flags::OVERFLOW);
    }
}

/// Hidden content counts once for each finding that it lies under.
fn shadow(out: &mut Report, loser: Finding) {
    let again = out.shadowed.last().is_some_and(|last| {
        last.text == loser.text && last.class == loser.class && last.end >= loser.start
    });
    if !again && out.shadowed.len() < FINDINGS_MAX {
        out.shadowed.push(loser);
    }
}

fn touches(last: &Finding, next: &Finding) -> bool {
    let hidden = last.class == Class::INVISIBLE_TEXT && next.class == Class::INVISIBLE_TEXT;
    let gap = if hidden { HIDDEN_GAP } else { 0 };
    last.text == next.text && next.start < last.end.saturating_add(gap)
}

/// Whether `a` proves more than `b`.
fn wins(a: &Finding, b: &Finding) -> bool {
    let rank = |f: &Finding| {
        let group = match f.class {
            class if class.is_a(Class::HIDDEN_CONTENT) => 0,
            Class::SECRET_GENERIC | Class::PASSWORD => 1,
            Class::PHONE => 2,
            _ => 3,
        };
        (group, f.confidence / 10, f.end - f.start, f.confidence)
    };
    rank(a) > rank(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Layer;
    use proptest::prelude::*;

    fn finding(class: Class, confidence: u8, start: u32, end: u32) -> Finding {
        Finding { class, confidence, layer: Layer::Validated, text: 0, start, end }
    }

    fn resolved(mut raw: Vec<Finding>) -> Report {
        let mut out = Report::default();
        resolve(&mut raw, &mut out);
        out
    }

    #[test]
    fn the_better_one_wins_and_covers_both() {
        let out = resolved(vec![
            finding(Class::PHONE, 85, 0, 12),
            finding(Class::PAYMENT_CARD, 99, 4, 20),
            finding(Class::EMAIL, 97, 20, 30),
        ]);
        let spans: Vec<_> = out.findings.iter().map(|f| (f.class, f.start, f.end)).collect();
        assert_eq!(spans, [(Class::PAYMENT_CARD, 0, 20), (Class::EMAIL, 20, 30)]);
    }

    #[test]
    fn hidden_content_under_a_finding_still_counts() {
        let out = resolved(vec![
            finding(Class::INVISIBLE_TEXT, 90, 3, 6),
            finding(Class::US_SSN, 85, 0, 20),
            finding(Class::INVISIBLE_TEXT, 90, 8, 11),
        ]);
        assert_eq!(out.findings.len(), 1);
        assert_eq!(out.findings[0].class, Class::US_SSN);
        assert_eq!(out.shadowed.len(), 2);
    }

    #[test]
    fn more_than_the_bound_is_said() {
        let raw = (0..=u32::try_from(FINDINGS_MAX).unwrap())
            .map(|n| finding(Class::EMAIL, 97, n * 10, n * 10 + 5));
        let out = resolved(raw.collect());
        assert!(out.flags.has(Flags::OVERFLOW) && out.findings.len() == FINDINGS_MAX);
    }

    proptest! {
        #[test]
        fn winners_are_apart_and_cover_everything(
            raw in proptest::collection::vec((0_u32..60, 1_u32..15, 0_usize..5, 50_u8..100), 0..30),
        ) {
            let classes = [Class::EMAIL, Class::PHONE, Class::INVISIBLE_TEXT, Class::PASSWORD, Class::PAYMENT_CARD];
            let raw: Vec<_> = raw.iter()
                .map(|&(start, len, class, confidence)| finding(classes[class], confidence, start, start + len))
                .collect();
            let out = resolved(raw.clone());
            prop_assert!(out.findings.windows(2).all(|pair| pair[0].end <= pair[1].start));
            for one in raw {
                prop_assert!(out.findings.iter().any(|f| f.start <= one.start && one.end <= f.end));
            }
        }
    }
}
