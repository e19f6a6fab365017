//! The secret part of a snapshot.
//!
//! Zeroised when dropped, never written to disk, never printed: `Debug` shows the version only.

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The secret part.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Random version; records carry it.
    pub version: u64,
    /// Key of each upstream, by its index.
    pub upstream_keys: Vec<Option<String>>,
    /// PEM of the authorities that each upstream is checked against; the system's where `None`.
    pub upstream_authorities: Vec<Option<String>>,
    /// Certificates of listeners, by [`super::Listener::tls`].
    pub tls: Vec<TlsMaterial>,
    /// API keys.
    pub keys: Vec<KeyEntry>,
    /// Key of the commitments in records.
    pub commitment_key: [u8; 32],
    /// Key of opaque ids (sessions, sources, unknown models, request ids).
    pub opaque_key: [u8; 32],
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Certificate chain and key of a listener.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct TlsMaterial {
    /// Certificates, PEM, the leaf first.
    pub certificates: String,
    /// Private key, PEM.
    pub key: String,
    /// Authorities of client certificates, PEM; none are asked for without.
    pub client_authorities: Option<String>,
}

/// One API key: its digest, and whom it stands for.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// Unix time in seconds after which it is refused.
    pub expires: Option<u64>,
    /// Models that it may ask for, as in routes; all where empty.
    pub models: Vec<String>,
    /// Whom it stands for.
    pub principal: Principal,
}

/// Whom a request comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Tenant: nothing is shared across tenants.
    pub tenant: String,
    /// Application.
    pub application: String,
    /// User.
    pub user: Option<String>,
    /// Groups, at most [`crate::limits::PRINCIPAL_GROUPS_MAX`].
    pub groups: Vec<String>,
    /// Team.
    pub team: Option<String>,
    /// Project.
    pub project: Option<String>,
    /// Use case.
    pub use_case: Option<String>,
    /// The ids that stand for these names in records.
    pub ids: PrincipalIds,
}

/// Opaque ids of a principal. The map to names is kept apart from the log and can be erased.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalIds {
    /// The principal as a whole.
    pub principal: u64,
    /// Tenant.
    pub tenant: u64,
    /// Application.
    pub application: u64,
    /// User, or 0.
    pub user: u64,
    /// Groups.
    pub groups: Vec<u64>,
    /// Team, or 0.
    pub team: u64,
    /// Project, or 0.
    pub project: u64,
    /// Use case, or 0.
    pub use_case: u64,
}

impl Principal {
    /// Who calls where no key is configured.
    pub fn anonymous() -> Principal {
        Principal {
            tenant: "default".into(),
            application: "anonymous".into(),
            user: None,
            groups: Vec::new(),
            team: None,
            project: None,
            use_case: None,
            ids: PrincipalIds::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let secrets = Secrets {
            version: 7,
            upstream_keys: vec![Some("sk-very-secret".into())],
            upstream_authorities: vec![None],
            tls: vec![],
            keys: vec![],
            commitment_key: [9; 32],
            opaque_key: [9; 32],
        };
        let shown = format!("{secrets:?}");
        assert!(shown.contains('7') && !shown.contains("secret") && !shown.contains('9'));
        let read: Secrets = serde_json::from_slice(&serde_json::to_vec(&secrets).unwrap()).unwrap();
        assert_eq!(read.upstream_keys, secrets.upstream_keys);
    }
}
