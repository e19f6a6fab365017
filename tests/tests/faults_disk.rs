//! The disk of the state folder is full: routes that wait for their records refuse and say why,
//! others go on until the ring is full, nothing acknowledged is lost, and room on the disk is all
//! that it takes to go on.
//!
//! The disk is a small tmpfs, which only root can mount.
#![cfg(test)]

#[path = "faults/small_disk.rs"]
mod small_disk;

use nix::sys::signal::Signal;
use sluice_tests::{Client, Mock, Node, Response, Setup, chat, eventually, is_root, signal, skip};
use small_disk::SmallDisk;
use std::collections::HashMap;

const DISK_BYTES: u64 = 24 << 20;

/// Requests that a ring of 8,192 slots holds: each has a decision and an outcome.
const RING_REQUESTS: usize = 4096;

/// A node on a small disk, with a route of either audit mode, and what its clients were told.
struct Bench {
    /// Unmounted after the node is gone.
    node: Node,
    disk: SmallDisk,
    mock: Mock,
    client: Client,
    told: Vec<String>,
}

impl Bench {
    /// `None` where there can be none, which is said.
    fn start(test: &str) -> Option<Bench> {
        if !is_root() {
            skip(test, "only root mounts a small disk");
            return None;
        }
        let Some(disk) = SmallDisk::mount(DISK_BYTES) else {
            skip(test, "a tmpfs cannot be mounted here");
            return None;
        };
        let mock = Mock::start();
        let route = |audit: &str| {
            format!(
                "[[route]]\nname = \"{audit}\"\nmodels = [\"{audit}\"]\naudit = \"{audit}\"\n\
                 targets = [\"mock\"]\n"
            )
        };
        let rest = mock.upstream("mock", "external")
            + &route("sync")
            + &route("async")
            + "[audit]\nmin_free_bytes = 1048576\n";
        let setup = Setup { rest, state: Some(disk.path().join("state")), ..Setup::default() };
        let node = Node::start(setup.limits("audit_wait_ms = 300\n"));
        let client = node.client();
        Some(Bench { node, disk, mock, client, told: Vec::new() })
    }

    /// Asks on the one connection that there is, which stays open whatever is answered.
    #[track_caller]
    fn ask(&mut self, model: &str) -> Response {
        let response = self.client.chat(chat(model, "Hello."));
        if let Some(record) = response.header("x-sluice-record") {
            self.told.push(record.to_owned());
        }
        response
    }

    #[track_caller]
    fn assert_served(&mut self, model: &str) {
        let response = self.ask(model);
        assert_eq!(response.status, 200, "{}", response.text());
    }

    /// Asks on the route that waits, until it refuses.
    #[track_caller]
    fn until_refused(&mut self) -> Response {
        let mut refused = None;
        eventually("a full disk is noticed", || {
            refused = Some(self.ask("sync")).filter(|response| response.status != 200);
            refused.is_some()
        });
        refused.unwrap()
    }

    /// Until both routes answer and the node says that it is ready.
    #[track_caller]
    fn until_served(&mut self) {
        eventually("a disk with room is noticed", || self.ask("sync").status == 200);
        self.assert_served("async");
        eventually("the node is ready", || self.node.is_ready());
    }

    /// Asks on the route that does not wait until the ring is full; gives the count and the refusal.
    fn fill_ring(&mut self) -> (usize, Response) {
        for served in 0..=RING_REQUESTS {
            let response = self.ask("async");
            if response.status != 200 {
                return (served, response);
            }
        }
        panic!("the ring takes more than it can hold");
    }

    /// Stops the node: the log verifies and has all that clients were told of.
    fn check(mut self) -> HashMap<String, serde_json::Value> {
        self.node.stop();
        self.node.assert_verifies();
        let rows = self.node.rows();
        let by_record: HashMap<String, _> =
            rows.into_iter().map(|row| (row["record"].as_str().unwrap().to_owned(), row)).collect();
        let lost: Vec<_> = self.told.iter().filter(|told| !by_record.contains_key(*told)).collect();
        assert!(lost.is_empty(), "{} of {}: {lost:?}", lost.len(), self.told.len());
        by_record
    }
}

