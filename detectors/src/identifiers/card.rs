//! Payment card numbers: issuer range, length and Luhn, in the groupings that people use.
//!
//! A tenth of all numbers pass Luhn, so that the rest decides: a bare number must stand alone (no
//! part of a decimal, a hash or an identifier), and where its range or its length proves little a
//! word such as "card" must be near. Grouped numbers must be grouped as cards are.

use super::Hit;
use super::group::{Gap, Group, Run};
use crate::checks::luhn;
use crate::packs::context::Words;
use crate::packs::identifiers::{ISSUERS, Issuer};
use crate::text::Text;
use sluice_contract::class::Class;

/// Digits of the shortest card number.
pub(super) const DIGITS_MIN: usize = 12;

/// Digits of the longest card number.
const DIGITS_MAX: usize = 19;

/// Finds every card number in a group.
pub(crate) fn find(text: &Text<'_>, group: &Group, out: &mut impl FnMut(Hit)) {
    let runs = group.runs();
    // A row of single digits longer than a card is a table, unless a word says otherwise.
    let table = runs.len() > DIGITS_MAX && runs.iter().all(|run| run.len() == 1);
    if table && !runs.first().is_some_and(|run| text.context(run.start).has(Words::CARD)) {
        return;
    }
    let mut from = 0;
    while from < runs.len() {
        // The longest first: 19 digits also hold 16 that may pass.
        let last = (from + 1..=runs.len()).rev().find_map(|to| {
            let hit = check(text, group, from, to)?;
            Some((to, hit))
        });
        match last {
            Some((to, hit)) => {
                out(hit);
                from = to;
            }
            None => from += 1,
        }
    }
}

