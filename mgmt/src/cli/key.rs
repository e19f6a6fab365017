//! `sluice key` and `sluice principal`.

use super::options::StateOptions;
use super::{EXIT_USAGE, output};
use crate::identity::{self, IdentityError, NewKey, StoredKey};
use crate::{client, config};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Keys.
#[derive(clap::Subcommand, Debug)]
pub enum KeyCommand {
    /// Make a key. It is shown once; only its SHA-256 is kept.
    New(Box<New>),
    /// List keys.
    List {
        /// JSON lines instead of a table.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateOptions,
    },
    /// Revoke a key.
    Revoke {
        /// Name of the key.
        name: String,
        #[command(flatten)]
        state: StateOptions,
    },
    /// Make a new key in the place of one, for the same principal.
    Rotate {
        /// Name of the key.
        name: String,
        /// How long the old key stays good (`1h`); not at all without.
        #[arg(long, value_name = "SPAN")]
        grace: Option<String>,
        #[command(flatten)]
        state: StateOptions,
    },
}

/// A key to make.
#[derive(clap::Args, Debug)]
pub struct New {
    /// Name of the key.
    #[arg(long)]
    name: String,
    /// Tenant; nothing is shared across tenants.
    #[arg(long)]
    tenant: Option<String>,
    /// Application; the name of the key without.
    #[arg(long)]
    application: Option<String>,
    /// User.
    #[arg(long)]
    user: Option<String>,
    /// Group; may be given again.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Team.
    #[arg(long)]
    team: Option<String>,
    /// Project.
    #[arg(long)]
    project: Option<String>,
    /// Use case.
    #[arg(long)]
    use_case: Option<String>,
    /// Models that it may ask for, `gpt-*` for all that start so; all without.
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "MODEL")]
    models: Vec<String>,
    /// When it stops being good: `30d`, `12h`, `2027-01-31`, or RFC 3339.
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    #[command(flatten)]
    state: StateOptions,
}

