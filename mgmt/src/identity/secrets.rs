//! The node's own secrets: the key of opaque ids, commitment keys.
//!
//! Commitment keys are rotated by age and kept, each under its epoch, as an auditor needs the one
//! that a record was committed under; destroying one unlinks its records for good.

use super::{IdentityError, file};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Age at which a commitment key is rotated, seconds.
const COMMITMENT_AGE: u64 = 30 * 86_400;

/// `secrets.json`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "version")]
enum SecretsFile {
    #[serde(rename = "1")]
    V1 { secrets: NodeSecrets },
}

/// The node's own secrets.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct NodeSecrets {
    /// Key of opaque ids. Never rotated: ids must stay the same for as long as the log is.
    pub opaque_key: [u8; 32],
    /// Commitment keys, the newest last.
    pub commitments: Vec<CommitmentKey>,
}

/// A commitment key.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct CommitmentKey {
    /// Its number: the upper 16 bits of the secret version that records carry.
    pub epoch: u16,
    /// When it was made, seconds since 1970.
    pub made: u64,
    /// The key.
    pub key: [u8; 32],
}

impl std::fmt::Debug for NodeSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeSecrets")
    }
}

impl NodeSecrets {
    /// The secrets of the state folder, made where there are none and rotated where they are old.
    pub fn load(state: &Path, now: u64) -> Result<NodeSecrets, IdentityError> {
        let lock = file::lock(state)?;
        let path = state.join("secrets.json");
        let mut secrets = match file::read(&path)? {
            Some(SecretsFile::V1 { secrets }) => secrets,
            None => NodeSecrets { opaque_key: random()?, commitments: Vec::new() },
        };
        if secrets.rotate(now)? {
            file::write(&path, &SecretsFile::V1 { secrets: secrets.clone() })?;
        }
        drop(lock);
        Ok(secrets)
    }

    /// Rotates what is old; whether anything was.
    fn rotate(&mut self, now: u64) -> Result<bool, IdentityError> {
        let last = self.commitments.last();
        // Epochs are not used twice; after 65,535 of them (5,000 years) the last one stays.
        let epoch = last.map_or(Some(1), |last| last.epoch.checked_add(1));
        let is_fresh = last.is_some_and(|last| now < last.made.saturating_add(COMMITMENT_AGE));
        match epoch {
            Some(epoch) if !is_fresh => {
                self.commitments.push(CommitmentKey { epoch, made: now, key: random()? });
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The commitment key in use, and its epoch.
    pub fn commitment(&self) -> (u16, [u8; 32]) {
        self.commitments.last().map_or((0, [0; 32]), |last| (last.epoch, last.key))
    }
}

fn random() -> Result<[u8; 32], IdentityError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_made_once_and_rotated_by_age() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path().join("deep/state");
        let first = NodeSecrets::load(&state, 1_000).unwrap();
        let again = NodeSecrets::load(&state, 1_000 + COMMITMENT_AGE - 1).unwrap();
        assert_eq!(first.opaque_key, again.opaque_key);
        assert_eq!(first.commitment(), again.commitment());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join("secrets.json"))), (0o700, 0o600));

        let month = NodeSecrets::load(&state, 1_000 + COMMITMENT_AGE).unwrap();
        assert_eq!(month.commitment().0, 2);
        assert_eq!(month.commitments[0].key, first.commitment().1);
        assert_eq!(month.opaque_key, first.opaque_key);
    }

    #[test]
    fn damaged_secrets_are_not_replaced() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("secrets.json"), "{}").unwrap();
        let error = NodeSecrets::load(state.path(), 0).unwrap_err();
        assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
    }
}
