//! A node under test: a folder, a supervisor in it, and what a test does to them.

use crate::fake;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// After so long what a test waits for does not come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A node.
pub struct Node {
    folder: Arc<TempDir>,
    admin: u16,
    supervisor: Child,
}

/// A `sluice tail` that runs.
pub struct Tail {
    child: Child,
    file: PathBuf,
}

impl Node {
    /// Starts a node on a free port with this configuration.
    pub fn start(config: &str) -> Node {
        Node::start_on("127.0.0.1:0", config)
    }

    /// Starts a node on `listen`.
    pub fn start_on(listen: &str, config: &str) -> Node {
        let folder = tempfile::Builder::new().prefix("sluice").tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let ours = Path::new(env!("CARGO_BIN_EXE_sluice"));
        if fs::hard_link(ours, bin.join("sluice")).is_err() {
            fs::copy(ours, bin.join("sluice")).unwrap();
        }
        let script = bin.join("sluice-datapath");
        let player = std::env::current_exe().unwrap();
        let line = format!(
            "exec '{}' --exact plays_the_data_path > '{}' 2>&1\n",
            player.display(),
            folder.path().join("player").display()
        );
        fs::write(&script, format!("#!/bin/sh\n{line}")).unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o700)).unwrap();
        fs::write(folder.path().join("sluice.toml"), config).unwrap();
        Node::spawn(Arc::new(folder), listen)
    }

    /// Starts another one on the same folder.
    pub fn again(&self) -> Node {
        Node::spawn(Arc::clone(&self.folder), "127.0.0.1:0")
    }

    fn spawn(folder: Arc<TempDir>, listen: &str) -> Node {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = free.local_addr().unwrap().port();
        drop(free);
        let path = folder.path();
        let mut command = Command::new(path.join("bin/sluice"));
        command.arg("run").arg("--config").arg(path.join("sluice.toml"));
        command.arg("--state").arg(path.join("state")).args(["--listen", listen]);
        command.arg("--admin").arg(format!("127.0.0.1:{admin}"));
        command.env(fake::FOLDER, path).stdin(Stdio::null());
        command.stdout(File::create(path.join("out")).unwrap());
        command.stderr(File::create(path.join("err")).unwrap());
        let supervisor = command.spawn().unwrap();
        Node { folder, admin, supervisor }
    }

    pub fn configure(&self, config: &str) {
        fs::write(self.folder.path().join("sluice.toml"), config).unwrap();
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn state_text(&self) -> String {
        self.state().display().to_string()
    }

    pub fn audit_folder(&self) -> String {
        self.state().join("audit").display().to_string()
    }

    /// What came on standard output.
    pub fn shown(&self) -> String {
        fs::read_to_string(self.folder.path().join("out")).unwrap()
    }

    /// What came on standard error.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("err")).unwrap()
    }

    /// Values of the data path's events called `what`.
    pub fn events(&self, what: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("events")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.filter(|(name, _)| *name == what).map(|(_, value)| value.to_owned()).collect()
    }

    /// Runs a command of `sluice` to its end.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(self.folder.path().join("bin/sluice")).args(arguments).output().unwrap()
    }

    pub fn tail(&self) -> Tail {
        let file = self.folder.path().join("tail");
        let mut command = Command::new(self.folder.path().join("bin/sluice"));
        command.args(["tail", "--json", "--state", &self.state_text()]);
        let child = command.stdout(File::create(&file).unwrap()).spawn().unwrap();
        Tail { child, file }
    }

    /// Waits until `what` holds.
    pub fn wait_until(&self, what: impl Fn(&Node) -> bool) {
        let started = Instant::now();
        while !what(self) {
            assert!(
                started.elapsed() < PATIENCE,
                "it does not come; the node says:\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn wait_until_ready(&self) {
        self.wait_until(|node| {
            node.asked("/readyz").is_some_and(|it| it.starts_with("HTTP/1.1 200 "))
        });
    }

    /// Asks the management port.
    fn asked(&self, path: &str) -> Option<String> {
        use std::io::Write;
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Sends one request; the sequence of its record.
    pub fn request(&self) -> Result<u64, String> {
        let status = self.asked("/status").and_then(|answer| {
            let body = answer.split_once("\r\n\r\n")?.1.to_owned();
            serde_json::from_str::<serde_json::Value>(&body).ok()
        });
        // Kept, as management may be away while a request is sent.
        let known = self.folder.path().join("port");
        if let Some(address) = status.as_ref().and_then(|it| it["listeners"][0].as_str()) {
            fs::write(&known, address).unwrap();
        }
        let address = fs::read_to_string(&known).map_err(|error| error.to_string())?;
        let mut answer = String::new();
        TcpStream::connect(address)
            .and_then(|mut stream| stream.read_to_string(&mut answer))
            .map_err(|error| error.to_string())?;
        answer.parse().map_err(|error| format!("answer `{answer}`: {error}"))
    }

    /// Processes that the supervisor started.
    pub fn children(&self) -> Vec<u32> {
        let own = self.supervisor.id();
        let all = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        all.filter(|pid| parent(*pid) == Some(own)).collect()
    }

    /// The child whose command line holds `name`.
    pub fn child_if_any(&self, name: &str) -> Option<u32> {
        // The data path replaced the shell that started it: it is known by the test it plays.
        let name = if name == "datapath" { "plays_the_data_path" } else { name };
        self.children().into_iter().find(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(name))
        })
    }

    pub fn child(&self, name: &str) -> u32 {
        self.wait_until(|node| node.child_if_any(name).is_some());
        self.child_if_any(name).unwrap()
    }

    pub fn terminate(&self) {
        send(self.supervisor.id(), Signal::SIGTERM);
    }

    pub fn hang_up(&self) {
        send(self.supervisor.id(), Signal::SIGHUP);
    }

    pub fn kill_supervisor(&mut self) {
        self.supervisor.kill().unwrap();
        self.supervisor.wait().unwrap();
    }

    /// Waits for the supervisor's end.
    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.supervisor.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end; it says:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Where a test failed; the children follow.
        self.supervisor.kill().ok();
        self.supervisor.wait().ok();
    }
}

impl Tail {
    /// Lines that came.
    pub fn lines(&self) -> usize {
        fs::read_to_string(&self.file).unwrap_or_default().lines().count()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Ends a process at once.
pub fn kill(pid: u32) {
    send(pid, Signal::SIGKILL);
}

fn send(pid: u32, what: Signal) {
    signal::kill(Pid::from_raw(pid.cast_signed()), what).unwrap();
}

/// Whether a process runs; one that is only waited for does not.
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = stat.rsplit_once(") ")?.1;
    if rest.starts_with('Z') {
        return None;
    }
    rest.split(' ').nth(1)?.parse().ok()
}
