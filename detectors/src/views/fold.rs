//! The folded view: compatibility forms, digits of other scripts, look-alike letters and combining
//! marks become what they look like, invisible characters go.
//!
//! Legitimate uses ask for nothing: emoji sequences, joiners of the scripts that need them,
//! full-width punctuation, accents, text in Cyrillic or Greek. Only a mix with Latin does.

use super::confusables;
use crate::text::{Text, is_word};
use crate::view::Writer;
use std::ops::Range;
use unicode_normalization::UnicodeNormalization as _;

/// Shows what follows from right to left.
pub(crate) const RIGHT_TO_LEFT_OVERRIDE: char = '\u{202E}';

/// Characters that one spelling or one overridden stretch can have.
const HIDDEN_BYTES_MAX: usize = 1 << 18;

/// What a character is to the folded view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sort {
    /// Stays.
    Plain,
    /// Is not seen: zero-width characters, bidi controls, fillers.
    Invisible,
    /// Is not seen and can spell bytes: tags and variation selectors.
    Spelling,
    /// A combining mark.
    Mark,
    /// A compatibility form of an ASCII character.
    Compatible(char),
    /// A decimal digit of another script.
    Digit(char),
    /// Looks like a Latin letter.
    Lookalike(char),
}

/// Zeros of the decimal digits of other scripts (Unicode general category Nd).
const ZEROS: &[u32] = &[
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810,
];

/// What `character` is.
pub(crate) fn sort(character: char) -> Sort {
    match character {
        '\u{AD}'
        | '\u{34F}'
        | '\u{61C}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' => Sort::Invisible,
        '\u{E0000}'..='\u{E01EF}' => Sort::Spelling,
        '\u{300}'..='\u{36F}'
        | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}'
        | '\u{FE20}'..='\u{FE2F}' => Sort::Mark,
        '\u{131}'..='\u{29F}'
        | '\u{370}'..='\u{58F}'
        | '\u{13A0}'..='\u{13FF}'
        | '\u{1D00}'..='\u{1D2B}'
        | '\u{A730}'
        | '\u{A731}' => confusables::latin(character).map_or(Sort::Plain, Sort::Lookalike),
        '\u{A0}'
        | '\u{B2}'
        | '\u{B3}'
        | '\u{B9}'
        | '\u{205F}'
        | '\u{3000}'
        | '\u{2000}'..='\u{200A}'
        | '\u{202F}'
        | '\u{2070}'..='\u{209C}'
        | '\u{2102}'..='\u{2149}'
        | '\u{2460}'..='\u{24EA}'
        | '\u{FE50}'..='\u{FE6B}'
        | '\u{FF01}'..='\u{FF5E}'
        | '\u{1D400}'..='\u{1D7FF}'
        | '\u{1F110}'..='\u{1F149}' => compatible(character),
        '\u{1F150}'..='\u{1F169}' => letter(character, 0x1_F150),
        '\u{1F170}'..='\u{1F189}' => letter(character, 0x1_F170),
        '\u{660}'..='\u{1819}' => digit(character),
        _ => Sort::Plain,
    }
}

fn compatible(character: char) -> Sort {
    let mut folded = std::iter::once(character).nfkc().filter(|c| !matches!(c, '(' | ')'));
    match (folded.next(), folded.next()) {
        (Some(one), None) if one.is_ascii() => Sort::Compatible(one),
        (Some(open), None) if open != character => match sort(open) {
            Sort::Lookalike(latin) => Sort::Lookalike(latin),
            _ => Sort::Plain,
        },
        _ => Sort::Plain,
    }
}

fn letter(character: char, first: u32) -> Sort {
    let place = u8::try_from(u32::from(character) - first).unwrap_or(0);
    Sort::Compatible(char::from(b'a' + place))
}

fn digit(character: char) -> Sort {
    let value = u32::from(character);
    ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&value))
        .and_then(|zero| char::from_digit(value - zero, 10))
        .map_or(Sort::Plain, Sort::Digit)
}

