//! Where the value of a name stands, and where the name of a value.
//!
//! Assignments of code and configuration, JSON, tags, options of command lines, lines of `.netrc`,
//! and plain sentences ("the password is ..."). Only places are found here, not whether what stands
//! there is a secret.

use super::name::{NAME_BYTES_MAX, is_name};
use crate::text::Text;
use std::ops::Range;

/// Bytes of the longest value in quotes.
pub(super) const QUOTED_BYTES_MAX: usize = 400;

/// Bytes of the longest value without quotes.
pub(super) const BARE_BYTES_MAX: usize = 300;

/// How surely a value is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Given {
    /// In quotes, in a tag, or as a JSON value.
    Quoted,
    /// Without quotes, after `=` or `:`.
    Assigned,
    /// After a space or "is": ordinary prose may stand there.
    Said,
}

/// The value that follows a name which ends at `at`.
pub(super) fn value_after(
    text: &Text<'_>,
    at: usize,
    name: usize,
) -> Option<(Range<usize>, Given)> {
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
pub(super) fn quoted(text: &Text<'_>, at: usize) -> Option<(Range<usize>, Given)> {
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
pub(super) fn name_before(text: &Text<'_>, at: usize) -> Option<Range<usize>> {
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
