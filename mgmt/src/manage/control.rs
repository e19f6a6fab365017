//! The control socket: the data path and the command line come here.
//!
//! 0600 in a 0700 folder, and who connects must be our own user or root. What a connection is for
//! is said by its first frame. Bounded: connections, frames, time to the first frame.

use super::data_path;
use super::node::{Ask, Event};
use super::vitals::Vitals;
use crate::ipc::nonblocking::Connection;
use crate::ipc::{IpcError, check_peer};
use crate::tail::{Read, Tail};
use sluice_contract::control::{Command, Kind, Reply};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// Connections at a time; one more is closed and counted.
const CONNECTIONS_MAX: usize = 64;

/// Time for a first frame, and for a line to be taken.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// What connections need.
#[derive(Clone)]
pub struct Control {
    /// To the node.
    pub node: mpsc::Sender<Event>,
    /// How the node is.
    pub vitals: Arc<Vitals>,
    /// Lines for `sluice tail`.
    pub tail: Tail,
}

/// Opens the socket at `path`. A file that is there is a predecessor's: the caller holds the lock
/// of the state folder.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves the socket for ever.
pub async fn serve(listener: UnixListener, control: Control) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let refused = &control.vitals.counts.control_refused;
    let mut next_id = 0;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "control socket cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if let Err(error) = check_peer(&stream) {
            refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, "control connection refused");
            continue;
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        next_id += 1;
        let (id, control) = (next_id, control.clone());
        tokio::spawn(async move {
            match connection(stream, id, control).await {
                Ok(()) | Err(IpcError::Closed) => {}
                Err(error) => tracing::warn!(%error, "control connection failed"),
            }
            drop(place);
        });
    }
}

async fn connection(stream: UnixStream, id: u64, control: Control) -> Result<(), IpcError> {
    let mut connection = Connection::new(stream);
    let first = timeout(STEP_TIMEOUT, connection.receive()).await?;
    let first = first?;
    match first.kind {
        Kind::Hello => {
            data_path::serve(connection, id, first.json()?, control.node).await;
            Ok(())
        }
        Kind::Command => command(connection, first.json()?, &control).await,
        kind => Err(IpcError::Unexpected(kind)),
    }
}

async fn command(
    connection: Connection,
    command: Command,
    control: &Control,
) -> Result<(), IpcError> {
    let reply = match command {
        Command::Reload => ask(control, Ask::Configuration).await,
        Command::ReloadKeys => ask(control, Ask::Keys).await,
        Command::Status => {
            let status = control.vitals.status();
            let text = serde_json::to_string(&status).unwrap_or_default();
            Reply { ok: status.ready, text }
        }
        Command::Tail { json } => return tail(connection, json, control).await,
    };
    connection.send(Kind::Reply, &reply).await
}

async fn ask(control: &Control, ask: Ask) -> Reply {
    let (reply, answer) = oneshot::channel();
    let asked = control.node.send(Event::Asked { ask, reply: Some(reply) }).await;
    let stopping = || Reply { ok: false, text: "management is stopping".to_owned() };
    match asked {
        Ok(()) => answer.await.unwrap_or_else(|_| stopping()),
        Err(_) => stopping(),
    }
}

/// Sends lines until the client leaves.
async fn tail(mut connection: Connection, json: bool, control: &Control) -> Result<(), IpcError> {
    let mut reader = control.tail.subscribe(json);
    loop {
        let line = tokio::select! {
            line = reader.next() => line,
            frame = connection.receive() => return frame.and_then(|it| Err(IpcError::Unexpected(it.kind))),
        };
        let line = match line {
            Some(Read::Line(line)) => line,
            Some(Read::Lost(count)) => {
                control.vitals.counts.tail_lost.fetch_add(count, Ordering::Relaxed);
                let text = if json {
                    format!("{{\"lost\":{count}}}")
                } else {
                    format!("… {count} lines lost: this reader is too slow")
                };
                text.into()
            }
            None => return Ok(()),
        };
        let sent = timeout(STEP_TIMEOUT, connection.send_bytes(Kind::Line, line.as_bytes(), &[]));
        sent.await??;
    }
}
