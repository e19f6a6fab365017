//! `sluice check`: the configuration without the node.
//!
//! It goes as far as starting would, short of touching anything: files, environment, certificates,
//! policies. What it prints where all is well is what the node would do.

use super::options::RunOptions;
use super::output;
use crate::banner::{Acts, acts};
use crate::config::{self, Config, Severity};
use sluice_contract::decision::Verdict;
use sluice_contract::snapshot::{Enforcement, Route, Upstream, UpstreamKind};
use std::io::{self, Write};
use std::process::ExitCode;

/// Checks what `options` point at; prints everything that is wrong, or what the node would do.
pub fn run(options: &RunOptions) -> ExitCode {
    let colour = output::in_colour();
    output::print(|out| match config::load(options) {
        Ok(config) => {
            config::show(&config.warnings, Severity::Warning, out, colour)?;
            summary(out, &config)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            problems.show(out, colour)?;
            Ok(ExitCode::FAILURE)
        }
    })
}

fn summary(out: &mut dyn Write, config: &Config) -> io::Result<()> {
    let file = config.file.as_ref().map(|file| file.display().to_string());
    writeln!(out, "{}: ok", file.as_deref().unwrap_or("no file, defaults"))?;
    writeln!(out, "state       {}", config.state.display())?;
    for listener in &config.listeners {
        let scheme = scheme(listener.tls.is_some());
        writeln!(out, "listen      {scheme}://{}, {} workers", listener.address, config.workers)?;
    }
    writeln!(out, "management  {}://{}", scheme(config.admin.tls.is_some()), config.admin.address)?;
    let upstreams: Vec<Upstream> =
        config.upstreams.iter().map(|upstream| upstream.public.clone()).collect();
    for upstream in &upstreams {
        let (name, trust) = (&upstream.name, upstream.trust.name());
        writeln!(out, "upstream    {name}: {}, {trust}", place(upstream))?;
    }
    let count = config.policies.engine.policies().count();
    let preset = config.policies.preset.map(|name| format!(", preset {name}"));
    writeln!(out, "policies    {count}{}", preset.unwrap_or_default())?;
    for route in config.routes.iter().map(|route| &route.public) {
        show_route(out, route, &upstreams)?;
        for acts in acts(&config.policies.engine, route, &upstreams) {
            show_acts(out, &acts)?;
        }
    }
    Ok(())
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

fn place(upstream: &Upstream) -> String {
    let Upstream { kind, tls, host, port, base_path, .. } = upstream;
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    match kind {
        UpstreamKind::Echo => "built in".to_owned(),
        UpstreamKind::Openai => {
            format!("{}://{open}{host}{close}:{port}{base_path}", scheme(*tls))
        }
    }
}

fn show_route(out: &mut dyn Write, route: &Route, upstreams: &[Upstream]) -> io::Result<()> {
    let targets = route.targets.iter().filter_map(|target| upstreams.get(target.upstream));
    let targets: Vec<&str> = targets.map(|upstream| upstream.name.as_str()).collect();
    let observed = match route.enforcement {
        Enforcement::Enforce => "",
        Enforcement::Observe => "; observed only: nothing is changed or refused",
    };
    writeln!(
        out,
        "route       {}: {} -> {}; policy sets {}{observed}",
        route.name,
        route.models.join(", "),
        targets.join(", "),
        route.policies.join(", "),
    )
}

fn show_acts(out: &mut dyn Write, acts: &Acts) -> io::Result<()> {
    for (verdict, names) in &acts.verdicts {
        let word = match verdict {
            Verdict::Allow => "record only",
            verdict => verdict.name(),
        };
        writeln!(out, "  {:<9} {word:<12} {}", acts.trust.name(), names.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::Node;

    #[test]
    fn what_the_node_would_do_is_told() {
        let node = Node::new(
            "[[upstream]]\nname = \"v6\"\nurl = \"http://[::1]:1/base\"\ntrust = \"internal\"\n\
             [[upstream]]\nname = \"echo\"\nkind = \"echo\"\n\
             [[route]]\nname = \"r\"\nmodels = [\"*\"]\ntargets = [\"v6\", \"echo\"]\n\
             enforcement = \"observe\"\n",
        );
        let mut out = Vec::new();
        summary(&mut out, &node.load().unwrap()).unwrap();
        let shown = String::from_utf8(out).unwrap();
        for line in [
            "listen      http://127.0.0.1:8080, ",
            "upstream    v6: http://[::1]:1/base, internal",
            "upstream    echo: built in, external",
            "route       r: * -> v6, echo; policy sets default; observed only",
            ", preset default",
        ] {
            assert!(shown.contains(line), "{line} is missing in\n{shown}");
        }
        let external = |word: &str| {
            shown.lines().find(|line| line.starts_with("  external") && line.contains(word))
        };
        assert!(external("redact").unwrap().contains("secret"), "{shown}");
        assert!(external("record only").unwrap().contains("contact"), "{shown}");
        assert!(external("block").is_some() && shown.contains("  internal"), "{shown}");
    }
}
