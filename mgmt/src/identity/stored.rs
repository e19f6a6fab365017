//! A key as the state folder keeps it: digest, principal, opaque ids. Never the key.

use serde::{Deserialize, Serialize};
use sluice_contract::ids::SnapshotHash;
use sluice_contract::snapshot::{KeyEntry, Principal};

/// `keys.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum KeyFile {
    /// The first layout.
    #[serde(rename = "1")]
    V1 {
        /// The keys.
        keys: Vec<StoredKey>,
    },
}

/// One key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// Name, to list, revoke and rotate it by.
    pub name: String,
    /// SHA-256 of the key, in hex.
    pub digest: SnapshotHash,
    /// When it was made, seconds since 1970.
    pub created: u64,
    /// When it stops being good.
    pub expires: Option<u64>,
    /// Models that it may ask for; all where empty.
    pub models: Vec<String>,
    /// Whom it stands for.
    pub principal: Principal,
    /// The key before the last rotation, while it is good.
    pub previous: Option<Previous>,
}

/// A key that was rotated away.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// SHA-256 of the key, in hex.
    pub digest: SnapshotHash,
    /// When it stops being good.
    pub expires: u64,
}

impl StoredKey {
    /// What the data path checks against.
    pub fn entries(&self) -> impl Iterator<Item = KeyEntry> {
        let entry = |digest: SnapshotHash, expires| KeyEntry {
            digest: digest.0,
            expires,
            models: self.models.clone(),
            principal: self.principal.clone(),
        };
        let previous = self.previous.as_ref();
        let previous = previous.map(|previous| entry(previous.digest, Some(previous.expires)));
        std::iter::once(entry(self.digest, self.expires)).chain(previous)
    }

    /// Digits to tell it apart by.
    pub fn fingerprint(&self) -> String {
        super::fingerprint(self.digest.0)
    }
}
