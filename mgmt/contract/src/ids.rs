//! Identifiers: of records, of names, of snapshots.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A name in an audit record: the first eight bytes of its SHA-256, big-endian. Dictionary records
/// carry the names. Zero stands for "none".
///
/// Only names that the configuration knows are written so. What a client chose (an unknown model,
/// a request id) and what names a person goes through a keyed hash instead, as a plain one could be
/// guessed.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NameId(pub u64);

impl NameId {
    /// No name.
    pub const NONE: NameId = NameId(0);

    /// The id of `name`.
    pub fn of(name: &str) -> NameId {
        let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        NameId(digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
    }
}

impl fmt::Display for NameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The id of an audit record: the data path's boot, its worker, and the position in the worker's
/// ring. Written `BOOT-WORKER-SEQUENCE`, the boot in sixteen hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordId {
    /// Random number of one start of the data path.
    pub boot: u64,
    /// Worker, from 0.
    pub worker: u16,
    /// Position in the worker's ring, from 0.
    pub sequence: u64,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}-{}", self.boot, self.worker, self.sequence)
    }
}

/// The text is no record id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a record id: expected BOOT-WORKER-SEQUENCE")]
pub struct NotARecordId;

impl FromStr for RecordId {
    type Err = NotARecordId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let (Some(boot), Some(worker), Some(sequence), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotARecordId);
        };
        match (u64::from_str_radix(boot, 16), worker.parse(), sequence.parse()) {
            (Ok(boot), Ok(worker), Ok(sequence)) if text.len() >= 16 => {
                Ok(RecordId { boot, worker, sequence })
            }
            _ => Err(NotARecordId),
        }
    }
}

/// SHA-256 of the bytes of a snapshot's public part.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SnapshotHash(pub [u8; 32]);

impl SnapshotHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> SnapshotHash {
        SnapshotHash(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for SnapshotHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SnapshotHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SnapshotHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut out = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(NotAHash);
        }
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            let Ok(value) = u8::from_str_radix(pair, 16) else { return Err(NotAHash) };
            *byte = value;
        }
        Ok(SnapshotHash(out))
    }
}

/// The text is no SHA-256 in hex.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a SHA-256: expected 64 hex digits")]
pub struct NotAHash;

impl Serialize for SnapshotHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SnapshotHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_id_reads_back() {
        let id = RecordId { boot: 0x00ab, worker: 3, sequence: 17 };
        assert_eq!(id.to_string(), "00000000000000ab-3-17");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("17".parse::<RecordId>(), Err(NotARecordId));
    }

    #[test]
    fn a_hash_reads_back() {
        let hash = SnapshotHash::of(b"x");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("é".repeat(32).parse::<SnapshotHash>(), Err(NotAHash));
    }
}
