//! Escapes written out in a text: `%41`, `&#65;`, `&#x41;`, `\u0041`, `\x41`, and a few named
//! entities.
//!
//! Consecutive percent or `\x` escapes are bytes of UTF-8; what is none stands as it is.

use crate::text::Text;
use crate::view::Writer;

/// Named entities that can stand within an identifier, a secret or a phrase.
const ENTITIES: &[(&[u8], char)] = &[
    (b"amp;", '&'),
    (b"apos;", '\''),
    (b"colon;", ':'),
    (b"commat;", '@'),
    (b"gt;", '>'),
    (b"hyphen;", '-'),
    (b"lowbar;", '_'),
    (b"lt;", '<'),
    (b"nbsp;", ' '),
    (b"num;", '#'),
    (b"period;", '.'),
    (b"plus;", '+'),
    (b"quot;", '"'),
    (b"sol;", '/'),
    (b"Tab;", '\t'),
    (b"NewLine;", '\n'),
];

/// The character that the escape at `at` stands for, and the offset after it.
pub(crate) fn read(text: &Text<'_>, at: usize) -> Option<(char, usize)> {
    match (text.byte(at), text.byte(at + 1)) {
        (b'%', _) => bytes(text, at, |at| (text.byte(at) == b'%').then_some(at + 1)),
        (b'\\', b'x' | b'X') => bytes(text, at, |at| {
            (text.byte(at) == b'\\' && matches!(text.byte(at + 1), b'x' | b'X')).then_some(at + 2)
        }),
        (b'\\', b'u') if text.byte(at + 2) == b'{' => {
            let end = text.run(at + 3, 6, |byte| byte.is_ascii_hexdigit());
            let value = number(text.slice(at + 3..end), 16)?;
            (text.byte(end) == b'}').then_some((char::from_u32(value)?, end + 1))
        }
        (b'\\', b'u') => {
            let value = unit(text, at)?;
            if let Some(character) = char::from_u32(value) {
                return Some((character, at + 6));
            }
            let low = unit(text, at + 6)?;
            if !(0xD800..0xDC00).contains(&value) || !(0xDC00..0xE000).contains(&low) {
                return None;
            }
            Some((char::from_u32(0x1_0000 + ((value - 0xD800) << 10) + (low - 0xDC00))?, at + 12))
        }
        (b'\\', b'U') => {
            let value = number(text.slice(at + 2..at + 10), 16)?;
            (text.slice(at + 2..at + 10).len() == 8).then_some((char::from_u32(value)?, at + 10))
        }
        (b'&', b'#') => entity(text, at + 2),
        (b'&', _) => ENTITIES.iter().find_map(|(name, character)| {
            text.starts_with(at + 1, name).then_some((*character, at + 1 + name.len()))
        }),
        _ => None,
    }
}

/// A character of one to four escaped bytes; `next` gives the place of the hexadecimal digits of
/// the escape at an offset.
fn bytes(
    text: &Text<'_>,
    at: usize,
    next: impl Fn(usize) -> Option<usize>,
) -> Option<(char, usize)> {
    let byte = |at: usize| {
        let digits = next(at)?;
        let pair = text.slice(digits..digits + 2);
        (pair.len() == 2).then_some(())?;
        Some((u8::try_from(number(pair, 16)?).ok()?, digits + 2))
    };
    let (first, mut end) = byte(at)?;
    let length = match first {
        0..=0x7F => return Some((char::from(first), end)),
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let mut encoded = [first, 0, 0, 0];
    for slot in encoded.get_mut(1..length)? {
        (*slot, end) = byte(end)?;
    }
    let character = std::str::from_utf8(encoded.get(..length)?).ok()?.chars().next()?;
    Some((character, end))
}

/// The UTF-16 unit of `\uXXXX` at `at`.
fn unit(text: &Text<'_>, at: usize) -> Option<u32> {
    let digits = text.slice(at + 2..at + 6);
    (text.starts_with(at, b"\\u") && digits.len() == 4).then_some(())?;
    number(digits, 16)
}

/// The digits of a numeric entity; the semicolon may be missing, as browsers allow.
fn entity(text: &Text<'_>, at: usize) -> Option<(char, usize)> {
    let hex = matches!(text.byte(at), b'x' | b'X');
    let start = at + usize::from(hex);
    let end = text
        .run(start, 8, |byte| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() });
    let value = number(text.slice(start..end), if hex { 16 } else { 10 })?;
    Some((char::from_u32(value)?, end + usize::from(text.byte(end) == b';')))
}

fn number(digits: &[u8], base: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |sum, digit| {
        sum.checked_mul(base)?.checked_add(char::from(*digit).to_digit(base)?)
    })
}

/// Writes `window` with its escapes resolved.
pub(crate) fn write(window: &str, from: usize, writer: &mut Writer<'_>) {
    let text = Text::new(window.as_bytes(), 0..window.len(), &[], "");
    let mut copied = 0;
    let mut at = 0;
    while let Some(skip) = window
        .as_bytes()
        .get(at..)
        .and_then(|rest| rest.iter().position(|b| matches!(b, b'%' | b'&' | b'\\')))
    {
        at += skip;
        match read(&text, at) {
            Some((character, end)) => {
                writer.copy(window.get(copied..at).unwrap_or(""), from + copied);
                writer.put(character, from + at..from + end);
                at = end;
                copied = end;
            }
            None => at += 1,
        }
    }
    writer.copy(window.get(copied..).unwrap_or(""), from + copied);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, clippy::format_collect, reason = "short in tests")]

    use super::*;
    use crate::view::{Kind, Layer, Unit};
    use proptest::prelude::*;
    use sluice_contract::facts::Origin;

    fn written(window: &str) -> String {
        let mut layer = Layer::default();
        assert!(layer.begin(window.len(), 1 << 20));
        let mut writer = layer.writer();
        write(window, 0, &mut writer);
        let span = 0..window.len();
        let unit =
            Unit { span, text: 0, origin: Origin::User, kind: None, parent: 0, segments: 0..0 };
        writer.finish(0, &unit, Kind::Escapes);
        layer
            .units()
            .first()
            .map_or(String::new(), |unit| layer.buf()[unit.span.clone()].to_owned())
    }

    #[test]
    fn each_kind_of_escape() {
        for (escaped, plain) in [
            ("%34%31 x%2D%c3%a9", "41 x-é"),
            ("&#52;&#x31;&#x31 &amp;&commat;", "411 &@"),
            (r"\u0034\u{31}\x31\U00000031", "4111"),
            (r"\ud83d\ude00!", "😀!"),
            (r"100% & \n %zz %e9 \ud83d &# &#x; \u12", r"100% & \n %zz %e9 \ud83d &# &#x; \u12"),
            ("%e2%82", "%e2%82"),
        ] {
            assert_eq!(written(escaped), plain);
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_written_in_escapes(plain in "\\PC{1,20}") {
            let percent: String = plain.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(written(&percent), plain.clone());
            let entities: String = plain.chars().map(|c| format!("&#{};", c as u32)).collect();
            prop_assert_eq!(written(&entities), plain.clone());
            let units: String = plain.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(written(&units), plain);
        }

        #[test]
        fn any_text_is_survived(text in "[%&\\\\#xu{}0-9a-fD;é]{0,40}") {
            written(&text);
        }
    }
}
