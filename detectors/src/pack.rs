//! The compiled rules: one Hyperscan database, the table that says what its literals mean, and
//! the anchors by which AVX-512 finds the same literals; those follow from the table and are made
//! anew wherever a pack is loaded.
//!
//! Compiling takes tens of milliseconds and is management's work; the serialised pack goes down in
//! the snapshot and is only loaded by workers. A pack carries the fingerprint of the tables it was
//! compiled from, so that one of another build is refused instead of read with wrong meanings.

use crate::engine::anchors::Anchors;
use crate::engine::hyperscan::{Database, Literal, Match};
use crate::engine::simd::Level;
use crate::packs::{self, Row};
use sha2::{Digest, Sha256};

/// First bytes of a serialised pack; the digit is the layout's version.
const MAGIC: &[u8; 8] = b"SLPACK1\n";

const HASH_BYTES: usize = 32;

/// Why a pack could not be made, or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The pattern engine refused.
    #[error("pattern engine: {0}")]
    Engine(#[from] hyperscan::Error),
    /// The bytes are no pack, or a damaged one.
    #[error("these {bytes} bytes are no rule pack, or a damaged one")]
    Damaged {
        /// How many bytes were given.
        bytes: usize,
    },
    /// The pack was compiled from other rules than those of this build.
    #[error("the rule pack was compiled by another build")]
    OtherBuild,
}

/// A compiled rule pack. One serves any number of scanners.
pub struct Pack {
    database: Database,
    /// Another way to the same matches, where the CPU has what it takes.
    anchors: Option<Anchors>,
    rows: Vec<Row>,
    hash: [u8; HASH_BYTES],
}

impl Pack {
    /// Compiles the rules of this build.
    pub fn compile() -> Result<Pack, PackError> {
        let rows = packs::rows();
        let literals = literals(&rows);
        let database = Database::compile(&literals)?;
        let hash = Sha256::digest(database.serialize()?).into();
        let anchors = Anchors::new(Level::best(), &literals);
        Ok(Pack { database, anchors, rows, hash })
    }

    /// The pack as bytes, for [`Pack::deserialize`] in the same build on a like CPU.
    pub fn serialize(&self) -> Result<Vec<u8>, PackError> {
        let database = self.database.serialize()?;
        let mut bytes = Vec::with_capacity(MAGIC.len() + 2 * HASH_BYTES + database.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&fingerprint(&self.rows));
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&database);
        Ok(bytes)
    }

    /// The pack of `bytes`. Damaged bytes, and a pack of another build, are refused.
    pub fn deserialize(bytes: &[u8]) -> Result<Pack, PackError> {
        let damaged = || PackError::Damaged { bytes: bytes.len() };
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (rules, rest) = rest.split_first_chunk::<HASH_BYTES>().ok_or_else(damaged)?;
        let (hash, database) = rest.split_first_chunk::<HASH_BYTES>().ok_or_else(damaged)?;
        if Sha256::digest(database).as_slice() != hash {
            return Err(damaged());
        }
        let rows = packs::rows();
        if *rules != fingerprint(&rows) {
            return Err(PackError::OtherBuild);
        }
        let database = Database::deserialize(database).ok_or_else(damaged)??;
        let anchors = Anchors::new(Level::best(), &literals(&rows));
        Ok(Pack { database, anchors, rows, hash: *hash })
    }

    /// SHA-256 of the compiled database.
    pub fn hash(&self) -> [u8; HASH_BYTES] {
        self.hash
    }

    /// Literals in the pack.
    pub fn literals(&self) -> usize {
        self.rows.len()
    }

    /// Working memory for one scanner.
    pub(crate) fn scratch(&self) -> Result<hyperscan::Scratch, PackError> {
        Ok(self.database.scratch()?)
    }

    /// Looks for the literals in `bytes` and fills `matches`, by rising end. At most `limit` are
    /// kept; `false` says that not everything was looked at.
    pub(crate) fn find(
        &self,
        bytes: &[u8],
        scratch: &hyperscan::Scratch,
        matches: &mut Vec<Match>,
        limit: usize,
    ) -> bool {
        match &self.anchors {
            Some(anchors) => anchors.scan(bytes, matches, limit),
            None => self.database.scan(bytes, scratch, matches, limit),
        }
    }

    pub(crate) fn row(&self, rule: u32) -> Option<&Row> {
        self.rows.get(rule as usize)
    }
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pack").field("literals", &self.rows.len()).finish_non_exhaustive()
    }
}

fn literals(rows: &[Row]) -> Vec<Literal> {
    rows.iter().map(|row| Literal { bytes: row.bytes, caseless: row.caseless }).collect()
}

/// What the meaning of a database depends on: its literals and what each stands for, in order.
fn fingerprint(rows: &[Row]) -> [u8; HASH_BYTES] {
    let mut hasher = Sha256::new();
    for row in rows {
        hasher.update(u32::try_from(row.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        hasher.update(row.bytes);
        hasher.update([u8::from(row.caseless)]);
        hasher.update(format!("{:?}", row.meaning));
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_survives_serialisation_and_damage_is_refused() {
        let pack = Pack::compile().unwrap();
        let bytes = pack.serialize().unwrap();
        let again = Pack::deserialize(&bytes).unwrap();
        assert_eq!(again.hash(), pack.hash());
        assert_eq!(again.literals(), pack.literals());
        for at in [0, 8, 40, 72, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Pack::deserialize(&damaged).is_err(), "byte {at}");
        }
        assert!(Pack::deserialize(&bytes[..50]).is_err());
        assert!(Pack::deserialize(&[]).is_err());
    }
}
