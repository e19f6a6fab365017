//! The processes together: start, death of each, orderly stop, reload, keys.
//!
//! Supervisor and management are the real ones; the data path is a small one of our own
//! (`processes/fake.rs`), played by this very test program, so that what is tested is the
//! conversation and not the traffic. Nothing here asserts a time: every wait ends when what it
//! waits for has come, or fails after a minute.
#![cfg(test)]

#[path = "../src"]
#[expect(dead_code, unused_imports, reason = "the other side of the conversation uses the rest")]
mod sluice {
    pub mod ipc;
}

#[path = "processes/fake.rs"]
mod fake;
#[path = "processes/node.rs"]
mod node;

use node::Node;
use sluice::ipc;
use std::net::TcpListener;

/// The data path of these tests serves with its first worker only.
const ONE: &str = "[node]\nworkers = 1\n";

#[test]
fn a_node_starts_serves_and_stops_in_order() {
    let mut node = Node::start(ONE);
    node.wait_until_ready();
    assert_eq!(node.request(), Ok(0));
    // Gathered aside, after the node is ready: the disk is tried for it.
    node.wait_until(|node| node.shown().contains("Sluice is ready"));
    let children = node.children();
    assert_eq!(children.len(), 2);
    node.terminate();
    assert!(node.wait().success());
    assert!(children.iter().all(|pid| !node::is_alive(*pid)), "no orphan");
    assert_eq!(node.events("stop").len(), 1);
    assert!(!node.state().join("run/control.sock").exists());
    let verified = node.command(&["audit", "verify", &node.audit_folder()]);
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn a_child_that_is_killed_is_started_again() {
    let mut node = Node::start(ONE);
    node.wait_until_ready();
    assert_eq!(node.request(), Ok(0));
    let mut requests = 1;
    for name in ["manage", "datapath", "manage", "datapath", "datapath", "manage"] {
        let old = node.child(name);
        node::kill(old);
        // Waits in the backlog while the data path is away, and for its record while management is.
        let answered = node.request();
        assert!(answered.is_ok() || name == "datapath", "{answered:?}");
        requests += u64::from(answered.is_ok());
        node.wait_until(|node| node.child_if_any(name).is_some_and(|new| new != old));
        node.wait_until_ready();
    }
    assert_eq!(node.request(), Ok(2 * requests), "sequences go on over every restart");
    node.terminate();
    assert!(node.wait().success());
    let verified = node.command(&["audit", "verify", &node.audit_folder()]);
    assert!(verified.status.success(), "{verified:?}");
    let listed = node.command(&["audit", "list", &node.audit_folder()]);
    let lines = String::from_utf8(listed.stdout).unwrap().lines().count() as u64;
    assert_eq!(lines, requests + 1, "every answered request has its record");
}

#[test]
fn without_the_supervisor_the_children_drain_and_end() {
    let mut node = Node::start(ONE);
    node.wait_until_ready();
    assert_eq!(node.request(), Ok(0));
    let children = node.children();
    node.kill_supervisor();
    node.wait_until(|_| children.iter().all(|pid| !node::is_alive(*pid)));
    let verified = node.command(&["audit", "verify", &node.audit_folder()]);
    assert!(verified.status.success(), "{verified:?}");
    // Another one takes the state folder over.
    let mut next = node.again();
    next.wait_until_ready();
    assert_eq!(next.request(), Ok(0), "a new ring");
    next.terminate();
    assert!(next.wait().success());
}

#[test]
fn a_supervisor_started_at_once_waits_for_its_predecessor() {
    let mut node = Node::start(ONE);
    node.wait_until_ready();
    node.kill_supervisor();
    let mut next = node.again();
    next.wait_until_ready();
    next.terminate();
    assert!(next.wait().success());
}

#[test]
fn an_address_in_use_ends_the_start_with_advice() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut node = Node::start_on(&address, "");
    assert_eq!(node.wait().code(), Some(1));
    let said = node.said();
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    assert!(said.contains("ss -ltnp"), "{said}");
    assert!(node.children().is_empty());
}

