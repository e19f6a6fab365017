//! `sluice audit`: verifying and listing a log.

use super::{EXIT_USAGE, output};
use crate::identity;
use sluice_audit::VerifierKey;
use sluice_audit::{list, verify};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Audit logs.
#[derive(clap::Subcommand, Debug)]
pub enum AuditCommand {
    /// Check that a log is whole and unchanged. Exits 1 and names the first bad record otherwise.
    Verify {
        /// Folder of the log.
        dir: PathBuf,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
        /// Verifier key (`NAME+ID+KEY`), known from elsewhere; the log's own without.
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
        /// Heads kept outside the log, a file or a folder [default: DIR/../heads, if there].
        #[arg(long, value_name = "PATH")]
        heads: Option<PathBuf>,
    },
    /// One JSON line a request, decision and outcome joined.
    List {
        /// Folder of the log.
        dir: PathBuf,
        /// Map from opaque ids to names [default: DIR/../principals.json, if there].
        #[arg(long, value_name = "FILE")]
        principals: Option<PathBuf>,
    },
}

impl AuditCommand {
    pub fn run(self) -> ExitCode {
        match self {
            AuditCommand::Verify { dir, json, key, heads } => {
                let key = match key.as_deref().map(str::parse::<VerifierKey>).transpose() {
                    Ok(key) => key,
                    Err(error) => {
                        output::complain(&error);
                        return ExitCode::from(EXIT_USAGE);
                    }
                };
                let heads = heads.or_else(|| beside(&dir, "heads"));
                verify_log(&dir, json, key.as_ref(), heads.as_deref())
            }
            AuditCommand::List { dir, principals } => {
                let principals = principals.or_else(|| beside(&dir, "principals.json"));
                list_log(&dir, principals.as_deref())
            }
        }
    }
}

/// What stands beside the log in a state folder.
fn beside(dir: &Path, name: &str) -> Option<PathBuf> {
    let path = std::path::absolute(dir).ok()?.parent()?.join(name);
    path.exists().then_some(path)
}

fn verify_log(dir: &Path, json: bool, key: Option<&VerifierKey>, heads: Option<&Path>) -> ExitCode {
    let report = match verify::verify(dir, key, heads) {
        Ok(report) => report,
        Err(error) => {
            output::complain(&format!("cannot read `{}`: {error}", dir.display()));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    output::print(|out| {
        if json {
            serde_json::to_writer(&mut *out, &report)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{report}")?;
        }
        Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn list_log(dir: &Path, principals: Option<&Path>) -> ExitCode {
    let names = match principals.map(identity::names).transpose() {
        Ok(names) => names,
        Err(error) => {
            output::complain(&error);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let rows = match list::list(dir, names) {
        Ok(rows) => rows,
        Err(error) => {
            output::complain(&error);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    output::print(|out| {
        let mut code = ExitCode::SUCCESS;
        for row in rows {
            match row {
                Ok(row) => {
                    serde_json::to_writer(&mut *out, &row).map_err(io::Error::from)?;
                    out.write_all(b"\n")?;
                }
                Err(error) => {
                    output::complain(&error);
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    })
}
