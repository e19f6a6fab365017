//! Keyed hashes: commitments to bodies, and opaque ids of what must not stand in a record.
//!
//! With the content in hand and the key, an auditor can prove that it is what passed; destroying
//! the key unlinks the record from any guess at the content. The key of ids and the key of
//! commitments differ, so that one can be destroyed without the other.

use crate::plan::Plan;

/// A commitment to a body.
pub type Commitment = [u8; 32];

/// The commitment to `body`.
pub fn commit(plan: &Plan, body: &[u8]) -> Commitment {
    *blake3::keyed_hash(&plan.secrets.commitment_key, body).as_bytes()
}

/// A commitment to a body that comes in pieces.
pub struct StreamCommitment(blake3::Hasher);

impl StreamCommitment {
    /// Starts.
    pub fn new(plan: &Plan) -> StreamCommitment {
        StreamCommitment(blake3::Hasher::new_keyed(&plan.secrets.commitment_key))
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The commitment to all pieces.
    pub fn finish(&self) -> Commitment {
        *self.0.finalize().as_bytes()
    }
}

/// The opaque id of `value` as a `kind`.
pub fn opaque_id_128(plan: &Plan, kind: &str, value: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(&plan.secrets.opaque_key);
    hasher.update(kind.as_bytes());
    // The kind ends here, so that no two kinds and values run together.
    hasher.update(&[0]);
    hasher.update(value);
    let hash = hasher.finalize();
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// The opaque id of `value` as a `kind`; never 0.
pub fn opaque_id(plan: &Plan, kind: &str, value: &[u8]) -> u64 {
    let id = u128::from_le_bytes(opaque_id_128(plan, kind, value));
    u64::try_from(id & u128::from(u64::MAX)).unwrap_or(1).max(1)
}
