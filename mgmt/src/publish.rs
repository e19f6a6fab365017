//! From a checked configuration to what goes to the data path: the snapshot, its secrets, its
//! sections.
//!
//! The same configuration makes the same bytes, so that the hash in a record says which rules
//! decided. Secrets travel apart and have a version that follows from what they are: building them
//! again changes nothing. The public bytes are archived before they are sent, as a record must
//! never name a snapshot that nobody has.

mod memfd;
#[cfg(test)]
mod tests;

use crate::config::{Config, Problem, Problems, Reason};
use crate::identity::{IdentityError, Keys, NodeSecrets, file};
use sha2::{Digest, Sha256};
use sluice_contract::ids::SnapshotHash;
use sluice_contract::snapshot::{
    KeyEntry, LAYOUT, Listener, Secrets, Section, Snapshot, SnapshotError, TlsMaterial,
};
use sluice_detectors::{Pack, PackError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Name of the section that holds the compiled patterns.
pub const PATTERNS: &str = "patterns";

/// Why a snapshot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Keys or secrets could not be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The patterns could not be compiled.
    #[error("patterns: {0}")]
    Patterns(#[from] PackError),
    /// The snapshot could not be written as bytes.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The secrets could not be written as bytes.
    #[error("secrets: {0}")]
    Secrets(#[from] serde_json::Error),
    /// A section could not be made.
    #[error("section `{name}`: {source}")]
    Section {
        /// Its name.
        name: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The snapshot could not be archived.
    #[error("`{}`: {source}", path.display())]
    Archive {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<PublishError> for Problems {
    fn from(error: PublishError) -> Problems {
        Problem::new(Reason::Publish(error.to_string())).into()
    }
}

/// A snapshot, ready to be sent.
#[derive(Debug)]
pub struct Built {
    /// The public part.
    pub snapshot: Snapshot,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub hash: SnapshotHash,
    /// The secret part.
    pub secrets: Secrets,
    /// Sealed memory files of the sections, in their order.
    pub sections: Vec<OwnedFd>,
}

/// The compiled patterns of this build, as bytes. Takes tens of milliseconds; once a process.
pub fn patterns() -> Result<Vec<u8>, PublishError> {
    Ok(Pack::compile()?.serialize()?)
}

/// Makes the snapshot of `config`. Touches no file.
pub fn build(
    config: &Config,
    keys: &Keys,
    node: &NodeSecrets,
    patterns: &[u8],
) -> Result<Built, PublishError> {
    let section = Section {
        name: PATTERNS.to_owned(),
        hash: SnapshotHash::of(patterns),
        bytes: patterns.len() as u64,
    };
    let patterns = memfd::sealed(PATTERNS, patterns)
        .map_err(|source| PublishError::Section { name: PATTERNS, source })?;
    let mut tls: Vec<TlsMaterial> = Vec::new();
    let listeners = config.listeners.iter().map(|listener| {
        let tls = listener.tls.as_ref().map(|material| {
            tls.push(material.0.clone());
            tls.len() - 1
        });
        Listener { address: listener.address, tls }
    });
    let snapshot = Snapshot {
        layout: LAYOUT,
        workers: config.workers,
        listeners: listeners.collect(),
        limits: config.limits.clone(),
        identity: keys.identity(),
        upstreams: config.upstreams.iter().map(|upstream| upstream.public.clone()).collect(),
        routes: config.routes.iter().map(|route| route.public.clone()).collect(),
        policies: config.policies.texts.clone(),
        sections: vec![section],
    };
    let (bytes, hash) = snapshot.encode()?;
    let secrets = secrets(config, keys.entries(), node, tls)?;
    Ok(Built { snapshot, bytes, hash, secrets, sections: vec![patterns] })
}

fn secrets(
    config: &Config,
    keys: Vec<KeyEntry>,
    node: &NodeSecrets,
    tls: Vec<TlsMaterial>,
) -> Result<Secrets, PublishError> {
    let (epoch, commitment_key) = node.commitment();
    let upstreams = &config.upstreams;
    let mut secrets = Secrets {
        version: 0,
        upstream_keys: upstreams
            .iter()
            .map(|upstream| upstream.key.as_ref().map(|key| key.0.to_string()))
            .collect(),
        upstream_authorities: upstreams
            .iter()
            .map(|upstream| upstream.authorities.clone())
            .collect(),
        tls,
        keys,
        commitment_key,
        opaque_key: node.opaque_key,
    };
    secrets.version = version(epoch, &secrets)?;
    Ok(secrets)
}

/// The epoch of the commitment key, and 48 bits that follow from all secrets. Keyed, by the keys
/// that are part of them, so that nothing can be guessed from it.
fn version(epoch: u16, secrets: &Secrets) -> Result<u64, PublishError> {
    let bytes = Zeroizing::new(serde_json::to_vec(secrets)?);
    let mut digest: [u8; 32] = Sha256::digest(&bytes).into();
    let low = digest.iter().take(6).fold(0, |low, byte| low << 8 | u64::from(*byte));
    digest.zeroize();
    Ok(u64::from(epoch) << 48 | low)
}

/// Keeps the public part of `built` in the state folder, under its hash.
pub fn archive(state: &Path, built: &Built) -> Result<(), PublishError> {
    let path = state.join("snapshots").join(format!("{}.json", built.hash));
    let kept = std::fs::read(&path);
    if kept.is_ok_and(|kept| SnapshotHash::of(&kept) == built.hash) {
        return Ok(());
    }
    file::replace(&path, &built.bytes).map_err(|source| PublishError::Archive { path, source })
}
