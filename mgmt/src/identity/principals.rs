//! Opaque ids: the random numbers that stand for names in the audit log, and the map back.
//!
//! `principals.json` is apart from the log, so that a name can be erased without touching the log:
//! what is left there is a number that nothing leads back from. A name that comes back after it
//! was erased gets another number. Names are kept within their tenant: the same user in two
//! tenants is two numbers.

use super::{IdentityError, file, principals_path};
use serde::{Deserialize, Serialize};
use sluice_contract::snapshot::{Principal, PrincipalIds};
use std::collections::HashMap;
use std::path::Path;

/// The tenant of keys that name none; it is left out of names.
pub const DEFAULT_TENANT: &str = "default";

/// `principals.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "version")]
enum MapFile {
    #[serde(rename = "1")]
    V1 { names: Vec<Named> },
}

/// A name and its number.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Named {
    kind: String,
    name: String,
    /// In hex, as JSON numbers lose digits above 2^53 in many readers.
    id: String,
}

/// The map, while it is changed.
pub struct Map(Vec<Named>);

impl Map {
    /// Reads the map of the state folder.
    pub fn read(state: &Path) -> Result<Map, IdentityError> {
        let read = file::read(&principals_path(state))?;
        Ok(read.map_or_else(|| Map(Vec::new()), |MapFile::V1 { names }| Map(names)))
    }

    /// Writes it back. Under the lock of the state folder.
    pub fn write(self, state: &Path) -> Result<(), IdentityError> {
        file::write(&principals_path(state), &MapFile::V1 { names: self.0 })
    }

    /// Gives `principal` its ids, new ones for names that have none.
    pub fn assign(&mut self, principal: &mut Principal) -> Result<(), getrandom::Error> {
        let tenant = principal.tenant.clone();
        let within = |name: &str| qualified(&tenant, name);
        let mut id = |kind: &str, name: Option<&str>| match name {
            Some(name) => self.id(kind, &within(name)),
            None => Ok(0),
        };
        let groups = principal.groups.iter().map(|group| id("group", Some(group)));
        principal.ids = PrincipalIds {
            groups: groups.collect::<Result<_, _>>()?,
            principal: id("principal", Some(&whole(principal)))?,
            application: id("application", Some(&principal.application))?,
            user: id("user", principal.user.as_deref())?,
            team: id("team", principal.team.as_deref())?,
            project: id("project", principal.project.as_deref())?,
            use_case: id("use_case", principal.use_case.as_deref())?,
            tenant: self.id("tenant", &tenant)?,
        };
        Ok(())
    }

    fn id(&mut self, kind: &str, name: &str) -> Result<u64, getrandom::Error> {
        let known = self.0.iter().find(|named| named.kind == kind && named.name == name);
        if let Some(id) = known.and_then(|named| u64::from_str_radix(&named.id, 16).ok()) {
            return Ok(id);
        }
        // Zero stands for "none".
        let mut id = 0;
        while id == 0 {
            id = getrandom::u64()?;
        }
        let (kind, name) = (kind.to_owned(), name.to_owned());
        self.0.push(Named { kind, name, id: format!("{id:016x}") });
        Ok(id)
    }

    fn remove(&mut self, kind: &str, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|named| named.kind != kind || named.name != name);
        self.0.len() < before
    }
}

/// The principal as a whole: application, and user where there is one.
fn whole(principal: &Principal) -> String {
    match &principal.user {
        Some(user) => format!("{}/{user}", principal.application),
        None => principal.application.clone(),
    }
}

fn qualified(tenant: &str, name: &str) -> String {
    if tenant == DEFAULT_TENANT { name.to_owned() } else { format!("{tenant}/{name}") }
}

/// Every name that `principal` brings into the map, with its kind.
fn named(principal: &Principal) -> Vec<(&'static str, String)> {
    let within = |name: &str| qualified(&principal.tenant, name);
    let optional = [
        ("user", &principal.user),
        ("team", &principal.team),
        ("project", &principal.project),
        ("use_case", &principal.use_case),
    ];
    let optional = optional
        .into_iter()
        .filter_map(|(kind, name)| name.as_ref().map(|name| (kind, within(name))));
    let groups = principal.groups.iter().map(|group| ("group", within(group)));
    [
        ("tenant", principal.tenant.clone()),
        ("principal", within(&whole(principal))),
        ("application", within(&principal.application)),
    ]
    .into_iter()
    .chain(optional)
    .chain(groups)
    .collect()
}

/// Names by opaque id, from a file as `principals.json`; empty where there is none.
pub fn names(path: &Path) -> Result<HashMap<u64, String>, IdentityError> {
    let Some(MapFile::V1 { names }) = file::read(path)? else { return Ok(HashMap::new()) };
    let names = names
        .into_iter()
        .filter_map(|named| u64::from_str_radix(&named.id, 16).ok().map(|id| (id, named.name)));
    Ok(std::iter::once((0, "anonymous".to_owned())).chain(names).collect())
}

/// Erases `name` of this kind from the map, and every principal whose user or application it is.
/// Refused while a key stands for it.
pub fn erase(state: &Path, kind: &str, name: &str) -> Result<(), IdentityError> {
    let lock = file::lock(state)?;
    let keys = super::load(state)?;
    let uses =
        |principal: &Principal| named(principal).iter().any(|(k, n)| *k == kind && n == name);
    if let Some(key) = keys.stored().iter().find(|key| uses(&key.principal)) {
        let (key, kind, name) = (key.name.clone(), kind.to_owned(), name.to_owned());
        return Err(IdentityError::InUse { key, kind, name });
    }
    let mut map = Map::read(state)?;
    if !map.remove(kind, name) {
        return Err(IdentityError::NoPrincipal { kind: kind.to_owned(), name: name.to_owned() });
    }
    // The whole of a principal holds the names of its user and application.
    let part = name.rsplit('/').next().unwrap_or(name);
    let holds = |whole: &str| whole.split('/').any(|piece| piece == part);
    if matches!(kind, "user" | "application") {
        let live: Vec<String> = keys
            .stored()
            .iter()
            .flat_map(|key| named(&key.principal))
            .filter(|(kind, _)| *kind == "principal")
            .map(|(_, name)| name)
            .collect();
        map.0.retain(|named| {
            named.kind != "principal" || !holds(&named.name) || live.contains(&named.name)
        });
    }
    map.write(state)?;
    drop(lock);
    Ok(())
}
