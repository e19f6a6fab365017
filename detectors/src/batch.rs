//! The texts of one request, in one buffer.
//!
//! Texts stand one after the other with a separator byte around each, so that one pass of each
//! engine covers them all. The separator alone proves nothing, as a JSON string may hold any
//! character: every validator is given the bounds of its text and never looks past them.
//! INVARIANT: `texts` are in rising order and disjoint; `buf` is UTF-8 and every bound is on a
//! character boundary, because only whole `&str` pieces are appended.

use sluice_contract::facts::Origin;
use std::ops::Range;

/// Bytes that one batch holds; what comes after is not inspected, and the report says so with
/// [`Flags::OVERFLOW`](sluice_contract::facts::Flags::OVERFLOW), which every policy blocks.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// Stands between texts. No literal of a pack holds it.
pub(crate) const SEPARATOR: char = '\0';

/// Where one text of a batch lies, and what is known of it.
#[derive(Clone, Debug)]
pub struct TextMeta {
    /// Where the text stands in the request.
    pub origin: Origin,
    /// Bytes of the text in the buffer of the batch.
    pub(crate) span: Range<u32>,
    /// Bytes of the enclosing key in `keys`; empty where there is none.
    pub(crate) key: Range<u32>,
    /// Seams of the text in `seams`.
    pub(crate) seams: Range<u32>,
}

/// One request's texts. Reusable: clearing keeps the memory.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    buf: String,
    texts: Vec<TextMeta>,
    keys: String,
    seams: Vec<u32>,
    open: bool,
    overflow: bool,
}

impl Batch {
    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.buf.clear();
        self.texts.clear();
        self.keys.clear();
        self.seams.clear();
        self.open = false;
        self.overflow = false;
    }

    /// Starts a text. `key` is the JSON key that encloses it, as context (`password`).
    pub fn begin(&mut self, origin: Origin, key: Option<&str>) {
        self.end();
        if self.buf.is_empty() {
            self.buf.push(SEPARATOR);
        }
        let key_start = offset(self.keys.len());
        if let Some(key) = key
            && self.keys.len() + key.len() <= BATCH_BYTES_MAX
        {
            self.keys.push_str(key);
        }
        let start = offset(self.buf.len());
        let seams = offset(self.seams.len());
        self.texts.push(TextMeta {
            origin,
            span: start..start,
            key: key_start..offset(self.keys.len()),
            seams: seams..seams,
        });
        self.open = true;
    }

    /// Appends a piece to the open text, which is begun as a user text where none is. Pieces are
    /// joined without anything between them, and the seam is remembered.
    pub fn push(&mut self, piece: &str) {
        if !self.open {
            self.begin(Origin::User, None);
        }
        let at = offset(self.buf.len());
        if self.buf.len() + piece.len() > BATCH_BYTES_MAX {
            self.overflow = true;
            return;
        }
        let Some(text) = self.texts.last_mut() else { return };
        if at > text.span.start && !piece.is_empty() && self.seams.last() != Some(&at) {
            self.seams.push(at);
            text.seams.end = offset(self.seams.len());
        }
        self.buf.push_str(piece);
        text.span.end = offset(self.buf.len());
    }

    /// Ends the open text.
    pub fn end(&mut self) {
        if self.open {
            self.buf.push(SEPARATOR);
            self.open = false;
        }
    }

    /// Appends one text of one piece.
    pub fn add(&mut self, origin: Origin, key: Option<&str>, text: &str) {
        self.begin(origin, key);
        self.push(text);
        self.end();
    }

    /// The texts, in the order they were added.
    pub fn texts(&self) -> &[TextMeta] {
        &self.texts
    }

    /// The text at `index`; empty where there is none.
    pub fn text(&self, index: usize) -> &str {
        self.texts.get(index).map_or("", |text| slice(&self.buf, &text.span))
    }

    /// The origin of the text at `index`; `User` where there is none.
    pub fn origin(&self, index: usize) -> Origin {
        self.texts.get(index).map_or(Origin::User, |text| text.origin)
    }

    /// The enclosing key of a text; empty where there is none.
    pub fn key(&self, text: &TextMeta) -> &str {
        slice(&self.keys, &text.key)
    }

    /// Offsets in the buffer at which pieces of `text` were joined.
    pub(crate) fn seams(&self, text: &TextMeta) -> &[u32] {
        self.seams.get(text.seams.start as usize..text.seams.end as usize).unwrap_or(&[])
    }

    /// The whole buffer, separators included.
    pub(crate) fn buf(&self) -> &str {
        &self.buf
    }

    /// Whether a piece did not fit.
    pub(crate) fn overflowed(&self) -> bool {
        self.overflow
    }

    /// Bytes of text, without separators.
    pub fn bytes(&self) -> usize {
        self.buf.len().saturating_sub(self.texts.len() + 1)
    }
}

fn slice<'a>(buf: &'a str, span: &Range<u32>) -> &'a str {
    buf.get(span.start as usize..span.end as usize).unwrap_or("")
}

/// Buffers are bounded by [`BATCH_BYTES_MAX`], so that this never saturates.
fn offset(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_and_texts_kept_apart() {
        let mut batch = Batch::default();
        batch.begin(Origin::User, None);
        batch.push("4111 1111 ");
        batch.push("");
        batch.push("1111 1111");
        batch.end();
        batch.add(Origin::ToolResult, Some("password"), "hunter2");
        batch.add(Origin::User, None, "");
        assert_eq!(batch.text(0), "4111 1111 1111 1111");
        assert_eq!(batch.seams(&batch.texts()[0]), [11]);
        assert_eq!(batch.text(1), "hunter2");
        assert_eq!(batch.key(&batch.texts()[1]), "password");
        assert_eq!(batch.text(2), "");
        assert_eq!(batch.origin(1), Origin::ToolResult);
        assert_eq!(batch.bytes(), 26);
        batch.clear();
        assert!(batch.texts().is_empty());
    }

    #[test]
    fn a_piece_without_a_text_is_still_inspected() {
        let mut batch = Batch::default();
        batch.push("abc");
        batch.end();
        assert_eq!(batch.text(0), "abc");
    }
}
