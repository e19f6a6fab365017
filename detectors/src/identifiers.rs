//! Personal and financial identifiers: validators for what the SIMD pass points at.
//!
//! The pass points at the first digit of a run and at `@`. A run of digits is read together with
//! what is grouped with it (`4111 1111 ...`) and every validator looks at the same group.

pub(crate) mod card;
pub(crate) mod email;
pub(crate) mod group;
pub(crate) mod iban;
pub(crate) mod phone;
pub(crate) mod ssn;

use crate::finding::Layer;
use crate::text::Text;
use group::Group;
use sluice_contract::class::Class;
use std::ops::Range;

/// Seams within one number at which it is also looked at in pieces.
const SEAMS_MAX: usize = 6;

/// Digits of the shortest identifier.
pub(crate) const DIGITS_MIN: usize = 7;

/// Something found, in the coordinates of the buffer that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Its class.
    pub(crate) class: Class,
    /// Its confidence in hundredths.
    pub(crate) confidence: u8,
    /// The layer it comes from.
    pub(crate) layer: Layer,
    /// Its bytes in the buffer.
    pub(crate) span: Range<usize>,
}

impl Hit {
    /// A hit that a checksum, a structure or a context word confirmed.
    pub(crate) fn validated(class: Class, confidence: u8, span: Range<usize>) -> Hit {
        Hit { class, confidence, layer: Layer::Validated, span }
    }
}

/// Looks at the digits from `at` on and gives the offset where the next group may begin.
pub(crate) fn digits(text: &Text<'_>, at: usize, out: &mut impl FnMut(Hit)) -> usize {
    if let Some(hit) = iban::find(text, at) {
        let end = hit.span.end;
        out(hit);
        return end;
    }
    let (digits, end) = group::extent(text, at);
    if digits < DIGITS_MIN {
        return end;
    }
    let group = Group::read(text, at, text.end());
    look(text, &group, out);
    if text.seam_in(at..group.end()).is_some() {
        pieces(text, at..group.end(), out);
    }
    group.end().max(at + 1)
}

/// Texts may have been joined inside of a number and right after it: every stretch between two of
/// the first seams may be a number of its own.
fn pieces(text: &Text<'_>, group: Range<usize>, out: &mut impl FnMut(Hit)) {
    let mut ends = [group.start; SEAMS_MAX + 2];
    let mut count = 1;
    let mut last = group.start;
    for slot in ends.iter_mut().skip(1).take(SEAMS_MAX) {
        let Some(seam) = text.seam_in(last..group.end) else { break };
        (*slot, last) = (seam, seam);
        count += 1;
    }
    if let Some(slot) = ends.get_mut(count) {
        *slot = group.end;
    }
    let ends = ends.get(..=count).unwrap_or(&[]);
    for (first, start) in ends.iter().enumerate() {
        let start = text.run(*start, group.end - start, |byte| !byte.is_ascii_digit());
        for end in ends.iter().skip(first + 1).filter(|end| **end > start) {
            look(text, &Group::read(text, start, *end), out);
        }
    }
}

fn look(text: &Text<'_>, group: &Group, out: &mut impl FnMut(Hit)) {
    if group.digits() < DIGITS_MIN {
        return;
    }
    let mut is_card = false;
    if group.digits() >= card::DIGITS_MIN {
        card::find(text, group, &mut |hit: Hit| {
            is_card = true;
            out(hit);
        });
    }
    if !is_card {
        if let Some(hit) = ssn::find(text, group) {
            out(hit);
        } else {
            phone::find(text, group, out);
        }
    }
}
