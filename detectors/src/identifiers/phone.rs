//! Telephone numbers: E.164 with its country codes, North American forms, and national forms
//! where a word names them.
//!
//! A number with `+` is checked against the lengths of its country's plan; North American ones
//! also by area and exchange rules. Everything else needs a word ("phone", "tel.") near.

use super::Hit;
use super::group::{Gap, Group, Run};
use crate::packs::context::Words;
use crate::packs::identifiers::CALLING_CODES;
use crate::text::Text;
use sluice_contract::class::Class;

/// Finds every telephone number in a group.
pub(crate) fn find(text: &Text<'_>, group: &Group, out: &mut impl FnMut(Hit)) {
    let runs = group.runs();
    let mut from = 0;
    // Where a number of no form of its own may begin: at the group's start, and after another.
    let mut open = 0;
    while let Some(first) = runs.get(from) {
        let plus = plus_before(text, first.start);
        let found = if let Some(start) = plus {
            international(group, from, 0).map(|to| (start, to, 95))
        } else if begins_number(text, group, from) {
            american(text, group, from)
                .or_else(|| long_prefix(text, group, from))
                .or_else(|| pairs(group, from))
                .or_else(|| (from == open).then(|| national(text, group, from))?)
                .map(|(to, confidence)| (open_bracket(text, first.start), to, confidence))
        } else {
            None
        };
        match found {
            Some((start, to, confidence)) => {
                let end = runs.get(to.wrapping_sub(1)).map_or(first.end, |run| run.end);
                if text.is_boundary(end) || extension(text, end) > end {
                    let span = start..extension(text, end);
                    out(Hit::validated(Class::PHONE, confidence, span));
                }
                from = to;
                open = to;
            }
            None => from += 1,
        }
    }
}

/// Whether a number may begin at run `from`: not in the middle of a word, a decimal or a date.
fn begins_number(text: &Text<'_>, group: &Group, from: usize) -> bool {
    let Some(run) = group.runs().get(from) else { return false };
    if from > 0 {
        return matches!(run.gap, Gap::Space | Gap::Mixed);
    }
    text.is_boundary(run.start)
        && !matches!(
            text.before(run.start),
            b'-' | b'.' | b'/' | b'#' | b'$' | b':' | b'_' | b'=' | b'@'
        )
        || matches!(text.before(run.start), b':' | b'=')
        || (text.before(run.start) == b'-' && text.before(run.start - 1) == b' ')
}

/// The offset of a `+` before a run, also with a bracket between.
fn plus_before(text: &Text<'_>, at: usize) -> Option<usize> {
    let start = match (text.before(at.wrapping_sub(1)), text.before(at)) {
        (_, b'+') => at - 1,
        (b'+', b'(') => at - 2,
        _ => return None,
    };
    let bracket = start.wrapping_sub(1);
    let start = if text.byte(bracket) == b'(' { bracket } else { start };
    text.is_boundary(start).then_some(start).filter(|_| !text.before(start).is_ascii_alphanumeric())
}

/// The run after an international number whose first run begins, after `skip` digits, with the
/// country code.
fn international(group: &Group, from: usize, skip: usize) -> Option<usize> {
    let all = group.number(from, group.runs().len()).get(skip..)?;
    if all.first() == Some(&b'0') {
        return None;
    }
    let (code, shortest, longest) = (1..=3_usize).find_map(|digits| {
        let code = value(all.get(..digits)?);
        CALLING_CODES.iter().find(|row| row.0 == code).map(|row| (digits, row.1, row.2))
    })?;
    // The longest that the plan allows, so that no digit of it stays behind.
    (from + 1..=group.runs().len()).rev().find(|&to| {
        let digits = group.number(from, to).get(skip..).unwrap_or(&[]);
        let Some(mut national) = digits.get(code..) else { return false };
        if national.first() == Some(&b'0') && code != 1 {
            // The trunk prefix, `+44 (0)20`.
            national = national.get(1..).unwrap_or(&[]);
        }
        let length = national.len();
        (usize::from(shortest)..=usize::from(longest)).contains(&length)
            && (all.first() != Some(&b'1') || is_american(national))
            && distinct_enough(national)
    })
}

