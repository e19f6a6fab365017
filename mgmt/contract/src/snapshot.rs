//! The snapshot: everything that the data path knows, immutable and versioned.
//!
//! The public part ([`Snapshot`]) is JSON with a fixed field order; its SHA-256 addresses it, it is
//! archived, and it is enough to decide a recorded request again. The secret part ([`Secrets`])
//! travels in a frame of its own, is never written to disk, is zeroised, and is referred to by a
//! random version. Large sections (the pattern database) travel as sealed memory files and are
//! named here by hash and size.

mod secrets;

pub use secrets::{KeyEntry, Principal, PrincipalIds, Secrets, TlsMaterial};

use crate::ids::SnapshotHash;
use crate::limits;
use serde::{Deserialize, Serialize};

/// Version of this layout; another one is refused whole.
pub const LAYOUT: u32 = 1;

/// The public part.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// [`LAYOUT`].
    pub layout: u32,
    /// Workers, one ring and one socket of each listener for each.
    pub workers: u16,
    /// Listening addresses, in the order of the sockets passed down.
    pub listeners: Vec<Listener>,
    /// Bounds.
    pub limits: Limits,
    /// Who may call.
    pub identity: Identity,
    /// Connections to providers and engines.
    pub upstreams: Vec<Upstream>,
    /// Routes, the first that matches wins.
    pub routes: Vec<Route>,
    /// Policy texts of all sets.
    pub policies: Vec<PolicyText>,
    /// Sealed sections, in the order of their descriptors.
    pub sections: Vec<Section>,
}

/// A snapshot that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not the JSON of a snapshot.
    #[error("snapshot does not parse: {0}")]
    Parse(#[from] serde_json::Error),
    /// Of another build.
    #[error("snapshot has layout {found}, this build reads {LAYOUT}")]
    Layout {
        /// Layout found.
        found: u32,
    },
    /// Something refers to a thing that is not there.
    #[error("{what} {index} is not there")]
    Dangling {
        /// Kind of the thing.
        what: &'static str,
        /// Its index.
        index: usize,
    },
}

impl Snapshot {
    /// The bytes that are hashed, archived and sent, and their hash.
    pub fn encode(&self) -> Result<(Vec<u8>, SnapshotHash), SnapshotError> {
        let bytes = serde_json::to_vec(self)?;
        let hash = SnapshotHash::of(&bytes);
        Ok((bytes, hash))
    }

    /// Reads and checks `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<(Snapshot, SnapshotHash), SnapshotError> {
        let snapshot: Snapshot = serde_json::from_slice(bytes)?;
        if snapshot.layout != LAYOUT {
            return Err(SnapshotError::Layout { found: snapshot.layout });
        }
        let upstreams = snapshot.upstreams.len();
        for target in snapshot.routes.iter().flat_map(|route| &route.targets) {
            if target.upstream >= upstreams {
                return Err(SnapshotError::Dangling { what: "upstream", index: target.upstream });
            }
        }
        Ok((snapshot, SnapshotHash::of(bytes)))
    }

    /// The section called `name`: its index among the descriptors, and the section.
    pub fn section(&self, name: &str) -> Option<(usize, &Section)> {
        self.sections.iter().enumerate().find(|(_, section)| section.name == name)
    }

    /// Every name that a record may refer to by [`crate::ids::NameId`].
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let upstreams = self.upstreams.iter().flat_map(|upstream| {
            std::iter::once(upstream.name.as_str()).chain(upstream.region.as_deref())
        });
        let routes = self.routes.iter().flat_map(|route| {
            let targets = route.targets.iter().filter_map(|target| target.model.as_deref());
            std::iter::once(route.name.as_str())
                .chain(route.models.iter().map(String::as_str))
                .chain(targets)
        });
        upstreams.chain(routes)
    }
}

/// A listening address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// `IP:PORT`.
    pub address: std::net::SocketAddr,
    /// Index of its [`TlsMaterial`]; plain without.
    pub tls: Option<usize>,
}

