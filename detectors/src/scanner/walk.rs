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
        let masks = masks.get(..count).unwrap_or(&[]);
        for (block, mask) in masks.iter().enumerate() {
            // Past the chunk there may be anything.
            let next = masks.get(block + 1).map_or(!0, |mask| mask.digit);
            walker.block((chunk * CHUNK_BLOCKS + block) * BLOCK, mask, next, sink);
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
    runs: Runs,
    triggers: Triggers,
}

impl<'a> Walker<'a> {
    fn new(buf: &'a str, place: &'a Place<'a>) -> Walker<'a> {
        let triggers = Triggers::default();
        Walker {
            buf,
            place,
            number: 0,
            text: None,
            digits_done: 0,
            runs: Runs::default(),
            triggers,
        }
    }

    #[inline]
    fn block(&mut self, base: usize, mask: &Masks, next: u64, sink: &mut Sink<'_>) {
        let mut runs = self.runs;
        runs.block(base, mask.base64, &mut |span| self.run_of(span, sink));
        self.runs = runs;
        if mask.digit | mask.at | mask.escape | mask.high == 0 {
            return;
        }
        self.candidates(base, mask, next, sink);
    }

    /// Looks at what a block points at; `next` are the digits of the block that follows.
    fn candidates(&mut self, base: usize, mask: &Masks, next: u64, sink: &mut Sink<'_>) {
        let mut digits = mask.digit;
        loop {
            let done = self.digits_done.saturating_sub(base);
            digits &= if done >= BLOCK { 0 } else { !0 << done };
            if digits == 0 {
                break;
            }
            let first = digits.trailing_zeros();
            let at = base + first as usize;
            if few(mask.digit, next, first) && !self.after_letters(at) {
                self.digits_done = at + (mask.digit >> first).trailing_ones() as usize;
                continue;
            }
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

    /// Whether two letters stand before `at`, as in front of the check digits of an IBAN.
    fn after_letters(&self, at: usize) -> bool {
        let before = self.buf.as_bytes().get(at.wrapping_sub(2)..at);
        before.is_some_and(|before| before.iter().all(u8::is_ascii_alphabetic))
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
        let runs = self.runs;
        runs.finish(end, &mut |span| self.run_of(span, sink));
        self.triggers.finish(self.buf, sink);
    }
}

/// Finds runs of at least [`RUN_BYTES_MIN`] base64 characters, over the ends of blocks.
#[derive(Clone, Copy, Default)]
struct Runs {
    /// Where the run begins that reaches the end of the last block; that end where none does.
    start: usize,
}

impl Runs {
    /// Tells the runs that end in the block at `base`, and before it.
    #[inline]
    fn block(&mut self, base: usize, mask: u64, out: &mut impl FnMut(Range<usize>)) {
        if mask == !0 {
            return;
        }
        self.finish(base + mask.trailing_ones() as usize, out);
        // Bit `i` stays where bits `i..i + 14` are all set.
        let pairs = mask & mask >> 1;
        let fours = pairs & pairs >> 2;
        let eights = fours & fours >> 4;
        let mut long = eights & eights >> (RUN_BYTES_MIN - 8);
        while long != 0 {
            let first = long.trailing_zeros();
            let length = (mask >> first).trailing_ones();
            let (start, end) = (base + first as usize, base + (first + length) as usize);
            // One that begins the block was told above; one that reaches its end goes on.
            if end < base + BLOCK && start > base {
                out(start..end);
            }
            long &= if first + length >= 64 { 0 } else { !0 << (first + length) };
        }
        self.start = base + BLOCK - mask.leading_ones() as usize;
    }

    /// Tells the run that was open where it ends at `end`.
    #[inline]
    fn finish(self, end: usize, out: &mut impl FnMut(Range<usize>)) {
        if end.saturating_sub(self.start) >= RUN_BYTES_MIN {
            out(self.start..end);
        }
    }
}

/// Whether the 64 bytes from bit `first` of a block on have too few digits for an identifier. With
/// the widest gaps that numbers are written with, the shortest one ends within those.
#[inline]
fn few(digits: u64, next: u64, first: u32) -> bool {
    let window = digits >> first | next.unbounded_shl(u64::BITS - first);
    (window.count_ones() as usize) < identifiers::DIGITS_MIN
}

/// The offsets of the bits of a mask.
fn bits(base: usize, mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (bit < BLOCK).then(|| base + bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identifiers::group;
    use proptest::prelude::*;

    proptest! {
        /// Where the mask says that there are few digits, the group that begins there is too short.
        #[test]
        fn few_digits_make_no_identifier(
            parts in proptest::collection::vec(("[0-9]{1,4}", "[ ./()-]{1,4}|[\u{a0}\u{2009}\u{2012}\u{2212}]{1,4}|[a-z ]{3,40}"), 1..60),
        ) {
            let text: String = parts.into_iter().map(|(digits, gap)| digits + &gap).collect();
            let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
            let mut masks = vec![Masks::default(); text.len().div_ceil(BLOCK)];
            Level::best().classify(text.as_bytes(), &mut masks);
            for (block, mask) in masks.iter().enumerate() {
                let next = masks.get(block + 1).map_or(0, |mask| mask.digit);
                for at in bits(0, mask.digit) {
                    if few(mask.digit, next, u32::try_from(at).unwrap()) {
                        let (digits, _) = group::extent(&whole, block * BLOCK + at);
                        prop_assert!(digits < identifiers::DIGITS_MIN);
                    }
                }
            }
        }

        /// Every run is told once, whatever blocks it lies in.
        #[test]
        fn runs_are_told_once(lengths in proptest::collection::vec((0_usize..150, 1_usize..70), 1..12)) {
            let mut text = String::new();
            let mut expected = Vec::new();
            for (run, gap) in lengths {
                if run >= RUN_BYTES_MIN {
                    expected.push(text.len()..text.len() + run);
                }
                text.extend(std::iter::repeat_n('x', run));
                text.extend(std::iter::repeat_n('.', gap));
            }
            prop_assert_eq!(runs_of(&text), expected.clone());
            prop_assert_eq!(runs_of(text.trim_end_matches('.')), expected);
        }
    }

    /// The runs that the walk tells of `text`.
    fn runs_of(text: &str) -> Vec<Range<usize>> {
        let mut masks = vec![Masks::default(); text.len().div_ceil(BLOCK)];
        Level::best().classify(text.as_bytes(), &mut masks);
        let mut runs = Runs::default();
        let mut found = Vec::new();
        for (block, mask) in masks.iter().enumerate() {
            runs.block(block * BLOCK, mask.base64, &mut |run| found.push(run));
        }
        runs.finish(text.len(), &mut |run| found.push(run));
        found
    }
}
