//! A running Sluice: its processes, its files, its ports.
//!
//! A node is started as an operator starts it, `sluice run --config FILE`, and is ready when
//! `/readyz` says so. Dropping it asks it to stop, and kills what is left, orphans too. Its folder
//! goes with it; a failing test prints the end of its log.

use crate::process::signal;
use crate::{
    Certificates, Client, Group, Metrics, Mock, Outcome, Response, binary, get, loopback, until,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Until a node is ready: patterns are compiled and canaries run. Long, as the machine may be busy.
const READY: Duration = Duration::from_secs(90);

/// Until an orderly stop is over.
const STOP: Duration = Duration::from_secs(20);

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Workers.
    pub workers: u16,
    /// Lines for the `[[listener]]` that it has.
    pub listener: String,
    /// Lines for `[admin]`.
    pub admin: String,
    /// Lines for `[limits]`.
    pub limits: String,
    /// Lines for `[node]`.
    pub node: String,
    /// Upstreams, routes and what else there is.
    pub rest: String,
    /// Names and values for its environment.
    pub environment: Vec<(String, String)>,
    /// State folder; one in the node's own folder without.
    pub state: Option<PathBuf>,
    /// Address of both ports.
    pub host: Ipv4Addr,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            workers: 1,
            listener: String::new(),
            admin: String::new(),
            limits: String::new(),
            node: String::new(),
            rest: String::new(),
            environment: Vec::new(),
            state: None,
            host: loopback(),
        }
    }
}

impl Setup {
    /// All models go to `mock`, as an upstream of this trust; `route` holds more lines of the route.
    pub fn to_mock(mock: &Mock, trust: &str, route: &str) -> Setup {
        let rest = mock.upstream("mock", trust) + &Setup::route("mock", route);
        Setup { rest, ..Setup::default() }
    }

    /// A route `default` of all models to `target`, with more lines.
    pub fn route(target: &str, more: &str) -> String {
        format!(
            "[[route]]\nname = \"default\"\nmodels = [\"*\"]\ntargets = [\"{target}\"]\n{more}\n"
        )
    }

    /// With TLS at the listener.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates, more: &str) -> Setup {
        self.host = certificates.address;
        self.listener += &certificates.toml(more);
        self
    }

    /// With these lines in `[limits]`.
    #[must_use]
    pub fn limits(mut self, lines: &str) -> Setup {
        self.limits += lines;
        self
    }

    /// With this many workers.
    #[must_use]
    pub fn workers(mut self, workers: u16) -> Setup {
        self.workers = workers;
        self
    }

    fn listen(&self) -> SocketAddr {
        (self.host, 8080).into()
    }

    fn manage(&self) -> SocketAddr {
        (self.host, 8081).into()
    }

    fn text(&self, state: &Path) -> String {
        let mut text = String::new();
        let mut section = |title: &str, lines: &str| writeln!(text, "{title}\n{lines}").unwrap();
        let state = format!("state = \"{}\"\n", state.display());
        let workers = format!("workers = {}\n", self.workers);
        section("[node]", &(state + &workers + &self.node));
        section("[[listener]]", &format!("address = \"{}\"\n{}", self.listen(), self.listener));
        section("[admin]", &format!("address = \"{}\"\n{}", self.manage(), self.admin));
        section("[limits]", &self.limits);
        text + &self.rest
    }
}

/// A running node.
pub struct Node {
    folder: TempDir,
    setup: Setup,
    process: Option<Child>,
    group: Group,
    /// Where applications connect.
    pub address: SocketAddr,
    /// The management port.
    pub admin: SocketAddr,
}

impl Node {
    /// Starts a node and waits until it is ready.
    #[track_caller]
    pub fn start(setup: Setup) -> Node {
        let mut node = Node::prepare(setup);
        node.launch();
        node.wait_ready();
        node
    }

    /// A node without a file of its own: the echo model.
    #[track_caller]
    pub fn echo() -> Node {
        Node::start(Setup::default())
    }

