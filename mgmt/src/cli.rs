//! The command line: what there is, and who does it.
//!
//! Exit codes: 0 done, 1 not (a refused configuration, a log that does not hold), 2 for usage and
//! for what could not be read. A reader that goes away ends a listing quietly.

mod audit;
mod check;
mod inspect;
mod key;
pub mod options;
pub mod output;

use crate::{client, config, logs, manage, supervise};
use clap::{Parser, Subcommand};
use options::{RunOptions, StateOptions};
use std::path::Path;
use std::process::ExitCode;

/// For usage errors, and for what could not be read.
const EXIT_USAGE: u8 = 2;

/// A control point for AI traffic: inspects, decides, redacts, records and forwards.
#[derive(Parser, Debug)]
#[command(name = "sluice", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start the node.
    Run(RunOptions),
    /// The management process; started by `run`.
    #[command(hide = true)]
    Manage(RunOptions),
    /// Check a configuration, and say what it does, without starting.
    Check(RunOptions),
    /// Show what the detectors see in a text.
    Inspect(inspect::Inspect),
    /// Make, list, revoke and rotate API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Names behind the opaque ids of the audit log.
    #[command(subcommand)]
    Principal(key::PrincipalCommand),
    /// Verify and list audit logs.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Read the configuration again; a bad one is refused, and the old one stays.
    Reload(StateOptions),
    /// How the node is.
    Status(StateOptions),
    /// One line a request, as they come.
    Tail {
        /// JSON lines instead of text.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateOptions,
    },
    /// The reference page of the configuration, `docs/config.md`.
    #[command(hide = true)]
    Reference,
    /// The version.
    Version,
}

/// Runs the command that this process was started with.
pub fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(options) => {
            logs::start();
            supervise::run(&options)
        }
        Command::Manage(options) => {
            logs::start();
            manage::run(options)
        }
        Command::Check(options) => check::run(&options),
        Command::Inspect(inspect) => inspect.run(),
        Command::Key(key) => key.run(),
        Command::Principal(principal) => principal.run(),
        Command::Audit(audit) => audit.run(),
        Command::Reload(state) => in_state(&state, client::reload),
        Command::Status(state) => in_state(&state, client::status),
        Command::Tail { json, state } => in_state(&state, |state| client::tail(state, json)),
        Command::Reference => output::print(|out| {
            out.write_all(config::reference().as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Version => output::print(|out| {
            writeln!(out, "sluice {}", env!("CARGO_PKG_VERSION"))?;
            Ok(ExitCode::SUCCESS)
        }),
    }
}

/// Runs `command` on the state folder that the options point at.
fn in_state(options: &StateOptions, command: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    match config::state_of(&options.as_run_options()) {
        Ok(state) => command(&state),
        Err(problems) => {
            output::complain(&problems);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn run_options_are_passed_on_as_they_are() {
        let line = "sluice run --config c.toml --state s --listen [::1]:80 --admin 127.0.0.1:0";
        let Command::Run(options) = Arguments::parse_from(line.split(' ')).command else {
            panic!("run")
        };
        let again = [std::ffi::OsString::from("sluice"), "manage".into()];
        let again = again.into_iter().chain(options.arguments());
        let Command::Manage(passed) = Arguments::parse_from(again).command else {
            panic!("manage")
        };
        assert_eq!(passed, options);
        assert_eq!(RunOptions::default().arguments(), Vec::<std::ffi::OsString>::new());
    }

    #[test]
    fn commands_of_the_documentation_are_understood() {
        for line in [
            "run",
            "check --config sluice.toml",
            "inspect --jsonl",
            "inspect text",
            "key new --name n --tenant t --group a --group b --models gpt-* --expires 30d",
            "key list",
            "key revoke n --state s",
            "key rotate n --grace 1h",
            "principal erase user alice",
            "audit verify sluice-state/audit --json",
            "audit list sluice-state/audit --principals p.json",
            "reload --state s",
            "status --config c.toml",
            "tail --json",
            "version",
        ] {
            let line = std::iter::once("sluice").chain(line.split(' '));
            assert!(Arguments::try_parse_from(line.clone()).is_ok(), "{:?}", line.last());
        }
    }
}
