//! United States social security numbers: area, group and serial rules.
//!
//! `AAA-GG-SSSS` stands for itself; with other separators, or without any, a word must name it.

use super::Hit;
use super::group::{Gap, Group};
use crate::packs::context::Words;
use crate::text::Text;
use sluice_contract::class::Class;

/// The number that the group is, if it is one.
pub(crate) fn find(text: &Text<'_>, group: &Group) -> Option<Hit> {
    let runs = group.runs();
    let count = if group.digits() < 9 { 0 } else { runs.len() };
    (0..count).find_map(|from| {
        let dashed = runs.get(from..from + 3).and_then(|three| {
            let [area, mid, serial] = three else { return None };
            let form = (area.len(), mid.len(), serial.len()) == (3, 2, 4);
            (form && mid.gap == serial.gap).then_some((from + 3, Some(mid.gap)))
        });
        let bare = || runs.get(from).filter(|run| run.len() == 9).map(|_| (from + 1, None));
        let (to, gap) = dashed.or_else(bare)?;
        let (first, last) = (runs.get(from)?, runs.get(to - 1)?);
        let span = first.start..last.end;
        if !issued(group.number(from, to))
            || !text.is_boundary(span.start)
            || !text.is_boundary(span.end)
        {
            return None;
        }
        // One more run with the same separator: something longer.
        let joined = |gap: Gap| matches!(gap, Gap::Dash | Gap::Dot | Gap::Slash);
        let longer =
            (from > 0 && joined(first.gap)) || runs.get(to).is_some_and(|run| joined(run.gap));
        if longer || matches!(text.before(span.start), b'-' | b'.' | b'/' | b'+' | b'$') {
            return None;
        }
        let words = text.context(span.start);
        let named = words.has(Words::SSN);
        let confidence = match (gap, named) {
            _ if words.has(Words::OTHER) && !named => return None,
            (Some(Gap::Dash), true) => 99,
            (Some(Gap::Dash), false) => 85,
            (Some(Gap::Space | Gap::Dot), true) => 95,
            (None, true) => 90,
            _ => return None,
        };
        Some(Hit::validated(Class::US_SSN, confidence, span))
    })
}

/// Whether the nine digits can have been issued: no area 000, 666 or 9xx, no group 00, no serial
/// 0000.
fn issued(digits: &[u8]) -> bool {
    match digits {
        [area @ .., g, h, _, _, _, _] if area.len() == 3 => {
            let serial = digits.get(5..).unwrap_or(&[]);
            area != b"000"
                && area != b"666"
                && area.first() != Some(&b'9')
                && [*g, *h] != *b"00"
                && serial != b"0000"
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, reason = "tests may panic")]

    use super::*;

    fn ssn(text: &str) -> Option<&str> {
        let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
        let at = text.find(|c: char| c.is_ascii_digit())?;
        find(&whole, &Group::read(&whole, at, 999)).map(|hit| &text[hit.span])
    }

    #[test]
    fn forms_and_words() {
        assert_eq!(ssn("it is 219-45-6789."), Some("219-45-6789"));
        assert_eq!(ssn("SSN: 219 45 6789"), Some("219 45 6789"));
        assert_eq!(ssn("my social is 219456789"), Some("219456789"));
        assert_eq!(ssn("219\u{2011}45\u{2011}6789"), Some("219\u{2011}45\u{2011}6789"));
        for text in [
            "219 45 6789",
            "219456789",
            "000-45-6789",
            "666-45-6789",
            "900-45-6789",
            "219-00-6789",
            "219-45-0000",
            "219-45-6789-1",
            "SKU 219-45-6789",
            "5-219-45-6789",
            "a219-45-6789",
            "219/45/6789",
        ] {
            assert_eq!(ssn(text), None, "{text}");
        }
    }

    #[test]
    fn an_enclosing_key_is_a_word_too() {
        let text = Text::new(b"219456789", 0..9, &[], "patientSsn");
        assert!(find(&text, &Group::read(&text, 0, 9)).is_some());
    }
}
