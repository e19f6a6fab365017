//! The same configuration makes the same snapshot, and the archive holds it.

use super::*;
use crate::config::tests::Node;
use crate::identity::{NewKey, issue, load, revoke};
use sluice_contract::snapshot::Identity;
use std::io::Read;

const PATTERN_BYTES: &[u8] = b"compiled patterns";
const TOML: &str = "[[upstream]]\nname = \"u\"\nurl = \"https://h\"\ntrust = \"external\"\n\
    api_key = { env = \"VLLM_KEY\" }\n\
    [[route]]\nname = \"r\"\nmodels = [\"*\"]\ntargets = [\"u\"]\n";

fn built(node: &Node, now: u64) -> Built {
    let state = node.options.state.clone().unwrap();
    let config = node.load().map_err(|problems| problems.to_string()).unwrap();
    let secrets = NodeSecrets::load(&state, now).unwrap();
    build(&config, &load(&state).unwrap(), &secrets, PATTERN_BYTES).unwrap()
}

#[test]
fn the_same_configuration_makes_the_same_hash_and_version() {
    let node = Node::new(TOML);
    let (a, b) = (built(&node, 1_000), built(&node, 1_001));
    assert_eq!((a.hash, a.bytes), (b.hash, b.bytes));
    assert_eq!(a.secrets.version, b.secrets.version);
    assert_eq!(a.secrets.version >> 48, 1, "the epoch of the commitment key");
    assert_eq!(a.snapshot.identity, Identity::Anonymous);
    let (read, hash) = Snapshot::decode(&a.snapshot.encode().unwrap().0).unwrap();
    assert_eq!((read, hash), (a.snapshot, a.hash));
}

#[test]
fn what_changes_shows_where_it_belongs() {
    let node = Node::new(TOML);
    let state = node.options.state.clone().unwrap();
    let before = built(&node, 1_000);
    issue(&state, NewKey { name: "k".into(), ..NewKey::default() }, 1_000).unwrap();
    let first = built(&node, 1_000);
    assert_eq!(first.snapshot.identity, Identity::Keys);
    assert_ne!(before.hash, first.hash, "asking for keys is public");
    issue(&state, NewKey { name: "l".into(), ..NewKey::default() }, 1_000).unwrap();
    let second = built(&node, 1_000);
    assert_eq!(first.hash, second.hash, "who has a key is not");
    assert_ne!(first.secrets.version, second.secrets.version);
    assert_eq!(second.secrets.keys.len(), 2);
    revoke(&state, "k").unwrap();
    revoke(&state, "l").unwrap();
    let none = built(&node, 1_000);
    assert_eq!((none.hash, none.secrets.keys.len()), (first.hash, 0));
    let rotated = built(&node, 1_000 + 40 * 86_400);
    assert_eq!((rotated.hash, rotated.secrets.version >> 48), (first.hash, 2));
    assert_ne!(rotated.secrets.commitment_key, first.secrets.commitment_key);
}

#[test]
fn the_public_part_holds_no_secret() {
    let node = Node::new(TOML);
    let built = built(&node, 1_000);
    let public = String::from_utf8(built.bytes).unwrap();
    assert_eq!(built.secrets.upstream_keys, [Some("sk-x".to_owned())]);
    assert!(!public.contains("sk-x"));
}

#[test]
fn sections_are_what_the_snapshot_says() {
    let built = built(&Node::new(""), 1_000);
    let (index, section) = built.snapshot.section(PATTERNS).unwrap();
    let mut file = std::fs::File::from(built.sections.into_iter().nth(index).unwrap());
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, PATTERN_BYTES);
    assert_eq!((SnapshotHash::of(&bytes), bytes.len() as u64), (section.hash, section.bytes));
}

#[test]
fn the_archive_holds_the_public_part_and_is_repaired() {
    let node = Node::new(TOML);
    let state = node.options.state.clone().unwrap();
    let built = built(&node, 1_000);
    let path = state.join("snapshots").join(format!("{}.json", built.hash));
    for _ in 0..2 {
        archive(&state, &built).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), built.bytes);
        std::fs::write(&path, "cut").unwrap();
    }
}
