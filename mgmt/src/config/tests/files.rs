//! Problems with what the file refers to: certificates, key files, policy folders.

use super::{Node, ROUTE, VLLM};
use crate::config::routes::NODE_SET;
use rcgen::{CertificateParams, KeyPair};

const TLS: &str =
    "[[listener]]\naddress = \"127.0.0.1:1\"\ntls = { cert = \"c.pem\", key = \"k.pem\" }\n";

fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_certificate_with_its_key_is_taken() {
    let (cert, key) = pair();
    let node = Node::new(&TLS.replace("\"k.pem\"", "\"k.pem\", client_ca = \"c.pem\""));
    node.file("c.pem", &cert).file("k.pem", &key);
    let config = node.load().map_err(|problems| problems.to_string()).unwrap();
    let material = &config.listeners[0].tls.as_ref().unwrap().0;
    assert_eq!(material.certificates, cert);
    assert_eq!(material.client_authorities.as_deref(), Some(cert.as_str()));
}

#[test]
fn what_is_wrong_with_certificates_is_told() {
    let ((cert, key), (other_cert, _)) = (pair(), pair());
    let node = Node::new(TLS);
    let missing = "No such file or directory (os error 2)";
    assert_eq!(
        node.problems(),
        [
            format!("sluice.toml:3:16: certificate `c.pem` cannot be read: {missing}"),
            format!("sluice.toml:3:31: private key `k.pem` cannot be read: {missing}"),
        ]
    );
    node.file("c.pem", "no certificate").file("k.pem", "no key");
    assert_eq!(
        node.problems(),
        [
            "sluice.toml:3:16: certificate `c.pem` holds no certificate",
            "sluice.toml:3:31: private key `k.pem` holds no private key that is supported",
        ]
    );
    node.file("c.pem", &other_cert).file("k.pem", &key);
    assert_eq!(
        node.problems(),
        [
            "sluice.toml:3:31: the private key `k.pem` does not belong to the certificate `c.pem` (are they of the same pair?)"
        ]
    );
    node.file("c.pem", &cert.replacen("MII", "MIJ", 1));
    assert_eq!(node.problems().len(), 1);

    let node = Node::new("[[listener]]\naddress = \"127.0.0.1:1\"\ntls = { crt = \"c.pem\" }\n");
    assert_eq!(
        node.problems(),
        [
            "sluice.toml:3:7: `cert` is missing in `tls` (Certificate chain, PEM, the leaf first.)",
            "sluice.toml:3:7: `key` is missing in `tls` (Private key, PEM. It must belong to the certificate.)",
            "sluice.toml:3:9: unknown key `crt` in `tls` (did you mean `cert`?)",
        ]
    );
}

#[test]
fn off_loopback_keys_and_protection_are_enough() {
    let (cert, key) = pair();
    let toml = "[[listener]]\naddress = \"0.0.0.0:1\"\n[admin]\naddress = \"0.0.0.0:2\"\ntls = { cert = \"c.pem\", key = \"k.pem\" }\ntoken = { file = \"t\" }\n";
    let node = Node::new(toml);
    node.file("c.pem", &cert).file("k.pem", &key).file("t", "0123456789abcdef0123\n").key();
    assert_eq!(node.problems(), Vec::<String>::new());
    assert_eq!(
        node.warnings(),
        [
            "sluice.toml:2:11: 0.0.0.0:1 is not on loopback and has no `tls`: API keys and prompts cross the network in clear"
        ]
    );
    assert_eq!(node.load().unwrap().admin.token.unwrap().0.as_str(), "0123456789abcdef0123");
}

#[test]
fn key_files_and_authorities_are_read() {
    let toml = format!(
        "{}api_key = {{ file = \"key\" }}\nca = \"ca.pem\"\n{ROUTE}",
        VLLM.replace("http://", "https://")
    );
    let node = Node::new(&toml);
    assert_eq!(node.problems().len(), 2);
    node.file("key", "sk-1\n").file("ca.pem", &pair().0);
    let config = node.load().map_err(|problems| problems.to_string()).unwrap();
    assert_eq!(config.upstreams[0].key.as_ref().unwrap().0.as_str(), "sk-1");
    assert!(config.upstreams[0].authorities.is_some());
    node.file("key", "\n");
    assert_eq!(node.problems(), ["sluice.toml:5:20: api_key in `key` is empty"]);
}

#[test]
fn an_external_upstream_in_clear_is_worth_a_look() {
    let toml =
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://api.example\"\ntrust = \"external\"\n";
    let node = Node::new(&format!("{toml}{ROUTE}"));
    assert_eq!(
        node.warnings(),
        [
            "sluice.toml:3:7: upstream `vllm` is external and its url is http: prompts leave the building in clear"
        ]
    );
}

