//! `sluice check`: the configuration without the node.
//!
//! It goes as far as starting would, short of touching anything: files, environment, certificates,
//! policies, and the snapshot itself.

use super::output;
use super::options::RunOptions;
use crate::config::{self, Config, Effect, Severity};
use sluice_contract::decision::Verdict;
use sluice_contract::snapshot::{Enforcement, Trust, UpstreamKind};
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
        let scheme = if listener.tls.is_some() { "https" } else { "http" };
        writeln!(out, "listen      {scheme}://{}, {} workers", listener.address, config.workers)?;
    }
    let scheme = if config.admin.tls.is_some() { "https" } else { "http" };
    writeln!(out, "management  {scheme}://{}", config.admin.address)?;
    for upstream in config.upstreams.iter().map(|upstream| &upstream.public) {
        let place = match upstream.kind {
            UpstreamKind::Echo => "built in".to_owned(),
            UpstreamKind::Openai => {
                let scheme = if upstream.tls { "https" } else { "http" };
                let host = match upstream.host.contains(':') {
                    true => format!("[{}]", upstream.host),
                    false => upstream.host.clone(),
                };
                format!("{scheme}://{host}:{}{}", upstream.port, upstream.base_path)
            }
        };
        writeln!(out, "upstream    {}: {place}, {}", upstream.name, upstream.trust.name())?;
    }
    let count = config.policies.engine.policies().count();
    let preset = config.policies.preset.map(|name| format!(", preset {name}"));
    writeln!(out, "policies    {count}{}", preset.unwrap_or_default())?;
    for route in config.routes.iter().map(|route| &route.public) {
        let (models, sets) = (route.models.join(", "), route.policies.join(", "));
        writeln!(out, "route       {}: models {models}; policy sets {sets}", route.name)?;
        for effect in config::effects(config).iter().filter(|effect| effect.route == route.name) {
            show_effect(out, effect)?;
        }
    }
    Ok(())
}

fn show_effect(out: &mut dyn Write, effect: &Effect) -> io::Result<()> {
    let Effect { target, trust, enforcement, verdicts, .. } = effect;
    let observed = match enforcement {
        Enforcement::Enforce => "",
        Enforcement::Observe => " (observed only: nothing is changed or refused)",
    };
    let leaves = match trust {
        Trust::Internal => "internal",
        Trust::External => "external",
    };
    writeln!(out, "  -> {target} ({leaves}){observed}")?;
    for (verdict, classes) in verdicts {
        let word = match verdict {
            Verdict::Allow => "record only",
            verdict => verdict.name(),
        };
        writeln!(out, "     {word:<12} {}", classes.join(", "))?;
    }
    Ok(())
}
