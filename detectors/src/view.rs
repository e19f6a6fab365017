//! Views: a text as a reader, or a model, would make it out.
//!
//! A view is the bytes of a window of its parent, folded, unescaped or decoded, and a map back.
//! Views of one layer stand in one buffer, as the texts of a batch do, and are scanned the same
//! way; their parents are texts or views of the layer above.
//!
//! ```text
//! parent   pay %34%31%31%31 now        view   pay 4111 now
//!          |   |  |  |  |  |                  |   |||| |
//! segments copy 0..4, then four of length 3 -> 1, then copy
//! ```
//! INVARIANT: the segments of a view are in order and cover it; a copied segment stands for as
//! many bytes of the parent, another one as a whole for its bytes of the parent.

use sluice_contract::facts::Origin;
use std::ops::Range;

/// Layers of views: a folded text in which an encoded text holds another one.
pub(crate) const DEPTH: usize = 3;

/// Views of one layer; more are not built, and the report says so.
pub(crate) const VIEWS_MAX: usize = 4096;

/// Bytes of one layer of views, beyond twice those of the batch.
pub(crate) const VIEW_BYTES_FREE: usize = 64 << 10;

/// How a view is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Compatibility forms, look-alikes and invisible characters are folded away.
    Fold,
    /// What invisible characters spell (Unicode tags, variation selectors).
    Hidden,
    /// What a right-to-left override shows.
    Reversed,
    /// Percent, entity and backslash escapes are resolved.
    Escapes,
    /// A run of base64.
    Base64,
    /// A run of hexadecimal digits.
    Hex,
}

impl Kind {
    /// Whether the content was encoded, not only written differently.
    pub(crate) fn is_encoding(self) -> bool {
        matches!(self, Kind::Escapes | Kind::Base64 | Kind::Hex)
    }
}

/// A text of a layer: of the batch, or a view.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// Its bytes in the buffer of its layer.
    pub(crate) span: Range<usize>,
    /// The text of the batch that it comes from.
    pub(crate) text: u32,
    /// Its origin.
    pub(crate) origin: Origin,
    /// How it was made; `None` for the text itself.
    pub(crate) kind: Option<Kind>,
    /// Its parent's place in the layer above.
    pub(crate) parent: usize,
    /// Its segments in its layer.
    pub(crate) segments: Range<usize>,
}

/// A view that is to be built.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// How.
    pub(crate) kind: Kind,
    /// Of which unit of the layer.
    pub(crate) unit: usize,
    /// Of which bytes of the layer's buffer.
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// First byte in the view.
    at: u32,
    /// First byte in the parent.
    from: u32,
    /// Bytes of the parent.
    len: u32,
    /// Whether the view has the same bytes.
    copied: bool,
}

/// The views of one layer. Reusable.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    buf: String,
    segments: Vec<Segment>,
    units: Vec<Unit>,
    /// Whether a view did not fit.
    pub(crate) overflow: bool,
}

impl Layer {
    /// Empties the layer and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.buf.clear();
        self.segments.clear();
        self.units.clear();
        self.overflow = false;
    }

    /// The buffer of the layer.
    pub(crate) fn buf(&self) -> &str {
        &self.buf
    }

    /// The views, in order.
    pub(crate) fn units(&self) -> &[Unit] {
        &self.units
    }

    /// Begins a view; `false` where the bounds are reached.
    pub(crate) fn begin(&mut self, bytes: usize, limit: usize) -> bool {
        if self.units.len() >= VIEWS_MAX || self.buf.len() + bytes > limit {
            self.overflow = true;
            return false;
        }
        if self.buf.is_empty() {
            self.buf.push(crate::batch::SEPARATOR);
        }
        true
    }

    /// A writer for the view that was begun.
    pub(crate) fn writer(&mut self) -> Writer<'_> {
        let (start, first) = (self.buf.len(), self.segments.len());
        Writer { layer: self, start, first }
    }

    /// Maps a span of the buffer of this layer, within `unit`, to bytes of its parent, relative to
    /// the parent's start.
    pub(crate) fn to_parent(&self, unit: &Unit, span: &Range<usize>) -> Range<usize> {
        let segments = self.segments.get(unit.segments.clone()).unwrap_or(&[]);
        let find = |at: usize| {
            let after = segments.partition_point(|segment| segment.at as usize <= at);
            segments.get(after.wrapping_sub(1))
        };
        let first = span.start - unit.span.start;
        let last = (span.end - unit.span.start).saturating_sub(1).max(first);
        let start = find(first).map_or(0, |segment| {
            let inside = if segment.copied { first - segment.at as usize } else { 0 };
            segment.from as usize + inside
        });
        let end = find(last).map_or(start, |segment| {
            let inside =
                if segment.copied { last + 1 - segment.at as usize } else { segment.len as usize };
            segment.from as usize + inside
        });
        start..end.max(start)
    }
}

/// Writes one view. Parent offsets are relative to the parent's start.
pub(crate) struct Writer<'a> {
    layer: &'a mut Layer,
    start: usize,
    first: usize,
}

