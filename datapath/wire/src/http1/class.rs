//! Classes of bytes, as one table: what may stand in a token, a value, a host or a target.
//!
//! A lookup a byte is what validation costs; the grammar stands in one place for parsers and
//! writers.

const TOKEN: u8 = 1;
const VALUE: u8 = 2;
const HOST: u8 = 4;
const TARGET: u8 = 8;

const CLASSES: [u8; 256] = classes();

#[expect(clippy::cast_possible_truncation, reason = "the index of a 256-byte table")]
#[expect(clippy::indexing_slicing, reason = "const, so an index out of range cannot compile")]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        table[index] = classify(index as u8);
        index += 1;
    }
    table
}

const fn classify(byte: u8) -> u8 {
    let mut class = 0;
    // RFC 9110 5.6.2.
    if byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~')
    {
        class |= TOKEN;
    }
    // RFC 9110 5.5: visible characters, spaces, tabs, and bytes beyond ASCII.
    if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
        class |= VALUE;
    }
    // RFC 3986 3.2.2: a registered name.
    if byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'')
        || matches!(byte, b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
    {
        class |= HOST;
    }
    // RFC 3986 3.3 and 3.4; `%` is looked at apart.
    if byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        && byte != b'%'
    {
        class |= TARGET;
    }
    class
}

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// True for one character of a token.
pub(super) fn is_token_byte(byte: u8) -> bool {
    class(byte) & TOKEN != 0
}

/// True for a token: at least one character, all of its class.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// True where no character could end a header line.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| class(byte) & VALUE != 0)
}

/// True for a registered name: at least one character, all of its class.
pub(super) fn is_registered_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| class(byte) & HOST != 0)
}

/// True where all characters may stand in a path or a query, and each `%` has two hex digits.
pub(super) fn is_path_and_query(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        let fine = class(byte) & TARGET != 0
            || (byte == b'%'
                && rest.next().is_some_and(u8::is_ascii_hexdigit)
                && rest.next().is_some_and(u8::is_ascii_hexdigit));
        if !fine {
            return false;
        }
    }
    true
}
