//! Hyperscan behind the smallest surface: literals in, (rule, end) pairs out.
//!
//! The database holds literals only, so that it runs on Hyperscan's literal engine alone and every
//! start is known from the end and the length. The callback writes into memory that was reserved
//! before the scan and does nothing else: a panic in it would abort the process.
//!
//! PERF: the literal engine sorts its literals into eight buckets by their last bytes, and with
//! many in each, ordinary prose passes its filter often. Measured on 2 KB of prose with 820
//! literals: 3.1 us in one part; 1.8 us in two parts by suffix, each with a literal of two bytes
//! that prose does not have (without a short one the engine looks at every other byte only, and
//! confirms more). Over a buffer that is in the first-level cache a second part costs 0.4 us.

use hyperscan::SerializedDatabase as _;
use hyperscan::{BlockDatabase, Builder, Matching, Pattern, PatternFlags, Patterns, Scratch};

/// A literal that ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Match {
    /// The byte after its last one.
    pub(crate) end: u32,
    /// Its number in the pack.
    pub(crate) rule: u32,
}

/// A literal to look for.
pub(crate) struct Literal {
    /// Its bytes.
    pub(crate) bytes: &'static [u8],
    /// Whether ASCII letters match in either case.
    pub(crate) caseless: bool,
}

/// Literals of one part at most.
const PART_LITERALS: usize = 440;

/// The short literal of every part, and its number, which no literal has.
const SHORT: (&[u8], u32) = (b"\x01\x02", u32::MAX >> 1);

/// A compiled set of literals, in parts.
pub(crate) struct Database(Vec<BlockDatabase>);

impl Database {
    /// Compiles `literals`; their numbers are their places.
    pub(crate) fn compile(literals: &[Literal]) -> Result<Database, hyperscan::Error> {
        let mut order: Vec<(usize, &Literal)> = literals.iter().enumerate().collect();
        order.sort_by_cached_key(|(_, literal)| {
            let mut backwards: Vec<u8> = literal.bytes.to_ascii_lowercase();
            backwards.reverse();
            backwards
        });
        let parts = order.len().div_ceil(PART_LITERALS).max(1);
        let part = |literals: &[(usize, &Literal)]| {
            let (short, number) = SHORT;
            let mut patterns = vec![pattern(short, false, number as usize)?];
            for (id, literal) in literals {
                patterns.push(pattern(literal.bytes, literal.caseless, *id)?);
            }
            Patterns::from(patterns).build()
        };
        let size = order.len().div_ceil(parts).max(1);
        let parts = order.chunks(size).map(part).collect::<Result<_, _>>()?;
        Ok(Database(parts))
    }

    /// The bytes of the database, for [`Database::deserialize`] on a like CPU: each part after its
    /// length.
    pub(crate) fn serialize(&self) -> Result<Vec<u8>, hyperscan::Error> {
        let mut bytes = Vec::new();
        for part in &self.0 {
            let part = part.serialize()?;
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }

    /// The database of `bytes`; `None` where they are cut, and wrong ones are refused by their own
    /// checksum.
    pub(crate) fn deserialize(bytes: &[u8]) -> Option<Result<Database, hyperscan::Error>> {
        let mut parts = Vec::new();
        let mut rest = bytes;
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (part, after) = after.split_at_checked(length)?;
            match part.deserialize() {
                Ok(part) => parts.push(part),
                Err(error) => return Some(Err(error)),
            }
            rest = after;
        }
        (rest.is_empty() && !parts.is_empty()).then_some(Ok(Database(parts)))
    }

    /// Working memory for one scanner.
    pub(crate) fn scratch(&self) -> Result<Scratch, hyperscan::Error> {
        let mut parts = self.0.iter();
        let first = parts.next().ok_or(hyperscan::HsError::Invalid)?;
        let mut scratch = first.alloc_scratch()?;
        for part in parts {
            part.realloc_scratch(&mut scratch)?;
        }
        Ok(scratch)
    }

