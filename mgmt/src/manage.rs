//! `sluice manage`: the management process.
//!
//! Configuration, snapshots, keys, the audit writer, the control socket and the management port.
//! Started by the supervisor, which hands over rings and wake descriptors and restarts it when it
//! dies; nothing of a request waits for it, except that it makes records durable.
//!
//! ```text
//!  load ─► lock ─► handover ─► audit writer ─► build ─► control socket, management port ─► node
//! ```
//!
//! The audit writer starts as early as it can: while it is away, requests wait for their records.

mod change;
mod control;
mod data_path;
mod node;
mod start;
mod supervisor;
pub mod vitals;
mod watch;

pub use node::short;

use crate::cli::options::RunOptions;
use crate::config::{self, Config, Severity};
use crate::identity;
use crate::ipc::nonblocking::Connection;
use crate::publish::{self, Built};
use crate::supervise::{EXIT_CONFIGURATION, harden};
use crate::{admin, banner};
use control::Control;
use node::{Node, Surroundings};
use sluice_audit::AuditError;
use sluice_audit::writer::{Command as Write, Handle};
use sluice_contract::control::Kind;
use start::{Parts, StartError, start, system};
use std::io::{self, IsTerminal, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use supervisor::{Supervisor, are_workers_gone};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch as watched};
use tokio::time::{Instant, sleep, timeout};
use vitals::{View, Vitals};

/// Events that may wait for the node.
const EVENTS: usize = 64;

/// Time for the writer to empty the rings and sign a last head.
const WRITER_STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// What the data path gets beyond its time to drain, once the supervisor is dead.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// How often it is looked at then.
const GONE_INTERVAL: Duration = Duration::from_millis(20);

/// `sluice manage`.
pub fn run(options: RunOptions) -> ExitCode {
    match manage(options) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("sluice: {error}"));
            ExitCode::from(EXIT_CONFIGURATION)
        }
    }
}

fn manage(options: RunOptions) -> Result<ExitCode, StartError> {
    let supervisor = Supervisor::claim()?;
    harden().map_err(|error| system("cannot protect this process")(error.into()))?;
    let colour = io::stderr().is_terminal();
    let config = match config::load(&options) {
        Ok(config) => config,
        Err(problems) => {
            // Where standard error is gone, the exit code has to do.
            problems.show(&mut io::stderr(), colour).ok();
            return Ok(ExitCode::from(EXIT_CONFIGURATION));
        }
    };
    config::show(&config.warnings, Severity::Warning, &mut io::stderr(), colour).ok();
    let parts = start(&config, supervisor)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start a runtime"))?;
    let code = runtime.block_on(serve(options, config, parts));
    // Files that are being read on other threads are not waited for.
    runtime.shutdown_background();
    code
}

