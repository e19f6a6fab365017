//! Which bytes of a literal are its anchor, and in which bucket they go.
//!
//! One literal after the other takes what adds the least work on prose: candidates that the
//! tables let through, and candidates whose anchor is there. Both are estimates from how often
//! letters follow each other in chats and code; a bad one costs time and nothing else.

use super::{ANCHOR, Literal, SETS, Tables, anchor};
use std::collections::HashMap;
use std::ops::Range;

/// Anchors of one literal, the rarest, that are tried in every bucket.
const TRIED: usize = 4;

/// Bytes of text that costs are told for.
const TEXT_BYTES: f64 = 32768.0;

/// Candidates that go no further than the hash cost one; those that are compared, this much more.
const COMPARE: f64 = 3.0;

/// What was chosen.
pub(super) struct Choice {
    pub(super) tables: Box<Tables>,
    /// Where the anchor of each literal begins in it.
    pub(super) offsets: Vec<usize>,
}

/// Chooses the anchors of `literals`.
pub(super) fn choose(literals: &[Literal]) -> Choice {
    let rates: [f64; 64] = std::array::from_fn(rate);
    let mut buckets = [Bucket::default(); SETS * 8];
    let mut offsets = vec![0; literals.len()];
    let mut taken = HashMap::new();
    // Those with the fewest choices choose first.
    let mut order: Vec<(&Literal, &mut usize)> = literals.iter().zip(&mut offsets).collect();
    order.sort_by_key(|(literal, _)| literal.bytes.len());
    for (literal, chosen) in order {
        let last = literal.bytes.len().saturating_sub(ANCHOR);
        let mut tried: Vec<(f64, usize)> =
            (0..=last).map(|offset| (met(anchor(literal, offset)), offset)).collect();
        tried.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut best = (f64::INFINITY, 0, 0);
        for (met, offset) in tried.into_iter().take(TRIED) {
            let bits = anchor(literal, offset).map(|byte| bits(byte, literal.caseless));
            // Each literal of an anchor that is there is compared.
            let here = anchor(literal, offset).map(|byte| byte | 0x20);
            let shared = f64::from(1 + taken.get(&here).copied().unwrap_or(0_u16));
            let open = open(literal.bytes.len());
            for (number, bucket) in buckets.iter().enumerate().filter(|(n, _)| open.contains(n)) {
                let cost = bucket.with(&bits, &rates).passed() - bucket.passed();
                let cost = TEXT_BYTES * (cost + COMPARE * met * shared);
                if cost < best.0 {
                    best = (cost, number, offset);
                }
            }
        }
        let (_, number, offset) = best;
        *chosen = offset;
        *taken.entry(anchor(literal, offset).map(|byte| byte | 0x20)).or_insert(0) += 1;
        if let Some(bucket) = buckets.get_mut(number) {
            let bits = anchor(literal, offset).map(|byte| bits(byte, literal.caseless));
            *bucket = bucket.with(&bits, &rates);
        }
    }
    Choice { tables: tables(&buckets), offsets }
}

/// The buckets that literals of this length may go in: short ones have places at which any byte
/// will do, and would open every bucket there.
fn open(length: usize) -> Range<usize> {
    match length {
        3 => 0..2,
        4 => 2..5,
        5 => 5..9,
        _ => 9..SETS * 8,
    }
}

/// What a bucket lets through.
#[derive(Clone, Copy, Default)]
struct Bucket {
    /// The bytes of each place, by their low six bits, one bit each.
    held: [u64; ANCHOR],
    /// The share of prose that those are.
    share: [f64; ANCHOR],
}

impl Bucket {
    /// The bucket with one more anchor.
    fn with(&self, bits: &[u64; ANCHOR], rates: &[f64; 64]) -> Bucket {
        let mut with = *self;
        for ((held, share), bits) in with.held.iter_mut().zip(&mut with.share).zip(bits) {
            let mut more = bits & !*held;
            *held |= more;
            while more != 0 {
                *share += rates.get(more.trailing_zeros() as usize).copied().unwrap_or(0.0);
                more &= more - 1;
            }
        }
        with
    }