/// `00` or `011`, a country code and a number of its plan.
fn long_prefix(text: &Text<'_>, group: &Group, from: usize) -> Option<(usize, u8)> {
    let digits = group.number(from, group.runs().len());
    let skip = match digits {
        [b'0', b'1', b'1', ..] => 3,
        [b'0', b'0', ..] => 2,
        _ => return None,
    };
    let to = international(group, from, skip)?;
    let start = group.runs().get(from)?.start;
    let named = words_near(text, group, start, to).has(Words::PHONE);
    let spaced = to - from > 1 && from == 0;
    (named || spaced).then_some((to, if named { 92 } else { 70 }))
}

/// `(NXX) NXX-XXXX`, `NXX-NXX-XXXX`, `NXX.NXX.XXXX`, with or without 1; with spaces or bare where
/// a word names it.
fn american(text: &Text<'_>, group: &Group, from: usize) -> Option<(usize, u8)> {
    let runs = group.runs();
    let one =
        runs.get(from).is_some_and(|run| run.len() == 1) && group.number(from, from + 1) == b"1";
    let at = from + usize::from(one);
    let first = runs.get(from)?;
    let named = |to| words_near(text, group, first.start, to);
    if let Some([area, exchange, line]) = runs.get(at..at + 3)
        && (area.len(), exchange.len(), line.len()) == (3, 3, 4)
        && is_american(group.number(at, at + 3))
    {
        let bracketed = text.before(area.start) == b'(' && text.byte(area.end) == b')';
        let same = exchange.gap == line.gap && matches!(line.gap, Gap::Dash | Gap::Dot);
        let to = at + 3;
        let more = runs.get(to).is_some_and(|next| matches!(next.gap, Gap::Dash | Gap::Dot));
        return match () {
            () if more => None,
            () if bracketed || (same && one) => Some((to, 92)),
            () if same => Some((to, 85)),
            () if named(to).has(Words::PHONE) => Some((to, 90)),
            () => None,
        };
    }
    let whole = group.number(from, from + 1);
    let national = whole.strip_prefix(b"1").filter(|rest| rest.len() == 10).unwrap_or(whole);
    (is_american(national) && named(from + 1).has(Words::DIAL)).then_some((from + 1, 88))
}

/// `0X XX XX XX XX`: the French form, which nothing else has.
fn pairs(group: &Group, from: usize) -> Option<(usize, u8)> {
    let runs = group.runs().get(from..from + 5)?;
    let gap = runs.get(1)?.gap;
    let form = runs.iter().all(|run| run.len() == 2)
        && runs.iter().skip(1).all(|run| run.gap == gap)
        && matches!(gap, Gap::Space | Gap::Dot | Gap::Dash)
        && group.runs().get(from + 5).is_none_or(|next| next.gap != gap);
    let number = group.number(from, from + 5);
    (form && matches!(number, [b'0', b'1'..=b'9', ..])).then_some((from + 5, 80))
}

/// Seven to thirteen digits after a word that names a telephone.
fn national(text: &Text<'_>, group: &Group, from: usize) -> Option<(usize, u8)> {
    let runs = group.runs();
    let first = runs.get(from)?;
    let mut to = from;
    let mut digits = 0;
    for run in runs.get(from..)? {
        if digits + run.len() > 13 || (to > from && run.gap == Gap::Slash && to - from > 1) {
            break;
        }
        digits += run.len();
        to += 1;
    }
    let decimal = first.len() == 1 && runs.get(from + 1).is_some_and(|run| run.gap == Gap::Dot);
    if digits < 7
        || decimal
        || is_date_or_address(runs.get(from..to)?)
        || !distinct_enough(group.number(from, to))
    {
        return None;
    }
    let words = words_near(text, group, first.start, to);
    let trunk = group.number(from, from + 1).first() == Some(&b'0');
    if words.has(Words::DIAL) || text.context(first.start).has(Words::DIAL) && trunk {
        return Some((to, 85));
    }
    (words.has(Words::PHONE) && trunk && digits >= 9 && !words.has(Words::OTHER))
        .then_some((to, 70))
}

/// The words right around a number: few, so that they speak of this number and no other.
fn words_near(text: &Text<'_>, group: &Group, start: usize, to: usize) -> Words {
    let end = group.runs().get(to.wrapping_sub(1)).map_or(start, |run| run.end);
    text.near(start) | text.context_after(end)
}