    /// Looks for the literals in `bytes` and fills `matches`, by rising end. At most `limit` are
    /// kept; `false` says that there were more, or that the engine failed: either way that not
    /// everything was looked at.
    pub(crate) fn scan(
        &self,
        bytes: &[u8],
        scratch: &Scratch,
        matches: &mut Vec<Match>,
        limit: usize,
    ) -> bool {
        matches.clear();
        matches.resize(limit, Match { end: 0, rule: 0 });
        let mut slots = matches.iter_mut();
        let mut found = 0_usize;
        let mut last = 0_u32;
        let mut sorted = true;
        let mut complete = true;
        for part in &self.0 {
            // The callback runs under a C frame: no allocation, no indexing, no checked arithmetic.
            let done = part.scan(bytes, scratch, |rule, _from, to, _flags| {
                if rule == SHORT.1 {
                    return Matching::Continue;
                }
                let Some(slot) = slots.next() else {
                    complete = false;
                    return Matching::Terminate;
                };
                #[expect(clippy::cast_possible_truncation, reason = "batches are below 4 GiB")]
                let end = to as u32;
                *slot = Match { end, rule };
                found = found.wrapping_add(1);
                sorted &= last <= end;
                last = end;
                Matching::Continue
            });
            // A scan that the callback ended says so by an error too.
            complete &= done.is_ok();
        }
        matches.truncate(found);
        if !sorted {
            matches.sort_unstable();
        }
        complete
    }
}

/// A pattern that matches exactly `bytes`, whatever characters those are.
fn pattern(bytes: &[u8], caseless: bool, id: usize) -> Result<Pattern, hyperscan::Error> {
    let flags = if caseless { PatternFlags::CASELESS } else { PatternFlags::empty() };
    let escaped: String = bytes.iter().flat_map(|byte| escape(*byte)).collect();
    let mut pattern = Pattern::with_flags(escaped, flags)?;
    pattern.id = Some(id);
    Ok(pattern)
}

/// `\xHH`
fn escape(byte: u8) -> [char; 4] {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    ['\\', 'x', digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &'static str, caseless: bool) -> Literal {
        Literal { bytes: text.as_bytes(), caseless }
    }

    #[test]
    fn literals_are_found_where_they_end_and_survive_serialisation() {
        let literals =
            [literal("gh.p_", false), literal("password", true), literal("Größe", false)];
        let database = Database::compile(&literals).unwrap();
        let again = Database::deserialize(&database.serialize().unwrap()).unwrap().unwrap();
        for database in [database, again] {
            let scratch = database.scratch().unwrap();
            let mut matches = Vec::new();
            assert!(database.scan(
                "GH.P_ gh.p_ PassWord Größe".as_bytes(),
                &scratch,
                &mut matches,
                8
            ));
            let found: Vec<_> = matches.iter().map(|m| (m.rule, m.end)).collect();
            assert_eq!(found, [(0, 11), (1, 20), (2, 28)]);
        }
    }

    #[test]
    fn many_literals_in_several_parts_are_found_in_order() {
        let words: Vec<&'static str> = (0..2 * PART_LITERALS)
            .map(|n| &*Box::leak(format!("w{n:05}").into_boxed_str()))
            .collect();
        let literals: Vec<_> = words.iter().map(|word| literal(word, false)).collect();
        let database = Database::compile(&literals).unwrap();
        assert!(database.0.len() > 1);
        let scratch = database.scratch().unwrap();
        let mut matches = Vec::new();
        let text = words.join("\u{1}\u{2}");
        assert!(database.scan(text.as_bytes(), &scratch, &mut matches, words.len()));
        assert!(matches.iter().map(|m| m.rule as usize).eq(0..words.len()));
    }

    #[test]
    fn more_matches_than_fit_are_reported_as_incomplete() {
        let database = Database::compile(&[literal("aa", false)]).unwrap();
        let scratch = database.scratch().unwrap();
        let mut matches = Vec::new();
        assert!(!database.scan(b"aaaaaaaa", &scratch, &mut matches, 3));
        assert_eq!(matches.len(), 3);
        assert!(database.scan(b"aaaa", &scratch, &mut matches, 3), "the scratch can be used again");
    }

    #[test]
    fn a_flipped_byte_is_refused() {
        let mut bytes = Database::compile(&[literal("abc", false)]).unwrap().serialize().unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(Database::deserialize(&bytes).unwrap().is_err());
        assert!(Database::deserialize(&bytes[..bytes.len() - 1]).is_none());
        assert!(Database::deserialize(&[]).is_none());
    }
}
