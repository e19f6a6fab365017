//! `[[upstream]]`: connections to providers and engines.

use super::document::{Fields, Report, Span};
use super::material::{self, Environment};
use super::reason::{Reason, UrlReason};
use super::server::Token;
use super::url::Url;
use sluice_contract::limits;
use sluice_contract::snapshot::{Credential, Trust, Upstream as Public, UpstreamKind};

/// Name of the built-in upstream.
pub const ECHO: &str = "echo";

/// An upstream, its secrets apart.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// What the snapshot says of it.
    pub public: Public,
    /// Its key.
    pub key: Option<Token>,
    /// Authorities that it is checked against, PEM; the system's without.
    pub authorities: Option<String>,
    pub(super) span: Span,
}

impl Upstream {
    /// The built-in one, which is there where the file has none.
    fn echo() -> Upstream {
        Upstream {
            public: Public {
                name: ECHO.to_owned(),
                kind: UpstreamKind::Echo,
                tls: false,
                host: String::new(),
                port: 0,
                base_path: String::new(),
                trust: Trust::External,
                region: None,
                credential: Credential::None,
                allow_link_local: false,
                idle_connections: limits::UPSTREAM_IDLE,
                connections: limits::UPSTREAM_CONNECTIONS,
            },
            key: None,
            authorities: None,
            span: 0..0,
        }
    }
}

/// The upstreams of the file; the built-in echo where there are none.
pub fn upstreams(
    report: &Report<'_>,
    tables: &[Fields<'_>],
    environment: Environment<'_>,
) -> Vec<Upstream> {
    let mut upstreams: Vec<Upstream> = Vec::new();
    for fields in tables {
        let upstream = upstream(report, fields, environment);
        let name = &upstream.public.name;
        let same = |other: &&Upstream| other.public.name == *name && !name.is_empty();
        if let Some(first) = upstreams.iter().find(same) {
            let line = report.line(&first.span);
            let reason = Reason::Duplicate { what: "upstream", name: name.clone(), line };
            report.problem(&fields.span_of("name"), reason, None);
        }
        upstreams.push(upstream);
    }
    if tables.is_empty() {
        upstreams.push(Upstream::echo());
    }
    upstreams
}

fn upstream(report: &Report<'_>, fields: &Fields<'_>, environment: Environment<'_>) -> Upstream {
    let mut upstream = Upstream::echo();
    upstream.span = fields.span_of("name");
    if fields.value("name").is_none() {
        fields.missing("name", None);
    }
    let public = &mut upstream.public;
    public.name = fields.name("name").map_or_else(String::new, |(name, _)| name.to_owned());
    public.kind = match fields.value("kind") {
        Some(_) => fields.word("kind").unwrap_or(UpstreamKind::Openai),
        None => UpstreamKind::Openai,
    };
    public.region = fields.name("region").map(|(region, _)| region.to_owned());
    fields.switch("allow_link_local", &mut public.allow_link_local);
    fields.count("idle_connections", &mut public.idle_connections);
    fields.count("connections", &mut public.connections);
    let trust = fields.word("trust");
    match public.kind {
        UpstreamKind::Echo => {
            public.trust = trust.unwrap_or(Trust::External);
            refuse_beside_echo(report, fields);
        }
        UpstreamKind::Openai => {
            if fields.value("trust").is_none() {
                let suggestion = "\"external\" where data leaves the building, else \"internal\"";
                fields.missing("trust", Some(suggestion.to_owned()));
            }
            public.trust = trust.unwrap_or(Trust::External);
            connect(report, fields, &mut upstream);
            credentials(report, fields, &mut upstream, environment);
        }
    }
    upstream
}

fn refuse_beside_echo(report: &Report<'_>, fields: &Fields<'_>) {
    for key in ["url", "api_key", "ca", "allow_link_local"] {
        if fields.value(key).is_some() {
            let reason = Reason::Meaningless { key, beside: "for the built-in echo" };
            report.problem(&fields.span_of(key), reason, None);
        }
    }
}

/// Scheme, host, port and path, and the authorities that go with them.
fn connect(report: &Report<'_>, fields: &Fields<'_>, upstream: &mut Upstream) {
    if fields.value("url").is_none() {
        fields.missing("url", Some("url = \"http://HOST:PORT\"".to_owned()));
    }
    let authorities = fields.path("ca");
    let Some((text, span)) = fields.text("url") else { return };
    let url = match Url::parse(text) {
        Ok(url) if url.is_link_local() && !upstream.public.allow_link_local => Err((
            UrlReason::LinkLocal,
            Some("allow_link_local = true, if that is meant".to_owned()),
        )),
        Ok(url) => Ok(url),
        Err(why) => Err((why, advice(text, why))),
    };
    let url = match url {
        Ok(url) => url,
        Err((why, suggestion)) => {
            // The URL is not shown where it holds a password.
            let shown = match why {
                UrlReason::Credentials => "…".to_owned(),
                _ => text.to_owned(),
            };
            report.problem(&span, Reason::BadUrl { url: shown, why }, suggestion);
            return;
        }
    };
    match authorities {
        Some((_, span)) if !url.tls => {
            let reason = Reason::Meaningless { key: "ca", beside: "beside an http url" };
            report.problem(&span, reason, None);
        }
        authorities => {
            upstream.authorities = authorities.and_then(|at| material::authorities(report, at));
        }
    }
    if upstream.public.trust == Trust::External && !url.tls && !url.is_loopback() {
        report.warn(&span, Reason::ClearUpstream(upstream.public.name.clone()), None);
    }
    let Url { tls, host, port, base_path } = url;
    upstream.public = Public { tls, host, port, base_path, ..upstream.public.clone() };
}

fn advice(text: &str, why: UrlReason) -> Option<String> {
    match why {
        UrlReason::Scheme => Some(format!("http://{text}")),
        UrlReason::Version => text
            .trim_end_matches('/')
            .strip_suffix("/v1")
            .map(|rest| format!("leave it out: {rest}")),
        UrlReason::Credentials => Some("give the credential as `api_key`".to_owned()),
        UrlReason::Query
        | UrlReason::Host
        | UrlReason::Port
        | UrlReason::Path
        | UrlReason::LinkLocal => None,
    }
}

fn credentials(
    report: &Report<'_>,
    fields: &Fields<'_>,
    upstream: &mut Upstream,
    environment: Environment<'_>,
) {
    const SUGGESTION: &str = "api_key = { env = \"NAME\" }, { file = \"PATH\" } or \"client\"";
    let Some(value) = fields.value("api_key") else { return };
    upstream.public.credential = match value.get_ref().as_str() {
        Some("client") => Credential::Client,
        Some(_) => {
            let suggestion = Some(SUGGESTION.to_owned());
            report.problem(&value.span(), Reason::Inline("api_key"), suggestion);
            Credential::None
        }
        None => {
            let table = fields.table("api_key");
            if table.is_present() {
                let key = material::credential(report, &table, "api_key", environment);
                upstream.key = key.map(Token);
            }
            Credential::Key
        }
    };
}
