//! The literals by their rarest bytes, 64 positions at a time, on CPUs with AVX-512 VBMI.
//!
//! Every literal has an *anchor*: six bytes in a row of it, or all of a shorter one. Anchors are
//! sorted into 48 buckets; a table for each of the six places says which buckets hold which byte
//! there, and a position at which all places agree on a bucket is a *candidate*. Those whose bytes
//! hash to an anchor are looked up, and the literals with that anchor are compared in full.
//! INVARIANT: what is found is exactly what [`hyperscan`](super::hyperscan) finds, which runs on
//! every other CPU and is the oracle of the tests; only the work differs.
//!
//! PERF: on 32 KB of prose and 849 literals Hyperscan takes 30 us and this 13, of which the filter
//! takes 6. Tables go by the low six bits of a byte, which is what one register holds: letters
//! fall together with rare signs only. With anchors of four bytes twice as many candidates hit.
//! Hyperscan itself is slower on anchors than on the literals: it filters by up to eight bytes.

use super::hyperscan::{Literal, Match};
use super::simd::Level;

mod choice;
#[cfg(target_arch = "x86_64")]
mod vbmi;

/// Bytes of an anchor; a shorter literal has a shorter one.
const ANCHOR: usize = 6;

/// Bytes of an anchor that are hashed, by the length of the literal.
const LENGTHS: [usize; 3] = [3, 4, ANCHOR];

/// Bytes of a block and those behind it that its last anchors reach.
const WINDOW: usize = 64 + ANCHOR - 1;

/// Tables of eight buckets each.
const SETS: usize = 6;

/// Blocks that are filtered before their candidates are looked at.
const CHUNK_BLOCKS: usize = 32;

/// For each set and place, the buckets that have a byte there, by the low six bits of the byte.
type Tables = [[[u8; 64]; ANCHOR]; SETS];

/// Writes the candidates of each block of the bytes that has all bytes behind it that its anchors
/// reach, one bit a position, and says how many blocks those are.
type Kernel = fn(&Tables, &[u8], &mut [u64]) -> usize;

/// A literal under its anchor.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The bytes of the anchor that are hashed, folded.
    key: u64,
    /// Eight bytes of the literal, folded, that are compared first.
    check: u64,
    /// Where in the literal those are.
    check_at: u16,
    /// Where the anchor begins in the literal.
    offset: u16,
    /// The literal.
    rule: u16,
}

/// Entries with keys of one length, by the hash of the key.
#[derive(Debug)]
struct Index {
    /// Bytes of a key.
    length: usize,
    /// Where the entries of each hash begin, and one more.
    starts: Box<[u16; HASHES + 1]>,
    entries: Vec<Entry>,
}

const HASH_BITS: u32 = 10;

const HASHES: usize = 1 << HASH_BITS;

/// Bits of the hash by which most candidates are told to be none.
const SPOT_BITS: u32 = 16;

const SPOTS: usize = 1 << SPOT_BITS;

/// Mixes the bits of a key upwards.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// Letters of either case, and some signs, are one.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// The anchors of a set of literals.
#[derive(Debug)]
pub(crate) struct Anchors {
    kernel: Kernel,
    tables: Box<Tables>,
    /// The spots of all keys, one bit each.
    spots: Box<[u64; SPOTS / 64]>,
    indexes: [Index; LENGTHS.len()],
    literals: Vec<(&'static [u8], bool)>,
}

impl Anchors {
    /// The anchors of `literals`, whose numbers are their places; `None` where `level` does
    /// without.
    pub(crate) fn new(level: Level, literals: &[Literal]) -> Option<Anchors> {
        kernel(level).and_then(|kernel| Anchors::with(kernel, literals))
    }

