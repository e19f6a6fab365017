//! Configuration: every error at once and with its place, atomic reloads, and none lost.
#![cfg(test)]

use nix::sys::signal::Signal;
use sluice_tests::{Client, Mock, Node, Outcome, Setup, chat, eventually, sluice, text_of};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn check(path: &Path) -> Outcome {
    sluice(["check".as_ref(), "--config".as_ref(), path.as_os_str()])
}

#[test]
fn every_error_is_told_at_once_with_line_and_advice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    let cedar = "permit (principal, action, resource);\n@enforce(\"pseudonymize\")\nforbid (principal, action == Action::\"disclose\", resource in Class::\"secrt\");\n";
    std::fs::write(folder.path().join("policies/a.cedar"), cedar).unwrap();
    let text = r#"[node]
worker = 2
[[listener]]
address = "0.0.0.0:8080"
tls = { cert = "missing.pem", key = "missing.key" }
[limits]
body_bytes = 0
[[upstream]]
name = "vllm"
url = "ftp://x"
trust = "intern"
api_key = { env = "NO_SUCH_VARIABLE_HERE" }
[[route]]
name = "a"
models = ["*"]
targets = ["vlm"]
[[route]]
name = "b"
models = ["gpt"]
targets = ["vllm"]
audit = "sometimes"
[policy]
dir = "policies"
"#;
    std::fs::write(&file, text).unwrap();
    let told = check(&file);
    assert_eq!(told.code, Some(1));
    for (place, what) in [
        ("sluice.toml:2:", "did you mean `workers`?"),
        ("sluice.toml:4:", "sluice key new"),
        ("sluice.toml:5:", "missing.pem"),
        ("sluice.toml:7:", "`body_bytes` must be 1 to"),
        ("sluice.toml:10:", "http://"),
        ("sluice.toml:11:", "did you mean `internal`?"),
        ("sluice.toml:12:", "NO_SUCH_VARIABLE_HERE"),
        ("sluice.toml:16:", "did you mean `vllm`?"),
        ("sluice.toml:19:", "never gets `gpt`"),
        ("sluice.toml:21:", "one of `sync`, `async`"),
        ("a.cedar:2:", "cannot carry out `@enforce(\"pseudonymize\")`"),
        ("a.cedar:3:", "did you mean `secret`?"),
    ] {
        assert!(
            told.out.contains(place) && told.out.contains(what),
            "{place} {what}\n{}",
            told.out
        );
    }
    // Nothing is started on it, and nothing is left behind.
    let ran = sluice(["run".as_ref(), "--config".as_ref(), file.as_os_str()]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("did you mean `workers`?"), "{ran:?}");
    std::fs::write(&file, "[node]\nstate = \"state\"\n").unwrap();
    let fine = check(&file);
    assert_eq!(fine.code, Some(0), "{fine:?}");
    assert!(!folder.path().join("state").exists(), "a check makes nothing");
    assert_eq!(check(&folder.path().join("none.toml")).code, Some(1));
}