/// Bounds that an operator may move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request body.
    pub body_bytes: u64,
    /// Bytes of an inspected response body.
    pub response_bytes: u64,
    /// Bytes of a head.
    pub head_bytes: usize,
    /// Bytes held for requests in flight, per worker.
    pub in_flight_bytes: u64,
    /// Depth of a JSON body.
    pub json_depth: usize,
    /// Nodes of a JSON body.
    pub json_nodes: usize,
    /// Connections per worker.
    pub connections: usize,
    /// Time for a request head.
    pub head_timeout_ms: u64,
    /// Time for a request body.
    pub body_timeout_ms: u64,
    /// Time that an idle keep-alive connection is kept.
    pub idle_timeout_ms: u64,
    /// Time that a write to a client may make no progress.
    pub send_timeout_ms: u64,
    /// Time for an upstream connection.
    pub connect_timeout_ms: u64,
    /// Time that an upstream may stay silent.
    pub upstream_timeout_ms: u64,
    /// Time that a request waits for its record.
    pub audit_wait_ms: u64,
    /// Time that requests in flight get at an orderly stop.
    pub drain_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes: limits::BODY_BYTES,
            response_bytes: limits::RESPONSE_BYTES,
            head_bytes: limits::HEAD_BYTES,
            in_flight_bytes: limits::IN_FLIGHT_BYTES,
            json_depth: limits::JSON_DEPTH,
            json_nodes: limits::JSON_NODES,
            connections: limits::CONNECTIONS,
            head_timeout_ms: limits::HEAD_TIMEOUT_MS,
            body_timeout_ms: limits::BODY_TIMEOUT_MS,
            idle_timeout_ms: limits::IDLE_TIMEOUT_MS,
            send_timeout_ms: limits::SEND_TIMEOUT_MS,
            connect_timeout_ms: limits::CONNECT_TIMEOUT_MS,
            upstream_timeout_ms: limits::UPSTREAM_TIMEOUT_MS,
            audit_wait_ms: limits::AUDIT_WAIT_MS,
            drain_ms: limits::DRAIN_MS,
        }
    }
}

/// Who may call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// No key is configured: any bearer is anonymous, and only loopback is listened on.
    Anonymous,
    /// A key is asked for.
    Keys,
}

/// Does data leave the building?
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// No.
    Internal,
    /// Yes.
    External,
}

impl Trust {
    /// The name in policies and records.
    pub const fn name(self) -> &'static str {
        match self {
            Trust::Internal => "internal",
            Trust::External => "external",
        }
    }
}

/// What kind of thing an upstream is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum UpstreamKind {
    /// Speaks the OpenAI dialect.
    Openai = 1,
    /// Built in: answers with the last user message as it was forwarded.
    Echo = 2,
}

impl UpstreamKind {
    /// The name in configuration, policies and listings.
    pub const fn name(self) -> &'static str {
        match self {
            UpstreamKind::Openai => "openai",
            UpstreamKind::Echo => "echo",
        }
    }
}

/// Where an upstream's credential comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// None is sent.
    None,
    /// The key in [`Secrets::upstream_keys`].
    Key,
    /// The caller's own, passed on; identity then comes from `x-sluice-key`.
    Client,
}

/// A connection to a provider or an engine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: UpstreamKind,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Host name or address; empty for the built-in echo.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path before `/v1/...`; empty or starting with a slash.
    pub base_path: String,
    /// Trust.
    pub trust: Trust,
    /// Region, as policies see it.
    pub region: Option<String>,
    /// Credential.
    pub credential: Credential,
    /// Whether link-local and metadata addresses may be connected to.
    pub allow_link_local: bool,
    /// Idle connections kept, per worker.
    pub idle_connections: usize,
    /// Connections at a time, per worker.
    pub connections: usize,
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Yes.
    Enforce,
    /// No: forwarded unchanged, recorded what would have happened.
    Observe,
}

/// When a request may be forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditMode {
    /// Once its record is on disk.
    Sync,
    /// Once its record is in the ring.
    Async,
}

/// What happens where the audit can't take a record in time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureMode {
    /// The request is refused.
    Closed,
    /// The request passes, and the next record says so.
    Open,
}

/// How a policy block looks to the client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockAs {
    /// Status 403 with an error object.
    Error,
    /// Status 200 with `finish_reason: content_filter`.
    Refusal,
}

/// An upstream, and the model asked of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Index of the upstream.
    pub upstream: usize,
    /// Model name sent; the client's own where there is none.
    pub model: Option<String>,
}