    /// `None` where a literal is too short to have an anchor, or too long.
    fn with(kernel: Kernel, literals: &[Literal]) -> Option<Anchors> {
        let [shortest, ..] = LENGTHS;
        let fits = |literal: &Literal| (shortest..1 << 12).contains(&literal.bytes.len());
        if u16::try_from(literals.len()).is_err() || !literals.iter().all(fits) {
            return None;
        }
        let choice = choice::choose(literals);
        let indexes = LENGTHS.map(|length| {
            let chosen = literals.iter().zip(&choice.offsets).enumerate();
            let chosen = chosen.filter(|(_, (literal, _))| key_length(literal) == length);
            let entries =
                chosen.map(|(rule, (literal, offset))| Entry::new(rule, literal, *offset));
            Index::new(length, entries.collect())
        });
        let mut spots = Box::new([0_u64; SPOTS / 64]);
        for entry in indexes.iter().flat_map(|index| &index.entries) {
            let spot = hash(entry.key, SPOT_BITS);
            if let Some(word) = spots.get_mut(spot / 64) {
                *word |= 1 << (spot % 64);
            }
        }
        let literals = literals.iter().map(|literal| (literal.bytes, literal.caseless)).collect();
        Some(Anchors { kernel, tables: choice.tables, spots, indexes, literals })
    }

    /// Looks for the literals in `bytes` and fills `matches`, by rising end. At most `limit` are
    /// kept; `false` says that there were more.
    pub(crate) fn scan(&self, bytes: &[u8], matches: &mut Vec<Match>, limit: usize) -> bool {
        matches.clear();
        let mut masks = [0_u64; CHUNK_BLOCKS];
        // One more, as a place is written before it is known whether it counts.
        let mut places = [0_u16; CHUNK_BLOCKS * 64 + 1];
        let mut base = 0;
        while base < bytes.len() {
            let rest = bytes.get(base..).unwrap_or(&[]);
            let mut count = (self.kernel)(&self.tables, rest, &mut masks);
            if count == 0 {
                // What is left fills no window: it is filtered with zeros behind it.
                let mut tail = [0; 2 * WINDOW];
                for (to, from) in tail.iter_mut().zip(rest) {
                    *to = *from;
                }
                count = (self.kernel)(&self.tables, &tail, &mut masks);
            }
            let found = self.likely(rest, masks.get(..count).unwrap_or(&[]), &mut places);
            for place in places.iter().take(found) {
                self.confirm(bytes, base + usize::from(*place), matches);
                if matches.len() > limit {
                    matches.truncate(limit);
                    matches.sort_unstable();
                    return false;
                }
            }
            base += count * 64;
        }
        matches.sort_unstable();
        true
    }

    /// Writes the candidates that hash to an anchor to `places` and says how many those are.
    ///
    /// PERF: without a branch on the hash, which cannot be predicted.
    fn likely(&self, bytes: &[u8], masks: &[u64], places: &mut [u16]) -> usize {
        let mut found = 0;
        for (block, mask) in masks.iter().enumerate() {
            let mut open = *mask;
            while open != 0 {
                let place = block * 64 + open.trailing_zeros() as usize;
                open &= open - 1;
                if let Some(slot) = places.get_mut(found) {
                    #[expect(clippy::cast_possible_truncation, reason = "a chunk has 2048 bytes")]
                    let place = place as u16;
                    *slot = place;
                }
                let here = key(bytes, place);
                let [short, middle, long] = LENGTHS.map(|length| {
                    let spot = hash(low(here, length), SPOT_BITS);
                    self.spots.get(spot / 64).copied().unwrap_or(0) >> (spot % 64)
                });
                found += usize::from((short | middle | long) & 1 == 1);
            }
        }
        found
    }

