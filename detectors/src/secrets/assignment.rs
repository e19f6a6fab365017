//! A name in front of a value: `password = "..."`, `"api_key": "..."`, `--token ...`, "my password
//! is ...", and a JSON key around its value.
//!
//! The name must end as a secret's name ends (`token_url` names no secret), the value must be
//! neither a placeholder nor code. A name of a password accepts short values, a name of a key
//! wants one that looks random.

use super::name::{NAME_BYTES_MAX, Named, is_name, meaning};
use super::place::{BARE_BYTES_MAX, Given, QUOTED_BYTES_MAX, name_before, value_after};
use super::{token, value};
use crate::finding::Layer;
use crate::identifiers::Hit;
use crate::text::Text;
use sluice_contract::class::Class;
use std::ops::Range;

/// Looks at the value after the name that holds the literal at `at`.
pub(crate) fn named(text: &Text<'_>, at: Range<usize>, out: &mut impl FnMut(Hit)) {
    // The literal may hold the operator (`pass=`) or the words before it.
    let literal = text.slice(at.clone());
    let tail = literal.iter().rev().take_while(|byte| !is_name(**byte)).count();
    let last = at.end - tail;
    let start = text.run_back(last, NAME_BYTES_MAX, is_name);
    let end = text.run(last, NAME_BYTES_MAX, is_name);
    let kind = match text.slice(start..end) {
        by if by.eq_ignore_ascii_case(b"by") => Some(Named::Password),
        name => meaning(name),
    };
    let Some(kind) = kind else { return };
    if let Some((span, given)) = value_after(text, end, start)
        && let Some(hit) = judge(text.slice(span.clone()), kind, given, span)
    {
        out(hit);
    }
}

/// Looks at a long run of characters: is there a name of a key in front?
pub(crate) fn run(text: &Text<'_>, span: Range<usize>, out: &mut impl FnMut(Hit)) {
    if let Some(hit) = token::twilio(text, &span).or_else(|| token::discord(text, &span)) {
        out(hit);
        return;
    }
    // The whole value: signs may stand between its runs. First up to a space or a quote, then
    // without what stands before the last `=`.
    let is_value = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'.' | b'~' | b'=' | b'|' | b'%')
    };
    let end = text.run(span.end, BARE_BYTES_MAX, is_value);
    let widest = text.run_back(span.start, BARE_BYTES_MAX, is_value);
    let narrow = text.run_back(span.start, BARE_BYTES_MAX, |byte| is_value(byte) && byte != b'=');
    if widest < narrow
        && !text.slice(widest..narrow).starts_with(b"-")
        && let Some(hit) = keyed(text, widest..end)
    {
        out(hit);
        return;
    }
    if let Some(hit) = keyed(text, narrow..end) {
        out(hit);
    }
}

/// The value at `span`, if a name of a key stands in front.
fn keyed(text: &Text<'_>, span: Range<usize>) -> Option<Hit> {
    let name = name_before(text, span.start)?;
    meaning(text.slice(name))?;
    let quoted = matches!(text.before(span.start), b'"' | b'\'' | b'`' | b'>');
    let given = if quoted { Given::Quoted } else { Given::Assigned };
    let value = text.slice(span.clone());
    let value = value.strip_suffix(b".").unwrap_or(value);
    judge(value, Named::Key, given, span.start..span.start + value.len())
}

/// Looks at a whole text as the value of its enclosing key.
pub(crate) fn whole(text: &Text<'_>, out: &mut impl FnMut(Hit)) {
    let key = text.key().as_bytes();
    let length = text.end() - text.start();
    if key.is_empty() || key.len() > NAME_BYTES_MAX || !(4..=QUOTED_BYTES_MAX).contains(&length) {
        return;
    }
    if let Some(kind) = meaning(key)
        && let Some(hit) = judge(
            text.slice(text.start()..text.end()),
            kind,
            Given::Quoted,
            text.start()..text.end(),
        )
    {
        out(hit);
    }
}

