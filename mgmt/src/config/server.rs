//! `[node]`, `[[listener]]`, `[admin]`, `[limits]`, `[audit]`: the node itself.

use super::document::{Fields, Report, Span};
use super::material::{self, Environment};
use super::reason::Reason;
use crate::cli::options::RunOptions;
use sluice_contract::limits::WORKERS_MAX;
use sluice_contract::snapshot::{Limits, TlsMaterial};
use std::net::SocketAddr;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Where the front door listens when nothing is said.
pub const LISTEN: SocketAddr = loopback(8080);

/// Where the management port is when nothing is said.
pub const ADMIN: SocketAddr = loopback(8081);

/// The state folder when nothing is said, from the working folder.
pub const STATE: &str = "./sluice-state";

/// The shortest token of the management port.
const TOKEN_BYTES_MIN: usize = 16;

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

/// A listening address.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `IP:PORT`.
    pub address: SocketAddr,
    /// Certificate to serve.
    pub tls: Option<Material>,
    pub(super) span: Span,
}

/// The management port.
#[derive(Clone, Debug)]
pub struct Admin {
    /// `IP:PORT`.
    pub address: SocketAddr,
    /// Certificate to serve.
    pub tls: Option<Material>,
    /// Bearer token to ask for.
    pub token: Option<Token>,
}

/// Certificate and key. `Debug` shows neither.
#[derive(Clone)]
pub struct Material(pub TlsMaterial);

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Material")
    }
}

/// A credential. `Debug` does not show it.
#[derive(Clone)]
pub struct Token(pub Zeroizing<String>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// The audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    /// Size at which a segment is closed.
    pub segment_bytes: u64,
    /// Age at which a segment is closed.
    pub segment_hours: u64,
    /// Room that is left on the disk.
    pub min_free_bytes: u64,
}

impl Default for Audit {
    fn default() -> Audit {
        Audit { segment_bytes: 256 << 20, segment_hours: 24, min_free_bytes: 256 << 20 }
    }
}

/// The state folder: the option's, the file's, the default.
pub fn state(options: &RunOptions, node: &Fields<'_>) -> PathBuf {
    let written = node.path("state").map(|(path, _)| path);
    options.state.clone().or(written).unwrap_or_else(|| STATE.into())
}

/// Workers: the file's, or one a core.
pub fn workers(node: &Fields<'_>) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut workers = u16::try_from(cores.min(WORKERS_MAX)).unwrap_or(1);
    node.count("workers", &mut workers);
    workers
}

