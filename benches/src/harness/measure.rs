//! One measurement: a load on one subject, with the CPU time that it cost the subject.
//!
//! CPU time is read before the load starts and after it has ended, over the subject's whole tree; the
//! division is by the correct answers in between. The set of processes must be the same at both
//! ends, or a restart would hide its cost. Any wrong answer makes the measurement an error, except
//! while rates are probed.

use std::{
    io::Read as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use super::{
    child::Child,
    error::HarnessError,
    scenario::{Loop, Scenario},
    subject::Subject,
};

/// Beyond the time that the load itself takes: preparing texts, and answers that never come.
const LOAD_GRACE: Duration = Duration::from_secs(20);

/// What loads are made with.
pub struct Rig {
    pub load: PathBuf,
    pub load_cpus: Vec<usize>,
    pub mock: Child,
    pub mock_address: SocketAddr,
    pub folder: PathBuf,
    /// Counts up, so that no two loads send the same texts.
    pub seed: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    pub requests: u64,
    pub errors: u64,
    pub error_kinds: String,
    pub cpu_us: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub first_event_p50_us: f64,
    pub first_event_p99_us: f64,
    pub lag_p99_us: f64,
    pub memory_mb: f64,
    /// What the measuring itself cost, for the reader's trust.
    pub load_cpu_us: f64,
    pub mock_cpu_us: f64,
}

impl Rig {
    /// Like `try_measure`, and wrong answers are an error.
    pub fn measure(
        &mut self,
        subject: &Subject,
        scenario: &Scenario,
        seconds: f64,
    ) -> Result<Sample, HarnessError> {
        let sample = self.try_measure(subject, scenario, seconds)?;
        if sample.errors > 0 || sample.requests == 0 {
            return Err(HarnessError::Errors {
                name: subject.kind.name(),
                scenario: scenario.name.clone(),
                errors: sample.errors,
                kinds: sample.error_kinds,
            });
        }
        Ok(sample)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts and bytes stay far below 2^52")]
    pub fn try_measure(
        &mut self,
        subject: &Subject,
        scenario: &Scenario,
        seconds: f64,
    ) -> Result<Sample, HarnessError> {
        let name = subject.kind.name();
        let read = HarnessError::io("read a process's CPU time");
        let mock_tree = self.mock.tree()?;
        let tree = subject.child.as_ref().map_or_else(|| self.mock.tree(), Child::tree)?;
        let mock_before = mock_tree.cpu_time().map_err(HarnessError::io("read the mock's time"))?;
        let before = tree.cpu_time().map_err(read)?;
        let report = self.load(subject, scenario, seconds)?;
        let replaced = |_source| HarnessError::Replaced { name };
        let after = tree.cpu_time().map_err(replaced)?;
        let mock_after = mock_tree.cpu_time().map_err(replaced)?;
        let tree_after = subject.child.as_ref().map_or_else(|| self.mock.tree(), Child::tree)?;
        if tree_after != tree {
            return Err(HarnessError::Replaced { name });
        }
        let number = |field: &str| report.get(field).and_then(Value::as_f64).unwrap_or_default();
        let count = |field: &str| report.get(field).and_then(Value::as_u64).unwrap_or_default();
        let requests = count("requests");
        let per_request = |time: Duration| time.as_secs_f64() * 1e6 / (requests.max(1) as f64);
        let memory = tree.resident_bytes().map_err(replaced)?;
        Ok(Sample {
            requests,
            errors: count("errors"),
            error_kinds: report.get("error_kinds").map(Value::to_string).unwrap_or_default(),
            cpu_us: per_request(after.saturating_sub(before)),
            per_second: number("rps"),
            p50_us: number("p50_us"),
            p99_us: number("p99_us"),
            first_event_p50_us: number("first_event_p50_us"),
            first_event_p99_us: number("first_event_p99_us"),
            lag_p99_us: number("lag_p99_us"),
            memory_mb: memory as f64 / 1e6,
            load_cpu_us: number("cpu_us_per_request"),
            mock_cpu_us: per_request(mock_after.saturating_sub(mock_before)),
        })
    }

    fn load(
        &mut self,
        subject: &Subject,
        scenario: &Scenario,
        seconds: f64,
    ) -> Result<Value, HarnessError> {
        self.seed += 1;
        let mut command = Command::new(&self.load);
        command
            .args(["--target", &subject.target(scenario.stream).to_string()])
            .args(["--connections", &scenario.connections.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .args(["--body-bytes", &scenario.body_bytes.to_string()])
            .args(["--seed", &self.seed.to_string()]);
        if scenario.stream {
            command.arg("--stream");
        }
        if scenario.with_card {
            command.arg("--with-card");
        }
        if let Loop::Open(rate) = scenario.traffic {
            command.args(["--rate", &rate.to_string()]);
        }
        if let Some(ca) = &subject.ca {
            command.arg("--tls-ca").arg(ca);
        }
        let log = self.folder.join("load.log");
        let mut load = Child::start("the load generator", command, &self.load_cpus, log, true)?;
        let failed = |what: String| HarnessError::Load { name: subject.kind.name(), what };
        let limit = Duration::from_secs_f64(seconds) + LOAD_GRACE;
        let Some(status) = load.wait(limit)? else {
            return Err(failed("it did not end".to_owned()));
        };
        if !status.success() {
            return Err(failed(load.last_words()));
        }
        let mut report = String::new();
        if let Some(mut output) = load.take_output() {
            output.read_to_string(&mut report).map_err(HarnessError::io("read a load's report"))?;
        }
        serde_json::from_str(&report).map_err(|error| failed(error.to_string()))
    }
}

/// Starts the mock and learns the address that it chose.
pub fn start_mock(
    binary: &Path,
    folder: &Path,
    cpus: &[usize],
) -> Result<(Child, SocketAddr), HarnessError> {
    let mut command = Command::new(binary);
    command.args(["--listen", "127.0.0.1:0"]);
    let mut mock = Child::start("the mock", command, cpus, folder.join("mock.log"), true)?;
    let mut said = Vec::new();
    if let Some(mut output) = mock.take_output() {
        let mut byte = [0];
        while output.read(&mut byte).map_err(HarnessError::io("read the mock's address"))? == 1
            && byte != *b"\n"
        {
            said.extend_from_slice(&byte);
        }
    }
    let said = String::from_utf8_lossy(&said);
    let address = said.strip_prefix("listening ").and_then(|address| address.parse().ok());
    match address {
        Some(address) => Ok((mock, address)),
        None => Err(HarnessError::NotReady { name: "the mock", log: mock.last_words() }),
    }
}
