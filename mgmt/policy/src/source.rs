//! Policy text cut into statements, and offsets turned into lines.
//!
//! Cedar parses a file as a whole and gives up on it; cut into statements first, every statement
//! is parsed and checked by itself, so that one broken policy does not hide what is wrong with the
//! others. A statement ends at a `;` outside strings and comments; Cedar has `;` nowhere else.

use std::ops::Range;

/// Where the statements of `text` are, each with its `;`, without the comments and blanks before
/// it. What follows the last `;` is a statement too, unless it is blank.
pub(crate) fn statements(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                while bytes.next_if(|(_, next)| *next != b'\n').is_some() {}
            }
            b'"' => {
                start.get_or_insert(at);
                while let Some((_, inside)) = bytes.next() {
                    match inside {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b';' => found.push(start.take().unwrap_or(at)..at + 1),
            _ if byte.is_ascii_whitespace() => {}
            _ => {
                start.get_or_insert(at);
            }
        }
    }
    if let Some(start) = start {
        found.push(start..text.trim_end().len().max(start));
    }
    found
}

/// Line and column, both from 1, of the byte at `offset`; the column counts characters.
pub(crate) fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<&str> {
        statements(text).into_iter().map(|range| text.get(range).unwrap()).collect()
    }

    #[test]
    fn a_semicolon_ends_a_statement_outside_strings_and_comments() {
        assert_eq!(cut("a;b;"), ["a;", "b;"]);
        assert_eq!(cut("// x;\n a // y;\n ; // z;"), ["a // y;\n ;"]);
        assert_eq!(cut(r#"@reason("a;\";") b;c;"#), [r#"@reason("a;\";") b;"#, "c;"]);
        assert_eq!(cut("a; b \n "), ["a;", "b"]);
        assert_eq!(cut(" // nothing\n"), Vec::<&str>::new());
        assert_eq!(cut("a/b;"), ["a/b;"]);
        assert_eq!(cut("\"open; c"), ["\"open; c"]);
    }

    #[test]
    fn positions_count_characters() {
        assert_eq!(position("ab\ncd", 0), (1, 1));
        assert_eq!(position("ab\ncd", 4), (2, 2));
        assert_eq!(position("é\nüx", 5), (2, 2));
        assert_eq!(position("ab", 99), (1, 3));
    }

    proptest! {
        #[test]
        fn statements_are_slices_in_order(text in r#"[a;"\\/ \né]{0,64}"#) {
            let mut end = 0;
            for range in statements(&text) {
                prop_assert!(range.start >= end && range.end >= range.start);
                prop_assert!(text.get(range.clone()).is_some());
                end = range.end;
            }
        }
    }
}