/// Which requests go to which targets, under which policies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name.
    pub name: String,
    /// Models: names, or patterns with one `*` at the end.
    pub models: Vec<String>,
    /// Targets, in the order in which they are tried.
    pub targets: Vec<Target>,
    /// Policy sets, the node's first.
    pub policies: Vec<String>,
    /// Enforcement.
    pub enforcement: Enforcement,
    /// Audit mode; where left out, sync for external targets and async for internal ones.
    pub audit: Option<AuditMode>,
    /// Failure mode.
    pub failure_mode: FailureMode,
    /// Form of a block.
    pub block_as: BlockAs,
    /// Whether policy is told that opaque content is wanted here.
    pub allow_opaque: bool,
}

impl Route {
    /// Whether this route takes requests for `model`.
    pub fn takes(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| model_matches(pattern, model))
    }

    /// The audit mode for a target of `trust`.
    pub fn audit_for(&self, trust: Trust) -> AuditMode {
        self.audit.unwrap_or(match trust {
            Trust::External => AuditMode::Sync,
            Trust::Internal => AuditMode::Async,
        })
    }
}

/// Whether `model` fits `pattern`: equal, or with the same start where the pattern ends with `*`.
pub fn model_matches(pattern: &str, model: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => model.starts_with(start),
        None => pattern == model,
    }
}

/// One policy file of a set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// Name of the set.
    pub set: String,
    /// File that it came from, for messages.
    pub file: String,
    /// Cedar text.
    pub text: String,
}

/// A sealed memory file that travels with the snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Name: `patterns`.
    pub name: String,
    /// SHA-256.
    pub hash: SnapshotHash,
    /// Bytes.
    pub bytes: u64,
}

/// Endpoints of the front door, as records number them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions = 1,
    /// `POST /v1/completions`
    Completions = 2,
    /// `POST /v1/embeddings`
    Embeddings = 3,
}

impl Endpoint {
    /// The name in policies, metrics and listings.
    pub const fn name(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "chat_completions",
            Endpoint::Completions => "completions",
            Endpoint::Embeddings => "embeddings",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Snapshot {
        Snapshot {
            layout: LAYOUT,
            workers: 2,
            listeners: vec![Listener { address: ([127, 0, 0, 1], 8080).into(), tls: None }],
            limits: Limits::default(),
            identity: Identity::Anonymous,
            upstreams: vec![Upstream {
                name: "echo".into(),
                kind: UpstreamKind::Echo,
                tls: false,
                host: String::new(),
                port: 0,
                base_path: String::new(),
                trust: Trust::External,
                region: None,
                credential: Credential::None,
                allow_link_local: false,
                idle_connections: 1,
                connections: 1,
            }],
            routes: vec![Route {
                name: "default".into(),
                models: vec!["*".into()],
                targets: vec![Target { upstream: 0, model: None }],
                policies: vec!["default".into()],
                enforcement: Enforcement::Enforce,
                audit: None,
                failure_mode: FailureMode::Closed,
                block_as: BlockAs::Error,
                allow_opaque: false,
            }],
            policies: vec![],
            sections: vec![],
        }
    }

    #[test]
    fn a_snapshot_reads_back_with_the_same_hash() {
        let (bytes, hash) = sample().encode().unwrap();
        let (read, again) = Snapshot::decode(&bytes).unwrap();
        assert_eq!((read, again), (sample(), hash));
    }

    #[test]
    fn a_bad_snapshot_is_refused_whole() {
        let mut snapshot = sample();
        snapshot.layout = 2;
        let (bytes, _) = snapshot.encode().unwrap();
        assert!(matches!(Snapshot::decode(&bytes), Err(SnapshotError::Layout { found: 2 })));
        let mut snapshot = sample();
        snapshot.routes[0].targets[0].upstream = 9;
        let (bytes, _) = snapshot.encode().unwrap();
        assert!(matches!(Snapshot::decode(&bytes), Err(SnapshotError::Dangling { .. })));
        assert!(Snapshot::decode(b"{\"layout\":1}").is_err());
    }

    #[test]
    fn models_match_names_and_prefixes() {
        assert!(model_matches("*", "x") && model_matches("gpt-*", "gpt-5"));
        assert!(!model_matches("gpt-*", "o3") && !model_matches("gpt", "gpt-5"));
    }
}
