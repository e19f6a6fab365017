//! International bank account numbers: country, its length, mod 97.

use super::Hit;
use crate::checks::mod97;
use crate::packs::identifiers::IBANS;
use crate::text::Text;
use sluice_contract::class::Class;

/// The longest IBAN of the registry.
const IBAN_CHARACTERS_MAX: usize = 34;

/// The IBAN whose check digits begin at `at`.
pub(crate) fn find(text: &Text<'_>, at: usize) -> Option<Hit> {
    let start = at.checked_sub(2)?;
    let country = [text.byte(start), text.byte(at - 1)];
    if !country.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let country = country.map(|letter| letter.to_ascii_uppercase());
    let length = IBANS
        .binary_search_by_key(&country, |row| row.0)
        .ok()
        .and_then(|index| IBANS.get(index))
        .map(|row| usize::from(row.1))?;
    if !text.is_boundary(start) || !text.byte(at + 1).is_ascii_digit() {
        return None;
    }
    let mut characters = [0_u8; IBAN_CHARACTERS_MAX];
    let mut place = start;
    for slot in characters.get_mut(..length)? {
        while *slot == 0 {
            let byte = text.byte(place);
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => *slot = byte,
                // One separator between two groups, never in the country and check digits.
                b' ' | b'-' | b'.' if place > at + 1 && is_alphanumeric_next(text, place + 1) => {}
                0xC2 if text.byte(place + 1) == 0xA0 && is_alphanumeric_next(text, place + 2) => {
                    place += 1;
                }
                _ => return None,
            }
            place += 1;
        }
    }
    if !text.is_boundary(place) {
        return None;
    }
    let (head, body) = characters.get(..length)?.split_at_checked(4)?;
    if mod97(body.iter().chain(head).copied()) != Some(1) {
        return None;
    }
    Some(Hit::validated(Class::IBAN, 99, start..place))
}

fn is_alphanumeric_next(text: &Text<'_>, at: usize) -> bool {
    text.byte(at).is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, reason = "tests may panic")]

    use super::*;

    fn iban(text: &str) -> Option<&str> {
        let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
        let at = text.find(|c: char| c.is_ascii_digit())?;
        find(&whole, at).map(|hit| &text[hit.span])
    }

    #[test]
    fn examples_of_the_registry() {
        for text in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB29 NWBK 6016 1331 9268 19",
            "FR14 2004 1010 0505 0001 3M02 606",
            "NO93 8601 1117 947",
            "MT84MALT011000012345MTLCAST001S",
            "de89 3704 0044 0532 0130 00",
            "NL91\u{a0}ABNA\u{a0}0417\u{a0}1643\u{a0}00",
        ] {
            assert_eq!(iban(&format!("an {text}, ok")), Some(text));
        }
        for text in [
            "DE89370400440532013001",
            "XDE89370400440532013000",
            "DE8937040044053201300",
            "ZZ89370400440532013000",
        ] {
            assert_eq!(iban(text), None, "{text}");
        }
    }
}
