//! Every key of `sluice.toml`, once: what it is, its default, its unit and its range.
//!
//! The reader takes names and ranges from here (a key without a row is refused as unknown), and
//! `docs/config.md` is this table, so that neither can say something else than the other.

use Section as S;
use Shape::{Address, Count, List, Name, Path, Switch, Table, Tables, Text, Word};
use sluice_contract::limits as bound;

/// A table of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// The file itself.
    Top,
    /// `[node]`
    Node,
    /// `[[listener]]`
    Listener,
    /// `tls` of a listener or of the management port.
    Tls,
    /// `[admin]`
    Admin,
    /// `[limits]`
    Limits,
    /// `[[upstream]]`
    Upstream,
    /// A credential: `api_key` of an upstream, `token` of the management port.
    Credential,
    /// `[[route]]`
    Route,
    /// An entry of `targets` of a route.
    Target,
    /// `[policy]`
    Policy,
    /// `[audit]`
    Audit,
}

impl Section {
    /// As it is written in the file.
    pub const fn title(self) -> &'static str {
        match self {
            S::Top => "the file",
            S::Node => "[node]",
            S::Listener => "[[listener]]",
            S::Tls => "`tls`",
            S::Admin => "[admin]",
            S::Limits => "[limits]",
            S::Upstream => "[[upstream]]",
            S::Credential => "`api_key` and `token`",
            S::Route => "[[route]]",
            S::Target => "`targets`",
            S::Policy => "[policy]",
            S::Audit => "[audit]",
        }
    }
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Text.
    Text,
    /// A name: letters, digits, `.`, `_`, `-`, at most 64.
    Name,
    /// A path, from the folder of the file.
    Path,
    /// `IP:PORT`.
    Address,
    /// `true` or `false`.
    Switch,
    /// A whole number with its unit and range.
    Count {
        /// Unit.
        unit: &'static str,
        /// The least that is taken.
        least: u64,
        /// The most that is taken.
        most: u64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of texts of this kind.
    List(&'static str),
    /// A table.
    Table(Section),
    /// Any number of tables.
    Tables(Section),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Where it stands.
    pub section: Section,
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// What holds where it is left out.
    pub default: &'static str,
    /// What it is for.
    pub about: &'static str,
}

/// The row of `name` in `section`.
pub fn key(section: Section, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// The names in `section`.
pub fn names(section: Section) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(move |key| key.section == section).map(|key| key.name)
}

const fn row(
    section: Section,
    name: &'static str,
    shape: Shape,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key { section, name, shape, default, about }
}

/// A bound that the data path has a default for ([`sluice_contract::snapshot::Limits`]).
const fn limit(
    name: &'static str,
    unit: &'static str,
    least: u64,
    most: u64,
    about: &'static str,
) -> Key {
    row(S::Limits, name, Count { unit, least, most }, "", about)
}

const REQUIRED: &str = "required";
const NONE: &str = "none";
const HOUR_MS: u64 = 3_600_000;
const GIB: u64 = 1 << 30;

/// The presets of `[policy] preset`.
pub const PRESETS: &[&str] = &["default", "privacy", "strict", "record"];

/// Every key, in the order of the reference page.
pub const KEYS: &[Key] = &[
    row(S::Top, "node", Table(S::Node), "", "The node itself."),
    row(
        S::Top,
        "listener",
        Tables(S::Listener),
        "one on `127.0.0.1:8080`",
        "Where applications connect.",
    ),
    row(S::Top, "admin", Table(S::Admin), "", "The management port: health, metrics. Read-only."),
    row(S::Top, "limits", Table(S::Limits), "", "Bounds."),
    row(
        S::Top,
        "upstream",
        Tables(S::Upstream),
        "the built-in `echo`",
        "Connections to providers and engines.",
    ),
    row(
        S::Top,
        "route",
        Tables(S::Route),
        "one from every model to `echo`, where no upstream is configured either",
        "Which requests go where, under which policies; the first that takes the model wins.",
    ),
    row(S::Top, "policy", Table(S::Policy), "", "Where policies come from."),
    row(S::Top, "audit", Table(S::Audit), "", "The audit log."),
    row(
        S::Node,
        "state",
        Path,
        "`./sluice-state` in the working folder",
        "Folder of keys, audit log and sockets. Mode 0700.",
    ),
    row(
        S::Node,
        "workers",
        Count { unit: "workers", least: 1, most: bound::WORKERS_MAX as u64 },
        "one a core",
        "Threads of the data path, one pinned to each core.",
    ),
    row(
        S::Listener,
        "address",
        Address,
        REQUIRED,
        "Where to listen. Off loopback an API key must exist (`sluice key new`).",
    ),
    row(S::Listener, "tls", Table(S::Tls), "plain HTTP", "Certificate to serve."),
    row(S::Tls, "cert", Path, REQUIRED, "Certificate chain, PEM, the leaf first."),
    row(S::Tls, "key", Path, REQUIRED, "Private key, PEM. It must belong to the certificate."),
    row(
        S::Tls,
        "client_ca",
        Path,
        NONE,
        "Authorities, PEM; where given, a client must show a certificate of one of them. Listeners only.",
    ),
    row(
        S::Admin,
        "address",
        Address,
        "`127.0.0.1:8081`",
        "Where `/healthz`, `/readyz` and `/metrics` are. Off loopback `tls` and `token` must be given.",
    ),
    row(S::Admin, "tls", Table(S::Tls), "plain HTTP", "Certificate to serve."),
    row(
        S::Admin,
        "token",
        Table(S::Credential),
        NONE,
        "Bearer token to ask for; at least 16 characters.",
    ),
    limit("body_bytes", "bytes", 1, 64 << 20, "Longest request body; a longer one is 413."),
    limit(
        "response_bytes",
        "bytes",
        1,
        64 << 20,
        "Longest response body that is inspected (not streamed); a longer one is 502.",
    ),
    limit(
        "head_bytes",
        "bytes",
        1024,
        1 << 20,
        "Longest request or response head; a longer one is 431 or 502.",
    ),
    limit(
        "in_flight_bytes",
        "bytes a worker",
        1 << 20,
        64 * GIB,
        "Held for requests in flight: body, copy, tape, views. Above it 503 with `Retry-After`. At least `body_bytes`.",
    ),
    limit("json_depth", "levels", 4, 1024, "Deepest JSON body; a deeper one is 400."),
    limit("json_nodes", "nodes", 16, 1 << 24, "Most values in a JSON body; one more is 400."),
    limit(
        "connections",
        "connections a worker",
        1,
        1 << 20,
        "Client connections at a time; above it new ones are closed and counted.",
    ),
    limit("head_timeout_ms", "milliseconds", 1, HOUR_MS, "Time for a request head; after it 408."),
    limit("body_timeout_ms", "milliseconds", 1, HOUR_MS, "Time for a request body; after it 408."),
    limit(
        "idle_timeout_ms",
        "milliseconds",
        1,
        HOUR_MS,
        "Time that an idle keep-alive connection is kept.",
    ),
    limit(
        "send_timeout_ms",
        "milliseconds",
        1,
        HOUR_MS,
        "Time that a write to a client may make no progress.",
    ),
    limit(
        "connect_timeout_ms",
        "milliseconds",
        1,
        HOUR_MS,
        "Time for an upstream connection; after it 502.",
    ),
    limit(
        "upstream_timeout_ms",
        "milliseconds",
        1,
        HOUR_MS,
        "Time that an upstream may stay silent; after it 504.",
    ),
    limit(
        "audit_wait_ms",
        "milliseconds",
        1,
        HOUR_MS,
        "Time that a request waits for its record; after it 503 `audit_unavailable`.",
    ),
    limit(
        "drain_ms",
        "milliseconds",
        0,
        HOUR_MS,
        "Time that requests in flight get at an orderly stop.",
    ),
    row(S::Upstream, "name", Name, REQUIRED, "Name, for `targets`, records and metrics."),
    row(
        S::Upstream,
        "kind",
        Word(&["openai", "echo"]),
        "`openai`",
        "What it speaks. `echo` is built in and answers with the last user message as it was forwarded.",
    ),
    row(
        S::Upstream,
        "url",
        Text,
        "required, but for `echo`",
        "`http://HOST[:PORT][/PATH]` or `https://…`; `/v1/...` is appended.",
    ),
    row(
        S::Upstream,
        "trust",
        Word(&["internal", "external"]),
        "required; `external` for `echo`",
        "Whether data leaves the building.",
    ),
    row(S::Upstream, "region", Name, NONE, "Region, as policies see it."),
    row(
        S::Upstream,
        "api_key",
        Table(S::Credential),
        "none is sent",
        "The upstream's key, or `\"client\"`: the caller's own is passed on, to this upstream only, and identity comes from `x-sluice-key`.",
    ),
    row(
        S::Upstream,
        "ca",
        Path,
        "the system's",
        "Authorities that its certificate is checked against, PEM.",
    ),
    row(
        S::Upstream,
        "allow_link_local",
        Switch,
        "`false`",
        "Whether it may be at a link-local or metadata address.",
    ),
    row(
        S::Upstream,
        "idle_connections",
        Count { unit: "connections a worker", least: 0, most: 65_536 },
        "",
        "Idle connections kept.",
    ),
    row(
        S::Upstream,
        "connections",
        Count { unit: "connections a worker", least: 1, most: 65_536 },
        "",
        "Connections at a time; above it 503.",
    ),
    row(
        S::Credential,
        "env",
        Text,
        "one of the two",
        "Environment variable that holds it, read at start and at reload.",
    ),
    row(
        S::Credential,
        "file",
        Path,
        "one of the two",
        "File that holds it, on one line, read at start and at reload.",
    ),
    row(S::Route, "name", Name, REQUIRED, "Name, for policies, records and metrics."),
    row(
        S::Route,
        "models",
        List("model names, or starts of names with a `*` at the end"),
        REQUIRED,
        "Models that it takes. What an earlier route takes already is refused.",
    ),
    row(
        S::Route,
        "targets",
        List("names of upstreams, or `{ upstream, model }`"),
        REQUIRED,
        "Where its requests go, in the order in which they are tried.",
    ),
    row(S::Route, "policies", List("policy sets"), "`[]`", "Sets added to the node's."),
    row(
        S::Route,
        "enforcement",
        Word(&["enforce", "observe"]),
        "`enforce`",
        "`observe` forwards unchanged and records what would have happened.",
    ),
    row(
        S::Route,
        "audit",
        Word(&["sync", "async"]),
        "`sync` for external targets, `async` for internal ones",
        "Forward once the record is on disk, or once it is in the ring.",
    ),
    row(
        S::Route,
        "failure_mode",
        Word(&["closed", "open"]),
        "`closed`",
        "What happens where the audit takes no record in `audit_wait_ms`: refuse, or pass and say so in the record that follows.",
    ),
    row(
        S::Route,
        "block_as",
        Word(&["error", "refusal"]),
        "`error`",
        "A block is a 403, or a 200 with `finish_reason: content_filter`.",
    ),
    row(
        S::Route,
        "allow_opaque",
        Switch,
        "`false`",
        "Whether images, audio and files, which cannot be inspected, may go to external targets.",
    ),
    row(S::Target, "upstream", Name, REQUIRED, "Name of the upstream."),
    row(S::Target, "model", Text, "the client's own", "Model name sent."),
    row(S::Policy, "dir", Path, "the preset", "Folder of `*.cedar` files. See *Policy sets*."),
    row(
        S::Policy,
        "preset",
        Word(PRESETS),
        "`default`, where `dir` has nothing for the node",
        "Built-in policies. Where given beside `dir`, they are in force together.",
    ),
    row(
        S::Audit,
        "segment_bytes",
        Count { unit: "bytes", least: 1 << 20, most: 64 * GIB },
        "",
        "Size at which a segment is closed and a new one begun.",
    ),
    row(
        S::Audit,
        "segment_hours",
        Count { unit: "hours", least: 1, most: 24 * 31 },
        "",
        "Age at which a segment is closed and a new one begun.",
    ),
    row(
        S::Audit,
        "min_free_bytes",
        Count { unit: "bytes", least: 1 << 20, most: 1 << 50 },
        "",
        "Room that is left on the disk; below it no record is taken.",
    ),
];
