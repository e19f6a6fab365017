//! API keys: made, listed, revoked, rotated, expired, limited; in force at once; and the caller's
//! own provider credential where an upstream takes that.
#![cfg(test)]

use serde_json::{Value, json};
use sluice_tests::{Mock, Node, Response, Setup, chat, text_of, until};
use std::time::{Duration, Instant};

const CHAT: &str = "/v1/chat/completions";

fn with_key(node: &Node, key: &str) -> Response {
    let value = format!("Bearer {key}");
    node.client().post(CHAT, &[("authorization", &value)], chat("echo", "Hello."))
}

/// A change by the command line is in force in less than a second.
#[track_caller]
fn in_force(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    let held = until(Duration::from_secs(1), || holds().then_some(()));
    assert!(held.is_some(), "{what} not within {:?}", begun.elapsed());
}

#[test]
fn keys_come_and_go_while_the_node_runs() {
    let node = Node::echo();
    // Without keys any bearer is anonymous.
    assert_eq!(with_key(&node, "anything").status, 200);
    let first = node.key("first", &["--tenant", "acme", "--group", "staff", "--user", "alice"]);
    assert!(first.starts_with("slk_") && first.len() > 30, "{first}");
    in_force("the first key", || node.chat(chat("echo", "Hello.")).status == 401);
    for (refused, why) in
        [(node.chat(chat("echo", "Hi")), "sent"), (with_key(&node, "slk_wrong"), "known")]
    {
        assert_eq!(refused.status, 401);
        assert_eq!(refused.error("code"), "invalid_api_key");
        assert_eq!(refused.error("type"), "authentication_error");
        assert!(refused.error("message").as_str().unwrap().contains(why), "{}", refused.text());
        assert_eq!(refused.header("x-should-retry"), Some("false"));
    }
    assert_eq!(with_key(&node, &first).status, 200);
    // As the other clients send it.
    for name in ["x-api-key", "api-key", "x-sluice-key"] {
        let response = node.client().post(CHAT, &[(name, &first)], chat("echo", "Hi"));
        assert_eq!(response.status, 200, "{name}");
    }
    // With keys, names of other hosts are welcome.
    let mut client = node.client();
    let body = chat("echo", "Hi");
    client.send(format!("POST {CHAT} HTTP/1.1\r\nhost: api.example.com\r\norigin: https://example.com\r\nauthorization: Bearer {first}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(client.response().status, 200);
    let row = node.row(&with_key(&node, &first));
    assert_eq!((&row["tenant"], &row["user"]), (&json!("acme"), &json!("acme/alice")), "{row}");
    assert_eq!(row["principal"], "acme/first/alice", "{row}");

    let second = node.key("second", &[]);
    in_force("the second key", || with_key(&node, &second).status == 200);
    let listed = node.sluice(&["key", "list", "--json"]).ok();
    let names: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(names.len(), 2);
    assert!(!listed.contains(&first) && !listed.contains(&second), "{listed}");
    assert!(node.sluice(&["key", "list"]).ok().contains("acme/first/alice"));
    assert_ne!(node.sluice(&["key", "new", "--name", "second"]).code, Some(0), "a name twice");

    // Rotated: the old one is good for its grace, or not at all.
    let rotated = node.sluice(&["key", "rotate", "first", "--grace", "1h"]).ok().trim().to_owned();
    in_force("the new key", || with_key(&node, &rotated).status == 200);
    assert_eq!(with_key(&node, &first).status, 200);
    let again = node.sluice(&["key", "rotate", "first"]).ok().trim().to_owned();
    in_force("the newer key", || with_key(&node, &again).status == 200);
    in_force("the end of the others", || {
        with_key(&node, &rotated).status == 401 && with_key(&node, &first).status == 401
    });
    // On a connection that is open, too.
    let mut open = node.client();
    let value = format!("Bearer {second}");
    assert_eq!(open.post(CHAT, &[("authorization", &value)], chat("echo", "Hi")).status, 200);
    node.sluice(&["key", "revoke", "second"]).ok();
    in_force("the end of the second", || {
        open.post(CHAT, &[("authorization", &value)], chat("echo", "Hi")).status == 401
    });
    // The last one revoked does not open the door.
    node.sluice(&["key", "revoke", "first"]).ok();
    in_force("the end of the first", || with_key(&node, &again).status == 401);
    assert_eq!(node.chat(chat("echo", "Hi")).status, 401);
    assert_ne!(node.sluice(&["key", "revoke", "first"]).code, Some(0));
    let file = std::fs::read_to_string(node.state().join("keys.json")).unwrap();
    assert!(![&first, &second, &rotated, &again].iter().any(|key| file.contains(*key)));
    let log = node.log();
    assert!(!log.contains("slk_"), "{log}");
}

#[test]
fn a_name_can_be_erased_and_the_log_still_holds() {
    let node = Node::echo();
    let key = node.key("app", &["--tenant", "acme", "--user", "alice"]);
    in_force("the key", || with_key(&node, &key).status == 200);
    let response = with_key(&node, &key);
    assert_eq!(node.row(&response)["user"], "acme/alice");
    let listed = node.sluice(&["principal", "list"]).ok();
    assert!(listed.contains("acme/alice"), "{listed}");
    let told = node.sluice(&["principal", "erase", "user", "acme/alice"]);
    assert_ne!(told.code, Some(0), "a key stands for it");
    node.sluice(&["key", "revoke", "app"]).ok();
    // What is called after it goes with it.
    node.sluice(&["principal", "erase", "user", "acme/alice"]).ok();
    let row = node.row(&response).to_string();
    assert!(!row.contains("alice"), "{row}");
    assert!(!node.sluice(&["principal", "list"]).ok().contains("alice"));
    node.assert_verifies();
}

#[test]
fn keys_expire_and_are_limited_to_models() {
    let node = Node::echo();
    let short = node.key("short", &["--expires", "2s"]);
    let limited = node.key("limited", &["--models", "gpt-*,echo-mini"]);
    in_force("the keys", || with_key(&node, &short).status == 200);
    let ask = |model: &str| {
        let value = format!("Bearer {limited}");
        node.client().post(CHAT, &[("authorization", &value)], chat(model, "Hello."))
    };
    assert_eq!((ask("gpt-9").status, ask("echo-mini").status), (200, 200));
    let refused = ask("echo");
    assert_eq!((refused.status, refused.error("code")), (403, json!("model_not_allowed")));
    assert_eq!(refused.error("param"), "model");
    let value = format!("Bearer {limited}");
    let models = node.client().get("/v1/models", &[("authorization", &value)]).text();
    assert!(!models.contains("\"echo\""), "{models}");
    let expired = until(Duration::from_secs(5), || {
        let response = with_key(&node, &short);
        (response.status == 401).then_some(response)
    });
    let message = expired.expect("it expires").error("message");
    assert!(message.as_str().unwrap().contains("expired"), "{message}");
    for bad in ["yesterday", "2001-01-01", "0s", "-1d"] {
        let made = node.sluice(&["key", "new", "--name", "bad", "--expires", bad]);
        assert_ne!(made.code, Some(0), "{bad}");
    }
}

#[test]
fn off_loopback_a_key_must_exist() {
    let mut node = Node::prepare(Setup::default());
    node.write_config(|text| {
        text.replace(&format!("address = \"{}\"", node.address), "address = \"0.0.0.0:18080\"")
    });
    let checked =
        sluice_tests::sluice(["check".as_ref(), "--config".as_ref(), node.config().as_os_str()]);
    assert_eq!(checked.code, Some(1));
    assert!(
        checked.out.contains("sluice key new") && checked.out.contains("0.0.0.0:18080"),
        "{checked:?}"
    );
    node.launch();
    assert_eq!(node.wait_exit().code(), Some(1));
    node.key("first", &[]);
    let mut node = node;
    node.restart();
    let address = "127.0.0.1:18080".parse().unwrap();
    let mut client = sluice_tests::Client::connect(address);
    assert_eq!(client.chat(chat("echo", "Hi")).status, 401);
    // The management port off loopback needs TLS and a token.
    let admin = format!("address = \"{}\"", node.admin);
    node.write_config(|text| text.replace(&admin, "address = \"0.0.0.0:18081\""));
    let checked =
        sluice_tests::sluice(["check".as_ref(), "--config".as_ref(), node.config().as_os_str()]);
    assert_eq!(checked.code, Some(1));
    assert!(checked.out.contains("token") && checked.out.contains("tls"), "{checked:?}");
}

#[test]
fn a_callers_own_credential_goes_to_that_upstream_only() {
    let mock = Mock::start();
    let rest = format!(
        "{}api_key = \"client\"\n{}{}{}",
        mock.upstream("own", "external"),
        mock.upstream("other", "external"),
        "[[route]]\nname = \"other\"\nmodels = [\"other\"]\ntargets = [{ upstream = \"other\", model = \"mock-headers\" }]\n",
        Setup::route("own", "")
    );
    let node = Node::start(Setup { rest, ..Setup::default() });
    let key = node.key("app", &[]);
    let ask = |model: &str, headers: &[(&str, &str)]| {
        node.client().post(CHAT, headers, chat(model, "Hi"))
    };
    let headers = [("authorization", "Bearer sk-the-callers-own"), ("x-sluice-key", key.as_str())];
    in_force("the key", || ask("mock-headers", &headers).status == 200);
    let head = text_of(&ask("mock-headers", &headers)).to_ascii_lowercase();
    assert!(head.contains("authorization: bearer sk-the-callers-own"), "{head}");
    assert!(!head.contains("slk_") && !head.contains("x-sluice-key"), "{head}");
    let head = text_of(&ask("other", &headers)).to_ascii_lowercase();
    assert!(!head.contains("sk-the-callers-own") && !head.contains("slk_"), "{head}");
    // Identity comes from nowhere else.
    assert_eq!(ask("mock-headers", &[("authorization", "Bearer sk-the-callers-own")]).status, 401);
    let own = format!("Bearer {key}");
    assert_eq!(ask("mock-headers", &[("authorization", &own)]).status, 401);
    node.stop_checked();
}

/// Stops the node and looks that no credential of this file is in anything that was written.
trait StopChecked {
    fn stop_checked(self);
}

impl StopChecked for Node {
    fn stop_checked(mut self) {
        assert!(self.stop().success());
        let log = self.log() + &self.out();
        assert!(!log.contains("slk_") && !log.contains("sk-the-callers-own"), "{log}");
        self.assert_verifies();
    }
}
