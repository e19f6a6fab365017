//! The closed list of what can be wrong with a configuration.
//!
//! Messages name keys, files and names of the operator's; never a credential.

use std::path::PathBuf;

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Reason {
    /// The file is no TOML; the parser's own words.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// A key that this build does not know.
    #[error("unknown key `{key}` in {section}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        section: &'static str,
    },
    /// A key that must be there.
    #[error("`{key}` is missing in {section}")]
    Missing {
        /// The key.
        key: &'static str,
        /// Where it belongs.
        section: &'static str,
    },
    /// Another kind of value than the key holds.
    #[error("`{key}` must be {expected}, not {found}")]
    WrongType {
        /// The key.
        key: String,
        /// What it holds.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A number outside its range.
    #[error("`{key}` must be {least} to {most} {unit}, not {value}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What stands there.
        value: String,
        /// Least.
        least: u64,
        /// Most.
        most: u64,
        /// Unit.
        unit: &'static str,
    },
    /// A word that the key does not know.
    #[error("`{key}` cannot be `{word}`")]
    UnknownWord {
        /// The key.
        key: &'static str,
        /// What stands there.
        word: String,
    },
    /// Not `IP:PORT`.
    #[error("`{0}` is not an address")]
    BadAddress(String),
    /// A name with other characters, empty, or too long.
    #[error("`{0}` is not a name: 1 to 64 letters, digits, `.`, `_` or `-`")]
    BadName(String),
    /// A model pattern that matches nothing or not what it seems.
    #[error("`{0}` is not a model name, nor the start of one with a `*` at the end")]
    BadModel(String),
    /// A URL that cannot be connected to.
    #[error("`{url}` cannot be an upstream's url: {why}")]
    BadUrl {
        /// The URL.
        url: String,
        /// Why.
        why: UrlReason,
    },
    /// A name that is taken.
    #[error("{what} `{name}` is already on line {line}")]
    Duplicate {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
        /// Line of the first.
        line: u32,
    },
    /// An empty list.
    #[error("`{key}` is empty: {consequence}")]
    Empty {
        /// The key.
        key: &'static str,
        /// What follows.
        consequence: &'static str,
    },
    /// More than a bound.
    #[error("{count} {what}, at most {most}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// A route to an upstream that is not there.
    #[error("unknown upstream `{0}`")]
    UnknownUpstream(String),
    /// A route with a policy set that is not there.
    #[error("unknown policy set `{0}`")]
    UnknownSet(String),
    /// A route's model that never gets there.
    #[error(
        "route `{route}` never gets `{model}`: route `{first}` on line {line} takes `{taken}` first"
    )]
    Unreachable {
        /// The route.
        route: String,
        /// Its model.
        model: String,
        /// The route before it.
        first: String,
        /// The model of the route before it.
        taken: String,
        /// Its line.
        line: u32,
    },
    /// Upstreams, and no route to any.
    #[error("there is no [[route]]: no request would go anywhere")]
    NoRoute,
    /// A key that means nothing beside another.
    #[error("`{key}` means nothing {beside}")]
    Meaningless {
        /// The key.
        key: &'static str,
        /// Beside what.
        beside: &'static str,
    },
    /// Neither, or both, of two ways to give a credential.
    #[error("`{0}` needs either `env` or `file`")]
    OneSource(&'static str),
    /// A credential in the file itself.
    #[error("`{0}` must not stand in the file itself")]
    Inline(&'static str),
    /// An environment variable that is not set or empty.
    #[error("environment variable `{0}` is not set")]
    NoVariable(String),
    /// A file or folder that cannot be read.
    #[error("{what} `{}` cannot be read: {error}", .path.display())]
    Unreadable {
        /// What it is for.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// The system's words.
        error: String,
    },
    /// A credential that cannot be sent or is too short to be one.
    #[error("{what} in {place} {why}")]
    BadCredential {
        /// What it is for.
        what: &'static str,
        /// The variable or the file.
        place: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file that is not the PEM it should be.
    #[error("{what} `{}` {why}", .path.display())]
    BadPem {
        /// What it is for.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A private key of another certificate.
    #[error("the private key `{}` does not belong to the certificate `{}`", .key.display(), .cert.display())]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        cert: PathBuf,
    },
    /// A folder without policies.
    #[error("no *.cedar file in `{}`", .0.display())]
    NoPolicies(PathBuf),
    /// What the policy loader found; its own words.
    #[error("{0}")]
    Policy(String),
    /// A node's set that permits nothing.
    #[error("no policy of the node's set is a `permit`: every request is blocked")]
    NoPermit,
    /// Listening for others without knowing them.
    #[error("{0} is not a loopback address, and there is no API key: anybody could call")]
    OpenListener(std::net::SocketAddr),
    /// Management for others without protection.
    #[error("the management port {address} is not on loopback, and has no {missing}")]
    OpenAdmin {
        /// Its address.
        address: std::net::SocketAddr,
        /// `tls`, `token` or both.
        missing: &'static str,
    },
    /// API keys that would cross a network in clear.
    #[error(
        "{0} is not on loopback and has no `tls`: API keys and prompts cross the network in clear"
    )]
    ClearListener(std::net::SocketAddr),
    /// Data that would leave the building in clear.
    #[error("upstream `{0}` is external and its url is http: prompts leave the building in clear")]
    ClearUpstream(String),
    /// A bound that makes another one useless.
    #[error(
        "`in_flight_bytes` is less than `body_bytes`: a body at the limit could never be taken"
    )]
    InFlightBelowBody,
    /// The key file cannot be used; its own words.
    #[error("API keys: {0}")]
    Keys(String),
    /// The node's own files, or what goes to the data path; its own words.
    #[error("{0}")]
    Publish(String),
}

/// Why a URL cannot be an upstream's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UrlReason {
    /// Another scheme, or none.
    #[error("it must start with http:// or https://")]
    Scheme,
    /// Credentials in it.
    #[error("it must hold no user or password")]
    Credentials,
    /// `?` or `#`.
    #[error("it must hold no `?` or `#`")]
    Query,
    /// No host, or no host name.
    #[error("it has no valid host")]
    Host,
    /// Not a port.
    #[error("its port is not 1 to 65535")]
    Port,
    /// Other characters than a path may hold.
    #[error("its path holds characters that a path cannot")]
    Path,
    /// The part that is appended anyway.
    #[error("`/v1` is appended to it")]
    Version,
    /// A link-local or metadata address.
    #[error("its host is a link-local or metadata address")]
    LinkLocal,
}

impl Reason {
    /// Whether the reason may only be there because another part of the file could not be read.
    /// Such reasons are left out where the file has errors of syntax.
    pub fn may_follow_from_syntax(&self) -> bool {
        matches!(
            self,
            Reason::Missing { .. }
                | Reason::Empty { .. }
                | Reason::NoRoute
                | Reason::OneSource(_)
                | Reason::UnknownUpstream(_)
                | Reason::WrongType { .. }
                | Reason::BadName(_)
                | Reason::BadModel(_)
                | Reason::BadAddress(_)
                | Reason::BadUrl { .. }
                | Reason::UnknownWord { .. }
                | Reason::NoPermit
                | Reason::OpenListener(_)
                | Reason::OpenAdmin { .. }
        )
    }
}