impl Sort {
    /// Whether this character, at `at..end`, asks for a folded view.
    pub(crate) fn asks(self, text: &Text<'_>, at: usize, end: usize) -> bool {
        let (before, after) = (text.before(at), text.byte(end));
        let beside = before.is_ascii_alphanumeric() || after.is_ascii_alphanumeric();
        match self {
            Sort::Plain => false,
            Sort::Invisible => {
                beside && at > text.start() || text.slice(at..end) == b"\xE2\x80\xAE"
            }
            Sort::Spelling => true,
            Sort::Mark => before.is_ascii_alphanumeric(),
            // Punctuation of East Asian text, spaces and lone signs (`m²`, `ℓ`, `①`) are everyday.
            Sort::Compatible(as_ascii) => {
                let lead = text.byte(at);
                let full_width = matches!(lead, 0xEF | 0xF0);
                let twice = text.byte(end) == lead && text.byte(end + 1) == text.byte(at + 1);
                let sign = as_ascii.is_ascii_alphanumeric() || as_ascii == '@';
                sign && (full_width || twice)
                    || sign && beside && matches!(text.slice(at..at + 2), b"\xE2\x84" | b"\xE2\x93")
            }
            Sort::Digit(_) => text.byte(end) == text.byte(at),
            Sort::Lookalike(_) => before.is_ascii_alphabetic() || after.is_ascii_alphabetic(),
        }
    }
}

/// Whether an invisible character hides something: it stands between two letters or digits of
/// scripts that need no joiners.
pub(crate) fn hides(buf: &str, text: &Text<'_>, at: usize, end: usize) -> bool {
    let unseen = |c: &char| matches!(sort(*c), Sort::Invisible | Sort::Spelling);
    let before = buf
        .get(text.start()..at)
        .and_then(|before| before.chars().rev().take(64).find(|c| !unseen(c)));
    let after =
        buf.get(end..text.end()).and_then(|after| after.chars().take(64).find(|c| !unseen(c)));
    let (Some(before), Some(after)) = (before, after) else { return false };
    if text.slice(at..end) == "\u{AD}".as_bytes() {
        // Soft hyphens stand in well-set prose.
        return before.is_ascii_digit() && after.is_ascii_digit();
    }
    let needs_none =
        |c: char| c.is_alphanumeric() && (c < '\u{530}' || matches!(sort(c), Sort::Compatible(_)));
    needs_none(before) && needs_none(after)
}

/// The tags and variation selectors from `at` on.
pub(crate) fn spelling(buf: &str, text: &Text<'_>, at: usize) -> Range<usize> {
    let rest = buf.get(at..text.end().min(at + HIDDEN_BYTES_MAX)).unwrap_or_default();
    let is_one = |c: char| sort(c) == Sort::Spelling || ('\u{FE00}'..='\u{FE0F}').contains(&c);
    at..at + rest.find(|c| !is_one(c)).unwrap_or(rest.len())
}

/// Whether a run of tags and selectors spells something: no flag of a region (after U+1F3F4), no
/// single selector after an ideograph.
pub(crate) fn spells(buf: &str, run: &Range<usize>) -> bool {
    let flag = buf.get(..run.start).is_some_and(|before| before.ends_with('\u{1F3F4}'));
    !flag && buf.get(run.clone()).is_some_and(|run| run.chars().nth(1).is_some())
}

/// What a right-to-left override at `at` shows: up to its end, the end of the line or of the text.
pub(crate) fn overridden(buf: &str, text: &Text<'_>, at: usize) -> Range<usize> {
    let from = at + RIGHT_TO_LEFT_OVERRIDE.len_utf8();
    let rest = buf.get(from..text.end()).unwrap_or_default();
    let end = rest.find(['\u{202C}', '\u{202E}', '\n']).unwrap_or(rest.len());
    let mut end = from + end.min(HIDDEN_BYTES_MAX);
    while !buf.is_char_boundary(end) {
        end += 1;
    }
    from..end
}

