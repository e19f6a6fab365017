//! Tokens with a fixed prefix.

use super::value;
use crate::checks::{crc32, distinct, is_base62};
use crate::finding::Layer;
use crate::identifiers::Hit;
use crate::packs::secrets::{Alphabet, Check, TOKENS, Token};
use crate::text::Text;
use sluice_contract::class::Class;
use std::ops::Range;

/// Characters at the end of a token that are its checksum.
const CHECKSUM: usize = 6;

/// Looks at the token of rule `rule` whose prefix stands at `prefix`.
pub(crate) fn token(text: &Text<'_>, rule: u16, prefix: Range<usize>, out: &mut impl FnMut(Hit)) {
    let Some(rule) = TOKENS.get(usize::from(rule)) else { return };
    if !begins(text, prefix.start, rule) {
        return;
    }
    let longest = usize::from(rule.longest);
    let mut end = text.run(prefix.end, longest + 1, |byte| rule.alphabet.holds(byte));
    // A longer run is something else, unless the rest was only joined to it.
    if end - prefix.end > longest {
        if !text.is_seam(prefix.end + longest) {
            return;
        }
        end = prefix.end + longest;
    }
    // Signs at the end belong to the sentence.
    while end > prefix.end
        && matches!(text.before(end), b'.' | b'-')
        && rule.shortest != rule.longest
    {
        end -= 1;
    }
    let body = text.slice(prefix.end..end);
    let fixed = rule.shortest == rule.longest;
    if body.len() < usize::from(rule.shortest) || is_patterned(body) || !fixed && is_word(body) {
        return;
    }
    let (confidence, layer) = match rule.check {
        Check::None => (95, Layer::Lexical),
        Check::Holds(part) if body.windows(part.len()).any(|window| window == part.as_bytes()) => {
            (98, Layer::Validated)
        }
        Check::Holds(_) => return,
        // A wrong checksum is still a credential's form: a typo, or a newer scheme.
        Check::Crc62 if has_checksum(body) => (99, Layer::Validated),
        Check::Crc62 => (75, Layer::Lexical),
    };
    out(Hit { class: rule.class, confidence, layer, span: prefix.start..end });
}

impl Alphabet {
    fn holds(self, byte: u8) -> bool {
        match self {
            Alphabet::Alnum => byte.is_ascii_alphanumeric(),
            Alphabet::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Alphabet::Base64 => {
                byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-')
            }
            Alphabet::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Alphabet::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Alphabet::Lower => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
            Alphabet::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
        }
    }
}

/// Whether a token may begin at `at`: not within a word, but after an escape written out.
fn begins(text: &Text<'_>, at: usize, rule: &Token) -> bool {
    let before = text.before(at);
    let glued = before.is_ascii_alphanumeric()
        || matches!(before, b'_' | b'-') && rule.prefix.len() < 5
        || matches!(before, b'+' | b'/')
            && rule.prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let escape = matches!(before, b'n' | b'r' | b't') && text.before(at.wrapping_sub(1)) == b'\\';
    !glued || escape || text.is_seam(at)
}

/// Alphabet runs, `xxxx` and the like: examples in documents.
fn is_patterned(body: &[u8]) -> bool {
    let few = match body.len() {
        0..=15 => 5,
        16..=31 => 7,
        _ => 8,
    };
    // A word: no digit, and capitals in front at most.
    let word =
        !body.iter().any(u8::is_ascii_digit) && !body.iter().skip(1).any(u8::is_ascii_uppercase);
    word || distinct(body) < few || value::is_placeholder(body)
}

/// No digit, and capitals in front at most.
fn is_word(body: &[u8]) -> bool {
    !body.iter().any(u8::is_ascii_digit) && !body.iter().skip(1).any(u8::is_ascii_uppercase)
}

fn has_checksum(body: &[u8]) -> bool {
    body.len()
        .checked_sub(CHECKSUM)
        .and_then(|at| body.split_at_checked(at))
        .is_some_and(|(random, check)| is_base62(check, crc32(random)))
}

