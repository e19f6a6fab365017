//! The life of a key, and what is left of it in files.

use super::*;
use sluice_contract::snapshot::Principal;
use std::os::unix::fs::PermissionsExt;

const NOW: u64 = 1_000_000;

fn new(name: &str) -> NewKey {
    NewKey { name: name.into(), ..NewKey::default() }
}

fn state() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_key_is_made_listed_rotated_and_revoked() {
    let state = state();
    let state = &state.path().join("state");
    assert_eq!(load(state).unwrap().identity(), Identity::Anonymous);
    let full = NewKey {
        tenant: Some("acme".into()),
        application: Some("chat".into()),
        user: Some("alice@acme".into()),
        groups: vec!["b".into(), "a".into(), "b".into()],
        team: Some("t".into()),
        project: Some("p".into()),
        use_case: Some("u".into()),
        models: vec!["gpt-*".into()],
        expires: Some(NOW + 100),
        ..new("first")
    };
    let key = issue(state, full.clone(), NOW).unwrap();
    assert!(key::is_well_formed(&key));
    let text = std::fs::read_to_string(keys_path(state)).unwrap();
    assert!(!text.contains(key.as_str()) && !text.contains(key.get(4..20).unwrap()));
    let mode = std::fs::metadata(keys_path(state)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let keys = load(state).unwrap();
    assert_eq!(keys.identity(), Identity::Keys);
    let entries = keys.entries();
    let [entry] = entries.as_slice() else { panic!("{}", entries.len()) };
    assert_eq!(entry.digest, key::digest(&key));
    assert_eq!(
        (entry.expires, entry.models.as_slice()),
        (Some(NOW + 100), &["gpt-*".to_owned()][..])
    );
    let principal = entry.principal.clone();
    assert_eq!(principal.groups, ["a", "b"]);
    let ids = &principal.ids;
    let all =
        [ids.principal, ids.tenant, ids.application, ids.user, ids.team, ids.project, ids.use_case];
    assert!(all.iter().chain(&ids.groups).all(|id| *id != 0) && ids.groups.len() == 2);

    assert!(matches!(issue(state, new("first"), NOW), Err(IdentityError::Taken(_))));
    let rotated = rotate(state, "first", 50, NOW + 10).unwrap();
    let entries = load(state).unwrap().entries();
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].digest, entries[0].expires), (key::digest(&rotated), Some(NOW + 100)));
    assert_eq!((entries[1].digest, entries[1].expires), (key::digest(&key), Some(NOW + 60)));
    assert_eq!(entries[0].principal, principal);
    rotate(state, "first", 0, NOW + 20).unwrap();
    assert_eq!(load(state).unwrap().entries().len(), 1);

    let error = revoke(state, "frist").unwrap_err();
    assert_eq!(error.to_string(), "there is no key `frist`; did you mean `first`?");
    revoke(state, "first").unwrap();
    let keys = load(state).unwrap();
    assert!(keys.entries().is_empty());
    assert_eq!(keys.identity(), Identity::Keys, "revoking the last key opens nothing");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let state = state();
    let state = state.path();
    let refused = |new: NewKey| issue(state, new, NOW).unwrap_err().to_string();
    assert!(refused(new("")).contains("cannot be the name"));
    assert!(
        refused(NewKey { user: Some("a\nb".into()), ..new("k") })
            .contains("`a\\nb` cannot be the user")
    );
    let groups = (0..17).map(|n| format!("g{n}")).collect();
    assert_eq!(refused(NewKey { groups, ..new("k") }), "17 groups, at most 16");
    assert!(
        refused(NewKey { models: vec!["a*b".into()], ..new("k") }).contains("not a model name")
    );
    assert!(refused(NewKey { expires: Some(NOW), ..new("k") }).contains("expired already"));
    assert!(!keys_path(state).exists(), "nothing was written");
}

#[test]
fn the_same_names_have_the_same_ids_within_a_tenant() {
    let state = state();
    let state = state.path();
    let user = |name: &str, tenant: Option<&str>| NewKey {
        user: Some("alice".into()),
        application: Some("chat".into()),
        tenant: tenant.map(str::to_owned),
        ..new(name)
    };
    for (name, tenant) in [("a", None), ("b", None), ("c", Some("other"))] {
        issue(state, user(name, tenant), NOW).unwrap();
    }
    let ids: Vec<_> =
        load(state).unwrap().stored().iter().map(|key| key.principal.ids.clone()).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0].user, ids[2].user);
    assert_ne!(ids[0].tenant, ids[2].tenant);
    let names = names(&principals_path(state)).unwrap();
    assert_eq!(names[&ids[0].principal], "chat/alice");
    assert_eq!(names[&ids[2].user], "other/alice");
    assert_eq!(names[&0], "anonymous");
}

#[test]
fn an_erased_name_leads_nowhere() {
    let state = state();
    let state = state.path();
    let alice = NewKey { user: Some("alice".into()), ..new("chat") };
    issue(state, alice.clone(), NOW).unwrap();
    issue(
        state,
        NewKey { user: Some("bob".into()), application: Some("chat".into()), ..new("b") },
        NOW,
    )
    .unwrap();
    let before: Principal = load(state).unwrap().stored()[0].principal.clone();
    assert!(matches!(erase(state, "user", "alice"), Err(IdentityError::InUse { .. })));
    revoke(state, "chat").unwrap();
    erase(state, "user", "alice").unwrap();
    let text = std::fs::read_to_string(principals_path(state)).unwrap();
    assert!(!text.contains("alice") && text.contains("chat/bob"), "{text}");
    assert!(!std::fs::read_to_string(keys_path(state)).unwrap().contains("alice"));
    assert!(matches!(erase(state, "user", "alice"), Err(IdentityError::NoPrincipal { .. })));
    issue(state, alice, NOW).unwrap();
    let after = load(state).unwrap().stored()[1].principal.clone();
    assert_ne!(before.ids.user, after.ids.user);
    assert_eq!(before.ids.application, after.ids.application);
}

#[test]
fn edits_at_the_same_time_are_all_kept() {
    let state = state();
    let state = state.path();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for n in 0..8 {
                    issue(state, new(&format!("{thread}-{n}")), NOW).unwrap();
                    if n % 2 == 0 {
                        revoke(state, &format!("{thread}-{n}")).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(load(state).unwrap().stored().len(), 32);
    let left: Vec<_> = std::fs::read_dir(state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".new"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_damaged_file_is_not_written_over() {
    let state = state();
    let state = state.path();
    std::fs::write(keys_path(state), r#"{"version":"2","keys":[]}"#).unwrap();
    let error = issue(state, new("k"), NOW).unwrap_err();
    assert!(error.to_string().contains("damaged or of another version"), "{error}");
    assert!(load(state).is_err());
    assert!(std::fs::read_to_string(keys_path(state)).unwrap().contains(r#""2""#));
}