/// Writes `window` folded.
pub(crate) fn write(window: &str, from: usize, writer: &mut Writer<'_>) {
    let mut copied = 0;
    let mut replace = |writer: &mut Writer<'_>, at: usize, length: usize, put: Option<char>| {
        writer.copy(window.get(copied..at).unwrap_or(""), from + copied);
        if let Some(put) = put {
            writer.put(put, from + at..from + at + length);
        }
        copied = at + length;
    };
    let mut last_is_word = false;
    for (at, character) in window.char_indices().filter(|(_, c)| !c.is_ascii()) {
        let length = character.len_utf8();
        match sort(character) {
            Sort::Plain => {}
            Sort::Invisible | Sort::Spelling => replace(writer, at, length, None),
            Sort::Mark => {
                let before = window.get(..at).and_then(|before| before.chars().next_back());
                last_is_word = before.is_some_and(|c| c.is_ascii_alphanumeric())
                    || (last_is_word && before.is_some_and(|c| sort(c) == Sort::Mark));
                if last_is_word {
                    replace(writer, at, length, None);
                }
            }
            Sort::Compatible(put) | Sort::Digit(put) => replace(writer, at, length, Some(put)),
            Sort::Lookalike(put) => {
                if is_mixed(window, at) {
                    replace(writer, at, length, Some(put));
                }
            }
        }
    }
    writer.copy(window.get(copied..).unwrap_or(""), from + copied);
}

/// Whether the word around `at` is Latin but for look-alikes: it has a Latin letter, or it is made
/// of look-alikes alone and a Latin word stands beside it.
fn is_mixed(window: &str, at: usize) -> bool {
    const WORD: usize = 48;
    let is_part = |c: &char| {
        c.is_alphanumeric() || matches!(sort(*c), Sort::Invisible | Sort::Mark | Sort::Spelling)
    };
    let before = || window.get(..at).unwrap_or("").chars().rev();
    let after = || window.get(at..).unwrap_or("").chars();
    let word =
        || before().take(WORD).take_while(is_part).chain(after().take(WORD).take_while(is_part));
    let mut latin = false;
    for character in word() {
        match sort(character) {
            Sort::Plain if character.is_ascii_alphabetic() => latin = true,
            Sort::Plain if !character.is_ascii() => return false,
            Sort::Compatible(_) => latin = true,
            _ => {}
        }
    }
    latin || is_latin_next(before().take(2 * WORD)) && is_latin_next(after().take(2 * WORD))
}

/// Whether the next word after the one that `rest` begins in is Latin, or there is none.
fn is_latin_next(rest: impl Iterator<Item = char>) -> bool {
    let mut rest = rest.skip_while(|c| c.is_alphanumeric()).skip_while(|c| !c.is_alphanumeric());
    rest.next().is_none_or(|c| c.is_ascii())
}

/// Writes what tags and variation selectors spell, standing for the whole run.
pub(crate) fn write_spelling(window: &str, from: usize, writer: &mut Writer<'_>) {
    let mut text = writer.decoder(from..from + window.len());
    for character in window.chars() {
        let value = u32::from(character);
        let byte = match value {
            0xE0020..=0xE007E => value - 0xE0000,
            0xFE00..=0xFE0F => value - 0xFE00,
            0xE0100..=0xE01EF => value - 0xE0100 + 16,
            _ => continue,
        };
        text.push(u8::try_from(byte).unwrap_or(b' '));
    }
    text.finish(true);
}

/// Writes `window` from its end to its start, standing for the whole.
pub(crate) fn write_reversed(window: &str, from: usize, writer: &mut Writer<'_>) {
    let mut text = writer.decoder(from..from + window.len());
    for character in window.chars().rev() {
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            text.push(byte);
        }
    }
    text.finish(true);
}

