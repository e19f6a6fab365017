//! What is shown once the node is ready: how to use it, what runs, what is acted on, what to do
//! next.
//!
//! Text only; what it tells is measured and gathered by [`Facts::gather`].

mod acts;

pub use acts::{Acts, acts};

use crate::config::{Attachable, Config, attachable};
use crate::manage::short;
use crate::publish::Built;
use sluice_audit::writer::measure_sync;
use sluice_contract::control::{Applied, Hello};
use sluice_contract::decision::Verdict;
use sluice_contract::snapshot::{
    AuditMode, Enforcement, FailureMode, Identity, Snapshot, Trust, UpstreamKind,
};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A card number that every checksum accepts and no bank issues.
const EXAMPLE: &str = "My card is 4111 1111 1111 1111. What did I just tell you?";

/// Everything that the banner tells.
pub struct Facts {
    address: SocketAddr,
    tls: bool,
    admin: SocketAddr,
    admin_tls: bool,
    state: PathBuf,
    preset: Option<&'static str>,
    snapshot: Snapshot,
    hello: Hello,
    applied: Applied,
    acts: Vec<Acts>,
    sync: Option<Duration>,
    attachable: Vec<Attachable>,
}

impl Facts {
    /// Looks around: asks policy, tries the disk, knocks at well-known ports. Takes a moment.
    pub fn gather(
        config: &Config,
        built: &Built,
        listeners: &[SocketAddr],
        (hello, applied): (Hello, Applied),
    ) -> Facts {
        let snapshot = built.snapshot.clone();
        let first = snapshot.listeners.first();
        let configured = first.map_or((Ipv4Addr::LOCALHOST, 0).into(), |listener| listener.address);
        let about = |route| acts(&config.policies.engine, route, &snapshot.upstreams);
        Facts {
            address: listeners.first().copied().unwrap_or(configured),
            tls: first.is_some_and(|listener| listener.tls.is_some()),
            admin: config.admin.address,
            admin_tls: config.admin.tls.is_some(),
            state: config.state.clone(),
            preset: config.policies.preset,
            acts: snapshot.routes.iter().flat_map(about).collect(),
            sync: measure_sync(&config.state.join("audit")).ok(),
            attachable: attachable(),
            snapshot,
            hello,
            applied,
        }
    }

    /// The banner, as text; with colours for a terminal.
    pub fn show(&self, colour: bool) -> String {
        let (bold, loud, reset) =
            if colour { ("\x1b[1m", "\x1b[1;33m", "\x1b[0m") } else { ("", "", "") };
        let mut page = Page { text: format!("\n{bold}Sluice is ready{reset}\n\n"), bold, reset };
        self.usage(&mut page);
        self.running(&mut page);
        self.policy(&mut page, loud);
        self.next_steps(&mut page);
        page.text.push('\n');
        page.text
    }

    fn usage(&self, page: &mut Page) {
        let scheme = if self.tls { "https" } else { "http" };
        let base = format!("{scheme}://{}/v1", reachable(self.address));
        let needs_key = self.snapshot.identity == Identity::Keys;
        let key = if needs_key { "KEY" } else { "any" };
        let header = if needs_key { " -H 'authorization: Bearer KEY'" } else { "" };
        let model = self.model();
        page.row("base URL", &base);
        page.row(
            "curl",
            &format!(
                "curl -s {base}/chat/completions -H 'content-type: application/json'{header} -d \
                 '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"{EXAMPLE}\"}}]}}'"
            ),
        );
        page.row("Python", &format!("client = OpenAI(base_url=\"{base}\", api_key=\"{key}\")"));
        page.row(
            "Node",
            &format!("const client = new OpenAI({{ baseURL: \"{base}\", apiKey: \"{key}\" }})"),
        );
        if needs_key {
            page.row("", "`sluice key new --name NAME` makes a KEY");
        }
        page.gap();
    }

    /// A model that the first route takes.
    fn model(&self) -> &str {
        let Some(route) = self.snapshot.routes.first() else { return "MODEL" };
        let target = route.targets.first();
        let upstream = target.and_then(|target| self.snapshot.upstreams.get(target.upstream));
        let named = route.models.iter().find(|model| !model.ends_with('*'));
        match (named, upstream.map(|upstream| upstream.kind)) {
            (Some(model), _) => model,
            (None, Some(UpstreamKind::Echo)) => "echo",
            (None, Some(UpstreamKind::Openai) | None) => {
                target.and_then(|target| target.model.as_deref()).unwrap_or("MODEL")
            }
        }
    }