/// `SK` or `AC` and 32 hexadecimal digits; the second is a secret's user name only.
pub(super) fn twilio(text: &Text<'_>, span: &Range<usize>) -> Option<Hit> {
    let run = text.slice(span.clone());
    let body = run.strip_prefix(b"SK")?;
    let hex = body.len() == 32 && body.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (hex && distinct(body) >= 8).then(|| Hit {
        class: Class::SECRET_TWILIO,
        confidence: 92,
        layer: Layer::Lexical,
        span: span.clone(),
    })
}

/// A bot's id in base64, six characters and 27 to 38 more, with full stops between.
pub(super) fn discord(text: &Text<'_>, span: &Range<usize>) -> Option<Hit> {
    let is = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let first = matches!(text.byte(span.start), b'M' | b'N' | b'O');
    if !first || !(23..=28).contains(&span.len()) || text.byte(span.end) != b'.' {
        return None;
    }
    let middle = text.run(span.end + 1, 8, is);
    let end = text.run(middle + 1, 40, is);
    let form = middle - span.end == 7 && text.byte(middle) == b'.';
    (form && (27..=38).contains(&(end - middle - 1))).then_some(Hit {
        class: Class::SECRET_DISCORD,
        confidence: 92,
        layer: Layer::Lexical,
        span: span.start..end,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, reason = "tests may panic")]

    use super::*;

    fn find(text: &str) -> Vec<(Class, u8, &str)> {
        let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
        let mut found = Vec::new();
        for (rule, token_rule) in TOKENS.iter().enumerate() {
            for (at, _) in text.match_indices(token_rule.prefix) {
                let prefix = at..at + token_rule.prefix.len();
                token(&whole, u16::try_from(rule).unwrap(), prefix, &mut |hit: Hit| {
                    found.push((hit.class, hit.confidence, &text[hit.span]));
                });
            }
        }
        found
    }

    /// A token whose checksum is right.
    fn with_checksum(prefix: &str, random: &str) -> String {
        const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut value = crc32(random.as_bytes()) as usize;
        let mut check = [b'0'; CHECKSUM];
        for place in check.iter_mut().rev() {
            *place = DIGITS[value % 62];
            value /= 62;
        }
        format!("{prefix}{random}{}", String::from_utf8(check.to_vec()).unwrap())
    }

    #[test]
    fn a_checksum_raises_the_confidence() {
        let right = with_checksum("ghp_", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0");
        assert_eq!(find(&right), [(Class::SECRET_GITHUB, 99, right.as_str())]);
        let wrong = right.replace('K', "L");
        assert_eq!(find(&wrong), [(Class::SECRET_GITHUB, 75, wrong.as_str())]);
    }

    #[test]
    fn words_and_placeholders_are_none() {
        for text in [
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "AKIAIOSFODNN7EXAMPLE",
            "sk-learn",
            "MAKIA1234567890ABCDEFG",
            "hf_short",
            "AKIAQ3EGXFUO7LM2WZ5RA",
        ] {
            assert_eq!(find(text), [], "{text}");
        }
    }

    #[test]
    fn prefixes_of_providers() {
        for (text, class) in [
            ("AKIAQ3EGXFUO7LM2WZ5R", Class::SECRET_AWS_ACCESS_KEY),
            ("glpat-x9K2mQ7vR4tY8wB1nC5d", Class::SECRET_GITLAB),
            ("AIzaSyD4k9Xw2Lq8Rv1Nf6Tb3Yc7Hj5Mz0Gp2Ua", Class::SECRET_GOOGLE_API),
            ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", Class::SECRET_STRIPE),
        ] {
            assert_eq!(find(&format!("key={text};")), [(class, 95, text)]);
            assert_eq!(find(&format!(r"a\n{text}\n")), [(class, 95, text)]);
        }
    }
}