    /// A node whose files are there and that is not started.
    pub fn prepare(setup: Setup) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let (address, admin) = (setup.listen(), setup.manage());
        let node =
            Node { folder, setup, process: None, group: Group::of(0x7fff_ffff), address, admin };
        node.write_config(|text| text);
        node
    }

    /// Starts the processes, and does not wait.
    pub fn launch(&mut self) {
        let mut command = self.command();
        let process = command.spawn().unwrap();
        self.group = Group::of(process.id());
        self.process = Some(process);
    }

    fn command(&self) -> Command {
        // A test that is killed takes its node with it.
        let mut command = Command::new("setpriv");
        let log = |name: &str| {
            let path = self.folder.path().join(name);
            File::options().create(true).append(true).open(path).unwrap()
        };
        command
            .args(["--pdeathsig", "TERM"])
            .arg(binary("sluice"))
            .arg("run")
            .arg("--config")
            .arg(self.config())
            .current_dir(self.folder.path())
            .envs(self.setup.environment.iter().map(|(name, value)| (name, value)))
            .env_remove("OPENAI_API_KEY")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log("out"))
            .stderr(log("log"));
        command
    }

    /// Waits until `/readyz` answers 200; gives how long that took.
    #[track_caller]
    pub fn wait_ready(&mut self) -> Duration {
        let begun = Instant::now();
        while !self.is_ready() {
            if let Some(status) = self.exited() {
                panic!("the node ended with {status}\n{}", self.log());
            }
            let log = self.log();
            // Nothing better comes: programs of two builds, mostly.
            let hopeless = log.contains("the data path refused a snapshot");
            assert!(!hopeless && begun.elapsed() < READY, "the node does not get ready\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
        begun.elapsed()
    }

    /// Whether `/readyz` answers 200.
    pub fn is_ready(&self) -> bool {
        self.admin("/readyz").is_some_and(|response| response.status == 200)
    }

    /// Asks the management port.
    pub fn admin(&self, path: &str) -> Option<Response> {
        get(self.admin, path)
    }

    /// Its metrics.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.admin("/metrics").expect("the port answers").text())
    }

    /// How the supervisor ended; `None` while it runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.process.as_mut()?.try_wait().unwrap()
    }

    /// A new connection.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// A new TLS connection.
    #[track_caller]
    pub fn client_tls(&self, config: Arc<rustls::ClientConfig>) -> Client {
        Client::connect_tls(self.address, config).unwrap()
    }

    /// A chat request on a connection of its own.
    #[track_caller]
    pub fn chat(&self, body: impl AsRef<[u8]>) -> Response {
        self.client().chat(body)
    }

    /// The base URL for the clients.
    pub fn base_url(&self) -> String {
        let scheme = if self.setup.listener.contains("tls") { "https" } else { "http" };
        format!("{scheme}://{}/v1", self.address)
    }

    /// Its processes.
    pub fn group(&self) -> Group {
        self.group
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.setup.state.clone().unwrap_or_else(|| self.folder.path().join("state"))
    }

    /// The audit folder.
    pub fn audit(&self) -> PathBuf {
        self.state().join("audit")
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("sluice.toml")
    }

    /// Writes the configuration anew, changed by `change`. Nobody is told.
    pub fn write_config(&self, change: impl FnOnce(String) -> String) {
        std::fs::write(self.config(), change(self.setup.text(&self.state()))).unwrap();
    }

    /// Standard error of all its processes.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Standard output: the banner.
    pub fn out(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out")).unwrap_or_default()
    }

    /// Runs `sluice` with these arguments and the node's state folder.
    pub fn sluice(&self, arguments: &[&str]) -> Outcome {
        let state = self.state();
        let end = ["--state".as_ref(), state.as_os_str()];
        crate::sluice(arguments.iter().map(AsRef::as_ref).chain(end))
    }

    /// Makes a key with these options and gives it.
    #[track_caller]
    pub fn key(&self, name: &str, options: &[&str]) -> String {
        let arguments = [&["key", "new", "--name", name], options].concat();
        self.sluice(&arguments).ok().trim().to_owned()
    }

    /// Requests in the audit log, in order.
    #[track_caller]
    pub fn rows(&self) -> Vec<Value> {
        let listed = crate::sluice([Path::new("audit"), Path::new("list"), &self.audit()]);
        let out = listed.clone();
        assert_eq!(listed.code, Some(0), "{out:?}");
        out.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The row of the request that `response` answers, once its outcome is there.
    #[track_caller]
    pub fn row(&self, response: &Response) -> Value {
        let record =
            response.header("x-sluice-record").expect("a governed answer names its record");
        let found = until(Duration::from_secs(10), || {
            let rows = self.rows();
            rows.into_iter().find(|row| row["record"] == record && !row["status"].is_null())
        });
        found.unwrap_or_else(|| panic!("no row with an outcome for record {record}"))
    }

    /// Verifies the audit log: exit code and report.
    #[track_caller]
    pub fn verify(&self) -> (Option<i32>, Value) {
        let audit = self.audit();
        let arguments = ["audit".as_ref(), "verify".as_ref(), audit.as_os_str(), "--json".as_ref()];
        let outcome = crate::sluice(arguments);
        let report = serde_json::from_str(&outcome.out);
        (outcome.code, report.unwrap_or_else(|error| panic!("{error}: {outcome:?}")))
    }

    /// Fails the test unless the audit log verifies.
    #[track_caller]
    pub fn assert_verifies(&self) -> Value {
        let (code, report) = self.verify();
        assert_eq!((code, &report["ok"]), (Some(0), &Value::Bool(true)), "{report:#}");
        report
    }

    /// Sends a signal to the supervisor.
    pub fn signal(&self, which: Signal) {
        assert!(signal(self.group.leader(), which), "the supervisor runs");
    }

    /// Waits for the supervisor's end.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        until(STOP, || self.exited())
            .unwrap_or_else(|| panic!("the node does not stop\n{}", self.log()))
    }

    /// Stops it in order, and fails the test unless that goes well. The files stay.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let status = self.wait_exit();
        let left = self.group.members();
        assert!(left.is_empty(), "processes are left: {left:?}\n{}", self.log());
        status
    }

    /// Starts it again on the same files, and waits until it is ready.
    #[track_caller]
    pub fn restart(&mut self) -> Duration {
        if let Some(mut process) = self.process.take() {
            process.wait().ok();
        }
        self.launch();
        self.wait_ready()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(30);
            eprintln!("--- end of the node's log\n{}", lines[from..].join("\n"));
            if let Ok(keep) = std::env::var("SLUICE_TESTS_KEEP") {
                let to = Path::new(&keep).join(self.folder.path().file_name().unwrap());
                Command::new("cp").arg("-a").arg(self.folder.path()).arg(to).status().ok();
            }
        }
        let Some(process) = &mut self.process else { return };
        if matches!(process.try_wait(), Ok(None)) {
            // Twice: requests in flight are not waited for.
            signal(self.group.leader(), Signal::SIGTERM);
            signal(self.group.leader(), Signal::SIGTERM);
            until(Duration::from_secs(3), || process.try_wait().ok().flatten());
        }
        self.group.end();
        process.wait().ok();
    }
}
