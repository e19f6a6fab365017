//! Management that neither works nor dies: requests go on where their route allows it, wait and are
//! refused where not, and nothing that a client was told is missing once it works again.
#![cfg(test)]

use nix::sys::signal::Signal;
use serde_json::json;
use sluice_tests::{Mock, Node, Setup, chat, eventually, signal};
use std::collections::HashSet;

fn routes(mock: &Mock) -> String {
    let route = |name: &str, more: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\nmodels = [\"{name}\"]\ntargets = [\"mock\"]\n{more}\n"
        )
    };
    [
        mock.upstream("mock", "external"),
        route("sync", "audit = \"sync\""),
        route("async", "audit = \"async\""),
        route("open", "audit = \"sync\"\nfailure_mode = \"open\""),
    ]
    .concat()
}

#[test]
fn frozen_management_holds_back_what_must_be_on_disk_and_nothing_else() {
    let mock = Mock::start();
    let setup = Setup { rest: routes(&mock), ..Setup::default() };
    let node = Node::start(setup.limits("audit_wait_ms = 300\n"));
    for model in ["sync", "async", "open"] {
        assert_eq!(node.chat(chat(model, "Hello.")).status, 200);
    }
    let management = node.group().management().unwrap();
    let mut told = Vec::new();
    for round in 0..3 {
        let before = mock.stat("requests");
        assert!(signal(management, Signal::SIGSTOP));
        let refused = node.chat(chat("sync", "Hello."));
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert_eq!(refused.error("code"), "audit_unavailable");
        assert_eq!(refused.header("x-should-retry"), Some("true"));
        assert!(refused.error("message").as_str().unwrap().contains("not forwarded"));
        // The question for the count is one of them.
        assert_eq!(mock.stat("requests"), before + 1, "it was forwarded");
        for model in ["async", "open", "async"] {
            let response = node.chat(chat(model, "Hello."));
            assert_eq!(response.status, 200, "{model} in round {round}: {}", response.text());
            told.push(response.header("x-sluice-record").unwrap().to_owned());
        }
        assert!(signal(management, Signal::SIGCONT));
        eventually("it works again", || node.chat(chat("sync", "Hello.")).status == 200);
    }
    eventually("all is recorded", || {
        let rows = node.rows();
        let known: HashSet<_> = rows.iter().map(|row| row["record"].as_str().unwrap()).collect();
        told.iter().all(|record| known.contains(record.as_str()))
    });
    // What was refused is there too, and says that it was not forwarded.
    let rows = node.rows();
    let refused: Vec<_> = rows.iter().filter(|row| row["reason"] == "audit_unavailable").collect();
    assert_eq!(refused.len(), 3, "{rows:?}");
    assert!(refused.iter().all(|row| row["status"] == json!(503) && row["upstream_status"] == 0));
    node.assert_verifies();
}

#[test]
fn a_full_ring_holds_back_every_route_and_is_emptied() {
    let mock = Mock::start();
    let setup = Setup { rest: routes(&mock), ..Setup::default() };
    let node = Node::start(setup.limits("audit_wait_ms = 200\n"));
    let management = node.group().management().unwrap();
    assert!(signal(management, Signal::SIGSTOP));
    let mut client = node.client();
    let mut passed = Vec::new();
    // Two records a request; the ring holds some thousands.
    let refused = loop {
        let response = client.chat(chat("async", "Hello."));
        if response.status != 200 {
            break response;
        }
        passed.push(response.header("x-sluice-record").unwrap().to_owned());
        assert!(passed.len() < 100_000, "the ring never fills");
    };
    assert_eq!((refused.status, refused.error("code")), (503, json!("audit_unavailable")));
    assert_eq!(node.chat(chat("open", "Hello.")).status, 200);
    assert!(signal(management, Signal::SIGCONT));
    eventually("it works again", || node.chat(chat("async", "Hello.")).status == 200);
    eventually("all is recorded", || {
        let rows = node.rows();
        let known: HashSet<_> = rows.iter().map(|row| row["record"].as_str().unwrap()).collect();
        passed.iter().all(|record| known.contains(record.as_str()))
    });
    assert!(node.metrics().count("sluice_audit_passed_total") >= 1);
    node.assert_verifies();
}
