//! Whether a value can be a secret: neither a placeholder nor code nor a word.

use crate::checks::{distinct, entropy};
use crate::packs::parts::Parts;

/// Parts of values that stand for something to be filled in, in lower case.
static PLACEHOLDERS: Parts<()> = Parts::new(&[
    ("***", ()),
    ("...", ()),
    ("0000000000", ()),
    ("<pass", ()),
    ("<your", ()),
    ("abcdefgh", ()),
    ("change-me", ()),
    ("change_it", ()),
    ("change_me", ()),
    ("changeit", ()),
    ("changeme", ()),
    ("dummy", ()),
    ("environ", ()),
    ("example", ()),
    ("fixme", ()),
    ("foobar", ()),
    ("getenv", ()),
    ("goes-here", ()),
    ("goes_here", ()),
    ("import.meta", ()),
    ("insert", ()),
    ("key_here", ()),
    ("my-secret", ()),
    ("my_password", ()),
    ("my_secret", ()),
    ("mypassword", ()),
    ("mysecret", ()),
    ("notreal", ()),
    ("placeholder", ()),
    ("process.env", ()),
    ("redacted", ()),
    ("replace", ()),
    ("sample", ()),
    ("secret_here", ()),
    ("to_be_", ()),
    ("todo", ()),
    ("token_here", ()),
    ("xxxx", ()),
    ("your", ()),
]);

/// Whole values that are words of code or documents, in lower case.
static WORDS: &[&str] = &[
    "",
    "a",
    "access_token",
    "admin",
    "any",
    "api_key",
    "apikey",
    "boolean",
    "credentials",
    "default",
    "empty",
    "enabled",
    "env",
    "false",
    "field",
    "hash",
    "hidden",
    "input",
    "int",
    "key",
    "nil",
    "none",
    "null",
    "number",
    "optional",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "private",
    "pwd",
    "refresh_token",
    "required",
    "secret",
    "str",
    "string",
    "test",
    "text",
    "this",
    "token",
    "true",
    "undefined",
    "user",
    "username",
    "value",
    "varchar",
    "yes",
];

const LOWER_BYTES_MAX: usize = 160;

/// Whether `value` is no real value.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let mut lower = [0_u8; LOWER_BYTES_MAX];
    let head = value.get(..LOWER_BYTES_MAX).unwrap_or(value);
    let Some(lower) = lower.get_mut(..head.len()) else { return true };
    lower.copy_from_slice(head);
    lower.make_ascii_lowercase();
    let lower = &*lower;
    let word = lower.trim_ascii_end();
    let word = word.strip_suffix(b">").or_else(|| word.strip_suffix(b")")).unwrap_or(word);
    WORDS.binary_search_by(|known| known.as_bytes().cmp(word)).is_ok()
        || PLACEHOLDERS.held_by(lower).next().is_some()
        || lower.ends_with(b"..")
        || distinct(lower) < 3
        || is_template(value)
        || longest_repeat(lower) >= 6
}

/// `${VAR}`, `{{ var }}`, `<your key>`, `%(name)s`, `$VAR`, `%s`, `[name]`.
fn is_template(value: &[u8]) -> bool {
    let has = |part: &[u8]| value.windows(part.len()).any(|window| window == part);
    let opens = value.iter().any(|byte| matches!(byte, b'{' | b'(' | b'%'));
    if opens && [&b"${"[..], b"{{", b"%(", b"$(", b"<%"].into_iter().any(has) {
        return true;
    }
    match value {
        [b'<', .., b'>']
        | [b'[', .., b']']
        | [b'{', .., b'}']
        | [b'%', .., b'%']
        | [b'%', b's' | b'd' | b'v' | b'(' | b'@', ..] => true,
        [b'$', rest @ ..] => rest.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'{' | b'}' | b'(' | b')' | b':' | b'-' | b'.')
        }),
        _ => false,
    }
}

fn longest_repeat(value: &[u8]) -> usize {
    value.chunk_by(|a, b| a == b).map(<[u8]>::len).max().unwrap_or(0)
}

/// Whether `value` reads as code: a call, a lookup, a dotted name.
pub(super) fn is_code(value: &[u8]) -> bool {
    let has = |byte: u8| value.contains(&byte);
    let value = value.strip_suffix(b"!").unwrap_or(value);
    let dotted = has(b'.')
        && value.split(|byte| *byte == b'.').all(|part| {
            part.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
                && part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        })
        && !value.iter().any(u8::is_ascii_digit);
    dotted || has(b'(') || has(b'[') || value.windows(2).any(|pair| pair == b"->" || pair == b"::")
}

