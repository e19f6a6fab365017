//! A text that a validator may look at: its bytes, its bounds, its seams, the key around it.
//!
//! Offsets are those of the buffer that the text lies in, and every access is checked against the
//! bounds of the text, so that no validator can see a neighbour. A byte outside reads as zero,
//! which is of no class at all and thus a boundary.

use crate::packs::context::{self, Words};
use std::ops::Range;

/// Bytes before a candidate that are searched for context words.
const CONTEXT_BYTES: usize = 72;

/// Context words that are looked at before a candidate.
const CONTEXT_WORDS: usize = 10;

/// Words that stand right before a candidate.
const NEAR_WORDS: usize = 4;

/// One text in its buffer.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    bytes: &'a [u8],
    start: usize,
    seams: &'a [u32],
    key: &'a str,
}

impl<'a> Text<'a> {
    /// The text at `span` of `buf`.
    pub(crate) fn new(buf: &'a [u8], span: Range<usize>, seams: &'a [u32], key: &'a str) -> Self {
        let start = span.start;
        Text { bytes: buf.get(span).unwrap_or(&[]), start, seams, key }
    }

    /// The first byte's offset.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// The offset after the last byte.
    pub(crate) fn end(&self) -> usize {
        self.start + self.bytes.len()
    }

    /// The enclosing key; empty where there is none.
    pub(crate) fn key(&self) -> &'a str {
        self.key
    }

    /// The byte at `at`, zero outside of the text.
    #[inline]
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at.wrapping_sub(self.start)).copied().unwrap_or(0)
    }

    /// The byte before `at`, zero outside of the text.
    #[inline]
    pub(crate) fn before(&self, at: usize) -> u8 {
        self.byte(at.wrapping_sub(1))
    }

    /// The bytes of `span` that lie in the text.
    pub(crate) fn slice(&self, span: Range<usize>) -> &'a [u8] {
        let start = span.start.saturating_sub(self.start).min(self.bytes.len());
        let end = span.end.saturating_sub(self.start).clamp(start, self.bytes.len());
        self.bytes.get(start..end).unwrap_or(&[])
    }

    /// Whether the text goes on with `prefix` at `at`.
    pub(crate) fn starts_with(&self, at: usize, prefix: &[u8]) -> bool {
        self.slice(at..at.saturating_add(prefix.len())) == prefix
    }

    /// The offset after the bytes from `at` on that are `is`, at most `limit` of them.
    pub(crate) fn run(&self, at: usize, limit: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.slice(at..at.saturating_add(limit));
        at + rest.iter().position(|&byte| !is(byte)).unwrap_or(rest.len())
    }

    /// The offset of the first of the bytes before `at` that are `is`, at most `limit` of them.
    pub(crate) fn run_back(&self, at: usize, limit: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.slice(at.saturating_sub(limit)..at);
        at - rest.iter().rev().position(|&byte| !is(byte)).unwrap_or(rest.len())
    }

    /// Whether two pieces were joined at `at`: whatever stands there does not have to belong
    /// together, so that a seam is a boundary too.
    pub(crate) fn is_seam(&self, at: usize) -> bool {
        u32::try_from(at).is_ok_and(|at| self.seams.binary_search(&at).is_ok())
    }

    /// The first seam within `span`, ends excluded.
    pub(crate) fn seam_in(&self, span: Range<usize>) -> Option<usize> {
        let first = self.seams.partition_point(|&seam| seam as usize <= span.start);
        self.seams.get(first).map(|&seam| seam as usize).filter(|&seam| seam < span.end)
    }

    /// Whether no word goes on across `at`: a seam, or not a letter or digit on both sides.
    /// Characters of three bytes and more end a word: signs, pictures, and scripts without spaces.
    #[inline]
    pub(crate) fn is_boundary(&self, at: usize) -> bool {
        let (before, after) = (self.before(at), self.byte(at));
        if !is_word(before) || !is_word(after) {
            return true;
        }
        let wide = |lead: u8| lead == 0xC2 || lead >= 0xE2;
        let parted = before >= 0x80 && wide(self.lead_before(at)) || after >= 0x80 && wide(after);
        parted || self.is_seam(at)
    }

    /// The leading byte of the character before `at`.
    fn lead_before(&self, at: usize) -> u8 {
        let start = self.run_back(at, 3, |byte| (0x80..0xC0).contains(&byte));
        self.before(start)
    }

    /// What the words before `at`, and the enclosing key, say of what stands there.
    pub(crate) fn context(&self, at: usize) -> Words {
        self.words_before(at, CONTEXT_WORDS)
    }

    /// What the few words right before `at`, and the enclosing key, say.
    pub(crate) fn near(&self, at: usize) -> Words {
        self.words_before(at, NEAR_WORDS)
    }

    fn words_before(&self, at: usize, count: usize) -> Words {
        let before = self.slice(at.saturating_sub(CONTEXT_BYTES)..at);
        before
            .rsplit(|byte| !(byte.is_ascii_alphabetic() || *byte >= 0x80))
            .filter(|word| !word.is_empty())
            .take(count)
            .fold(context::of_key(self.key), |words, word| words | context::of_word(word))
    }

    /// What the words right after `at` say of what stands before.
    pub(crate) fn context_after(&self, at: usize) -> Words {
        let after = self.slice(at..at.saturating_add(CONTEXT_BYTES / 2));
        after
            .split(|byte| !(byte.is_ascii_alphabetic() || *byte >= 0x80))
            .filter(|word| !word.is_empty())
            .take(3)
            .fold(Words::default(), |words, word| words | context::of_word(word))
    }
}

/// Letters, digits and the underscore, and everything that is not ASCII.
#[inline]
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_bounds_is_seen() {
        let text = Text::new(b"secret\0abc\0next", 7..10, &[], "");
        assert_eq!((text.start(), text.end()), (7, 10));
        assert_eq!((text.byte(6), text.byte(7), text.byte(10), text.before(7)), (0, b'a', 0, 0));
        assert_eq!(text.slice(0..99), b"abc");
        assert_eq!(text.run(7, 99, |b| b != b'x'), 10);
        assert_eq!(text.run_back(10, 99, |b| b != b'x'), 7);
        assert!(!text.starts_with(7, b"abc\0"));
        assert!(text.is_boundary(7) && text.is_boundary(10) && !text.is_boundary(8));
    }

    #[test]
    fn a_seam_is_a_boundary() {
        let text = Text::new(b"abcdef", 0..6, &[3], "");
        assert!(text.is_boundary(3));
        assert_eq!(text.seam_in(0..6), Some(3));
        assert_eq!(text.seam_in(3..6), None);
    }

    #[test]
    fn signs_and_scripts_without_spaces_end_a_word() {
        for (word, parted) in
            [("号4", true), ("“4", true), ("é4", false), ("ж4", false), ("\u{a0}4", true)]
        {
            let text = Text::new(word.as_bytes(), 0..word.len(), &[], "");
            assert_eq!(text.is_boundary(word.len() - 1), parted, "{word}");
        }
        let text = Text::new("4，".as_bytes(), 0..4, &[], "");
        assert!(text.is_boundary(1));
    }
}