#[track_caller]
fn assert_says_disk_full(response: &Response) {
    assert_eq!(response.status, 503, "{}", response.text());
    assert_eq!(response.error("code"), "audit_unavailable");
    let message = response.error("message");
    assert!(message.as_str().unwrap().contains("disk is full"), "{message}");
}

#[track_caller]
fn assert_not_ready(node: &Node) {
    eventually("the node says that it is not ready", || {
        let ready = node.admin("/readyz").unwrap();
        ready.status == 503 && ready.text().contains("disk is full")
    });
}

#[test]
fn a_full_disk_holds_requests_back_and_loses_none() {
    let Some(mut bench) = Bench::start("a_full_disk_holds_requests_back_and_loses_none") else {
        return;
    };
    for _ in 0..20 {
        bench.assert_served("sync");
        bench.assert_served("async");
    }
    let (data_path, management) = (bench.node.group().data_path(), bench.node.group().management());

    let ballast = bench.disk.fill();
    let refused = bench.until_refused();
    assert_says_disk_full(&refused);
    assert_not_ready(&bench.node);
    let forwarded = bench.mock.stat("requests");
    let mut refusals = 1;
    for _ in 0..3 {
        assert_says_disk_full(&bench.ask("sync"));
        refusals += 1;
    }
    // One request is the one that asks.
    assert_eq!(bench.mock.stat("requests"), forwarded + 1, "what is refused is not forwarded");

    let (served, refused) = bench.fill_ring();
    assert_says_disk_full(&refused);
    assert!(served > RING_REQUESTS - 100, "{served} requests, then the ring is full");
    assert_says_disk_full(&bench.ask("sync"));
    assert!(bench.node.metrics().count("sluice_refusals_total{reason=\"audit_unavailable\"}") >= 5);

    drop(ballast);
    bench.until_served();
    for _ in 0..20 {
        bench.assert_served("sync");
        bench.assert_served("async");
    }
    let group = bench.node.group();
    assert_eq!((group.data_path(), group.management()), (data_path, management), "no restart");
    let told = bench.told.len();
    let rows = bench.check();
    // Refused ones that reached the ring say in the log that they were not forwarded.
    let unsent = rows.values().filter(|row| row["status"] == 503).count();
    assert!(unsent >= refusals, "{unsent} of {refusals}");
    eprintln!(
        "faults_disk: {served} requests in a full ring, {told} records told of, {} in the log",
        rows.len()
    );
}

#[test]
fn a_disk_that_is_full_when_management_comes_back_is_no_end() {
    let test = "a_disk_that_is_full_when_management_comes_back_is_no_end";
    let Some(mut bench) = Bench::start(test) else { return };
    for _ in 0..20 {
        bench.assert_served("sync");
    }
    let ballast = bench.disk.fill();
    assert_says_disk_full(&bench.until_refused());
    for _ in 0..100 {
        bench.assert_served("async");
    }

    let management = bench.node.group().management().unwrap();
    assert!(signal(management, Signal::SIGKILL));
    for _ in 0..100 {
        bench.assert_served("async");
    }
    eventually("management comes back", || {
        bench.node.group().management().is_some_and(|pid| pid != management)
    });
    for _ in 0..100 {
        bench.assert_served("async");
    }
    assert_eq!(bench.ask("sync").error("code"), "audit_unavailable");
    // It is up, and has not ended over and over.
    assert_not_ready(&bench.node);
    let starts = || {
        let log = bench.node.log();
        log.lines()
            .filter(|line| line.contains("child started") && line.contains("management"))
            .count()
    };
    assert_eq!(starts(), 2, "{}", bench.node.log());

    drop(ballast);
    bench.until_served();
    bench.check();
}