#[test]
fn a_bad_configuration_ends_the_start_with_all_its_problems() {
    let mut node = Node::start("[node]\nworkerz = 1\n[limits]\nbody_bytes = \"x\"\n");
    assert_eq!(node.wait().code(), Some(1));
    let said = node.said();
    assert!(said.contains("workerz") && said.contains("body_bytes"), "{said}");
    assert!(!said.contains("child ended with"), "{said}");
}

#[test]
fn a_reload_is_taken_whole_or_not_at_all() {
    let mut node = Node::start("[limits]\nbody_bytes = 1000\n");
    node.wait_until_ready();
    let applied = |node: &Node| node.events("applied").last().cloned();
    let first = applied(&node);

    node.configure("[limits]\nbody_bytes = 2000\n");
    let reloaded = node.command(&["reload", "--state", &node.state_text()]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    let second = applied(&node);
    assert_ne!(first, second);

    node.configure("[limits]\nbody_byte = 1\n[node]\nworkerz = 3\n");
    let refused = node.command(&["reload", "--state", &node.state_text()]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("body_byte") && said.contains("workerz"), "{said}");

    node.configure("[node]\nworkers = 7\n");
    let refused = node.command(&["reload", "--state", &node.state_text()]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("needs a restart") && said.contains("`workers`"), "{said}");

    // Our data path refuses these numbers, one with its last word, one with its first.
    for (number, reason) in [(666, "a bad number"), (667, "a worse number"), (666, "a bad number")]
    {
        node.configure(&format!("[limits]\nbody_bytes = {number}\n"));
        let refused = node.command(&["reload", "--state", &node.state_text()]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(&format!("the data path refused it: {reason}; nothing")), "{said}");
        node.wait_until_ready();
        assert_eq!(applied(&node), second);
    }

    // A data path that comes back gets the one in force.
    let before = node.events("applied").len();
    node::kill(node.child("datapath"));
    node.wait_until(|node| node.events("applied").len() > before);
    assert_eq!(applied(&node), second);

    node.configure("[limits]\nbody_bytes = 3000\n");
    node.hang_up();
    node.wait_until(|node| applied(node) != second);
    node.terminate();
    assert!(node.wait().success());
}

#[test]
fn keys_come_into_force_without_a_reload() {
    let mut node = Node::start(ONE);
    node.wait_until_ready();
    let made = node.command(&["key", "new", "--name", "one", "--state", &node.state_text()]);
    assert!(made.status.success(), "{made:?}");
    node.wait_until(|node| node.events("keys").last().is_some_and(|line| line == "1"));
    // Without being told: the file is watched.
    let path = node.state().join("keys.json");
    let kept = std::fs::read_to_string(&path).unwrap();
    let revoked = node.command(&["key", "revoke", "one", "--state", &node.state_text()]);
    assert!(revoked.status.success(), "{revoked:?}");
    node.wait_until(|node| node.events("keys").last().is_some_and(|line| line == "0"));
    let other = node.state().join("keys.new");
    std::fs::write(&other, kept).unwrap();
    std::fs::rename(&other, &path).unwrap();
    node.wait_until(|node| node.events("keys").last().is_some_and(|line| line == "1"));
    node.terminate();
    assert!(node.wait().success());
}

#[test]
fn status_and_tail_tell_what_happens() {
    let mut node = Node::start(ONE);
    node.wait_until_ready();
    let status = node.command(&["status", "--state", &node.state_text()]);
    let text = String::from_utf8(status.stdout).unwrap();
    assert!(status.status.success() && text.contains("fake, steered by nobody"), "{text}");
    let tail = node.tail();
    // The reader is there once the node says so: a line that comes proves it.
    node.wait_until(|node| {
        node.request().ok();
        tail.lines() > 0
    });
    node.terminate();
    assert!(node.wait().success());
    let status = node.command(&["status", "--state", &node.state_text()]);
    let said = String::from_utf8(status.stderr).unwrap();
    assert!(!status.status.success() && said.contains("no node runs"), "{said}");
}

/// Not a test: what `sluice-datapath` runs in the tests above.
#[test]
fn plays_the_data_path() {
    if let Some(folder) = std::env::var_os(fake::FOLDER) {
        fake::play(folder.as_ref());
    }
}