/// Listeners. The option takes the place of the first one's address, and of the others.
pub fn listeners(
    report: &Report<'_>,
    options: &RunOptions,
    tables: &[Fields<'_>],
) -> Vec<Listener> {
    let mut listeners = Vec::new();
    for fields in tables {
        if fields.value("address").is_none() {
            fields.missing("address", Some(format!("address = \"{LISTEN}\"")));
        }
        let tls = material::tls(report, &fields.table("tls")).map(Material);
        let Some(address) = fields.address("address") else { continue };
        let span = fields.span_of("address");
        let taken = |other: &&Listener| other.address == address && address.port() != 0;
        if let Some(first) = listeners.iter().find(taken) {
            let line = report.line(&first.span);
            let reason = Reason::Duplicate { what: "listener", name: address.to_string(), line };
            report.problem(&span, reason, None);
        }
        listeners.push(Listener { address, tls, span });
    }
    if listeners.is_empty() {
        listeners.push(Listener { address: LISTEN, tls: None, span: 0..0 });
    }
    if let Some(address) = options.listen {
        listeners.truncate(1);
        for listener in &mut listeners {
            *listener = Listener { address, tls: listener.tls.take(), span: 0..0 };
        }
    }
    listeners
}

/// The management port, and whether it may be where it is.
pub fn admin(
    report: &Report<'_>,
    options: &RunOptions,
    fields: &Fields<'_>,
    environment: Environment<'_>,
) -> Admin {
    let tls_fields = fields.table("tls");
    if tls_fields.value("client_ca").is_some() {
        let span = tls_fields.span_of("client_ca");
        let reason = Reason::Meaningless { key: "client_ca", beside: "in [admin]" };
        report.problem(&span, reason, Some("the management port asks for `token`".to_owned()));
    }
    let tls = material::tls(report, &tls_fields).map(Material);
    let token = token(report, fields, environment);
    let address = options.admin.or(fields.address("address")).unwrap_or(ADMIN);
    // A certificate or token that is there but broken has its own problem.
    let (has_tls, has_token) = (tls_fields.is_present(), fields.value("token").is_some());
    let missing = match (has_tls, has_token) {
        (true, true) => None,
        (false, true) => Some("`tls`"),
        (true, false) => Some("`token`"),
        (false, false) => Some("`tls` and no `token`"),
    };
    if let Some(missing) = missing.filter(|_| !address.ip().is_loopback()) {
        let span = match options.admin {
            Some(_) => 0..0,
            None => fields.span_of("address"),
        };
        let suggestion = "give both, or use a 127.0.0.1 address".to_owned();
        report.problem(&span, Reason::OpenAdmin { address, missing }, Some(suggestion));
    }
    Admin { address, tls, token }
}

fn token(report: &Report<'_>, fields: &Fields<'_>, environment: Environment<'_>) -> Option<Token> {
    let value = fields.value("token")?;
    if value.get_ref().is_str() {
        let suggestion = "token = { env = \"NAME\" } or { file = \"PATH\" }".to_owned();
        report.problem(&value.span(), Reason::Inline("token"), Some(suggestion));
        return None;
    }
    let table = fields.table("token");
    let token = table
        .is_present()
        .then(|| material::credential(report, &table, "token", environment))
        .flatten()?;
    if token.len() < TOKEN_BYTES_MIN {
        let reason = Reason::BadCredential {
            what: "token",
            place: "[admin]".to_owned(),
            why: "is shorter than 16 characters",
        };
        let suggestion = "make one with `head -c 24 /dev/urandom | base64`".to_owned();
        report.problem(&value.span(), reason, Some(suggestion));
        return None;
    }
    Some(Token(token))
}

/// Bounds: the file's over the defaults.
pub fn limits(report: &Report<'_>, fields: &Fields<'_>) -> Limits {
    let mut limits = Limits::default();
    fields.count("body_bytes", &mut limits.body_bytes);
    fields.count("response_bytes", &mut limits.response_bytes);
    fields.count("head_bytes", &mut limits.head_bytes);
    fields.count("in_flight_bytes", &mut limits.in_flight_bytes);
    fields.count("json_depth", &mut limits.json_depth);
    fields.count("json_nodes", &mut limits.json_nodes);
    fields.count("connections", &mut limits.connections);
    fields.count("head_timeout_ms", &mut limits.head_timeout_ms);
    fields.count("body_timeout_ms", &mut limits.body_timeout_ms);
    fields.count("idle_timeout_ms", &mut limits.idle_timeout_ms);
    fields.count("send_timeout_ms", &mut limits.send_timeout_ms);
    fields.count("connect_timeout_ms", &mut limits.connect_timeout_ms);
    fields.count("upstream_timeout_ms", &mut limits.upstream_timeout_ms);
    fields.count("audit_wait_ms", &mut limits.audit_wait_ms);
    fields.count("drain_ms", &mut limits.drain_ms);
    if limits.in_flight_bytes < limits.body_bytes {
        let suggestion = format!("in_flight_bytes = {}", limits.body_bytes.saturating_mul(16));
        let span = fields.span_of("in_flight_bytes");
        report.problem(&span, Reason::InFlightBelowBody, Some(suggestion));
    }
    limits
}

/// The audit log: the file's over the defaults.
pub fn audit(fields: &Fields<'_>) -> Audit {
    let mut audit = Audit::default();
    fields.count("segment_bytes", &mut audit.segment_bytes);
    fields.count("segment_hours", &mut audit.segment_hours);
    fields.count("min_free_bytes", &mut audit.min_free_bytes);
    audit
}
