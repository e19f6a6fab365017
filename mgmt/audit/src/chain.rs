//! The hash chain: each record's hash covers the one before it.

use sha2::{Digest, Sha256};

/// Bytes of a chain hash.
pub(crate) const HASH_BYTES: usize = 32;

/// The chain hash before the first record of a log.
pub(crate) const GENESIS: [u8; HASH_BYTES] = [0; HASH_BYTES];

/// The chain hash behind `record`, where `before` is the one before it.
pub(crate) fn next(before: &[u8; HASH_BYTES], record: &[u8]) -> [u8; HASH_BYTES] {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(record);
    hash.finalize().into()
}