const PERMIT: &str = "permit (principal, action, resource);\n";

#[test]
fn files_named_by_routes_are_sets_and_the_rest_is_the_node_s() {
    let toml =
        format!("{VLLM}{ROUTE}policies = [\"strict-set\", \"privacy\"]\n[policy]\ndir = \"p\"\n");
    let node = Node::new(&toml);
    node.file("p/b.cedar", PERMIT).file("p/a.cedar", PERMIT).file("p/strict-set.cedar", PERMIT);
    node.file("p/readme.txt", "x").file("p/.hidden.cedar", "x");
    let config = node.load().map_err(|problems| problems.to_string()).unwrap();
    let sets: Vec<_> =
        config.policies.texts.iter().map(|text| (text.set.as_str(), text.file.as_str())).collect();
    let expected = [
        (NODE_SET, "a.cedar"),
        (NODE_SET, "b.cedar"),
        ("strict-set", "strict-set.cedar"),
        ("privacy", "preset-privacy.cedar"),
    ];
    assert_eq!(sets, expected);
    assert_eq!(config.policies.preset, None);
    assert_eq!(config.routes[0].public.policies, [NODE_SET, "strict-set", "privacy"]);
}

#[test]
fn a_preset_fills_in_or_joins() {
    let toml = format!("{VLLM}{ROUTE}policies = [\"extra\"]\n[policy]\ndir = \"p\"\n");
    let node = Node::new(&toml);
    node.file("p/extra.cedar", PERMIT);
    assert_eq!(node.load().unwrap().policies.preset, Some("default"));
    let node = Node::new(&format!("{toml}preset = \"privacy\"\n"));
    node.file("p/extra.cedar", PERMIT).file("p/mine.cedar", PERMIT);
    let policies = node.load().unwrap().policies;
    assert_eq!(policies.preset, Some("privacy"));
    assert_eq!(policies.texts.iter().filter(|text| text.set == NODE_SET).count(), 2);
}

#[test]
fn what_is_wrong_with_policies_is_told_in_their_files() {
    let node = Node::new("[policy]\ndir = \"p\"\n");
    let missing = "No such file or directory (os error 2)";
    assert_eq!(
        node.problems(),
        [format!("sluice.toml:2:7: policy folder `p` cannot be read: {missing}")]
    );
    node.file("p/readme.txt", "");
    assert_eq!(
        node.problems(),
        ["sluice.toml:2:7: no *.cedar file in `p` (leave `dir` out for the built-in policies)"]
    );
    node.file(
        "p/a.cedar",
        &format!("{PERMIT}\npermit (principal, action, resource) when {{ context.nothing }};\n"),
    );
    node.file("p/b.cedar", "@enforce(\"pseudonymize\")\nforbid (principal, action == Action::\"disclose\", resource);\n");
    let problems = node.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("p/a.cedar:3:"), "{problems:?}");
    assert!(
        problems[1].starts_with("p/b.cedar:1:") && problems[1].contains("pseudonymize"),
        "{problems:?}"
    );
    let mut shown = Vec::new();
    node.load().unwrap_err().show(&mut shown, false).unwrap();
    assert!(String::from_utf8(shown).unwrap().contains("1 | @enforce(\"pseudonymize\")"));
}

#[test]
fn a_set_that_permits_nothing_is_worth_a_look() {
    let node = Node::new("[policy]\ndir = \"p\"\n");
    node.file(
        "p/a.cedar",
        "forbid (principal, action == Action::\"disclose\", resource in Class::\"secret\");\n",
    );
    let warnings = node.warnings();
    assert!(
        warnings.iter().any(|warning| warning
            .starts_with("sluice.toml:2:7: no policy of the node's set is a `permit`")),
        "{warnings:?}"
    );
}

#[test]
fn the_example_in_deploy_is_taken() {
    let text = include_str!("../../../../deploy/sluice.toml");
    let (cert, key) = pair();
    let node = Node::new(text);
    node.key();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        for (name, content) in [("cert", &cert), ("key", &key), ("ca", &cert)] {
            if let Some(path) = line.split(&format!("{name} = \"")).nth(1) {
                node.file(path.split('"').next().unwrap(), content);
            }
        }
        if let Some(path) = line.split("{ file = \"").nth(1) {
            node.file(path.split('"').next().unwrap(), "0123456789abcdef0123456789abcdef\n");
        }
    }
    assert_eq!(node.problems(), Vec::<String>::new());
}