fn check(text: &Text<'_>, group: &Group, from: usize, to: usize) -> Option<Hit> {
    let digits = group.number(from, to);
    if !(DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) {
        return None;
    }
    if !luhn(digits) {
        return None;
    }
    let issuer = issuer(digits)?;
    let runs = group.runs().get(from..to)?;
    let span = runs.first()?.start..runs.last()?.end;
    if !stands_alone(text, group, from, to) {
        return None;
    }
    let words = text.context(span.start);
    let named = words.has(Words::CARD);
    let confidence = match runs {
        [_] => bare(digits, issuer, words)?,
        [first, ..] if grouped_as_card(runs) => {
            let width = first.len();
            let like = |run: Option<&Run>| run.is_some_and(|run| run.len() == width);
            let in_a_row = runs.len() > 2
                && (like(from.checked_sub(1).and_then(|at| group.runs().get(at)))
                    || like(group.runs().get(to)));
            match (named, in_a_row) {
                (true, _) => 99,
                (false, false) if width == 8 => return None,
                (false, false) if width >= 4 && !issuer.weak => 97,
                (false, false) if group.runs().len() == runs.len() && !issuer.weak => 85,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Hit::validated(Class::PAYMENT_CARD, confidence, span))
}

/// The confidence of a number without separators.
fn bare(digits: &[u8], issuer: &Issuer, words: Words) -> Option<u8> {
    let named = words.has(Words::CARD);
    match digits.len() {
        _ if named => Some(99),
        14..=16 if !issuer.weak => (!words.has(Words::OTHER)).then_some(92),
        13 if !issuer.weak => (!words.has(Words::OTHER)).then_some(75),
        _ => None,
    }
}

fn issuer(digits: &[u8]) -> Option<&'static Issuer> {
    const POWERS: [u32; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let lead = digits.get(..6)?.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    ISSUERS.iter().find(|issuer| {
        let value = lead / POWERS.get(usize::from(issuer.digits)).copied().unwrap_or(1);
        (issuer.from..=issuer.to).contains(&value) && issuer.lengths >> digits.len() & 1 == 1
    })
}

/// Whether the runs have one kind of gap and lengths in which cards are written.
fn grouped_as_card(runs: &[Run]) -> bool {
    let gaps = runs.get(1..).unwrap_or(&[]);
    let kind = gaps.first().map_or(Gap::Mixed, |run| run.gap);
    if kind == Gap::Slash || gaps.iter().any(|run| run.gap != kind) {
        return false;
    }
    let mut lengths = [0_usize; 20];
    for (place, run) in lengths.iter_mut().zip(runs) {
        *place = run.len();
    }
    match lengths.get(..runs.len()) {
        Some([4, 6, 4 | 5] | [6, 6..=13] | [8, 8] | [4, 4, 4, 4, 1..=3] | [4, 5, 6]) => true,
        Some(equal @ [first, .., last]) => {
            let body = equal.get(..equal.len() - 1).unwrap_or(&[]);
            (1..=5).contains(first) && body.iter().all(|n| n == first) && last <= first
        }
        _ => false,
    }
}

/// Whether the number is no part of something longer: a decimal, a hash, a word.
fn stands_alone(text: &Text<'_>, group: &Group, from: usize, to: usize) -> bool {
    let runs = group.runs();
    let (Some(first), Some(last)) = (runs.get(from), runs.get(to.wrapping_sub(1))) else {
        return false;
    };
    if !text.is_boundary(first.start) || !text.is_boundary(last.end) {
        return escaped_break(text, first.start) && text.is_boundary(last.end);
    }
    let single = to - from == 1;
    // `0.4111...` and `4111....5`: decimals.
    let joined = |gap: Gap| matches!(gap, Gap::Dot) || (single && gap == Gap::Dash);
    if (from > 0 && joined(first.gap)) || runs.get(to).is_some_and(|next| joined(next.gap)) {
        return false;
    }
    // `a716-446655440000`: the end of a UUID or of a hash.
    let glue = text.before(first.start);
    let beyond = text.before(first.start.wrapping_sub(1));
    if glue == b'+'
        || matches!(glue, b'-' | b'.' | b'_') && (beyond.is_ascii_alphanumeric()) && single
    {
        return false;
    }
    let next = text.byte(last.end);
    !(single && matches!(next, b'-' | b'_') && text.byte(last.end + 1).is_ascii_alphanumeric())
}

/// Whether an escape such as `\n`, written out, ends right before `at`.
fn escaped_break(text: &Text<'_>, at: usize) -> bool {
    matches!(text.before(at), b'n' | b't' | b'r') && text.before(at.wrapping_sub(1)) == b'\\'
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, reason = "tests may panic")]

    use super::super::digits;
    use super::*;

    fn cards(text: &str) -> Vec<&str> {
        let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
        let mut found = Vec::new();
        let mut at = 0;
        while at < text.len() {
            if text.as_bytes()[at].is_ascii_digit() {
                at = digits(&whole, at, &mut |hit| {
                    if hit.class == Class::PAYMENT_CARD {
                        found.push(&text[hit.span]);
                    }
                });
            } else {
                at += 1;
            }
        }
        found
    }

    #[test]
    fn networks_and_groupings() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111.1111.1111.1111",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "30569309025904",
            "3056 930902 5904",
            "3530111333300000",
            "6200000000000005",
            "6304000000000000",
        ] {
            assert_eq!(cards(&format!("pay with {card}, please")), [card]);
        }
        assert_eq!(cards("2024-01-02 4111 1111 1111 1111 123 4.5"), ["4111 1111 1111 1111"]);
        assert_eq!(cards(r#"{\"n\":\"x\n4111111111111111\"}"#), ["4111111111111111"]);
    }

    #[test]
    fn what_only_looks_like_a_card() {
        for text in [
            "4111111111111112",
            "0.4111111111111111",
            "4111111111111111.5",
            "a4111111111111111",
            "550e8400-e29b-41d4-a716-4111111111111111",
            "order id 4111111111111111",
            "1700000000000",
            "1700000000000000",
            "deadbeef-4111111111111111",
            "5100 5200 5300 5400 5500 5600 5700",
            "41111111111111114111111111111111",
            "1 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 9",
            "675900000000",
            "4111/1111/1111/1111",
        ] {
            assert_eq!(cards(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_word_decides_where_the_number_does_not() {
        assert_eq!(cards("maestro card 6759649826438453"), ["6759649826438453"]);
        assert_eq!(cards("card for order id 4111111111111111"), ["4111111111111111"]);
    }
}