/// Whether a leading byte can begin a character that is not plain: a fast test before
/// [`sort`]. Chinese, Japanese and Korean text passes it, but for punctuation.
#[inline]
pub(crate) fn may_ask(lead: u8, second: u8) -> bool {
    match lead {
        0xE3 => second == 0x85,
        0xC3 | 0xE4..=0xE9 | 0xEB..=0xED => false,
        // U+2018 and the like, the bullet, the ellipsis: the punctuation of English prose.
        0xE2 => !matches!(second, 0x86..=0x90 | 0x94..=0xBF),
        _ => is_word(lead),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, reason = "tests may panic")]

    use super::*;
    use crate::view::{Kind, Layer, Unit};
    use proptest::prelude::*;
    use sluice_contract::facts::Origin;

    fn folded(window: &str) -> String {
        let mut layer = Layer::default();
        assert!(layer.begin(window.len(), 1 << 20));
        let mut writer = layer.writer();
        write(window, 0, &mut writer);
        let span = 0..window.len();
        let unit =
            Unit { span, text: 0, origin: Origin::User, kind: None, parent: 0, segments: 0..0 };
        writer.finish(0, &unit, Kind::Fold);
        layer
            .units()
            .first()
            .map_or(String::new(), |unit| layer.buf()[unit.span.clone()].to_owned())
    }

    fn asks(text: &str) -> bool {
        let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
        text.char_indices().filter(|(_, c)| !c.is_ascii()).any(|(at, c)| {
            let second = text.as_bytes()[at + 1];
            may_ask(text.as_bytes()[at], second) && sort(c).asks(&whole, at, at + c.len_utf8())
        })
    }

    #[test]
    fn disguises_are_folded() {
        for (disguised, plain) in [
            ("ｉｇｎｏｒｅ ４１１１", "ignore 4111"),
            ("𝐢𝐠𝐧𝐨𝐫𝐞 𝟒𝟏", "ignore 41"),
            ("ⓘⓖⓝⓞⓡⓔ", "ignore"),
            ("i\u{200b}g\u{2060}n\u{ad}ore", "ignore"),
            ("іgnоrе", "ignore"),
            ("٤١١١", "4111"),
            ("i\u{301}g\u{300}\u{301}n", "ign"),
            ("🅸🅶🅽", "ign"),
            ("4\u{e0041}1", "41"),
        ] {
            assert_eq!(folded(disguised), plain);
            assert!(asks(disguised), "{disguised}");
        }
    }

    #[test]
    fn everyday_text_asks_for_nothing_and_stays() {
        for text in [
            "It’s “fine” — really… • ok ™ 5 m² €",
            "café naïve Größe",
            "Привет, мир! Я иду домой.",
            "Γειά σου Κόσμε",
            "你好，世界！（测试）：１",
            "日本語のテキスト。",
            "한국어 텍스트",
            "👨‍👩‍👧 ❤️ 🏴",
            "می‌خواهم",
            "क्‍ष",
            "IT-отдел",
            "①",
        ] {
            assert_eq!(asks(text), text.contains('１'), "{text}");
        }
        assert_eq!(folded("Привет мир"), "Привет мир");
    }

    #[test]
    fn hiding_is_told_from_joining() {
        let at = |text: &str, c: char| {
            let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
            let at = text.find(c).unwrap();
            hides(text, &whole, at, at + c.len_utf8())
        };
        assert!(at("pass\u{200b}word", '\u{200b}'));
        assert!(at("4111\u{200d}1111", '\u{200d}'));
        assert!(!at("می\u{200c}خواهم", '\u{200c}'));
        assert!(!at("👨\u{200d}👩", '\u{200d}'));
        assert!(!at("hy\u{ad}phen", '\u{ad}'));
    }

    proptest! {
        #[test]
        fn folding_survives_any_text(text in "\\PC{0,60}") {
            let once = folded(&text);
            prop_assert!(once.chars().count() <= text.chars().count());
        }
    }
}