/// The start with the opening bracket of `(NXX)`.
fn open_bracket(text: &Text<'_>, at: usize) -> usize {
    if text.before(at) == b'(' { at - 1 } else { at }
}

/// The end with `x123`, `ext. 123` after it.
fn extension(text: &Text<'_>, end: usize) -> usize {
    let at = text.run(end, 2, |byte| byte == b' ' || byte == b',');
    let word = text.run(at, 10, |byte| byte.is_ascii_alphabetic());
    let mark = text.slice(at..word);
    if !["x", "ext", "extension"].iter().any(|name| mark.eq_ignore_ascii_case(name.as_bytes())) {
        return end;
    }
    let digits = text.run(word, 3, |byte| matches!(byte, b' ' | b'.' | b':'));
    let last = text.run(digits, 6, |byte| byte.is_ascii_digit());
    if last > digits && text.is_boundary(last) { last } else { end }
}

/// Area and exchange rules of the North American plan: `[2-9]XX`, area not `X11`. (`X9X` areas and
/// `X11` exchanges are not given out either, but people write them.)
fn is_american(national: &[u8]) -> bool {
    let part = |at: usize| national.get(at..at + 3).unwrap_or(&[]);
    let leads = |part: &[u8]| matches!(part, [b'2'..=b'9', ..]);
    national.len() == 10 && leads(part(0)) && leads(part(3)) && part(0).get(1..) != Some(b"11")
}

fn is_date_or_address(runs: &[Run]) -> bool {
    let mut lengths = [0; 4];
    for (place, run) in lengths.iter_mut().zip(runs) {
        *place = run.len();
    }
    let dots = runs.iter().skip(1).all(|run| run.gap == Gap::Dot);
    match (lengths, runs.len()) {
        ([4, 2, 2, _] | [2, 2, 4, _], 3) => true,
        ([a, b, c, d], 4) => dots && [a, b, c, d].iter().all(|n| *n <= 3),
        _ => false,
    }
}

fn distinct_enough(digits: &[u8]) -> bool {
    crate::checks::distinct(digits) >= 3
}

fn value(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, reason = "tests may panic")]

    use super::super::digits;
    use super::*;

    fn phones(text: &str) -> Vec<&str> {
        let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
        let mut found = Vec::new();
        let mut at = 0;
        while at < text.len() {
            if text.as_bytes()[at].is_ascii_digit() {
                at = digits(&whole, at, &mut |hit| {
                    if hit.class == Class::PHONE {
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
    fn forms_that_stand_for_themselves() {
        for phone in [
            "+49 30 901820",
            "+44 (0)20 7946 0958",
            "+1 415 555 2671",
            "+14155552671",
            "(+33) 1 42 68 53 00",
            "(415) 555-2671",
            "415-555-2671",
            "415.555.2671",
            "1-415-555-2671",
            "(415)555-2671",
            "+1-415-555-2671 ext. 12",
            "415-555-2671x036",
            "01 42 68 53 00",
            "01.42.68.53.00",
            "0049 30 901820",
            "+86 138 0013 8000",
        ] {
            assert_eq!(phones(&format!("reply: {phone}, thanks")), [phone]);
        }
    }

    #[test]
    fn forms_that_a_word_names() {
        assert_eq!(phones("Telefon 030 901820"), ["030 901820"]);
        assert_eq!(phones("Tel.: 0341 8387176"), ["0341 8387176"]);
        assert_eq!(phones("my cell is 4155552671"), ["4155552671"]);
        assert_eq!(phones("0412 345 678 (mobile)"), ["0412 345 678"]);
        assert_eq!(phones("0412 345 678"), [""; 0]);
    }

    #[test]
    fn what_is_no_telephone() {
        for text in [
            "2024-01-02",
            "on 12-05-2023",
            "192.168.100.200",
            "+1 (021) 555-2671",
            "+999 12345678",
            "1.415.555.26712",
            "id 4155552671",
            "3.14159265358979",
            "111-555-2671",
            "1234567890",
            "+11111111111",
            "x = 415-1234",
            "ISBN 978-3-16-148410-0",
            "v10.123.456.7890",
            "555-2671",
            "100,000,000",
            "2 + 1234567",
        ] {
            assert_eq!(phones(text), [""; 0], "{text}");
        }
    }
}
