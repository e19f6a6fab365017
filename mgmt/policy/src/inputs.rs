//! The inputs of a decision: facts cut down to what policies can tell apart, and their bytes.
//!
//! One function makes the inputs. The cache key is their bytes, and Cedar is asked about them and
//! not about the facts, so that equal keys can't have different answers.
//!
//! ```text
//! key: policies 8 | principal 8 | model 8 | route 4 | target 4 | bits 2 | sizes 12 | scores 10
//!      | for each class: class 2, origins 2, count 2, confidence 1
//! ```
//!
//! What no policy reads is zero in the inputs.

use crate::attack;
use crate::field::{Field, Number};
use crate::question::{Direction, Question, QuestionKeys};
use crate::reads::Reads;
use arrayvec::ArrayVec;
use sluice_contract::facts::{ClassFact, Flags, Score};
use sluice_contract::limits::FACT_CLASSES_MAX;
use sluice_contract::snapshot::{Enforcement, Trust};

/// One yes or no among the inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Bit {
    Response,
    External,
    Observe,
    AllowOpaque,
    Overflow,
    Opaque,
    Normalised,
    Truncated,
    AttackHigh,
    AttackMedium,
}

/// What a decision depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Inputs {
    /// Stand-ins of the names, zero where no policy reads them.
    keys: QuestionKeys,
    /// [`Bit`]s.
    bits: u16,
    pub(crate) text_bytes: u32,
    pub(crate) texts: u32,
    pub(crate) opaque_bytes: u32,
    pub(crate) scores: [u8; Score::ALL.len()],
    pub(crate) classes: ArrayVec<ClassFact, FACT_CLASSES_MAX>,
}

/// Bytes of a key before its classes.
const HEAD_BYTES: usize = 56;

/// The longest key.
pub(crate) const KEY_BYTES_MAX: usize = HEAD_BYTES + 7 * FACT_CLASSES_MAX;

impl Inputs {
    /// The inputs of `question` to policies that read `reads`.
    pub(crate) fn of(question: &Question<'_>, reads: &Reads) -> Inputs {
        let facts = question.facts;
        let keys = QuestionKeys {
            principal: if reads.names_principal() { question.keys.principal } else { 0 },
            model: if reads.names_model() { question.keys.model } else { 0 },
            route: question.keys.route,
            target: question.keys.target,
        };
        let mut scores = [0; Score::ALL.len()];
        for ((place, cuts), score) in scores.iter_mut().zip(reads.scores()).zip(facts.scores.0) {
            *place = narrow_u8(cuts.representative(u32::from(score)));
        }
        let (count, confidence) = (reads.cuts(Number::Count), reads.cuts(Number::Confidence));
        let has_origins = reads.has(Field::Origins);
        let classes = facts
            .classes
            .iter()
            .map(|fact| ClassFact {
                class: fact.class,
                count: narrow_u16(count.representative(u32::from(fact.count))),
                origins: if has_origins { fact.origins } else { 0 },
                confidence: narrow_u8(confidence.representative(u32::from(fact.confidence))),
            })
            .collect();
        Inputs {
            keys,
            bits: bits(question, reads),
            text_bytes: reads.cuts(Number::TextBytes).representative(facts.text_bytes),
            texts: reads.cuts(Number::Texts).representative(facts.texts),
            opaque_bytes: reads.cuts(Number::OpaqueBytes).representative(facts.opaque_bytes),
            scores,
            classes,
        }
    }

    pub(crate) const fn is(&self, bit: Bit) -> bool {
        self.bits & 1 << bit as u16 != 0
    }

    /// Writes the key into `key`, which is emptied first, for the policies of `fingerprint`.
    ///
    /// INVARIANT: injective. Every field has a fixed width, and the classes are the only part of
    /// variable length, at the end.
    pub(crate) fn write_key(&self, fingerprint: u64, key: &mut ArrayVec<u8, KEY_BYTES_MAX>) {
        let mut head = [0; HEAD_BYTES];
        put(&mut head, 0, fingerprint.to_le_bytes());
        put(&mut head, 8, self.keys.principal.to_le_bytes());
        put(&mut head, 16, self.keys.model.to_le_bytes());
        put(&mut head, 24, self.keys.route.to_le_bytes());
        put(&mut head, 28, self.keys.target.to_le_bytes());
        put(&mut head, 32, self.bits.to_le_bytes());
        put(&mut head, 34, self.text_bytes.to_le_bytes());
        put(&mut head, 38, self.texts.to_le_bytes());
        put(&mut head, 42, self.opaque_bytes.to_le_bytes());
        put(&mut head, 46, self.scores);
        key.clear();
        key.extend(head);
        for fact in &self.classes {
            let [class_low, class_high] = fact.class.0.to_le_bytes();
            let [origins_low, origins_high] = fact.origins.to_le_bytes();
            let [count_low, count_high] = fact.count.to_le_bytes();
            key.extend([
                class_low,
                class_high,
                origins_low,
                origins_high,
                count_low,
                count_high,
                fact.confidence,
            ]);
        }
    }
}

/// The [`Bit`]s of `question`. What decides without any policy's word is always there.
fn bits(question: &Question<'_>, reads: &Reads) -> u16 {
    let facts = question.facts;
    let flag = |field, flag| reads.has(field) && facts.flags.has(flag);
    [
        (Bit::Response, question.direction == Direction::Response),
        (Bit::External, question.target.trust == Trust::External),
        (Bit::Observe, question.route.enforcement == Enforcement::Observe),
        (Bit::AllowOpaque, question.route.allow_opaque),
        (Bit::Overflow, facts.flags.has(Flags::OVERFLOW)),
        (Bit::Opaque, flag(Field::Opaque, Flags::OPAQUE)),
        (Bit::Normalised, flag(Field::Normalised, Flags::NORMALISED)),
        (Bit::Truncated, flag(Field::Truncated, Flags::TRUNCATED)),
        (Bit::AttackHigh, reads.has(Field::AttackHigh) && attack::is_high(&facts.scores)),
        (Bit::AttackMedium, reads.has(Field::AttackMedium) && attack::is_medium(&facts.scores)),
    ]
    .into_iter()
    .fold(0, |bits, (bit, is_set)| bits | u16::from(is_set) << bit as u16)
}

/// Puts `bytes` at the constant `at`.
#[inline]
fn put<const N: usize>(head: &mut [u8; HEAD_BYTES], at: usize, bytes: [u8; N]) {
    if let Some(place) = head.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<N>) {
        *place = bytes;
    }
}

/// A representative is never above its value, so it fits where the value came from.
fn narrow_u8(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn narrow_u16(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
