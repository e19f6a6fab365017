//! The management port: read-only, for probes, Prometheus and people.
//!
//! `GET /healthz`, `/readyz`, `/metrics`, `/status`, one request a connection. On loopback without
//! a token only loopback names are taken as `Host`, so that no web page can read it through a name
//! of its own; off loopback the configuration asks for TLS and a token.
//!
//! Bounded: head, connections and time. It changes nothing and never sees content.

mod answer;
mod metrics;
mod request;
mod tls;

pub use tls::{TlsError, acceptor};

use crate::manage::vitals::Vitals;
use answer::{Answer, Guard, answer};
use request::{HEAD_BYTES_MAX, Refusal, parse};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// Connections at a time; one more is closed and counted.
const CONNECTIONS_MAX: usize = 64;

/// Time for a TLS handshake, for a head, and for an answer to be taken.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// How the port is guarded.
pub struct Port {
    /// TLS, where it is spoken.
    pub tls: Option<TlsAcceptor>,
    /// Token to ask for.
    pub token: Option<Zeroizing<String>>,
}

/// Opens the port.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = std::net::TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

/// Serves the port for ever.
pub async fn serve(listener: TcpListener, port: Port, vitals: Arc<Vitals>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let guard = Arc::new(Guard::new(port.token.as_deref().map(String::as_str)));
    loop {
        let accepted = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "management port cannot accept");
                // Out of descriptors, mostly: they come back when connections end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            vitals.counts.admin_refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let (tls, guard, vitals) = (port.tls.clone(), Arc::clone(&guard), Arc::clone(&vitals));
        tokio::spawn(async move {
            // A client that leaves or stalls is no concern of anybody else.
            connection(accepted, tls, &guard, &vitals).await.ok();
            drop(place);
        });
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    guard: &Guard,
    vitals: &Vitals,
) -> io::Result<()> {
    match tls {
        Some(acceptor) => {
            let stream = timeout(STEP_TIMEOUT, acceptor.accept(stream)).await??;
            exchange(stream, guard, vitals, STEP_TIMEOUT).await
        }
        None => exchange(stream, guard, vitals, STEP_TIMEOUT).await,
    }
}

/// One request and its answer, each within the time `step`.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    guard: &Guard,
    vitals: &Vitals,
    step: Duration,
) -> io::Result<()> {
    let Some(read) = timeout(step, read_head(&mut stream)).await?? else {
        return Ok(());
    };
    vitals.counts.admin_requests.fetch_add(1, Ordering::Relaxed);
    let (answer, head_only) = match read {
        Ok(request) => (answer(&request, guard, vitals), request.head_only),
        Err(refusal) => (Answer::refusal(refusal.status()), false),
    };
    if answer.is_refusal() {
        vitals.counts.admin_refused.fetch_add(1, Ordering::Relaxed);
    }
    let bytes = answer.encode(head_only);
    timeout(step, async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await
    })
    .await?
}

/// Reads until a head is there or refused; `None` where the client left before.
async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<Result<request::Request, Refusal>>> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if let Some(read) = parse(&head) {
            return Ok(Some(read));
        }
        let room = u64::try_from(HEAD_BYTES_MAX + 4 - head.len().min(HEAD_BYTES_MAX)).unwrap_or(4);
        if (&mut *stream).take(room).read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests;
