//! Sluice as an operator would run it, with everything on: detectors, policy, audit.
//!
//! Configured through `sluice.toml` only and ready when `/readyz` says so. The upstream is external,
//! so that redaction is acted on; no key is configured, so that any bearer on loopback is accepted.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{
    child::Child,
    error::HarnessError,
    interrupt,
    subject::{Certificate, Kind, Subject},
    verify,
};

/// Detectors are compiled and checked with canaries before it is ready.
const READY: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

pub struct Setup<'a> {
    pub binary: &'a Path,
    pub folder: &'a Path,
    pub upstream: SocketAddr,
    pub listener: SocketAddr,
    pub admin: SocketAddr,
    pub tls: Option<&'a Certificate>,
    pub sync: bool,
    pub workers: usize,
    pub cpus: &'a [usize],
}

pub fn start(kind: Kind, setup: &Setup<'_>) -> Result<Subject, HarnessError> {
    let file = setup.folder.join("sluice.toml");
    fs::write(&file, configuration(setup)).map_err(HarnessError::io("write sluice.toml"))?;
    let mut command = Command::new(setup.binary);
    command.arg("run").arg("--config").arg(&file).current_dir(setup.folder);
    let log = setup.folder.join("log");
    let mut child = Child::start(kind.name(), command, setup.cpus, log, false)?;
    let deadline = Instant::now() + READY;
    while !verify::is_ready(setup.admin) {
        interrupt::check()?;
        let name = kind.name();
        if let Some(status) = child.exited()? {
            return Err(HarnessError::Ended { name, status, log: child.last_words() });
        }
        if Instant::now() > deadline {
            return Err(HarnessError::NotReady { name, log: child.last_words() });
        }
        thread::sleep(POLL);
    }
    Ok(Subject {
        kind,
        child: Some(child),
        plain: setup.listener,
        stream: setup.listener,
        ca: setup.tls.map(|tls| tls.certificate.clone()),
    })
}

fn configuration(setup: &Setup<'_>) -> String {
    let tls = setup.tls.map_or_else(String::new, |files| {
        format!(
            "tls = {{ cert = \"{}\", key = \"{}\" }}\n",
            files.certificate.display(),
            files.key.display()
        )
    });
    format!(
        r#"[node]
state = "{state}"
workers = {workers}

[[listener]]
address = "{listener}"
{tls}
[admin]
address = "{admin}"

[[upstream]]
name = "mock"
kind = "openai"
url = "http://{upstream}"
trust = "external"

[[route]]
name = "default"
models = ["*"]
targets = ["mock"]
audit = "{audit}"
"#,
        state = setup.folder.join("state").display(),
        workers = setup.workers,
        listener = setup.listener,
        admin = setup.admin,
        upstream = setup.upstream,
        audit = if setup.sync { "sync" } else { "async" },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_the_fixed_names() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let certificate = Certificate { certificate: "/c.pem".into(), key: "/k.pem".into() };
        let text = configuration(&Setup {
            binary: Path::new("sluice"),
            folder: Path::new("/tmp/x"),
            upstream: address(1),
            listener: address(2),
            admin: address(3),
            tls: Some(&certificate),
            sync: true,
            workers: 1,
            cpus: &[0],
        });
        for line in [
            "state = \"/tmp/x/state\"",
            "workers = 1",
            "address = \"127.0.0.1:2\"",
            "tls = { cert = \"/c.pem\", key = \"/k.pem\" }",
            "url = \"http://127.0.0.1:1\"",
            "audit = \"sync\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
