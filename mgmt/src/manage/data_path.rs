//! One connection of the data path: snapshots go down, answers come up.

use super::node::Event;
use crate::ipc::IpcError;
use crate::ipc::nonblocking::Connection;
use crate::publish::Built;
use sluice_contract::control::{Applied, Hello, Kind, Refused};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Time for a frame to be taken; a data path that does not is let go, and connects again.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Frames that may wait to go down.
const DOWN: usize = 8;

/// What goes down.
#[derive(Clone, Debug)]
pub enum Down {
    /// A whole snapshot.
    Snapshot(Arc<Built>),
    /// The secret part alone; it goes with the last public one.
    Secrets(Arc<Built>),
}

/// What the data path answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Every worker runs on it.
    Applied(Applied),
    /// It stays with what it has.
    Refused(Refused),
}

/// Serves the connection `id` until either side ends it. The node ends it by dropping its end of
/// the queue.
pub async fn serve(mut connection: Connection, id: u64, hello: Hello, node: mpsc::Sender<Event>) {
    let (queue, mut down) = mpsc::channel(DOWN);
    if node.send(Event::Connected { id, hello, queue }).await.is_err() {
        return;
    }
    let ended = loop {
        tokio::select! {
            next = down.recv() => match next {
                Some(next) => {
                    let sent = timeout(SEND_TIMEOUT, send(&connection, &next)).await;
                    match sent {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => break error,
                        Err(_) => break IpcError::TimedOut,
                    }
                }
                None => break IpcError::Closed,
            },
            frame = connection.receive() => match frame.and_then(|frame| read(&frame)) {
                Ok(answer) => {
                    if node.send(Event::Answered { id, answer }).await.is_err() {
                        return;
                    }
                }
                Err(error) => break error,
            },
        }
    };
    tracing::warn!(%ended, "data path disconnected");
    // The node is gone where this fails.
    node.send(Event::Disconnected { id }).await.ok();
}

fn read(frame: &crate::ipc::Frame) -> Result<Answer, IpcError> {
    match frame.kind {
        Kind::Applied => Ok(Answer::Applied(frame.json()?)),
        Kind::Refused => Ok(Answer::Refused(frame.json()?)),
        kind => Err(IpcError::Unexpected(kind)),
    }
}

async fn send(connection: &Connection, down: &Down) -> Result<(), IpcError> {
    let built = match down {
        Down::Snapshot(built) => {
            let fds: Vec<_> = built.sections.iter().map(AsFd::as_fd).collect();
            connection.send_bytes(Kind::Public, &built.bytes, &fds).await?;
            built
        }
        Down::Secrets(built) => built,
    };
    // Room from the start, so that no grown copy is left behind.
    let mut secrets = Zeroizing::new(Vec::with_capacity(1 << 20));
    serde_json::to_writer(&mut *secrets, &built.secrets)
        .map_err(|error| sluice_contract::control::FrameError::Payload(error.to_string()))?;
    connection.send_bytes(Kind::Secret, &secrets, &[]).await
}
