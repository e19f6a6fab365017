//! Configurations and what is said about them. The table is the list of problems that there are.

mod cases;
mod files;

use super::routes::NODE_SET;
use super::*;
use sluice_contract::snapshot::{
    AuditMode, BlockAs, Credential, Enforcement, FailureMode, Trust, UpstreamKind,
};

/// A folder with files, and the options to load `sluice.toml` in it.
pub struct Node {
    pub folder: tempfile::TempDir,
    pub options: RunOptions,
}

impl Node {
    /// A node with this file.
    pub fn new(toml: &str) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("sluice.toml");
        std::fs::write(&config, toml).unwrap();
        let state = Some(folder.path().join("state"));
        let options = RunOptions { config: Some(config), state, ..RunOptions::default() };
        Node { folder, options }
    }

    /// Writes another file beside it.
    pub fn file(&self, name: &str, text: &str) -> &Node {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Makes an API key.
    pub fn key(&self) -> &Node {
        let new = identity::NewKey { name: "k".into(), ..identity::NewKey::default() };
        identity::issue(self.options.state.as_deref().unwrap(), new, 1_000).unwrap();
        self
    }

    pub fn load(&self) -> Result<Config, Problems> {
        load_in(&self.options, &|name| match name {
            "SET" => Some("sk-0123456789abcdef".to_owned()),
            "OPENAI_API_KEY" | "VLLM_KEY" => Some("sk-x".to_owned()),
            "SPACED" => Some("sk x".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    /// What is wrong, one line each, without the folder's name.
    pub fn problems(&self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        match self.load() {
            Ok(_) => Vec::new(),
            Err(problems) => {
                problems.to_string().lines().map(|line| line.replace(&folder, "")).collect()
            }
        }
    }

    /// What is worth a look.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.load().unwrap().warnings;
        let folder = format!("{}/", self.folder.path().display());
        warnings.iter().map(|warning| warning.to_string().replace(&folder, "")).collect()
    }
}

/// Loads a file.
pub fn check(toml: &str) -> Result<Config, Problems> {
    Node::new(toml).load()
}

const VLLM: &str =
    "[[upstream]]\nname = \"vllm\"\nurl = \"http://127.0.0.1:8000\"\ntrust = \"internal\"\n";
const ROUTE: &str = "[[route]]\nname = \"default\"\nmodels = [\"*\"]\ntargets = [\"vllm\"]\n";

#[test]
fn without_a_file_there_is_an_echo_on_loopback() {
    let config = load_in(&RunOptions::default(), &|_| None).unwrap();
    assert_eq!(config.state, Path::new("./sluice-state"));
    assert_eq!(config.listeners[0].address, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.admin.address, "127.0.0.1:8081".parse().unwrap());
    let echo = &config.upstreams[0].public;
    assert_eq!((echo.kind, echo.trust), (UpstreamKind::Echo, Trust::External));
    assert_eq!(config.routes[0].public.models, ["echo", "*"]);
    assert_eq!(config.routes[0].public.policies, [NODE_SET]);
    assert_eq!(config.policies.preset, Some("default"));
    assert!(usize::from(config.workers) >= 1 && config.warnings.is_empty());
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(usize::from(config.workers), cores);
}

#[test]
fn an_empty_file_is_as_no_file() {
    let config = check("").unwrap();
    assert_eq!(config.routes[0].public.targets[0].upstream, 0);
    assert_eq!(config.upstreams[0].public.name, "echo");
}

#[test]
fn the_shape_of_the_documentation_is_taken() {
    let node = Node::new(
        r#"
[node]
state = "/var/lib/sluice"
workers = 2                       # default: one a core
[[listener]]
address = "127.0.0.1:8080"
[admin]
address = "127.0.0.1:8081"
[limits]
body_bytes = 8388608
upstream_timeout_ms = 60000
[[upstream]]
name = "vllm"
kind = "openai"
url = "http://127.0.0.1:8000"     # /v1/... is appended
trust = "internal"                # or "external"
region = "eu"
api_key = { env = "VLLM_KEY" }    # or { file = "..." }, or "client"
[[route]]
name = "default"
models = ["*"]
targets = ["vllm"]
policies = []                     # sets added to the node's
enforcement = "enforce"           # or "observe"
audit = "async"                   # or "sync"
failure_mode = "closed"           # or "open"
[policy]
dir = "policies"                  # *.cedar; the built-in set when left out
"#,
    );
    node.file("policies/base.cedar", "permit (principal, action, resource);");
    let config = node.load().map_err(|problems| problems.to_string()).unwrap();
    assert_eq!(config.workers, 2);
    assert_eq!(config.state, node.folder.path().join("state"));
    let upstream = &config.upstreams[0];
    assert_eq!((upstream.public.port, upstream.public.tls), (8000, false));
    assert_eq!(upstream.public.credential, Credential::Key);
    assert_eq!(upstream.key.as_ref().unwrap().0.as_str(), "sk-x");
    assert_eq!(config.routes[0].public.audit, Some(AuditMode::Async));
    assert_eq!(config.policies.texts.len(), 1);
    assert_eq!(config.policies.texts[0].set, NODE_SET);
}

#[test]
fn every_key_that_there_is_has_an_effect() {
    let node = Node::new(
        r#"
[[listener]]
address = "127.0.0.1:1"
[[listener]]
address = "127.0.0.1:2"
[admin]
address = "127.0.0.1:3"
token = { env = "SET" }
[limits]
body_bytes = 1
response_bytes = 2
head_bytes = 1024
in_flight_bytes = 1048576
json_depth = 4
json_nodes = 16
connections = 7
head_timeout_ms = 8
body_timeout_ms = 9
idle_timeout_ms = 10
send_timeout_ms = 11
connect_timeout_ms = 12
upstream_timeout_ms = 13
audit_wait_ms = 14
drain_ms = 15
[[upstream]]
name = "a"
url = "https://api.example/base"
trust = "external"
region = "us"
api_key = "client"
allow_link_local = true
idle_connections = 0
connections = 9
[[upstream]]
name = "b"
kind = "echo"
trust = "internal"
[[route]]
name = "r"
models = ["gpt-*", "o3"]
targets = ["b", { upstream = "a", model = "gpt-5" }]
policies = ["strict"]
enforcement = "observe"
audit = "sync"
failure_mode = "open"
block_as = "refusal"
allow_opaque = true
[policy]
preset = "privacy"
[audit]
segment_bytes = 1048576
segment_hours = 2
min_free_bytes = 1048577
"#,
    );
    let config = node.load().map_err(|problems| problems.to_string()).unwrap();
    assert_eq!(config.listeners.len(), 2);
    assert_eq!(config.admin.token.as_ref().unwrap().0.len(), 19);
    let limits = serde_json::to_value(&config.limits).unwrap();
    let defaults = serde_json::to_value(Limits::default()).unwrap();
    for (name, value) in limits.as_object().unwrap() {
        assert_ne!(value, &defaults[name], "{name}");
    }
    let (a, b) = (&config.upstreams[0].public, &config.upstreams[1].public);
    assert_eq!((a.host.as_str(), a.port, a.base_path.as_str()), ("api.example", 443, "/base"));
    assert_eq!((a.credential, a.region.as_deref()), (Credential::Client, Some("us")));
    assert!(a.allow_link_local && a.idle_connections == 0 && a.connections == 9);
    assert_eq!((b.kind, b.trust), (UpstreamKind::Echo, Trust::Internal));
    let route = &config.routes[0].public;
    assert_eq!(route.targets[0].upstream, 1);
    assert_eq!(route.targets[1].model.as_deref(), Some("gpt-5"));
    assert_eq!(route.policies, [NODE_SET, "strict"]);
    assert_eq!((route.enforcement, route.audit), (Enforcement::Observe, Some(AuditMode::Sync)));
    assert_eq!((route.failure_mode, route.block_as), (FailureMode::Open, BlockAs::Refusal));
    assert!(route.allow_opaque);
    let audit = Audit { segment_bytes: 1 << 20, segment_hours: 2, min_free_bytes: (1 << 20) + 1 };
    assert_eq!(config.audit, audit);
    assert_eq!(config.policies.preset, Some("privacy"));
}

#[test]
fn options_go_over_the_file() {
    let mut node =
        Node::new("[node]\nstate = \"elsewhere\"\n[[listener]]\naddress = \"127.0.0.1:1\"\n");
    node.options.state = None;
    assert_eq!(node.load().unwrap().state, node.folder.path().join("elsewhere"));
    assert_eq!(state_of(&node.options).unwrap(), node.folder.path().join("elsewhere"));
    node.options.state = Some("given".into());
    node.options.listen = Some("127.0.0.1:5".parse().unwrap());
    node.options.admin = Some("127.0.0.1:6".parse().unwrap());
    let config = node.load().unwrap();
    assert_eq!(config.state, Path::new("given"));
    assert_eq!(state_of(&node.options).unwrap(), Path::new("given"));
    assert_eq!(config.listeners[0].address.port(), 5);
    assert_eq!(config.admin.address.port(), 6);
    node.options.listen = Some("0.0.0.0:5".parse().unwrap());
    let problems = node.load().unwrap_err().to_string();
    assert!(problems.contains("0.0.0.0:5 is not a loopback address"), "{problems}");
    assert_eq!(state_of(&RunOptions::default()).unwrap(), Path::new("./sluice-state"));
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let options = RunOptions { config: Some("no/such.toml".into()), ..RunOptions::default() };
    let problems = load(&options).unwrap_err().to_string();
    assert!(problems.starts_with("configuration `no/such.toml` cannot be read"), "{problems}");
    assert!(state_of(&options).is_err());
}

#[test]
fn damaged_keys_are_a_problem() {
    let node = Node::new("");
    node.file("state/keys.json", "{");
    assert!(node.problems()[0].starts_with("API keys: `state/keys.json` is damaged"));
}

#[test]
fn secrets_are_shown_nowhere() {
    let node = Node::new(&format!(
        "{VLLM}api_key = {{ env = \"SET\" }}\n{ROUTE}[admin]\ntoken = {{ env = \"SET\" }}\n"
    ));
    assert!(!format!("{:?}", node.load().unwrap()).contains("0123456789abcdef"));
    let node = Node::new(&format!("{VLLM}api_key = \"sk-secret\"\n{ROUTE}"));
    let mut shown = Vec::new();
    let problems = node.load().unwrap_err();
    problems.show(&mut shown, false).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(
        shown.contains("must not stand in the file") && !shown.contains("sk-secret"),
        "{shown}"
    );
    assert!(!format!("{problems:?}").contains("sk-secret"));
}