fn judge(value: &[u8], kind: Named, given: Given, span: Range<usize>) -> Option<Hit> {
    if value::is_placeholder(value) {
        return None;
    }
    let spaced = value.iter().any(u8::is_ascii_whitespace);
    let good = match (kind, given) {
        _ if spaced => {
            kind == Named::Password
                && given == Given::Quoted
                && value.len() <= 64
                && value::is_mixed(value)
        }
        (Named::Password, Given::Quoted) => {
            value.len() >= 4
                && !value::is_name(value)
                && !value::is_code(value)
                && (value.len() >= 6 || value::is_mixed(value))
        }
        (Named::Password, Given::Assigned) => {
            value.len() >= 5 && !value::is_code(value) && value::is_mixed(value)
        }
        (Named::Password, Given::Said) => {
            value.len() >= 6 && !value::is_code(value) && value::is_mixed(value)
        }
        (Named::Key, Given::Said) => value.len() >= 16 && value::is_random(value),
        (Named::Key, _) => value::is_random(value) && !value::is_code(value),
    };
    let (class, confidence) = match (kind, given) {
        (Named::Password, Given::Said) => (Class::PASSWORD, 75),
        (Named::Password, _) => (Class::PASSWORD, 85),
        (Named::Key, _) => (Class::SECRET_GENERIC, 80),
    };
    let class =
        if kind == Named::Key && is_aws(value) { Class::SECRET_AWS_SECRET_KEY } else { class };
    good.then_some(Hit { class, confidence, layer: Layer::Validated, span })
}

/// Forty characters of base64 with both cases: the form of an AWS secret key.
fn is_aws(value: &[u8]) -> bool {
    value.len() == 40
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        && value.iter().any(u8::is_ascii_uppercase)
        && value.iter().any(u8::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, reason = "tests may panic")]

    use super::*;
    use crate::packs::secrets::NAMES;

    fn find(text: &str) -> Vec<&str> {
        let whole_text = Text::new(text.as_bytes(), 0..text.len(), &[], "");
        let lower = text.to_ascii_lowercase();
        let mut found = Vec::new();
        for name in NAMES {
            for (at, _) in lower.match_indices(name) {
                named(&whole_text, at..at + name.len(), &mut |hit: Hit| {
                    found.push(&text[hit.span]);
                });
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn passwords_in_the_ways_they_are_written() {
        for (text, value) in [
            (r#"password = "hunter2""#, "hunter2"),
            (r#""db_password": "Tr0ub4dor&3","#, "Tr0ub4dor&3"),
            (r#"{\"password\": \"Tr0ub4dor&3\"}"#, "Tr0ub4dor&3"),
            ("DB_PASSWORD=s3cr3t!x", "s3cr3t!x"),
            ("password: p4ssw0rd#1", "p4ssw0rd#1"),
            ("my password is hunter2, ok?", "hunter2"),
            ("mysql --password=S3cr3t99 x", "S3cr3t99"),
            ("tool --password S3cr3t99 x", "S3cr3t99"),
            ("<password>S3cr3t99</password>", "S3cr3t99"),
            (r#"password: str = "S3cr3t99""#, "S3cr3t99"),
            ("Server=x;Uid=sa;Pwd=S3cr3t99;", "S3cr3t99"),
            (r#"setenv("PGPASSWORD", "S3cr3t99")"#, "S3cr3t99"),
            ("Das Passwort ist Geh3im!8", "Geh3im!8"),
            (r#"api_key: "9f86d081884c7d659a2feaa0c55ad015""#, "9f86d081884c7d659a2feaa0c55ad015"),
        ] {
            assert_eq!(find(text), [value], "{text}");
        }
    }

    #[test]
    fn what_is_no_value() {
        for text in [
            "the password is incorrect",
            "password: must be 8 characters",
            "password = os.environ['X1']",
            "password = get_password(user1)",
            r#"password = "changeme""#,
            "PASSWORD=${DB_PASS}",
            "password: str",
            "token_url = \"https://a.example/9f86d081884c7d\"",
            "max_tokens: 4096",
            "password123 is a bad idea",
            r#""password": "Please enter your password""#,
            "passport: X1234567",
            "secret_name: my-app-secret-9",
            "if (password == null)",
            "password=<password>",
            "token: string",
            "key_id = 9f86d081884c7d659a2feaa0c55ad015",
        ] {
            assert_eq!(find(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn an_enclosing_key_names_its_value() {
        let of = |key: &str, value: &str| {
            let text = Text::new(value.as_bytes(), 0..value.len(), &[], key);
            let mut found = None;
            whole(&text, &mut |hit: Hit| found = Some(hit.class));
            found
        };
        assert_eq!(of("password", "hunter2"), Some(Class::PASSWORD));
        assert_eq!(of("apiKey", "9f86d081884c7d659a2feaa0c55ad015"), Some(Class::SECRET_GENERIC));
        assert_eq!(of("password", "Enter your password"), None);
        assert_eq!(of("content", "hunter2"), None);
        assert_eq!(of("max_tokens", "hunter2x"), None);
    }
}