/// Whether `value` has more than letters of one case: what a password has and a word has not.
pub(super) fn is_mixed(value: &[u8]) -> bool {
    let digit = value.iter().any(u8::is_ascii_digit);
    let upper = value.iter().skip(1).any(u8::is_ascii_uppercase);
    let lower = value.iter().any(u8::is_ascii_lowercase);
    let letter = lower || value.iter().any(u8::is_ascii_uppercase);
    let sign = value.split_last().is_some_and(|(_, body)| {
        body.iter().any(|byte| {
            matches!(
                byte,
                b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'&' | b'*' | b'+' | b'?' | b'~'
            )
        })
    });
    letter && (digit || sign) || upper && lower && value.len() >= 8 && !is_camel(value)
}

/// Whether `value` is a name in code or a description: words joined by `_`, or letters that say
/// what they stand for.
pub(super) fn is_name(value: &[u8]) -> bool {
    let letters = value.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    let says = |word: &str| {
        value.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    };
    letters && (value.contains(&b'_') || says("pass") || says("secret") || says("token"))
}

/// Words joined by capitals, as names in code are.
fn is_camel(value: &[u8]) -> bool {
    let capitals = value.iter().skip(1).filter(|byte| byte.is_ascii_uppercase()).count();
    value.iter().all(u8::is_ascii_alphabetic) && capitals * 4 <= value.len()
}

/// Whether capitals and small letters make words: random ones seldom leave five small letters in a
/// row.
fn is_wordy(value: &[u8]) -> bool {
    let small: usize = value
        .chunk_by(|a, b| a.is_ascii_lowercase() && b.is_ascii_lowercase())
        .map(<[u8]>::len)
        .filter(|run| *run >= 5)
        .sum();
    value.iter().any(u8::is_ascii_uppercase) && small * 2 > value.len()
}

/// Whether `value` is a path to a file.
fn is_path(value: &[u8]) -> bool {
    let slashes = memchr::memchr_iter(b'/', value).count();
    slashes >= 2 && value.contains(&b'.') || value.starts_with(b"/") && slashes >= 3
}

/// Whether `value` can be a random key: long enough, of many different characters, with digits
/// among letters.
pub(super) fn is_random(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let hex = value.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let needed = match value.len() {
        0..=9 => return false,
        10..=15 => 270,
        16..=23 => 300,
        _ if hex => 290,
        _ => 325,
    };
    let cases =
        value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    if is_wordy(value) || is_path(value) {
        return false;
    }
    let mixed = digits >= 2 && letters >= 2 || cases && value.len() >= 20 && !is_camel(value);
    mixed && entropy(value) >= needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_sorted() {
        assert!(PLACEHOLDERS.rows().windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(WORDS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn placeholders_and_code_are_told_from_values() {
        for value in [
            "changeme",
            "environ",
            "getenv",
            "import.meta",
            "process.env",
            "<your-key>",
            "${DB_PASSWORD}",
            "xxxxxxxx",
            "********",
            "$PASSWORD",
            "EXAMPLEKEY",
            "{{ secret }}",
            "%s",
            "password",
            "None",
            "aaaaaaaa",
            "your_api_key",
            "[REDACTED]",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
        for value in ["hunter2", "Tr0ub4dor&3", "s3cr3t!", "$ecretPa55!"] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
            assert!(is_mixed(value.as_bytes()) && !is_code(value.as_bytes()), "{value}");
        }
        for value in ["os.environ", "getpass()", "config.password", "row[1]", "a->b"] {
            assert!(is_code(value.as_bytes()), "{value}");
        }
        assert!(!is_mixed(b"incorrect") && !is_mixed(b"userPassword"));
    }

    #[test]
    fn random_keys_are_told_from_names() {
        assert!(is_random(b"9f86d081884c7d659a2feaa0c55ad015"));
        assert!(is_random(b"wJalrXUtnFEMIK7MDENGbPxRfiCYzQ8vTeLpA2dK"));
        assert!(
            !is_random(b"getUserAccessTokenFromHeader") && !is_random(b"access_token_secret_name")
        );
        assert!(!is_random(b"12345678901234567890"));
    }
}