impl Writer<'_> {
    /// Appends `text`, which stands at `from` in the parent as it is.
    pub(crate) fn copy(&mut self, text: &str, from: usize) {
        if text.is_empty() {
            return;
        }
        let at = self.layer.buf.len() - self.start;
        if let Some(last) = self.layer.segments.get_mut(self.first..).and_then(<[_]>::last_mut)
            && last.copied
            && last.from as usize + last.len as usize == from
        {
            last.len += offset(text.len());
        } else {
            let len = offset(text.len());
            let segment = Segment { at: offset(at), from: offset(from), len, copied: true };
            self.layer.segments.push(segment);
        }
        self.layer.buf.push_str(text);
    }

    /// Appends `character`, which stands for the bytes `from` of the parent.
    pub(crate) fn put(&mut self, character: char, from: Range<usize>) {
        let at = offset(self.layer.buf.len() - self.start);
        let len = offset(from.end - from.start);
        let segment = Segment { at, from: offset(from.start), len, copied: false };
        self.layer.segments.push(segment);
        self.layer.buf.push(character);
    }

    /// Takes decoded bytes, which as a whole stand for the bytes `from` of the parent.
    pub(crate) fn decoder(&mut self, from: Range<usize>) -> Decoder<'_> {
        let at = self.layer.buf.len();
        let first = offset(at - self.start);
        Decoder { layer: self.layer, at, first, from, part: [0; 4], length: 0 }
    }

    /// Ends the view of `parent`, or drops it where nothing was written.
    pub(crate) fn finish(self, parent: usize, of: &Unit, kind: Kind) {
        let end = self.layer.buf.len();
        if end == self.start {
            self.layer.segments.truncate(self.first);
            return;
        }
        self.layer.units.push(Unit {
            span: self.start..end,
            text: of.text,
            origin: of.origin,
            kind: Some(kind),
            parent,
            segments: self.first..self.layer.segments.len(),
        });
        self.layer.buf.push(crate::batch::SEPARATOR);
    }
}

/// Appends bytes that should be UTF-8 to a view; what is not becomes a space.
pub(crate) struct Decoder<'a> {
    layer: &'a mut Layer,
    at: usize,
    first: u32,
    from: Range<usize>,
    part: [u8; 4],
    length: usize,
}

impl Decoder<'_> {
    /// Appends one byte.
    pub(crate) fn push(&mut self, byte: u8) {
        if self.length == 0 && byte.is_ascii() {
            self.layer.buf.push(char::from(byte));
            return;
        }
        // A character that was begun and does not go on stands as a space.
        if self.length > 0 && !(0x80..0xC0).contains(&byte) {
            self.layer.buf.push(' ');
            self.length = 0;
            return self.push(byte);
        }
        if let Some(slot) = self.part.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
        let part = self.part.get(..self.length).unwrap_or(&[]);
        match std::str::from_utf8(part) {
            Ok(character) => {
                self.layer.buf.push_str(character);
                self.length = 0;
            }
            Err(error) if error.error_len().is_some() || self.length == self.part.len() => {
                self.layer.buf.push(' ');
                self.length = 0;
            }
            Err(_) => {}
        }
    }

    /// Ends it; with `keep` false, nothing was written.
    pub(crate) fn finish(self, keep: bool) {
        if !keep || self.layer.buf.len() == self.at {
            self.layer.buf.truncate(self.at);
            return;
        }
        let (from, len) = (offset(self.from.start), offset(self.from.len()));
        self.layer.segments.push(Segment { at: self.first, from, len, copied: false });
    }
}

/// Layers are bounded far below 4 GiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::string_slice, reason = "tests may panic")]

    use super::*;
    use proptest::prelude::*;

    fn unit() -> Unit {
        let span = 1..1000;
        Unit { span, text: 0, origin: Origin::User, kind: None, parent: 0, segments: 0..0 }
    }

    #[test]
    fn spans_map_through_copies_and_escapes() {
        let mut layer = Layer::default();
        assert!(layer.begin(100, 1000));
        let mut writer = layer.writer();
        writer.copy("pay ", 0);
        writer.put('4', 4..7);
        writer.put('1', 7..10);
        writer.copy(" now", 10);
        writer.finish(0, &unit(), Kind::Escapes);
        let unit = layer.units()[0].clone();
        assert_eq!(&layer.buf()[unit.span.clone()], "pay 41 now");
        let at = unit.span.start;
        assert_eq!(layer.to_parent(&unit, &(at + 4..at + 6)), 4..10);
        assert_eq!(layer.to_parent(&unit, &(at + 2..at + 5)), 2..7);
        assert_eq!(layer.to_parent(&unit, &(at + 6..at + 10)), 10..14);
    }

    #[test]
    fn an_empty_view_is_none() {
        let mut layer = Layer::default();
        assert!(layer.begin(0, 10));
        layer.writer().finish(0, &unit(), Kind::Fold);
        assert!(layer.units().is_empty());
        assert!(!layer.begin(100, 10) && layer.overflow);
    }

    proptest! {
        /// Whatever is written, spans of the view map to rising, bounded spans of the parent, and
        /// copied bytes to themselves.
        #[test]
        fn maps_are_monotonic(parts in proptest::collection::vec((any::<bool>(), 1_usize..6), 1..40)) {
            let parent: String = ('a'..='z').cycle().take(300).collect();
            let mut layer = Layer::default();
            prop_assert!(layer.begin(300, 10_000));
            let mut writer = layer.writer();
            let mut from = 0;
            for (copied, len) in parts {
                if copied { writer.copy(&parent[from..from + len], from) } else { writer.put('#', from..from + len) }
                from += len;
            }
            writer.finish(0, &unit(), Kind::Fold);
            let unit = layer.units()[0].clone();
            let mut last = 0;
            for at in unit.span.clone() {
                let mapped = layer.to_parent(&unit, &(at..at + 1));
                prop_assert!(mapped.start < mapped.end && mapped.end <= from && mapped.start >= last);
                last = mapped.start;
                let byte = &layer.buf()[at..=at];
                if byte != "#" { prop_assert_eq!(byte, &parent[mapped]); }
            }
            prop_assert_eq!(layer.to_parent(&unit, &unit.span), 0..from);
        }
    }
}
