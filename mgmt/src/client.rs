//! What the command line asks of a running node, over its control socket.

use crate::ipc::blocking::{Arrived, receive_frame, send_frame};
use crate::ipc::{Frame, FrameReader, IpcError};
use crate::manage::vitals::Status;
use crate::tail;
use sluice_contract::control::{Command, Kind, Reply};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long an answer may take: a reload compiles policies and waits for every worker.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    /// Nobody listens there.
    #[error(
        "no node runs on the state folder `{}` ({cause}): `sluice run` starts one, `--state` names \
         another folder", state.display()
    )]
    NotRunning {
        /// The state folder.
        state: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The conversation failed.
    #[error("the node does not answer: {0}")]
    Ipc(#[from] IpcError),
}

/// Path of the control socket.
pub fn control_path(state: &Path) -> PathBuf {
    state.join("run").join("control.sock")
}

/// `sluice reload`.
pub fn reload(state: &Path) -> ExitCode {
    finish(ask(state, &Command::Reload), |reply| reply.text)
}

/// `sluice status`. Fails where the node is not ready.
pub fn status(state: &Path) -> ExitCode {
    finish(ask(state, &Command::Status), |reply| {
        match serde_json::from_str::<Status>(&reply.text) {
            Ok(status) => describe(&status),
            Err(_) => reply.text,
        }
    })
}

/// `sluice tail`: lines until it is stopped.
pub fn tail(state: &Path, json: bool) -> ExitCode {
    match follow(state, json) {
        // Whoever read our lines has gone, as in `sluice tail | head`.
        Err(ClientError::Ipc(IpcError::Socket(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            ExitCode::SUCCESS
        }
        Err(ClientError::Ipc(IpcError::Closed)) => fail(&"the node has stopped"),
        Err(error) => fail(&error),
        Ok(never) => match never {},
    }
}

/// Asks management to read the key file again; `false` where none is running. What goes wrong
/// otherwise is printed to standard error.
pub fn reload_keys(state: &Path) -> bool {
    match ask(state, &Command::ReloadKeys) {
        Err(ClientError::NotRunning { .. }) => return false,
        Err(error @ ClientError::Ipc(_)) => drop(fail(&error)),
        Ok(reply) if !reply.ok => drop(fail(&reply.text)),
        Ok(_) => {}
    }
    true
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    writeln!(io::stderr(), "sluice: {error}").ok();
    ExitCode::FAILURE
}

/// Shows the answer: what was done on standard output, what was not on standard error.
fn finish(answer: Result<Reply, ClientError>, show: impl FnOnce(Reply) -> String) -> ExitCode {
    match answer {
        Ok(reply) => {
            let ok = reply.ok;
            let text = show(reply);
            let text = text.trim_end();
            if ok {
                writeln!(io::stdout(), "{text}").ok();
                ExitCode::SUCCESS
            } else {
                writeln!(io::stderr(), "{text}").ok();
                ExitCode::FAILURE
            }
        }
        Err(error) => fail(&error),
    }
}

fn connect(state: &Path, command: &Command) -> Result<UnixStream, ClientError> {
    let socket = UnixStream::connect(control_path(state))
        .map_err(|cause| ClientError::NotRunning { state: state.to_path_buf(), cause })?;
    send_frame(&socket, Kind::Command, command, &[])?;
    Ok(socket)
}

fn ask(state: &Path, command: &Command) -> Result<Reply, ClientError> {
    let socket = connect(state, command)?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(IpcError::from)?;
    let frame = next(&socket, &mut FrameReader::default())?;
    if frame.kind != Kind::Reply {
        return Err(IpcError::Unexpected(frame.kind).into());
    }
    Ok(frame.json().map_err(IpcError::from)?)
}

/// The next frame. A blocking socket gives nothing only where its time is over.
fn next(socket: &UnixStream, reader: &mut FrameReader) -> Result<Frame, IpcError> {
    match receive_frame(socket, reader)? {
        Arrived::Frame(frame) => Ok(frame),
        Arrived::Nothing => Err(IpcError::TimedOut),
    }
}

fn follow(state: &Path, json: bool) -> Result<std::convert::Infallible, ClientError> {
    let socket = connect(state, &Command::Tail { json })?;
    let mut reader = FrameReader::default();
    let mut out = io::stdout();
    let colour = out.is_terminal() && !json;
    loop {
        let frame = next(&socket, &mut reader)?;
        if frame.kind != Kind::Line {
            return Err(IpcError::Unexpected(frame.kind).into());
        }
        let line = String::from_utf8_lossy(&frame.payload);
        let line = if colour { tail::paint(&line) } else { line.into_owned() };
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(IpcError::from)?;
    }
}

/// The status for a person.
fn describe(status: &Status) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: String| {
        // Writing to a string cannot fail.
        writeln!(text, "{name:<10} {value}").ok();
    };
    add("node", if status.ready { "ready".into() } else { "NOT READY".into() });
    for problem in &status.problems {
        add("", problem.clone());
    }
    let listeners: Vec<String> = status.listeners.iter().map(ToString::to_string).collect();
    add("listening", listeners.join(", "));
    if let Some(hello) = &status.data_path {
        let (workers, driver, steering) = (hello.workers, &hello.driver, &hello.steering);
        let s = if workers == 1 { "" } else { "s" };
        add(
            "data path",
            format!("pid {}, {workers} worker{s}, {driver}, steered by {steering}", hello.pid),
        );
    }
    if let Some(hash) = status.snapshot {
        let short = crate::manage::short(hash);
        let (passed, all) = status.canaries.unwrap_or_default();
        add("snapshot", format!("{short}, {} routes, canaries {passed} of {all}", status.routes));
    }
    if !status.observing.is_empty() {
        add("OBSERVING", format!("{} (forwarded unchanged)", status.observing.join(", ")));
    }
    add(
        "requests",
        format!(
            "{}, {} in flight, {} connections",
            status.requests, status.requests_in_flight, status.connections_open
        ),
    );
    for (name, counts) in [("verdicts", &status.verdicts), ("refusals", &status.refusals)] {
        let counts: Vec<String> =
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        if !counts.is_empty() {
            add(name, counts.join(", "));
        }
    }
    let audit = &status.audit;
    add(
        "audit",
        format!(
            "{} records, {} signed, {} waiting, last sync {} µs",
            audit.records, audit.head_records, audit.waiting, audit.sync_us
        ),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manage::vitals::tests::{ready_view, vitals};
    use sluice_contract::control;
    use std::os::unix::net::UnixListener;

    #[test]
    fn where_nothing_runs_it_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = ask(folder.path(), &Command::Status).unwrap_err().to_string();
        assert!(error.contains("no node runs on the state folder"), "{error}");
        assert!(!reload_keys(folder.path()));
    }

    #[test]
    fn an_answer_is_read_and_anything_else_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        let listener = UnixListener::bind(control_path(folder.path())).unwrap();
        let node = std::thread::spawn(move || {
            for kind in [Kind::Reply, Kind::Line] {
                let (socket, _) = listener.accept().unwrap();
                let asked = next(&socket, &mut FrameReader::default()).unwrap();
                assert_eq!(asked.json(), Ok(Command::Reload));
                let reply = Reply { ok: true, text: "done".into() };
                send_frame(&socket, kind, &reply, &[]).unwrap();
            }
        });
        let reply = ask(folder.path(), &Command::Reload).unwrap();
        assert_eq!((reply.ok, reply.text.as_str()), (true, "done"));
        let error = ask(folder.path(), &Command::Reload).unwrap_err();
        assert!(matches!(error, ClientError::Ipc(IpcError::Unexpected(Kind::Line))));
        node.join().unwrap();
    }

    #[test]
    fn the_status_is_described_for_a_person() {
        let (vitals, sender) = vitals(2);
        assert!(describe(&vitals.status()).contains("NOT READY"));
        sender.send_replace(ready_view());
        let text = describe(&vitals.status());
        assert!(text.contains("node       ready\n") && text.contains("OBSERVING  trial"), "{text}");
        assert!(text.contains("canaries 3 of 3"));
        let frame = control::encode(Kind::Reply, &Reply { ok: true, text });
        assert!(frame.is_ok());
    }
}
