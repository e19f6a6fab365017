//! The plan: a snapshot made ready for use, once, and shared by all workers.
//!
//! Everything that a request would otherwise compute is computed here: policies are composed,
//! certificates parsed, header values rendered, names hashed. A plan is immutable; a worker holds
//! one and swaps it between requests, and a request finishes on the plan that it began with.

use crate::identity::IdentityTable;
use crate::tls::{ServerTls, TlsConfigError, client_config, server_config};
use rustls::ClientConfig;
use rustls::server::ProducesTickets;
use rustls_pki_types::ServerName;
use sluice_contract::ids::{NameId, SnapshotHash};
use sluice_contract::snapshot::{Credential, Enforcement, Identity, Secrets, Snapshot, Upstream};
use sluice_detectors::{Pack, PackError};
use sluice_policy::{Engine, PolicySource, RoutePolicy};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Name of the snapshot's section with the pattern database.
pub const PATTERNS: &str = "patterns";

/// Why a snapshot can't be made ready. The old plan stays.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The pattern database is missing.
    #[error("the snapshot has no pattern database")]
    NoPatterns,
    /// The pattern database is refused.
    #[error("pattern database refused: {0}")]
    Patterns(#[from] PackError),
    /// A policy is refused.
    #[error("policy refused: {0}")]
    Policy(String),
    /// TLS material is refused.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// The host of an upstream is no name that TLS can check.
    #[error("upstream `{0}` has a host that tls cannot check")]
    ServerName(String),
    /// The secret part does not fit the public one.
    #[error("the secret part does not fit the snapshot: {0}")]
    Secrets(&'static str),
}

/// A route, made ready.
pub struct PlanRoute {
    /// Its policies.
    pub policy: RoutePolicy,
    /// Name in records.
    pub name_id: NameId,
}

/// An upstream, made ready.
pub struct PlanUpstream {
    /// Name in records.
    pub name_id: NameId,
    /// Region in records.
    pub region_id: NameId,
    /// `Host` header.
    pub host: Vec<u8>,
    /// `Authorization` header, where the node holds the key.
    pub authorization: Option<Zeroizing<Vec<u8>>>,
    /// TLS, and the name that the certificate must carry.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// A snapshot, made ready.
pub struct Plan {
    /// Hash of the public part.
    pub hash: SnapshotHash,
    /// The public part.
    pub snapshot: Snapshot,
    /// The secret part.
    pub secrets: Secrets,
    /// Routes, by their index in the snapshot.
    pub routes: Vec<PlanRoute>,
    /// Upstreams, by their index in the snapshot.
    pub upstreams: Vec<PlanUpstream>,
    /// TLS of each listener.
    pub listeners: Vec<Option<ServerTls>>,
    /// Who may call.
    pub identity: IdentityTable,
    /// Policies, for names and advice.
    pub engine: Engine,
    /// Patterns.
    pub pack: Arc<Pack>,
}

impl Plan {
    /// Makes a snapshot ready. `sections` are its sections' bytes, in order.
    pub fn build(
        snapshot: Snapshot,
        hash: SnapshotHash,
        secrets: Secrets,
        pack: Arc<Pack>,
        ticketer: &Arc<dyn ProducesTickets>,
    ) -> Result<Plan, PlanError> {
        let sources: Vec<PolicySource> = snapshot
            .policies
            .iter()
            .map(|policy| PolicySource {
                set: policy.set.clone(),
                file: policy.file.clone(),
                text: policy.text.clone(),
            })
            .collect();
        let engine = Engine::load(&sources).map_err(|errors| {
            PlanError::Policy(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        let mut routes = Vec::with_capacity(snapshot.routes.len());
        for route in &snapshot.routes {
            let sets: Vec<&str> = route.policies.iter().map(String::as_str).collect();
            let policy =
                engine.compose(&sets).map_err(|error| PlanError::Policy(error.to_string()))?;
            routes.push(PlanRoute { policy, name_id: NameId::of(&route.name) });
        }
        let upstreams = snapshot
            .upstreams
            .iter()
            .enumerate()
            .map(|(index, upstream)| prepare_upstream(index, upstream, &secrets))
            .collect::<Result<Vec<_>, _>>()?;
        let mut listeners = Vec::with_capacity(snapshot.listeners.len());
        for listener in &snapshot.listeners {
            listeners.push(match listener.tls {
                None => None,
                Some(index) => {
                    let material = secrets
                        .tls
                        .get(index)
                        .ok_or(PlanError::Secrets("a listener's certificate is missing"))?;
                    Some(server_config(material, ticketer)?)
                }
            });
        }
        let identity = match snapshot.identity {
            Identity::Anonymous => IdentityTable::anonymous(),
            Identity::Keys => IdentityTable::new(&secrets.keys),
        };
        Ok(Plan { hash, snapshot, secrets, routes, upstreams, listeners, identity, engine, pack })
    }

    /// The first route that takes `model`.
    pub fn route_for(&self, model: &str) -> Option<usize> {
        self.snapshot.routes.iter().position(|route| route.takes(model))
    }

    /// Whether the caller's own credential goes on to an upstream of this snapshot.
    pub fn passes_credentials(&self) -> bool {
        self.snapshot.upstreams.iter().any(|upstream| upstream.credential == Credential::Client)
    }

    /// Routes that only observe.
    pub fn observing(&self) -> usize {
        self.snapshot
            .routes
            .iter()
            .filter(|route| route.enforcement == Enforcement::Observe)
            .count()
    }
}

fn prepare_upstream(
    index: usize,
    upstream: &Upstream,
    secrets: &Secrets,
) -> Result<PlanUpstream, PlanError> {
    let default_port = if upstream.tls { 443 } else { 80 };
    let bracketed = upstream.host.contains(':');
    let host = match (bracketed, upstream.port == default_port) {
        (false, true) => upstream.host.clone(),
        (false, false) => format!("{}:{}", upstream.host, upstream.port),
        (true, true) => format!("[{}]", upstream.host),
        (true, false) => format!("[{}]:{}", upstream.host, upstream.port),
    };
    let authorization = match upstream.credential {
        Credential::None | Credential::Client => None,
        Credential::Key => {
            let key = secrets.upstream_keys.get(index).and_then(Option::as_deref);
            let key = key.ok_or(PlanError::Secrets("an upstream's key is missing"))?;
            Some(Zeroizing::new([b"Bearer ", key.as_bytes()].concat()))
        }
    };
    let tls = if upstream.tls {
        let name = ServerName::try_from(upstream.host.clone())
            .map_err(|_error| PlanError::ServerName(upstream.name.clone()))?;
        let authorities = secrets.upstream_authorities.get(index).and_then(Option::as_deref);
        Some((client_config(authorities)?, name))
    } else {
        None
    };
    Ok(PlanUpstream {
        name_id: NameId::of(&upstream.name),
        region_id: upstream.region.as_deref().map_or(NameId::NONE, NameId::of),
        host: host.into_bytes(),
        authorization,
        tls,
    })
}
