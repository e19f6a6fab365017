//! The mock upstream as a process.

use crate::{Group, binary, get, loopback};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// A running mock.
pub struct Mock {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Mock {
    /// Starts a mock that answers at once.
    pub fn start() -> Mock {
        Mock::with(&[])
    }

    /// Starts a mock with these options.
    pub fn with(options: &[&str]) -> Mock {
        Mock::at((loopback(), 9100).into(), options)
    }

    /// Starts a mock at `address`.
    pub fn at(address: SocketAddr, options: &[&str]) -> Mock {
        // A test that is killed takes its mock with it.
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(binary("sluice-mock"))
            .arg("--listen")
            .arg(address.to_string())
            .args(options)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let heard = line.trim().strip_prefix("listening ").and_then(|text| text.parse().ok());
        let mock = Mock { process, address };
        assert_eq!(heard, Some(address), "the mock does not start");
        mock
    }

    /// An `[[upstream]]` called `name` that is this mock.
    pub fn upstream(&self, name: &str, trust: &str) -> String {
        format!(
            "[[upstream]]\nname = \"{name}\"\nkind = \"openai\"\nurl = \"http://{}\"\n\
             trust = \"{trust}\"\n",
            self.address
        )
    }

    /// What it has counted under `name`.
    #[track_caller]
    pub fn stat(&self, name: &str) -> u64 {
        let stats: Value = get(self.address, "/mock/stats").expect("the mock answers").json();
        stats[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {stats}"))
    }

    /// Ends it at once; its connections are reset.
    pub fn end(self) {}
}

impl Drop for Mock {
    fn drop(&mut self) {
        Group::of(self.process.id()).end();
        self.process.wait().ok();
    }
}