    /// Adds the literals whose anchor is at `at`.
    #[inline]
    fn confirm(&self, bytes: &[u8], at: usize, matches: &mut Vec<Match>) {
        let here = key(bytes, at);
        for entry in self.indexes.iter().flat_map(|index| index.of(here)) {
            let literal = self.literals.get(usize::from(entry.rule));
            let Some((literal, caseless)) = literal else { continue };
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
            let check = key(bytes, start + usize::from(entry.check_at)) ^ entry.check;
            if low(check, literal.len()) != 0 {
                continue;
            }
            let end = start + literal.len();
            let there = bytes.get(start..end).is_some_and(|there| {
                if *caseless { there.eq_ignore_ascii_case(literal) } else { there == *literal }
            });
            if there && let Ok(end) = u32::try_from(end) {
                matches.push(Match { end, rule: u32::from(entry.rule) });
            }
        }
    }
}

impl Entry {
    fn new(rule: usize, literal: &Literal, offset: usize) -> Entry {
        // What is compared first lies away from the anchor, which is known to be there.
        let last = literal.bytes.len().saturating_sub(8);
        let check_at = if offset > last / 2 { 0 } else { last };
        let number = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
        Entry {
            key: low(key(literal.bytes, offset), key_length(literal)),
            check: key(literal.bytes, check_at),
            check_at: number(check_at),
            offset: number(offset),
            rule: number(rule),
        }
    }
}

impl Index {
    fn new(length: usize, mut entries: Vec<Entry>) -> Index {
        entries.sort_by_key(|entry| hash(entry.key, HASH_BITS));
        let before = |value: usize| entries.partition_point(|e| hash(e.key, HASH_BITS) < value);
        let start = |value: usize| u16::try_from(before(value)).unwrap_or(u16::MAX);
        let starts = Box::new(std::array::from_fn(start));
        Index { length, starts, entries }
    }

    /// The entries of the anchor that `here` begins with.
    #[inline]
    fn of(&self, here: u64) -> impl Iterator<Item = &Entry> {
        let here = low(here, self.length);
        let first = hash(here, HASH_BITS);
        let start = |place: usize| self.starts.get(place).map_or(0, |start| usize::from(*start));
        let range = start(first)..start(first + 1);
        let entries = self.entries.get(range).unwrap_or(&[]);
        entries.iter().filter(move |entry| entry.key == here)
    }
}

/// The eight bytes at `at`, folded; zeros where there are none.
#[inline]
fn key(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from_le_bytes(*bytes) | FOLD,
        None => last_key(bytes, at),
    }
}

/// The key of fewer than eight bytes.
#[cold]
fn last_key(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or(&[]);
    let bytes = std::array::from_fn(|place| rest.get(place).copied().unwrap_or(0));
    u64::from_le_bytes(bytes) | FOLD
}

/// The first `length` bytes of a key.
#[inline]
fn low(key: u64, length: usize) -> u64 {
    if length < 8 { key & ((1 << (8 * length)) - 1) } else { key }
}

/// Bytes of the anchor of a literal that are hashed.
fn key_length(literal: &Literal) -> usize {
    let [shortest, ..] = LENGTHS;
    LENGTHS.into_iter().rev().find(|bytes| *bytes <= literal.bytes.len()).unwrap_or(shortest)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "at most 16 bits are left")]
fn hash(key: u64, bits: u32) -> usize {
    (key.wrapping_mul(MIX) >> (u64::BITS - bits)) as usize
}

/// The anchor of `literal` at `offset`; zero stands for any byte.
fn anchor(literal: &Literal, offset: usize) -> [u8; ANCHOR] {
    let mut anchor = [0; ANCHOR];
    for (to, from) in anchor.iter_mut().zip(literal.bytes.iter().skip(offset)) {
        *to = *from;
    }
    anchor
}

