//! The walk over the classified blocks of a layer: digits, `@`, escapes, characters that are not
//! ASCII, and long runs, each handed to its validator or to the views' triggers.
//!
//! Blocks without any of these cost a few instructions. What was looked at is not looked at again.

use super::{Place, Sink};
use crate::engine::simd::Level;
use crate::engine::{BLOCK, Masks};
use crate::identifiers;
use crate::secrets;
use crate::text::Text;
use crate::views::{Triggers, fold};
use std::ops::Range;

/// Blocks that are classified before they are walked.
const CHUNK_BLOCKS: usize = 64;

/// Runs of base64 characters from this length on are looked at.
const RUN_BYTES_MIN: usize = 14;

/// Classifies the bytes of a layer and hands what they point at to the validators.
pub(super) fn walk(level: Level, buf: &str, place: &Place<'_>, sink: &mut Sink<'_>) {
    let bytes = buf.as_bytes();
    let mut masks = [Masks::default(); CHUNK_BLOCKS];
    let mut walker = Walker::new(buf, place);
    for (chunk, part) in bytes.chunks(CHUNK_BLOCKS * BLOCK).enumerate() {
        let count = level.classify(part, &mut masks);
        for (block, mask) in masks.iter().take(count).enumerate() {
            walker.block((chunk * CHUNK_BLOCKS + block) * BLOCK, mask, sink);
        }
    }
    walker.finish(bytes.len(), sink);
}

/// What the walk over the blocks of a layer carries from one to the next.
struct Walker<'a> {
    buf: &'a str,
    place: &'a Place<'a>,
    /// The unit that the last event was in.
    number: usize,
    text: Option<Text<'a>>,
    /// Digits before this offset were looked at.
    digits_done: usize,
    /// Where the run of base64 characters began that reaches the end of the last block.
    run: Option<usize>,
    triggers: Triggers,
}

impl<'a> Walker<'a> {
    fn new(buf: &'a str, place: &'a Place<'a>) -> Walker<'a> {
        let triggers = Triggers::default();
        Walker { buf, place, number: 0, text: None, digits_done: 0, run: None, triggers }
    }

    #[inline]
    fn block(&mut self, base: usize, mask: &Masks, sink: &mut Sink<'_>) {
        self.runs(base, mask.base64, sink);
        if mask.digit | mask.at | mask.escape | mask.high == 0 {
            return;
        }
        self.candidates(base, mask, sink);
    }

    fn candidates(&mut self, base: usize, mask: &Masks, sink: &mut Sink<'_>) {
        let mut digits = mask.digit;
        loop {
            let done = self.digits_done.saturating_sub(base);
            digits &= if done >= BLOCK { 0 } else { !0 << done };
            if digits == 0 {
                break;
            }
            let at = base + digits.trailing_zeros() as usize;
            self.digits_done = at + 1;
            if let Some(text) = self.text_at(at) {
                let number = self.number;
                self.digits_done =
                    identifiers::digits(&text, at, &mut |hit| sink.hit(number, &hit));
            }
        }
        for at in bits(base, mask.at) {
            if let Some(text) = self.text_at(at)
                && let Some(hit) = identifiers::email::find(&text, at)
            {
                sink.hit(self.number, &hit);
            }
        }
        for at in bits(base, mask.escape) {
            if let Some(text) = self.text_at(at) {
                self.triggers.escape(self.buf, &text, at, self.number, sink);
            }
        }
        let bytes = self.buf.as_bytes();
        for at in bits(base, mask.high) {
            // Leading bytes of characters that can be more than plain, not the ones that follow.
            let lead = bytes.get(at).copied().unwrap_or(0);
            let second = bytes.get(at + 1).copied().unwrap_or(0);
            if lead >= 0xC0
                && fold::may_ask(lead, second)
                && let Some(text) = self.text_at(at)
            {
                self.triggers.character(self.buf, &text, at, self.number, sink);
            }
        }
    }

    /// Finds runs of at least [`RUN_BYTES_MIN`] base64 characters, over the ends of blocks.
    #[inline]
    fn runs(&mut self, base: usize, mask: u64, sink: &mut Sink<'_>) {
        if mask == !0 {
            self.run.get_or_insert(base);
            return;
        }
        let open = self.run.take();
        if let Some(start) = open {
            let end = base + mask.trailing_ones() as usize;
            if end - start >= RUN_BYTES_MIN {
                self.run_of(start..end, sink);
            }
        }
        // Bit `i` stays where bits `i..i + 14` are all set.
        let pairs = mask & mask >> 1;
        let fours = pairs & pairs >> 2;
        let eights = fours & fours >> 4;
        let mut long = eights & eights >> (RUN_BYTES_MIN - 8);
        while long != 0 {
            let first = long.trailing_zeros();
            let length = (mask >> first).trailing_ones();
            let (start, end) = (base + first as usize, base + (first + length) as usize);
            // One that begins the block may be the end of the one that was open; one that reaches
            // its end goes on.
            if end < base + BLOCK && (start > base || open.is_none()) {
                self.run_of(start..end, sink);
            }
            long &= if first + length >= 64 { 0 } else { !0 << (first + length) };
        }
        let tail = mask.leading_ones() as usize;
        self.run = (tail > 0).then(|| base + BLOCK - tail);
    }

    fn run_of(&mut self, span: Range<usize>, sink: &mut Sink<'_>) {
        let Some(text) = self.text_at(span.start) else { return };
        let number = self.number;
        secrets::run(&text, span.clone(), &mut |hit| sink.hit(number, &hit));
        self.triggers.run(&text, span, number, sink);
    }

    /// The text that holds `at`; `None` for a separator.
    #[inline]
    fn text_at(&mut self, at: usize) -> Option<Text<'a>> {
        match self.text {
            Some(text) if (text.start()..text.end()).contains(&at) => Some(text),
            _ => self.seek(at),
        }
    }

    /// Offsets rise but for runs, which are told at their end: so this looks both ways.
    fn seek(&mut self, at: usize) -> Option<Text<'a>> {
        let units = self.place.units;
        let next = units.get(self.number + 1).filter(|unit| unit.span.contains(&at));
        self.number = match next {
            Some(_) => self.number + 1,
            None => units.partition_point(|unit| unit.span.end <= at),
        };
        let unit = units.get(self.number).filter(|unit| unit.span.contains(&at))?;
        self.text = Some(self.place.text(self.buf, unit));
        self.text
    }

    fn finish(mut self, end: usize, sink: &mut Sink<'_>) {
        if let Some(start) = self.run.take()
            && end - start >= RUN_BYTES_MIN
        {
            self.run_of(start..end, sink);
        }
        self.triggers.finish(self.buf, sink);
    }
}

/// The offsets of the bits of a mask.
fn bits(base: usize, mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (bit < BLOCK).then(|| base + bit)
    })
}
