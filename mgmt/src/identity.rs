//! Who may call: API keys, the principals behind them, and the node's own secrets.
//!
//! A key is shown once, when it is made; the state folder keeps its SHA-256. Principals go into
//! the audit log as random numbers; the map from number to name (`principals.json`) is apart from
//! the log and can be erased. Every edit is made under one lock and replaces the file whole.
//!
//! INVARIANT: once a node has asked for keys it goes on asking, also when the last one is revoked;
//! only removing `keys.json` makes it anonymous again.

mod edit;
mod expiry;
pub mod file;
mod key;
mod principals;
mod secrets;
mod stored;

#[cfg(test)]
mod tests;

pub use edit::{NewKey, issue, revoke, rotate};
pub use expiry::{BadExpiry, parse as parse_expiry, rfc3339};
pub use principals::{erase, names};
pub use secrets::NodeSecrets;
pub use stored::StoredKey;

use sluice_contract::ids::SnapshotHash;
use sluice_contract::snapshot::{Identity, KeyEntry};
use std::io;
use std::path::{Path, PathBuf};

/// Why keys, principals or secrets could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("`{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what this build writes.
    #[error("`{}` is damaged or of another version: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: serde_json::Error,
    },
    /// The name is taken.
    #[error("there is already a key `{0}`; revoke it, rotate it, or choose another name")]
    Taken(String),
    /// No key has this name.
    #[error("there is no key `{name}`{}", .nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// A part of a principal that cannot be a name.
    #[error("`{name}` cannot be the {what} of a key: 1 to 128 characters, none of them a control")]
    BadName {
        /// Which part.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Not a model name or the start of one.
    #[error("`{0}` is not a model name, nor the start of one with a `*` at the end")]
    BadModel(String),
    /// More groups than a principal can have.
    #[error("{0} groups, at most {max}", max = sluice_contract::limits::PRINCIPAL_GROUPS_MAX)]
    TooManyGroups(usize),
    /// An expiry that has passed.
    #[error("the key would have expired already")]
    Expired,
    /// A live key uses the name that is to be erased.
    #[error("key `{key}` stands for the {kind} `{name}`; revoke it first")]
    InUse {
        /// The key.
        key: String,
        /// What the name is.
        kind: String,
        /// The name.
        name: String,
    },
    /// Nothing has the name that is to be erased.
    #[error("the map holds no {kind} `{name}`")]
    NoPrincipal {
        /// What the name is.
        kind: String,
        /// The name.
        name: String,
    },
    /// The system has no randomness to give.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// The keys of a node.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    configured: bool,
    stored: Vec<StoredKey>,
}

impl Keys {
    /// Whether a key was ever made here.
    pub fn is_configured(&self) -> bool {
        self.configured
    }

    /// Who may call.
    pub fn identity(&self) -> Identity {
        if self.configured { Identity::Keys } else { Identity::Anonymous }
    }

    /// The keys as they are kept.
    pub fn stored(&self) -> &[StoredKey] {
        &self.stored
    }

    /// What the data path checks against. A rotated key's predecessor is there for its grace.
    pub fn entries(&self) -> Vec<KeyEntry> {
        self.stored.iter().flat_map(StoredKey::entries).collect()
    }
}

/// The keys in the state folder; none where it or the file is not there.
pub fn load(state: &Path) -> Result<Keys, IdentityError> {
    Ok(match file::read::<stored::KeyFile>(&keys_path(state))? {
        Some(stored::KeyFile::V1 { keys }) => Keys { configured: true, stored: keys },
        None => Keys::default(),
    })
}

/// File of the keys.
pub fn keys_path(state: &Path) -> PathBuf {
    state.join("keys.json")
}

/// File of the map from opaque ids to names.
pub fn principals_path(state: &Path) -> PathBuf {
    state.join("principals.json")
}

/// Seconds since 1970.
pub fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// The first eight digits of a key's digest, to tell keys apart in listings.
fn fingerprint(digest: [u8; 32]) -> String {
    let mut hex = SnapshotHash(digest).to_string();
    hex.truncate(8);
    hex
}
