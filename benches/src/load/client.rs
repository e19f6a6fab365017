//! One connection's worth of client: send a request, read its answer, note the times.
//!
//! A failure of any kind is counted by name, the connection is dropped and the next request opens
//! another, as a real client's pool would.

use std::{cell::RefCell, io, net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use rustls::ClientConfig;
use thiserror::Error;

use super::{
    answer::{Answer, AnswerError, Progress},
    body::Pool,
    figures::Figures,
    transport::Transport,
};

/// What the clients of one thread share.
pub struct Shared {
    pub target: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
    pub stream: bool,
    pub pool: RefCell<Pool>,
    pub figures: RefCell<Figures>,
}

#[derive(Debug, Error)]
enum Failure {
    #[error("connect: {0}")]
    Connect(io::Error),
    #[error("send: {0}")]
    Send(io::Error),
    #[error("receive: {0}")]
    Receive(io::Error),
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

pub struct Client {
    shared: Rc<Shared>,
    transport: Option<Transport>,
    request: Vec<u8>,
}

impl Client {
    /// Opens the connection ahead of the first request.
    pub async fn connected(shared: &Rc<Shared>) -> io::Result<Self> {
        let mut client = Self { shared: Rc::clone(shared), transport: None, request: Vec::new() };
        client.connect().await?;
        Ok(client)
    }

    async fn connect(&mut self) -> io::Result<()> {
        let transport = Transport::connect(self.shared.target, self.shared.tls.as_ref()).await?;
        self.transport = Some(transport);
        Ok(())
    }

    /// One request and its answer, timed from `since`; false when it failed.
    pub async fn exchange(&mut self, since: Instant) -> bool {
        self.shared.figures.borrow_mut().lag.record(since.elapsed());
        match self.try_exchange(since).await {
            Ok(()) => true,
            Err(failure) => {
                self.transport = None;
                self.shared.figures.borrow_mut().fail(failure.to_string());
                false
            }
        }
    }

    async fn try_exchange(&mut self, since: Instant) -> Result<(), Failure> {
        if self.transport.is_none() {
            self.connect().await.map_err(Failure::Connect)?;
        }
        let Some(transport) = &mut self.transport else { return Ok(()) };
        self.shared.pool.borrow_mut().fill(&mut self.request);
        let (sent, request) = transport.write(std::mem::take(&mut self.request)).await;
        self.request = request;
        sent.map_err(Failure::Send)?;
        let mut answer = Answer::new(self.shared.stream);
        let mut first_event = None;
        let close = loop {
            let bytes = transport.read().await.map_err(Failure::Receive)?;
            let progress = if bytes.is_empty() { answer.end()? } else { answer.feed(bytes)? };
            if first_event.is_none() && answer.body_bytes() > 0 {
                first_event = Some(since.elapsed());
            }
            if let Progress::Done { close } = progress {
                break close;
            }
        };
        let mut figures = self.shared.figures.borrow_mut();
        figures.latency.record(since.elapsed());
        if let Some(first_event) = first_event {
            figures.first_event.record(first_event);
        }
        figures.requests += 1;
        figures.bytes += answer.body_bytes();
        if close {
            self.transport = None;
        }
        Ok(())
    }
}
