//! A name in front of a value: `password = "..."`, `"api_key": "..."`, `--token ...`, "my password
//! is ...", and a JSON key around its value.
//!
//! The name must end as a secret's name ends (`token_url` names no secret), the value must be
//! neither a placeholder nor code. A name of a password accepts short values, a name of a key
//! wants one that looks random.

use super::value;
use crate::finding::Layer;
use crate::identifiers::Hit;
use crate::packs::parts::Parts;
use crate::text::Text;
use sluice_contract::class::Class;
use std::ops::Range;

/// Bytes of the longest name.
const NAME_BYTES_MAX: usize = 64;

/// Bytes of the longest value in quotes.
const QUOTED_BYTES_MAX: usize = 400;

/// Bytes of the longest value without quotes.
const BARE_BYTES_MAX: usize = 300;

/// What a name says of its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Named {
    /// A password: any value that is no placeholder.
    Password,
    /// A key: a value that looks random.
    Key,
}

/// How surely a value is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Given {
    /// In quotes, in a tag, or as a JSON value.
    Quoted,
    /// Without quotes, after `=` or `:`.
    Assigned,
    /// After a space or "is": ordinary prose may stand there.
    Said,
}

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
    if let Some(hit) = twilio(text, &span).or_else(|| discord(text, &span)) {
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
    if widest < narrow && !text.slice(widest..narrow).starts_with(b"-") {
        if let Some(hit) = keyed(text, widest..end) {
            out(hit);
            return;
        }
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

/// `SK` or `AC` and 32 hexadecimal digits; the second is a secret's user name only.
fn twilio(text: &Text<'_>, span: &Range<usize>) -> Option<Hit> {
    let run = text.slice(span.clone());
    let body = run.strip_prefix(b"SK")?;
    let hex = body.len() == 32 && body.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (hex && crate::checks::distinct(body) >= 8).then(|| Hit {
        class: Class::SECRET_TWILIO,
        confidence: 92,
        layer: Layer::Lexical,
        span: span.clone(),
    })
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

/// A bot's id in base64, six characters and 27 to 38 more, with full stops between.
fn discord(text: &Text<'_>, span: &Range<usize>) -> Option<Hit> {
    let is = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let first = matches!(text.byte(span.start), b'M' | b'N' | b'O');
    if !first || !(23..=28).contains(&span.len()) || text.byte(span.end) != b'.' {
        return None;
    }
    let middle = text.run(span.end + 1, 8, is);
    let end = text.run(middle + 1, 40, is);
    let form = middle - span.end == 7 && text.byte(middle) == b'.';
    (form && (27..=38).contains(&(end - middle - 1))).then(|| Hit {
        class: Class::SECRET_DISCORD,
        confidence: 92,
        layer: Layer::Lexical,
        span: span.start..end,
    })
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
fn meaning(name: &[u8]) -> Option<Named> {
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

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80
}

/// The value that follows a name which ends at `at`.
fn value_after(text: &Text<'_>, at: usize, name: usize) -> Option<(Range<usize>, Given)> {
    // `IDENTIFIED BY 'value'`.
    if text.slice(name..at).eq_ignore_ascii_case(b"by") {
        return quoted(text, text.run(at, 2, |byte| byte == b' '));
    }
    // The name's own quotes and brackets.
    let mut place =
        text.run(at, 3, |byte| matches!(byte, b'"' | b'\'' | b'`' | b']' | b'\\' | b'*'));
    let gap = text.run(place, 4, |byte| byte == b' ' || byte == b'\t');
    let option = text.before(name) == b'-' || text.byte(name) == b'-';
    let given = match (text.byte(gap), text.byte(gap + 1)) {
        (b':', b'=') | (b'=', b'>') => {
            place = gap + 2;
            Given::Assigned
        }
        (b'=', b'=') => {
            place = gap + 2 + usize::from(text.byte(gap + 2) == b'=');
            Given::Said
        }
        (b'=' | b':', _) => {
            place = gap + 1;
            Given::Assigned
        }
        (b'>', _) if text.byte(gap) == b'>' => {
            place = gap + 1;
            let end = text.run(place, QUOTED_BYTES_MAX, |byte| !matches!(byte, b'<' | b'\n'));
            return (text.byte(end) == b'<').then_some((place..end, Given::Quoted));
        }
        (b',' | b'(', _) => {
            // `setenv("NAME", "value")`: a variable's name, not any word in a list.
            if text.slice(name..at).iter().any(u8::is_ascii_lowercase) {
                return None;
            }
            place = gap + 1;
            Given::Said
        }
        // U+FF1A
        (0xEF, 0xBC) if text.byte(gap + 2) == 0x9A => {
            place = gap + 3;
            Given::Assigned
        }
        // A line of .netrc: `login NAME password VALUE`.
        _ if gap > place && is_netrc(text, name) => {
            place = gap;
            Given::Assigned
        }
        _ if option && gap > place => {
            place = gap;
            Given::Assigned
        }
        _ => {
            place = said(text, gap)?;
            Given::Said
        }
    };
    place = text.run(place, 8, |byte| matches!(byte, b' ' | b'\t' | b'*'));
    if text.starts_with(place, "\u{a0}".as_bytes()) {
        place += 2;
    }
    // `password: str = "..."`.
    let word = text.run(place, 24, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'&' | b'?' | b'<' | b'>')
    });
    let gap = text.run(word, 2, |byte| byte == b' ');
    if word > place
        && gap > word
        && text.byte(gap) == b'='
        && matches!(text.byte(gap + 2), b'"' | b'\'')
    {
        place = gap + 2;
    }
    quoted(text, place).or_else(|| {
        // Only a literal in quotes is meant by `==`, `,` and `(`.
        if matches!(text.before(place), b'=' | b',' | b'(') && given == Given::Said {
            return None;
        }
        Some((place..unquoted_end(text, place), given))
    })
}

/// Whether "login" stands shortly before, as in a file of that kind.
fn is_netrc(text: &Text<'_>, name: usize) -> bool {
    let before = text.slice(name.saturating_sub(80)..name);
    memchr::memmem::find(before, b"login ").is_some()
}

/// The place after "is", "ist", ... that leads to a value.
fn said(text: &Text<'_>, at: usize) -> Option<usize> {
    [
        "is ",
        "is: ",
        "ist ",
        "es ",
        "est ",
        "är ",
        "is '",
        "is \"",
        "to ",
        "of ",
        "for this is ",
        "was ",
    ]
    .iter()
    .find(|word| text.starts_with(at, word.as_bytes()))
    .map(|word| at + word.trim_end_matches(['\'', '"']).len())
}

/// The value in quotes at `at`, the quotes not counted.
fn quoted(text: &Text<'_>, at: usize) -> Option<(Range<usize>, Given)> {
    let escaped = usize::from(text.byte(at) == b'\\');
    // `""value""`, as CSV writes quotes.
    let doubled = text.byte(at) == b'"' && text.byte(at + 1) == b'"' && text.byte(at + 2) > b' ';
    let at = at + usize::from(doubled);
    let at = at
        + usize::from(
            matches!(text.byte(at), b'f' | b'b' | b'r' | b'u' | b'@' | b'L')
                && matches!(text.byte(at + 1), b'"' | b'\''),
        );
    let mark = text.byte(at + escaped);
    if !matches!(mark, b'"' | b'\'' | b'`') {
        return None;
    }
    let start = at + escaped + 1;
    let mut end = text.run(start, QUOTED_BYTES_MAX, |byte| byte != mark && byte != b'\n');
    if text.byte(end) != mark {
        return None;
    }
    if escaped == 1 && text.before(end) == b'\\' {
        end -= 1;
    }
    Some((start..end, Given::Quoted))
}

/// Where a value without quotes ends.
pub(super) fn unquoted_end(text: &Text<'_>, at: usize) -> usize {
    let end = text.run(at, BARE_BYTES_MAX, |byte| {
        byte > b' '
            && !matches!(
                byte,
                b',' | b';' | b'"' | b'\'' | b'<' | b'>' | b'}' | b'`' | b'\\' | b'|'
            )
            && byte != 0x7F
    });
    // Signs at the end belong to the sentence; brackets that were not opened to the code.
    let mut end = end;
    while end > at && matches!(text.before(end), b'.' | b':' | b'?') {
        end -= 1;
    }
    if text.before(end) == b')' && !text.slice(at..end).contains(&b'(') {
        end -= 1;
    }
    end
}

/// The name in front of a value that begins at `at`.
fn name_before(text: &Text<'_>, at: usize) -> Option<Range<usize>> {
    let back = |at: usize, limit: usize, is: fn(u8) -> bool| text.run_back(at, limit, is);
    let quote = back(at, 3, |byte| matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b'('));
    let space = back(quote, 6, |byte| matches!(byte, b' ' | b'\t'));
    let operator = back(space, 3, |byte| matches!(byte, b'=' | b':' | b'>' | b'(' | b',' | b'|'));
    if text.slice(operator..space) == b"," && text.byte(operator) == b',' {
        let close = back(operator, 2, |byte| matches!(byte, b'"' | b'\''));
        let start = back(close, NAME_BYTES_MAX, is_name);
        let variable = !text.slice(start..close).iter().any(u8::is_ascii_lowercase);
        return (variable && start < close).then_some(start..close);
    }
    let option = operator == space && space < quote;
    if operator == space && !option {
        return None;
    }
    let space = if option { space } else { back(operator, 6, |byte| matches!(byte, b' ' | b'\t')) };
    let close = back(space, 4, |byte| matches!(byte, b'"' | b'\'' | b'`' | b']' | b'\\' | b')'));
    let mut close = close;
    let mut start = back(close, NAME_BYTES_MAX, is_name);
    // `var apiToken string = "..."`: the type stands between.
    if matches!(text.slice(start..close), b"string" | b"String" | b"str" | b"char" | b"text")
        && matches!(text.before(start), b' ' | b':' | b'&')
    {
        close = back(start, 4, |byte| matches!(byte, b' ' | b':' | b'&'));
        start = back(close, NAME_BYTES_MAX, is_name);
    }
    // Without an operator an option of a command line names its value, or a word that is no part
    // of a sentence: `SECRET 9f86...`.
    let bare = text.byte(start) == b'-'
        || text.before(start) == b'-'
        || !text.slice(start..close).iter().any(u8::is_ascii_lowercase);
    (start < close && (!option || bare)).then_some(start..close)
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
    fn parts_are_sorted() {
        assert!(PARTS.rows().windows(2).all(|pair| pair[0].0 < pair[1].0));
        let found: Vec<_> = PARTS.held_by(b"my_secret_passw").collect();
        assert_eq!(found, [Part::Key, Part::Password, Part::Password]);
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