/// The filter of a level, where it has one that pays.
fn kernel(level: Level) -> Option<Kernel> {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => Some(vbmi::candidates),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::hyperscan::Database;
    use super::*;
    use crate::packs;
    use proptest::prelude::*;

    /// A position at a time.
    fn scalar(tables: &Tables, bytes: &[u8], masks: &mut [u64]) -> usize {
        let blocks = bytes.windows(WINDOW).step_by(64).zip(masks);
        blocks
            .map(|(window, mask)| {
                let agree = |bytes: &[u8]| {
                    tables.iter().any(|set| {
                        let places = set.iter().zip(bytes);
                        places.fold(u8::MAX, |all, (table, byte)| all & table[*byte as usize & 63])
                            != 0
                    })
                };
                let places = window.windows(ANCHOR).enumerate();
                *mask = places.fold(0, |mask, (at, bytes)| mask | u64::from(agree(bytes)) << at);
            })
            .count()
    }

    fn literals() -> Vec<Literal> {
        let rows = packs::rows();
        rows.iter().map(|row| Literal { bytes: row.bytes, caseless: row.caseless }).collect()
    }

    /// The anchors with every filter of this machine.
    fn all(literals: &[Literal]) -> Vec<Anchors> {
        let levels = Level::all().into_iter().filter_map(kernel);
        levels.chain([scalar as Kernel]).map(|of| Anchors::with(of, literals).unwrap()).collect()
    }

    fn found(anchors: &Anchors, text: &[u8]) -> Vec<Match> {
        let mut matches = Vec::new();
        assert!(anchors.scan(text, &mut matches, usize::MAX));
        matches
    }

    #[test]
    fn every_literal_is_found_in_either_case_at_every_place_of_a_block() {
        let literals = literals();
        for anchors in all(&literals) {
            for (rule, literal) in literals.iter().enumerate() {
                for before in [0, 1, 30, 59, 60, 61, 62, 63, 64, 130] {
                    let mut text = vec![b'~'; before];
                    text.extend_from_slice(literal.bytes);
                    let end = u32::try_from(text.len()).unwrap();
                    let rule = u32::try_from(rule).unwrap();
                    assert!(found(&anchors, &text).contains(&Match { end, rule }));
                    text.make_ascii_uppercase();
                    let same = literal.caseless || text.ends_with(literal.bytes);
                    assert_eq!(found(&anchors, &text).contains(&Match { end, rule }), same);
                    text.pop();
                    assert!(!found(&anchors, &text).contains(&Match { end, rule }));
                }
            }
        }
    }

    #[test]
    fn more_than_fit_are_reported_as_incomplete() {
        for anchors in all(&[Literal { bytes: b"aaa", caseless: false }]) {
            let mut matches = Vec::new();
            assert!(!anchors.scan(&[b'a'; 400], &mut matches, 7));
            assert_eq!(matches.len(), 7);
            assert!(anchors.scan(&[b'a'; 400], &mut matches, 398));
        }
    }

    #[test]
    fn a_literal_without_an_anchor_is_refused() {
        assert!(Anchors::with(scalar, &[Literal { bytes: b"ab", caseless: true }]).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Texts out of whole and cut literals, in changing case, and of other characters.
        #[test]
        fn what_is_found_is_what_hyperscan_finds(
            parts in proptest::collection::vec(
                (any::<prop::sample::Index>(), 0_usize..40, 0_usize..40, any::<u8>(), "[ -~é前\\PC]{0,9}"), 0..40),
        ) {
            thread_local! {
                static COMPILED: (Vec<Literal>, Database, Vec<Anchors>) = {
                    let literals = literals();
                    let (database, anchors) = (Database::compile(&literals).unwrap(), all(&literals));
                    (literals, database, anchors)
                };
            }
            COMPILED.with(|(literals, database, anchors)| {
            let scratch = database.scratch().unwrap();
            let mut text = Vec::new();
            for (literal, from, to, case, other) in parts {
                let literal = literals[literal.index(literals.len())].bytes;
                let from = if from > 10 { 0 } else { from.min(literal.len()) };
                let mut part = literal[from..to.max(from).min(literal.len())].to_vec();
                for (at, byte) in part.iter_mut().enumerate() {
                    if case >> (at % 8) & 1 == 1 && case & 1 == 1 {
                        byte.make_ascii_uppercase();
                    }
                }
                text.extend_from_slice(&part);
                if case % 3 == 0 {
                    text.extend_from_slice(other.as_bytes());
                }
            }
            let mut expected = Vec::new();
            prop_assert!(database.scan(&text, &scratch, &mut expected, 100_000));
            expected.sort_unstable();
            for anchors in anchors {
                prop_assert_eq!(&found(anchors, &text), &expected);
            }
            Ok(())
            })?;
        }
    }
}
