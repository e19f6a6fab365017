//! E-mail addresses, as they are written in practice (RFC 5321, 6531 without quoted names).
//!
//! No address: a name without a top-level domain, a package with a version (`pkg@1.2.3`), a file
//! name with a scale (`icon@2x.png`), the user of a repository (`git@host:path`) or of a URL.

use super::Hit;
use crate::packs::identifiers::{COUNTRY_DOMAINS, NOT_DOMAINS};
use crate::text::Text;
use sluice_contract::class::Class;

const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 255;

/// The address around the `@` at `at`.
pub(crate) fn find(text: &Text<'_>, at: usize) -> Option<Hit> {
    let start = local_start(text, at)?;
    let end = domain_end(text, at + 1)?;
    let local = text.slice(start..at);
    let host = text.slice(at + 1..end);
    let next = text.byte(end);
    if matches!(local, b"git" | b"hg" | b"svn") && matches!(next, b':' | b'/') {
        return None;
    }
    if matches!(local, b"this" | b"super") || is_user_of_url(text, start) {
        return None;
    }
    if !is_top_level(host.rsplit(|byte| *byte == b'.').next()?) {
        return None;
    }
    Some(Hit::validated(Class::EMAIL, 97, start..end))
}

fn local_start(text: &Text<'_>, at: usize) -> Option<usize> {
    let is_local = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'.' | b'_' | b'%' | b'+' | b'-' | b'\'' | b'&' | b'~' | b'!' | b'#' | b'$'
            )
            || byte >= 0x80
    };
    let mut start = text.run_back(at, LOCAL_BYTES_MAX, is_local);
    // Text of scripts without spaces may stand right before: only letters of two bytes (Latin,
    // Greek, Cyrillic, Arabic, Hebrew) belong to the name.
    let local = text.slice(start..at);
    if let Some(wide) = local.iter().rposition(|byte| *byte >= 0xE0) {
        let skip = local.get(wide + 1..)?.iter().position(|byte| !(0x80..0xC0).contains(byte))?;
        start += wide + 1 + skip;
    }
    // A written-out escape (`\n`) and signs in front are not of the name.
    if text.before(start) == b'\\' && matches!(text.byte(start), b'n' | b't' | b'r') {
        start += 1;
    }
    start = text.run(start, at - start, |byte| {
        !(byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0xC0)
    });
    let local = text.slice(start..at);
    let last = *local.last()?;
    (last != b'.' && !local.windows(2).any(|pair| pair == b"..")).then_some(start)
}

fn domain_end(text: &Text<'_>, at: usize) -> Option<usize> {
    let is_domain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || byte >= 0x80;
    let mut end = text.run(at, DOMAIN_BYTES_MAX, is_domain);
    // The ASCII part, unless the first label already is not.
    let domain = text.slice(at..end);
    if let Some(high) = domain.iter().position(|byte| *byte >= 0x80)
        && domain.get(..high)?.contains(&b'.')
    {
        end = at + high;
    }
    while matches!(text.before(end), b'.' | b'-') && end > at {
        end -= 1;
    }
    let domain = text.slice(at..end);
    let labels = domain.split(|byte| *byte == b'.');
    let right = labels.clone().all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && label.first() != Some(&b'-')
            && label.last() != Some(&b'-')
    });
    (right && labels.count() >= 2).then_some(end)
}

fn is_top_level(label: &[u8]) -> bool {
    let mut lower = [0_u8; 24];
    let Some(lower) = lower.get_mut(..label.len()) else { return false };
    lower.copy_from_slice(label);
    lower.make_ascii_lowercase();
    let lower = &*lower;
    if lower.starts_with(b"xn--") {
        return true;
    }
    if !lower.iter().all(|byte| byte.is_ascii_lowercase() || *byte >= 0x80) {
        return false;
    }
    match lower {
        [a, b] => COUNTRY_DOMAINS.binary_search(&[*a, *b]).is_ok(),
        [_, _, _, ..] => !NOT_DOMAINS.iter().any(|word| word.as_bytes() == lower),
        _ => false,
    }
}

/// Whether the name stands in the authority of a URL, where a password may precede it.
fn is_user_of_url(text: &Text<'_>, start: usize) -> bool {
    let authority = text.run_back(start, 256, |byte| {
        byte > b' '
            && byte < 0x7F
            && !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>')
    });
    text.before(authority) == b'/' && text.before(authority.wrapping_sub(1)) == b'/'
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, reason = "tests may panic")]

    use super::*;

    fn email(text: &str) -> Option<&str> {
        let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
        find(&whole, text.find('@')?).map(|hit| &text[hit.span])
    }

    #[test]
    fn addresses_without_what_stands_around_them() {
        for (text, address) in [
            ("mail john.doe@example.com.", "john.doe@example.com"),
            ("<a+b@mail.example.co.uk>,", "a+b@mail.example.co.uk"),
            ("mailto:x_y@example.museum?subject=", "x_y@example.museum"),
            ("邮箱是foo@bar.cn。", "foo@bar.cn"),
            ("josé@exämple.com", "josé@exämple.com"),
            (r"name\nfoo@bar.org\n", "foo@bar.org"),
            ("(o'neil@example.com)", "o'neil@example.com"),
            ("https://h.example/?u=me@example.com&x", "me@example.com"),
            ("'me@example.com'", "me@example.com"),
            ("a@xn--bcher-kva.xn--p1ai", "a@xn--bcher-kva.xn--p1ai"),
        ] {
            assert_eq!(email(text), Some(address));
        }
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "foo@bar",
            "pkg@1.2.3",
            "icon@2x.png",
            "git@github.com:org/repo.git",
            "@example.com",
            "ssh://git@host.example.com/x",
            "postgres://u:p@db.example.com/x",
            "a..b@example.com",
            "a.@example.com",
            "a@-example.com",
            "a@example..com",
            "this@Outer.value1",
            "v@4.5.0-beta.rc",
        ] {
            assert_eq!(email(text), None, "{text}");
        }
    }
}