/// Principals.
#[derive(clap::Subcommand, Debug)]
pub enum PrincipalCommand {
    /// List the names behind opaque ids.
    List {
        #[command(flatten)]
        state: StateOptions,
    },
    /// Erase a name: what the log holds of it leads nowhere from then on.
    Erase {
        /// What the name is.
        #[arg(value_parser = ["user", "group", "application", "team", "project", "use_case", "tenant", "principal"])]
        kind: String,
        /// The name, as `principal list` shows it.
        name: String,
        #[command(flatten)]
        state: StateOptions,
    },
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Expiry(#[from] identity::BadExpiry),
    #[error(transparent)]
    State(#[from] config::Problems),
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl KeyCommand {
    pub fn run(self) -> ExitCode {
        finish(|out| match self {
            KeyCommand::New(new) => make(out, *new),
            KeyCommand::List { json, state } => list(out, &folder(&state)?, json),
            KeyCommand::Revoke { name, state } => {
                let state = folder(&state)?;
                identity::revoke(&state, &name)?;
                writeln!(out, "revoked `{name}`{}", in_force(&state))?;
                Ok(())
            }
            KeyCommand::Rotate { name, grace, state } => {
                let (state, now) = (folder(&state)?, identity::now());
                let until = grace.map(|grace| identity::parse_expiry(&grace, now)).transpose()?;
                let grace = until.map_or(0, |until| until.saturating_sub(now));
                let key = identity::rotate(&state, &name, grace, now)?;
                writeln!(out, "{}", key.as_str())?;
                output::complain(&format!("`{name}` has a new key{}", in_force(&state)));
                Ok(())
            }
        })
    }
}

impl PrincipalCommand {
    pub fn run(self) -> ExitCode {
        finish(|out| match self {
            PrincipalCommand::List { state } => {
                let path = identity::principals_path(&folder(&state)?);
                let mut names: Vec<_> = identity::names(&path)?.into_iter().collect();
                names.sort_by(|a, b| a.1.cmp(&b.1));
                for (id, name) in names {
                    writeln!(out, "{id:016x}  {name}")?;
                }
                Ok(())
            }
            PrincipalCommand::Erase { kind, name, state } => {
                identity::erase(&folder(&state)?, &kind, &name)?;
                writeln!(out, "erased the {kind} `{name}`; the log holds its number only")?;
                Ok(())
            }
        })
    }
}

fn finish(command: impl FnOnce(&mut dyn Write) -> Result<(), KeyError>) -> ExitCode {
    output::print(|out| match command(out) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(KeyError::Output(error)) => Err(error),
        Err(error) => {
            output::complain(&error);
            Ok(match error {
                KeyError::Expiry(_) | KeyError::State(_) => ExitCode::from(EXIT_USAGE),
                KeyError::Identity(_) | KeyError::Output(_) => ExitCode::FAILURE,
            })
        }
    })
}

fn folder(options: &StateOptions) -> Result<std::path::PathBuf, KeyError> {
    Ok(config::state_of(&options.as_run_options())?)
}

/// Standard output gets the key alone, so that a script can keep it.
fn make(out: &mut dyn Write, new: New) -> Result<(), KeyError> {
    let (state, now) = (folder(&new.state)?, identity::now());
    let expires = new.expires.map(|expires| identity::parse_expiry(&expires, now)).transpose()?;
    let first = !identity::load(&state)?.is_configured();
    let name = new.name.clone();
    let new = NewKey {
        name: new.name,
        tenant: new.tenant,
        application: new.application,
        user: new.user,
        groups: new.groups,
        team: new.team,
        project: new.project,
        use_case: new.use_case,
        models: new.models,
        expires,
    };
    let key = identity::issue(&state, new, now)?;
    writeln!(out, "{}", key.as_str())?;
    let until = expires.map_or_else(String::new, |at| format!(", until {}", identity::rfc3339(at)));
    let effect = in_force(&state);
    output::complain(&format!("key `{name}`{until}{effect}; it is not shown again"));
    if first {
        output::complain(&"from now on every request needs a key");
    }
    Ok(())
}

/// Tells management, and says what that means.
fn in_force(state: &Path) -> &'static str {
    if client::reload_keys(state) { ", in force now" } else { ", in force when the node starts" }
}

fn list(out: &mut dyn Write, state: &Path, json: bool) -> Result<(), KeyError> {
    let keys = identity::load(state)?;
    if json {
        for key in keys.stored() {
            serde_json::to_writer(&mut *out, &listed(key)).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        return Ok(());
    }
    if keys.stored().is_empty() {
        let meaning = if keys.is_configured() {
            "nobody can call"
        } else {
            "anybody on this machine can call"
        };
        writeln!(out, "no keys: {meaning}")?;
        return Ok(());
    }
    let now = identity::now();
    let rows = keys.stored().iter().map(|key| row(key, now));
    let header = ["NAME", "SHA-256", "PRINCIPAL", "MODELS", "CREATED", "EXPIRES"];
    table(out, std::iter::once(header.map(str::to_owned)).chain(rows).collect())?;
    Ok(())
}

fn row(key: &StoredKey, now: u64) -> [String; 6] {
    let principal = &key.principal;
    let mut whole = format!("{}/{}", principal.tenant, principal.application);
    if let Some(user) = &principal.user {
        whole = format!("{whole}/{user}");
    }
    let models = if key.models.is_empty() { "*".to_owned() } else { key.models.join(",") };
    let expires = match key.expires {
        Some(at) if at <= now => format!("{} (expired)", identity::rfc3339(at)),
        Some(at) => identity::rfc3339(at),
        None => "never".to_owned(),
    };
    [key.name.clone(), key.fingerprint(), whole, models, identity::rfc3339(key.created), expires]
}

fn listed(key: &StoredKey) -> serde_json::Value {
    let principal = &key.principal;
    serde_json::json!({
        "name": key.name,
        "sha256": key.digest,
        "tenant": principal.tenant,
        "application": principal.application,
        "user": principal.user,
        "groups": principal.groups,
        "team": principal.team,
        "project": principal.project,
        "use_case": principal.use_case,
        "models": key.models,
        "created": identity::rfc3339(key.created),
        "expires": key.expires.map(identity::rfc3339),
        "previous_until": key.previous.as_ref().map(|previous| identity::rfc3339(previous.expires)),
    })
}

fn table(out: &mut dyn Write, rows: Vec<[String; 6]>) -> io::Result<()> {
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_listed_for_people_and_for_scripts() {
        let state = tempfile::tempdir().unwrap();
        let list = |json| {
            let mut out = Vec::new();
            list(&mut out, state.path(), json).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(list(false), "no keys: anybody on this machine can call\n");
        let new = |name: &str| NewKey { name: name.into(), ..NewKey::default() };
        let full = NewKey {
            user: Some("alice".into()),
            models: vec!["gpt-*".into(), "o3".into()],
            expires: Some(2_000),
            ..new("first")
        };
        let key = identity::issue(state.path(), full, 1_000).unwrap();
        identity::issue(state.path(), new("a longer name"), 86_400).unwrap();
        let lines: Vec<String> = list(false).lines().map(str::to_owned).collect();
        let digest = identity::load(state.path()).unwrap().stored()[0].fingerprint();
        assert_eq!(
            lines[1],
            format!(
                "first          {digest}  default/first/alice    gpt-*,o3  1970-01-01T00:16:40Z  \
                 1970-01-01T00:33:20Z (expired)"
            )
        );
        assert!(lines[0].starts_with("NAME           SHA-256   PRINCIPAL"), "{}", lines[0]);
        assert!(lines[2].ends_with("*         1970-01-02T00:00:00Z  never"), "{}", lines[2]);
        let json = list(true);
        let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
        assert_eq!((&first["name"], &first["user"]), (&"first".into(), &"alice".into()));
        assert!(!json.contains(key.as_str()) && first["sha256"].as_str().unwrap().len() == 64);
        identity::revoke(state.path(), "first").unwrap();
        identity::revoke(state.path(), "a longer name").unwrap();
        assert_eq!(list(false), "no keys: nobody can call\n");
    }
}
