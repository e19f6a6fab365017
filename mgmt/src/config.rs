//! The configuration: `sluice.toml` and `policies/*.cedar`, checked as a whole before it is taken.
//!
//! Every problem is reported in one run, with file, line, reason and suggestion; a configuration
//! with a problem is refused whole. With no file, safe defaults hold: loopback only, and a
//! built-in echo model. Credentials are read here (environment, files) and nowhere else.
//!
//! Nothing here is published or written; that is [`crate::publish`].

mod attachable;
mod document;
mod keys;
mod material;
mod nearest;
mod policies;
mod problem;
mod reason;
mod reference;
mod routes;
mod server;
mod upstreams;
mod url;

#[cfg(test)]
pub mod tests;

pub use attachable::{Attachable, attachable};
pub use nearest::nearest;
pub use policies::Policies;
pub use problem::{Problem, Problems, Severity, show};
pub use reason::Reason;
pub use reference::page as reference;
pub use routes::Route;
pub use server::{Admin, Audit, Listener};
pub use upstreams::Upstream;

use crate::cli::options::RunOptions;
use crate::identity;
use document::{Fields, Report};
use keys::Section;
use material::Environment;
use sluice_contract::snapshot::Limits;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A configuration that was checked as a whole.
#[derive(Debug)]
pub struct Config {
    /// The file; none where defaults hold.
    pub file: Option<PathBuf>,
    /// Folder of keys, audit log and sockets.
    pub state: PathBuf,
    /// Workers.
    pub workers: u16,
    /// Listening addresses.
    pub listeners: Vec<Listener>,
    /// The management port.
    pub admin: Admin,
    /// Bounds.
    pub limits: Limits,
    /// Upstreams.
    pub upstreams: Vec<Upstream>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Policies.
    pub policies: Policies,
    /// The audit log.
    pub audit: Audit,
    /// What is worth a look.
    pub warnings: Vec<Problem>,
}

/// Reads and checks the configuration that `options` point at.
pub fn load(options: &RunOptions) -> Result<Config, Problems> {
    load_in(options, &|name| std::env::var(name).ok())
}

/// The same in another environment.
pub fn load_in(options: &RunOptions, environment: Environment<'_>) -> Result<Config, Problems> {
    let text = match &options.config {
        Some(path) => material::read_text("configuration", path)?,
        None => String::new(),
    };
    let report = Report::new(options.config.as_deref(), &text);
    let (document, syntax) = DeTable::parse_recoverable(&text);
    for error in &syntax {
        let span = error.span().unwrap_or(0..1);
        let span = span.start..span.end.max(span.start + 1);
        let message = error.message().replace('\n', ", ");
        report.problem(&span, Reason::Syntax(message), None);
    }
    let read = read(&report, options, document.get_ref(), environment);
    let (problems, warnings) = report.into_parts();
    let problems = if syntax.is_empty() { problems } else { despite_syntax(problems) };
    match (Problems::of(problems), read) {
        (None, Some(config)) => Ok(Config { warnings, ..config }),
        (Some(problems), _) => Err(problems),
        // Policies are only missing where there is a problem with them.
        (None, None) => Err(Problem::new(Reason::Policy("no policies".to_owned())).into()),
    }
}

/// What stands beside errors of syntax, without what may only follow from them.
fn despite_syntax(problems: Vec<Problem>) -> Vec<Problem> {
    problems.into_iter().filter(|problem| !problem.reason.may_follow_from_syntax()).collect()
}

fn read<'d>(
    report: &'d Report<'d>,
    options: &RunOptions,
    document: &'d DeTable<'d>,
    environment: Environment<'_>,
) -> Option<Config> {
    let top = Fields::new(report, Section::Top, document, 0..0);
    let node = top.table("node");
    let state = server::state(options, &node);
    let workers = server::workers(&node);
    let tables = top.tables("upstream");
    let upstreams = upstreams::upstreams(report, &tables, environment);
    let routes = routes::routes(report, &top.tables("route"), &upstreams, !tables.is_empty());
    let listeners = server::listeners(report, options, &top.tables("listener"));
    let admin = server::admin(report, options, &top.table("admin"), environment);
    check_open(report, &listeners, &state);
    check_admin(report, &listeners, &admin);
    let limits = server::limits(report, &top.table("limits"));
    let audit = server::audit(&top.table("audit"));
    let policies = policies::policies(report, &top.table("policy"), &routes)?;
    Some(Config {
        file: options.config.clone(),
        state,
        workers,
        listeners,
        admin,
        limits,
        upstreams,
        routes,
        policies,
        audit,
        warnings: Vec::new(),
    })
}

/// Off loopback a key must exist, and without TLS it crosses the network in clear.
fn check_open(report: &Report<'_>, listeners: &[Listener], state: &Path) {
    let keys = identity::load(state);
    if let Err(error) = &keys {
        report.foreign(Problem::new(Reason::Keys(error.to_string())));
    }
    let has_keys = keys.map_or(true, |keys| keys.is_configured());
    for listener in listeners.iter().filter(|listener| !listener.address.ip().is_loopback()) {
        if !has_keys {
            let suggestion = format!("sluice key new --name NAME --state {}", state.display());
            let reason = Reason::OpenListener(listener.address);
            report.problem(&listener.span, reason, Some(suggestion));
        } else if listener.tls.is_none() {
            report.warn(&listener.span, Reason::ClearListener(listener.address), None);
        }
    }
}

fn check_admin(report: &Report<'_>, listeners: &[Listener], admin: &Admin) {
    let same =
        |listener: &&Listener| listener.address == admin.address && listener.address.port() != 0;
    if let Some(listener) = listeners.iter().find(same) {
        let line = report.line(&listener.span);
        let name = admin.address.to_string();
        let reason = Reason::Duplicate { what: "address of the management port", name, line };
        report.problem(&listener.span, reason, None);
    }
}

/// The state folder of `options`, for commands that need nothing else of the configuration.
pub fn state_of(options: &RunOptions) -> Result<PathBuf, Problems> {
    let (Some(path), None) = (&options.config, &options.state) else {
        return Ok(options.state.clone().unwrap_or_else(|| server::STATE.into()));
    };
    let text = material::read_text("configuration", path)?;
    let report = Report::new(Some(path), &text);
    let (document, _) = DeTable::parse_recoverable(&text);
    let top = Fields::new(&report, Section::Top, document.get_ref(), 0..0);
    Ok(server::state(options, &top.table("node")))
}