fn complain(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

/// Serves until the supervisor says stop or is gone.
async fn serve(options: RunOptions, config: Config, parts: Parts) -> Result<ExitCode, StartError> {
    let Parts { lock, supervisor, prepared, wakes, audit, vitals, view } = parts;
    let signals = "cannot receive signals";
    let mut terminated = signal(SignalKind::terminate()).map_err(system(signals))?;
    let hang_up = signal(SignalKind::hangup()).map_err(system(signals))?;
    let mut writer_ended = ended(audit.thread, Arc::clone(&vitals))?;
    let writer = audit.writer.clone();
    let control_socket = prepared.prepare.control.clone();
    let (drain, served) = (Duration::from_millis(config.limits.drain_ms), vitals.has_served());

    let patterns = Arc::new(publish::patterns()?);
    let built = change::build(&config, &patterns)?;
    let keys = identity::keys_path(&config.state);
    let port = open_port(&config, &vitals)?;
    let listeners = prepared.listeners.clone();
    let around = Surroundings {
        options,
        state: config.state.clone(),
        prepared,
        patterns,
        writer: audit.writer,
        tail: audit.tail.clone(),
        view: view.clone(),
        counts: Arc::clone(&vitals.counts),
    };
    node::announce(&around, &config, &built).map_err(StartError::Announce)?;
    let bind = control::listen(&control_socket);
    let socket = bind.map_err(|cause| StartError::State { path: control_socket.clone(), cause })?;

    let config = Arc::new(config);
    let (events, queue) = mpsc::channel(EVENTS);
    let node = Node::new(around, Arc::clone(&config), built);
    if !served {
        let seen = view.subscribe();
        tokio::spawn(welcome(node.wanted(), config, listeners, seen, Arc::clone(&vitals)));
    }
    tokio::spawn(node.run(queue));
    tokio::spawn(watch::watch(keys, hang_up, events.clone()));
    let control = Control { node: events, vitals: Arc::clone(&vitals), tail: audit.tail };
    tokio::spawn(control::serve(socket, control));
    tokio::spawn(port);

    let mut supervisor = supervisor.listen().map_err(system("cannot listen to the supervisor"))?;
    let code = tokio::select! {
        () = told_to_stop(&mut supervisor, &wakes, drain) => ExitCode::SUCCESS,
        _ = terminated.recv() => ExitCode::SUCCESS,
        () = until_ended(&mut writer_ended) => ExitCode::FAILURE,
    };
    view.send_modify(|view| view.stopping = true);
    stop_writer(&writer, &mut writer_ended).await;
    // The next one makes its own; without it the command line says at once that nothing runs.
    std::fs::remove_file(&control_socket).ok();
    drop(lock);
    Ok(code)
}

/// Becomes true when the writer's thread ends. It ends on its own only where it failed, and then
/// so do we: the supervisor starts both anew.
fn ended(
    thread: JoinHandle<Result<(), AuditError>>,
    vitals: Arc<Vitals>,
) -> Result<watched::Receiver<bool>, StartError> {
    let (told, ended) = watched::channel(false);
    let wait = move || {
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "audit writer failed"),
            Err(_) => tracing::error!("audit writer panicked"),
        }
        vitals.writer_ended();
        told.send_replace(true);
    };
    let waiter = std::thread::Builder::new().name("audit-wait".to_owned()).spawn(wait);
    waiter.map_err(system("cannot start a thread"))?;
    Ok(ended)
}

async fn until_ended(writer: &mut watched::Receiver<bool>) {
    // The sender lives until it has told.
    writer.wait_for(|ended| *ended).await.ok();
}

/// Returns when it is time to stop: the supervisor says so, or it is dead and the data path has
/// drained.
async fn told_to_stop(supervisor: &mut Connection, wakes: &[OwnedFd], drain: Duration) {
    match supervisor.receive().await {
        Ok(frame) if frame.kind == Kind::Stop => return,
        Ok(frame) => tracing::error!(kind = ?frame.kind, "supervisor says what makes no sense"),
        Err(error) => tracing::error!(%error, "supervisor is gone"),
    }
    let until = Instant::now() + drain + DRAIN_GRACE;
    while !are_workers_gone(wakes) && Instant::now() < until {
        sleep(GONE_INTERVAL).await;
    }
}

/// Lets the writer empty the rings and sign a last head.
async fn stop_writer(writer: &Handle, ended: &mut watched::Receiver<bool>) {
    // It has ended already where this fails.
    writer.send(Write::Stop).ok();
    if timeout(WRITER_STOP_TIMEOUT, until_ended(ended)).await.is_err() {
        tracing::error!("audit writer does not end; records may be left in the rings");
    }
}

/// Opens the management port.
fn open_port(
    config: &Config,
    vitals: &Arc<Vitals>,
) -> Result<impl Future<Output = ()> + use<>, StartError> {
    let address = config.admin.address;
    let listener = admin::listen(address).map_err(|cause| StartError::Admin { address, cause })?;
    let tls = config.admin.tls.as_ref().map(|tls| admin::acceptor(&tls.0)).transpose()?;
    let token = config.admin.token.as_ref().map(|token| token.0.clone());
    Ok(admin::serve(listener, admin::Port { tls, token }, Arc::clone(vitals)))
}

/// Shows the banner once the node is ready for the first time.
async fn welcome(
    built: Arc<Built>,
    config: Arc<Config>,
    listeners: Vec<SocketAddr>,
    mut seen: watched::Receiver<View>,
    vitals: Arc<Vitals>,
) {
    while !vitals.problems().is_empty() {
        if seen.changed().await.is_err() {
            return;
        }
    }
    let view = vitals.view();
    let (Some(hello), Some(applied)) = (view.data_path, view.applied) else { return };
    let show = move || {
        let mut out = io::stdout();
        let facts = banner::Facts::gather(&config, &built, &listeners, (hello, applied));
        // Nobody to greet where this fails.
        out.write_all(facts.show(out.is_terminal()).as_bytes()).and_then(|()| out.flush()).ok();
    };
    tokio::task::spawn_blocking(show).await.ok();
}
