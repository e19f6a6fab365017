//! What a name says of its value: a password, a key, or nothing secret.
//!
//! `db_password` names a password, `apiToken` a key; `token_url` and `public_key` name neither: the
//! last word of a name and a few parts that mean something else decide.

use crate::packs::parts::Parts;

/// Bytes of the longest name.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// What a name says of its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    /// A password: any value that is no placeholder.
    Password,
    /// A key: a value that looks random.
    Key,
}

/// What a part of a name says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// A password.
    Password,
    /// A key.
    Key,
    /// Another kind of key, or another word.
    Other,
}

/// Parts of names.
static PARTS: Parts<Part> = Parts::new(&[
    ("aside", Part::Other),
    ("auth", Part::Key),
    ("authority", Part::Other),
    ("bearer", Part::Key),
    ("bypass", Part::Other),
    ("cache_key", Part::Other),
    ("cachekey", Part::Other),
    ("classid", Part::Other),
    ("clsid", Part::Other),
    ("compass", Part::Other),
    ("contrase", Part::Password),
    ("credential", Part::Key),
    ("foreign_key", Part::Other),
    ("guid", Part::Other),
    ("hotkey", Part::Other),
    ("inside", Part::Other),
    ("kennwort", Part::Password),
    ("key", Part::Key),
    ("keyboard", Part::Other),
    ("keynote", Part::Other),
    ("keyword", Part::Other),
    ("max_tokens", Part::Other),
    ("monkey", Part::Other),
    ("mot de passe", Part::Password),
    ("motdepasse", Part::Password),
    ("outside", Part::Other),
    ("partition_key", Part::Other),
    ("pass", Part::Password),
    ("passage", Part::Other),
    ("passcode", Part::Password),
    ("passed", Part::Other),
    ("passenger", Part::Other),
    ("passing", Part::Other),
    ("passive", Part::Other),
    ("passphrase", Part::Password),
    ("passport", Part::Other),
    ("passthrough", Part::Other),
    ("passw", Part::Password),
    ("passwort", Part::Password),
    ("primary_key", Part::Other),
    ("psk", Part::Password),
    ("public_key", Part::Other),
    ("publickey", Part::Other),
    ("publishable", Part::Other),
    ("pwd", Part::Password),
    ("requirepass", Part::Password),
    ("secret", Part::Key),
    ("senha", Part::Password),
    ("sid", Part::Key),
    ("side", Part::Other),
    ("signature", Part::Key),
    ("sort_key", Part::Other),
    ("token", Part::Key),
    ("tokenizer", Part::Other),
    ("tokens", Part::Other),
    ("turkey", Part::Other),
    ("uuid", Part::Other),
    ("wachtwoord", Part::Password),
    ("пароль", Part::Password),
    ("パスワード", Part::Password),
    ("密码", Part::Password),
]);

/// What the value of the name is, if it is a secret.
pub(super) fn meaning(name: &[u8]) -> Option<Named> {
    let mut lower = [0_u8; 2 * NAME_BYTES_MAX + 32];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    let last = last_word(lower);
    lower.make_ascii_lowercase();
    let lower = &*lower;
    let mut kind = None;
    for part in PARTS.held_by(lower) {
        match part {
            Part::Password => kind = Some(Named::Password),
            Part::Key => kind = kind.or(Some(Named::Key)),
            Part::Other => return None,
        }
    }
    let last = lower.get(last..).unwrap_or(lower);
    let last = last.strip_suffix(b"s").filter(|_| last.len() > 3).unwrap_or(last);
    kind.filter(|_| !ABOUT.iter().any(|word| word.as_bytes() == last))
}

/// Where the last word of a name begins: after a sign, or at a capital after a small letter.
fn last_word(name: &[u8]) -> usize {
    let mut pairs = name.windows(2).enumerate().rev();
    pairs
        .find_map(|(at, pair)| match pair {
            [b'_' | b'-' | b'.' | b' ', _] => Some(at + 1),
            [left, right] if left.is_ascii_lowercase() && right.is_ascii_uppercase() => {
                Some(at + 1)
            }
            _ => None,
        })
        .unwrap_or(0)
}

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80
}

/// Last words of names that speak about a secret and are none.
static ABOUT: &[&str] = &[
    "address",
    "algorithm",
    "arn",
    "attempts",
    "class",
    "column",
    "confirm",
    "confirmation",
    "count",
    "counter",
    "endpoint",
    "error",
    "expires",
    "expiration",
    "expiry",
    "field",
    "file",
    "filename",
    "form",
    "format",
    "hint",
    "host",
    "id",
    "ids",
    "index",
    "input",
    "label",
    "len",
    "length",
    "limit",
    "link",
    "list",
    "location",
    "max",
    "message",
    "method",
    "min",
    "mode",
    "name",
    "names",
    "param",
    "path",
    "policy",
    "prefix",
    "prompt",
    "provider",
    "reset",
    "rules",
    "size",
    "store",
    "strength",
    "type",
    "types",
    "uri",
    "url",
    "usage",
    "validator",
    "version",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_sorted() {
        assert!(PARTS.rows().windows(2).all(|pair| pair[0].0 < pair[1].0));
        let found: Vec<_> = PARTS.held_by(b"my_secret_passw").collect();
        assert_eq!(found, [Part::Key, Part::Password, Part::Password]);
    }
}