#[test]
fn a_reload_swaps_whole_and_a_bad_one_changes_nothing() {
    let mock = Mock::start();
    let node = Node::start(Setup::to_mock(&mock, "external", ""));
    let card = "4111 1111 1111 1111";
    let body = chat("mock-echo-body", &format!("It is {card}."));
    let redacted = || !text_of(&node.chat(&body)).contains(card);
    assert!(redacted());
    let hash = |node: &Node| node.admin("/status").unwrap().json()["snapshot"].clone();
    let first = hash(&node);

    node.write_config(|text| text.replace("\"external\"", "\"internal\""));
    let told = node.sluice(&["reload"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(!redacted(), "it is in force when the command returns");
    let second = hash(&node);
    assert_ne!(first, second);

    node.write_config(|text| text.replace("\"external\"", "\"extern\""));
    let told = node.sluice(&["reload"]);
    assert_eq!(told.code, Some(1));
    assert!(
        told.said().contains("did you mean `external`?") && told.said().contains("sluice.toml:"),
        "{told:?}"
    );
    assert!(!redacted());
    assert_eq!(hash(&node), second);
    node.signal(Signal::SIGHUP);
    eventually("the refusal is counted", || {
        node.metrics().count("sluice_snapshots_refused_total") == 2
    });
    assert!(!redacted());

    node.write_config(|text| text);
    node.signal(Signal::SIGHUP);
    eventually("the first is back", redacted);
    // The data path is there before management has its word.
    eventually("and shown", || hash(&node) == first);
    // What only a start can change is said, not ignored.
    node.write_config(|text| text.replace("workers = 1", "workers = 2"));
    let told = node.sluice(&["reload"]);
    assert!(told.code != Some(0) && told.said().contains("workers"), "{told:?}");
    // Every snapshot that was in force is kept for whoever replays.
    let kept = std::fs::read_dir(node.state().join("snapshots")).unwrap().count();
    assert!(kept >= 2, "{kept} snapshots");
    node.assert_verifies();
}

#[test]
fn policies_of_a_folder_are_in_force_and_reloaded() {
    let mock = Mock::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.cedar");
    let permit = "permit (principal, action, resource);\n";
    let mask = "@id(\"own-mask\")\n@enforce(\"mask\")\nforbid (principal, action == Action::\"disclose\", resource == Class::\"payment_card\");\n";
    let block = "@id(\"own-block\")\n@advice(\"ask the data officer\")\nforbid (principal, action == Action::\"disclose\", resource in Class::\"contact\") when { context.target.trust == \"external\" };\n";
    std::fs::write(&file, format!("{permit}{mask}")).unwrap();
    let policy = format!("[policy]\ndir = \"{}\"\n", folder.path().display());
    let rest = mock.upstream("mock", "external") + &Setup::route("mock", "") + &policy;
    let node = Node::start(Setup { rest, ..Setup::default() });
    let response =
        node.chat(chat("mock-echo-body", "My card 4111 1111 1111 1234 no, 4242 4242 4242 4242."));
    let sent = text_of(&response);
    assert!(sent.contains("**** **** **** 4242") && !sent.contains("4242 4242 4242"), "{sent}");
    assert_eq!(response.header("x-sluice-verdict"), Some("mask"));
    let mail = chat("mock-echo-body", "Write to jane.doe@example.com.");
    assert_eq!(node.chat(&mail).status, 200);
    std::fs::write(&file, format!("{permit}{mask}{block}")).unwrap();
    node.sluice(&["reload"]).ok();
    let blocked = node.chat(&mail);
    assert_eq!(blocked.status, 403);
    let message = blocked.error("message");
    let message = message.as_str().unwrap();
    assert!(
        message.contains("own-block")
            && message.contains("ask the data officer")
            && message.contains("email"),
        "{message}"
    );
    assert!(!message.contains("jane.doe"), "{message}");
    assert_eq!(blocked.error("param"), "messages[0].content");
    // No permit at all: everything is blocked.
    std::fs::write(&file, mask).unwrap();
    let told = node.sluice(&["reload"]);
    if told.code == Some(0) {
        assert_eq!(node.chat(chat("mock-echo-body", "Hello.")).status, 403);
    }
}

#[test]
fn reloads_under_load_lose_nothing() {
    let mock = Mock::start();
    let node = Arc::new(Node::start(Setup::to_mock(&mock, "external", "").workers(2)));
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (address, stop, answered) =
                (node.address, Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut connection = Client::connect(address);
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    let text = format!("client {client}, number {n}, card 4111 1111 1111 1111.");
                    let response = connection.chat(chat("mock-echo-body", &text));
                    assert_eq!(response.status, 200, "{}", response.text());
                    let sent = text_of(&response);
                    assert!(sent.contains(&format!("client {client}, number {n},")), "{sent}");
                    let whole = sent.contains("4111 1111 1111 1111");
                    let tagged = sent.contains("[REDACTED:payment_card]");
                    assert!(whole != tagged, "one snapshot or the other: {sent}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    n += 1;
                }
            })
        })
        .collect();
    for round in 0..10 {
        let trust = if round % 2 == 0 { "\"internal\"" } else { "\"external\"" };
        node.write_config(|text| text.replace("\"external\"", trust));
        let before = answered.load(Ordering::Relaxed);
        if round % 3 == 0 {
            node.signal(Signal::SIGHUP);
        } else {
            node.sluice(&["reload"]).ok();
        }
        eventually("requests go on", || answered.load(Ordering::Relaxed) > before + 20);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let answered = usize::try_from(answered.load(Ordering::Relaxed)).unwrap();
    eventually("every one is in the log", || node.rows().len() == answered);
    assert_eq!(node.metrics().count("sluice_connections_total"), 8);
    node.assert_verifies();
}

#[test]
fn many_reloads_at_once_end_with_the_last_word() {
    let mock = Mock::start();
    let node = Arc::new(Node::start(Setup::to_mock(&mock, "external", "").workers(2)));
    let card = "4111 1111 1111 1111";
    for round in 0..4 {
        let trust = if round % 2 == 0 { "\"internal\"" } else { "\"external\"" };
        node.write_config(|text| text.replace("\"external\"", trust));
        let reloads: Vec<_> = (0..4)
            .map(|_| {
                let node = Arc::clone(&node);
                std::thread::spawn(move || node.sluice(&["reload"]))
            })
            .collect();
        for _ in 0..20 {
            node.signal(Signal::SIGHUP);
        }
        for reload in reloads {
            let told = reload.join().unwrap();
            assert_eq!(told.code, Some(0), "{told:?}");
        }
        eventually("the last word holds", || {
            let sent = text_of(&node.chat(chat("mock-echo-body", &format!("It is {card}."))));
            sent.contains(card) == (round % 2 == 0)
        });
    }
    assert!(node.is_ready());
    node.assert_verifies();
}
