//! What a reload makes of the files on disk, and what it cannot change.

use super::node::Surroundings;
use crate::config::{self, Admin, Config};
use crate::identity;
use crate::identity::NodeSecrets;
use crate::publish::{self, Built, PublishError};
use sluice_contract::control::Prepare;
use std::path::Path;
use std::sync::Arc;

/// A configuration and the snapshot of it.
pub struct Change {
    /// The configuration.
    pub config: Arc<Config>,
    /// The snapshot.
    pub built: Built,
}

/// Reads the configuration again; all problems as text. Files and patterns are read on another
/// thread, so that probes are answered meanwhile.
pub async fn loaded_again(around: &Surroundings, old: &Arc<Config>) -> Result<Change, String> {
    let (options, patterns) = (around.options.clone(), Arc::clone(&around.patterns));
    let (old, prepare) = (Arc::clone(old), around.prepared.prepare.clone());
    aside(move || {
        let config = config::load(&options).map_err(|problems| {
            let mut text = Vec::new();
            // Writing to memory cannot fail.
            problems.show(&mut text, false).ok();
            String::from_utf8_lossy(&text).trim_end().to_owned()
        })?;
        let fixed = needs_restart(&old, &config, &prepare);
        if !fixed.is_empty() {
            return Err(format!(
                "needs a restart (stop and start `sluice run`), as these changed: {}; \
                 nothing was changed",
                fixed.join(", ")
            ));
        }
        let built = build(&config, &patterns).map_err(|error| error.to_string())?;
        Ok(Change { config: Arc::new(config), built })
    })
    .await
}

/// Reads keys and secrets again; the configuration stays.
pub async fn built_again(around: &Surroundings, config: &Arc<Config>) -> Result<Change, String> {
    let (config, patterns) = (Arc::clone(config), Arc::clone(&around.patterns));
    aside(move || {
        let built = build(&config, &patterns).map_err(|error| error.to_string())?;
        Ok(Change { config, built })
    })
    .await
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(format!("internal error: {error}; nothing was changed")))
}

/// The snapshot of `config` with the keys and secrets on disk.
pub fn build(config: &Config, patterns: &[u8]) -> Result<Built, PublishError> {
    let keys = identity::load(&config.state)?;
    let secrets = NodeSecrets::load(&config.state, identity::now())?;
    publish::build(config, &keys, &secrets, patterns)
}

/// What of `new` differs from what was made at start and cannot be made anew.
fn needs_restart(old: &Config, new: &Config, prepare: &Prepare) -> Vec<&'static str> {
    let same_listeners =
        prepare.listeners.iter().eq(new.listeners.iter().map(|listener| &listener.address));
    let differences = [
        (!same_listeners, "`address` of a `[[listener]]`"),
        (prepare.workers != new.workers, "`workers`"),
        (old.state != new.state, "`state`"),
        (!same_admin(&old.admin, &new.admin), "`[admin]`"),
        (old.audit != new.audit, "`[audit]`"),
    ];
    differences.into_iter().filter_map(|(differs, what)| differs.then_some(what)).collect()
}

fn same_admin(old: &Admin, new: &Admin) -> bool {
    let token = |admin: &Admin| admin.token.as_ref().map(|token| token.0.clone());
    let tls = |admin: &Admin| {
        admin.tls.as_ref().map(|tls| (tls.0.certificates.clone(), tls.0.key.clone()))
    };
    old.address == new.address && token(old) == token(new) && tls(old) == tls(new)
}

/// The longest path of a Unix socket.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Path of the control socket: absolute, unless only the relative one is short enough.
pub fn control_path(state: &Path) -> std::path::PathBuf {
    let relative = crate::client::control_path(state);
    match std::path::absolute(&relative) {
        Ok(path) if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX => path,
        Ok(_) | Err(_) => relative,
    }
}