    /// The share of the positions in prose that pass.
    fn passed(&self) -> f64 {
        self.share.iter().product()
    }
}

/// The low six bits that a byte of an anchor stands for, one bit each.
fn bits(byte: u8, caseless: bool) -> u64 {
    let bit = |byte: u8| 1_u64 << (byte & 63);
    match byte {
        0 => !0,
        _ if caseless => bit(byte.to_ascii_lowercase()) | bit(byte.to_ascii_uppercase()),
        _ => bit(byte),
    }
}

fn tables(buckets: &[Bucket]) -> Box<Tables> {
    let mut tables = Box::new([[[0; 64]; ANCHOR]; SETS]);
    for (set, buckets) in tables.iter_mut().zip(buckets.chunks(8)) {
        for (number, bucket) in buckets.iter().enumerate() {
            for (table, held) in set.iter_mut().zip(bucket.held) {
                for (bit, byte) in table.iter_mut().enumerate() {
                    *byte |= u8::from(held >> bit & 1 == 1) << number;
                }
            }
        }
    }
    tables
}

/// The share of prose whose byte has these low six bits.
fn rate(bit: usize) -> f64 {
    match bit {
        // The space.
        32 => 0.17,
        33..=58 => share(FIRST.get(bit - 32)),
        _ => 0.001,
    }
}

/// The share of the positions in prose at which `anchor` stands.
fn met(anchor: [u8; ANCHOR]) -> f64 {
    let mut met = 1.0;
    let mut row = &FIRST;
    for byte in anchor {
        let place = match byte.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => usize::from(letter - b'a') + 1,
            _ => 0,
        };
        // What is no letter is a space most often.
        met *= share(row.get(place))
            * match byte {
                0 | b'a'..=b'z' | b'A'..=b'Z' => 1.0,
                b' ' => 0.5,
                b'.' | b',' | b'-' | b':' | b'/' | b'0'..=b'9' => 0.03,
                _ => 0.01,
            };
        row = FOLLOWS.get(place).unwrap_or(&FIRST);
    }
    met
}

/// A half for each unit of the digit.
fn share(digit: Option<&u8>) -> f64 {
    let digit = digit.and_then(|digit| char::from(*digit).to_digit(16)).unwrap_or(15);
    0.5_f64.powf(f64::from(digit))
}

/// How rare what is no letter, and each letter, is in prose: its share is one half to that power.
static FIRST: [u8; 27] = *b"246554665497554469444576868";

/// How rare each is after what is no letter, and after each letter.
static FOLLOWS: [[u8; 27]; 27] = [
    *b"145556666588656558654675978",
    *b"4854597594a645396a343758859",
    *b"346572777378378488467387858",
    *b"43866398359457939a4635aaa6a",
    *b"14776386948977739a56858996a",
    *b"2485556797a8563878345967679",
    *b"258884479389587389474488868",
    *b"248782854498686479467489968",
    *b"33899299939a88838958479996a",
    *b"46645555998644246a543a5a9a7",
    *b"345663666565566366656366665",
    *b"178872778488684778847788877",
    *b"23884379939837946a965587a49",
    *b"336982879499846349777589949",
    *b"25954473959678748a94367aa69",
    *b"38765756968654355b35436499a",
    *b"338863885599368358355599969",
    *b"367776656677566766566166677",
    *b"2497529684a666647a654679a5a",
    *b"2585939954a6778469853596a6a",
    *b"2496839933ba79a47b5566b796a",
    *b"3565547595a9344859334989988",
    *b"437771878388888588878787877",
    *b"238883873398785399568987799",
    *b"236675777566756637764677367",
    *b"176885889689667369846998787",
    *b"245653766567666566636665565",
];