    fn running(&self, page: &mut Page) {
        let Hello { workers, driver, steering, .. } = &self.hello;
        let s = if *workers == 1 { "" } else { "s" };
        page.row("data path", &format!("{workers} worker{s}, {driver}, steered by {steering}"));
        let preset = self.preset.map(|name| format!(", built-in set `{name}`")).unwrap_or_default();
        let policies = self.snapshot.policies.len();
        let files = if policies == 1 { "policy file" } else { "policy files" };
        page.row(
            "policy",
            &format!("{policies} {files}{preset}, snapshot {}", short(self.applied.snapshot)),
        );
        let (passed, all) = (self.applied.canaries_passed, self.applied.canaries);
        page.row("canaries", &format!("{passed} of {all} caught"));
        let sync = self.sync.map_or("not measured".to_owned(), |time| {
            format!("{}.{} ms", time.as_millis(), time.as_micros() % 1000 / 100)
        });
        page.row(
            "audit",
            &format!(
                "{}; fdatasync takes {sync} here; {}",
                self.audit_modes(),
                self.state.join("audit").display()
            ),
        );
        page.gap();
    }

    /// When a request may go, by the trust of where it goes.
    fn audit_modes(&self) -> String {
        let mut modes: Vec<&'static str> = Vec::new();
        for route in &self.snapshot.routes {
            let upstreams =
                route.targets.iter().filter_map(|t| self.snapshot.upstreams.get(t.upstream));
            for upstream in upstreams {
                let mode = match (upstream.trust, route.audit_for(upstream.trust)) {
                    (Trust::External, AuditMode::Sync) => "sync toward external targets",
                    (Trust::External, AuditMode::Async) => "async toward external targets",
                    (Trust::Internal, AuditMode::Sync) => "sync toward internal targets",
                    (Trust::Internal, AuditMode::Async) => "async toward internal targets",
                };
                if !modes.contains(&mode) {
                    modes.push(mode);
                }
            }
        }
        modes.join(", ")
    }

    fn policy(&self, page: &mut Page, loud: &str) {
        let several = self.snapshot.routes.len() > 1;
        for acts in &self.acts {
            let route = if several { format!("route {}, ", acts.route) } else { String::new() };
            for (verdict, names) in &acts.verdicts {
                let title = match verdict {
                    Verdict::Allow => "recorded",
                    Verdict::Alert => "alerted",
                    Verdict::Mask
                    | Verdict::Redact
                    | Verdict::Pseudonymize
                    | Verdict::RequireApproval
                    | Verdict::Block => "acted on",
                };
                let what = if verdict == &Verdict::Allow { "only" } else { verdict.name() };
                let trust = acts.trust.name();
                page.row(title, &format!("{route}to {trust}: {what} {}", names.join(", ")));
            }
        }
        let reset = page.reset;
        for route in &self.snapshot.routes {
            if route.enforcement == Enforcement::Observe {
                page.row(
                    "OBSERVING",
                    &format!(
                        "{loud}route {} forwards everything unchanged and only records{reset}",
                        route.name
                    ),
                );
            }
            if route.failure_mode == FailureMode::Open {
                page.row(
                    "OPEN",
                    &format!(
                        "{loud}route {} passes requests when they cannot be recorded{reset}",
                        route.name
                    ),
                );
            }
        }
        page.gap();
    }

    fn next_steps(&self, page: &mut Page) {
        for found in self.attachable.iter().filter(|attachable| attachable.found) {
            let mut title = format!("{} is there ({}); to attach it:", found.name, found.place);
            for line in std::iter::once("").chain(found.hint.trim_end().lines()) {
                page.row(if title.is_empty() { "" } else { "found" }, &format!("{title}{line}"));
                title.clear();
            }
        }
        let missing = self.attachable.iter().filter(|attachable| !attachable.found);
        let missing: Vec<String> =
            missing.map(|missing| format!("{} ({})", missing.name, missing.place)).collect();
        if !missing.is_empty() {
            page.row("not found", &missing.join(", "));
        }
        let scheme = if self.admin_tls { "https" } else { "http" };
        let admin = reachable(self.admin);
        page.row("metrics", &format!("{scheme}://{admin}/metrics, /readyz, /status"));
        let usual = self.state == Path::new("./sluice-state");
        let state =
            if usual { String::new() } else { format!(" --state {}", self.state.display()) };
        let audit = self.state.join("audit");
        page.row("try", &format!("sluice tail{state}"));
        page.row("", &format!("sluice audit verify {}", audit.display()));
    }
}

/// The text under construction.
struct Page {
    text: String,
    bold: &'static str,
    reset: &'static str,
}

impl Page {
    fn row(&mut self, name: &str, value: &str) {
        // Writing to a string cannot fail.
        writeln!(self.text, "  {}{name:<11}{}{value}", self.bold, self.reset).ok();
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }
}

/// `address` as a client on this machine reaches it.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests;
