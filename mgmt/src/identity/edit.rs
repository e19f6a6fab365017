//! Making, revoking and rotating keys.
//!
//! Each edit takes the lock of the state folder, reads, changes and replaces `keys.json`. The map
//! of principals is written first: a crash between the two leaves a name without a key, never a
//! key whose records name nobody.

use super::principals::{DEFAULT_TENANT, Map};
use super::stored::{KeyFile, Previous, StoredKey};
use super::{IdentityError, Keys, file, key, keys_path, load};
use sluice_contract::ids::SnapshotHash;
use sluice_contract::limits::{MODEL_BYTES_MAX, PRINCIPAL_GROUPS_MAX};
use sluice_contract::snapshot::{Principal, PrincipalIds};
use std::path::Path;
use zeroize::Zeroizing;

/// What a new key is to be.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// Name of the key.
    pub name: String,
    /// Tenant; `default` without.
    pub tenant: Option<String>,
    /// Application; the name of the key without.
    pub application: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Team.
    pub team: Option<String>,
    /// Project.
    pub project: Option<String>,
    /// Use case.
    pub use_case: Option<String>,
    /// Models that it may ask for; all where empty.
    pub models: Vec<String>,
    /// When it stops being good, seconds since 1970.
    pub expires: Option<u64>,
}

/// Makes a key, and returns it: it cannot be had again.
pub fn issue(state: &Path, new: NewKey, now: u64) -> Result<Zeroizing<String>, IdentityError> {
    let mut principal = checked(&new, now)?;
    edit(state, |keys| {
        if keys.iter().any(|key| key.name == new.name) {
            return Err(IdentityError::Taken(new.name.clone()));
        }
        let mut map = Map::read(state)?;
        map.assign(&mut principal)?;
        map.write(state)?;
        let text = key::generate()?;
        keys.push(StoredKey {
            name: new.name,
            digest: SnapshotHash(key::digest(&text)),
            created: now,
            expires: new.expires,
            models: new.models,
            principal,
            previous: None,
        });
        Ok(text)
    })
}

/// Revokes the key called `name`, and what is left of its predecessor.
pub fn revoke(state: &Path, name: &str) -> Result<(), IdentityError> {
    edit(state, |keys| {
        let at = position(keys, name)?;
        keys.remove(at);
        Ok(())
    })
}

/// Makes a new key in the place of the one called `name`, which stays good for `grace` seconds.
pub fn rotate(
    state: &Path,
    name: &str,
    grace: u64,
    now: u64,
) -> Result<Zeroizing<String>, IdentityError> {
    edit(state, |keys| {
        let at = position(keys, name)?;
        let text = key::generate()?;
        if let Some(stored) = keys.get_mut(at) {
            let until = now.saturating_add(grace);
            let until = stored.expires.map_or(until, |expires| expires.min(until));
            let previous = Previous { digest: stored.digest, expires: until };
            stored.previous = Some(previous).filter(|previous| previous.expires > now);
            stored.digest = SnapshotHash(key::digest(&text));
            stored.created = now;
        }
        Ok(text)
    })
}

fn edit<T>(
    state: &Path,
    change: impl FnOnce(&mut Vec<StoredKey>) -> Result<T, IdentityError>,
) -> Result<T, IdentityError> {
    let lock = file::lock(state)?;
    let Keys { stored: mut keys, .. } = load(state)?;
    let done = change(&mut keys)?;
    file::write(&keys_path(state), &KeyFile::V1 { keys })?;
    drop(lock);
    Ok(done)
}

fn position(keys: &[StoredKey], name: &str) -> Result<usize, IdentityError> {
    keys.iter().position(|key| key.name == name).ok_or_else(|| {
        let known = keys.iter().map(|key| key.name.as_str());
        let nearest = crate::config::nearest(name, known).map(str::to_owned);
        IdentityError::Unknown { name: name.to_owned(), nearest }
    })
}

fn checked(new: &NewKey, now: u64) -> Result<Principal, IdentityError> {
    let tenant = new.tenant.clone().unwrap_or_else(|| DEFAULT_TENANT.to_owned());
    let application = new.application.clone().unwrap_or_else(|| new.name.clone());
    let optional = [
        ("user", &new.user),
        ("team", &new.team),
        ("project", &new.project),
        ("use case", &new.use_case),
    ];
    let optional =
        optional.into_iter().filter_map(|(what, name)| name.as_deref().map(|name| (what, name)));
    let groups = new.groups.iter().map(|group| ("group", group.as_str()));
    let fixed = [("name", new.name.as_str()), ("tenant", &tenant), ("application", &application)];
    for (what, name) in fixed.into_iter().chain(optional).chain(groups) {
        if !(1..=128).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(IdentityError::BadName { what, name: name.escape_debug().to_string() });
        }
    }
    for model in &new.models {
        let stem = model.strip_suffix('*').unwrap_or(model);
        let fits = (1..=MODEL_BYTES_MAX).contains(&model.len())
            && !stem.contains('*')
            && !model.chars().any(char::is_control);
        if !fits {
            return Err(IdentityError::BadModel(model.escape_debug().to_string()));
        }
    }
    let mut groups = new.groups.clone();
    groups.sort();
    groups.dedup();
    if groups.len() > PRINCIPAL_GROUPS_MAX {
        return Err(IdentityError::TooManyGroups(groups.len()));
    }
    if new.expires.is_some_and(|expires| expires <= now) {
        return Err(IdentityError::Expired);
    }
    Ok(Principal {
        tenant,
        application,
        user: new.user.clone(),
        groups,
        team: new.team.clone(),
        project: new.project.clone(),
        use_case: new.use_case.clone(),
        ids: PrincipalIds::default(),
    })
}
