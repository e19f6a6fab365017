//! One client connection: heads and bodies in order, each request through its stages, until one
//! side ends it.

mod body;

pub use body::{InFlight, NoBody};

use crate::answer::{self, Reply};
use crate::govern::Governed;
use crate::link::{Link, LinkError};
use crate::refusal::Refusal;
use crate::request::{self, Received};
use crate::tls::Tls;
use crate::trace::Trace;
use crate::worker::{Worker, WorkerPlan};
use monoio::net::TcpStream;
use sluice_contract::limits::HEADERS_MAX;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use sluice_contract::record::OutcomeFixed;
use sluice_wire::http1::{HeadLimits, Method, RequestHead, ResponseHead, parse_request};
use std::net::SocketAddr;
use std::rc::Rc;

/// Bytes of a request target; the served paths are short.
const TARGET_BYTES: usize = 2048;

/// How long an ended connection is read on, so that the peer gets our last answer.
const LINGER_MS: u64 = 2_000;

/// Bytes of a message that are sent in one go; between two the deadline is set anew.
const SEND_SLICE_BYTES: usize = 256 << 10;

/// What happens to the connection after a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The next request.
    KeepAlive,
    /// The end, after our answer was read.
    Close,
    /// The end at once: the peer is gone.
    Drop,
}

/// What a connection keeps from request to request.
#[derive(Default)]
pub struct Exchange {
    /// The request's head.
    pub head: RequestHead,
    /// The response's head.
    pub response_head: ResponseHead,
    /// What the stages made of the request.
    pub governed: Box<Governed>,
    /// What the stages made of the response.
    pub answered: Box<Governed>,
    /// The response's head as it came.
    pub upstream_head: Vec<u8>,
    /// A decoded response body.
    pub decoded: Vec<u8>,
}

/// A client connection.
pub struct Connection {
    /// The worker.
    pub worker: Rc<Worker>,
    /// The client.
    pub link: Link,
    /// Its address.
    pub peer: SocketAddr,
    /// What is reused.
    pub exchange: Exchange,
}

/// Serves a connection until it ends.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, listener: usize) {
    let link = match Link::plain(stream, &worker.deadlines) {
        Ok(link) => link,
        Err(error) => {
            tracing::debug!(%error, "a connection ended before it began");
            return;
        }
    };
    let mut connection = Connection { worker, link, peer, exchange: Exchange::default() };
    if connection.secure(listener).await.is_none() {
        return;
    }
    loop {
        match connection.serve_one().await {
            Next::KeepAlive => {}
            Next::Close => {
                connection.link.finish().await;
                let now = connection.worker.clock.millis();
                connection.link.watch().wake_at(now + LINGER_MS);
                connection.link.linger().await;
                return;
            }
            Next::Drop => return,
        }
    }
}

impl Connection {
    /// Speaks TLS where the listener does.
    async fn secure(&mut self, listener: usize) -> Option<()> {
        let plan = self.worker.plan()?;
        let Some(config) = plan.plan.listeners.get(listener).and_then(Option::as_ref) else {
            return Some(());
        };
        let limit = self.worker.clock.millis() + plan.plan.snapshot.limits.head_timeout_ms;
        self.link.watch().kill_at(limit);
        let counters = Rc::clone(&self.worker.counters);
        let secured = match Tls::server(config) {
            Ok(tls) => self.link.secure(tls).await.is_ok(),
            Err(_) => false,
        };
        self.link.watch().rest();
        if !secured {
            counters.count(Counter::TlsFailures);
            return None;
        }
        counters.count(Counter::TlsHandshakes);
        if self.link.tls().is_some_and(Tls::is_resumed) {
            counters.count(Counter::TlsResumed);
        }
        Some(())
    }

    async fn serve_one(&mut self) -> Next {
        let head_bytes = match self.read_head().await {
            Ok(head_bytes) => head_bytes,
            Err(Stop::Ended) => return Next::Drop,
            Err(Stop::Refused(refusal)) => {
                let Some(plan) = self.worker.plan() else { return Next::Drop };
                let trace = self.trace(&plan, None, None);
                return self.refuse(&trace, &refusal.closing()).await;
            }
        };
        let start_us = self.worker.clock.micros();
        let Some(plan) = self.worker.plan() else { return Next::Drop };
        let received = Received::new(self, plan, head_bytes, start_us);
        let counted = InProgress::new(&self.worker);
        let next = request::serve(self, received).await;
        drop(counted);
        self.link.watch().rest();
        if next == Next::KeepAlive && self.worker.is_draining() {
            return Next::Close;
        }
        next
    }

    /// Reads the next head. The time for it runs from its first byte.
    async fn read_head(&mut self) -> Result<usize, Stop> {
        let Some(plan) = self.worker.plan() else { return Err(Stop::Ended) };
        let bounds = &plan.plan.snapshot.limits;
        let limits = HeadLimits {
            head_bytes: bounds.head_bytes,
            target_bytes: TARGET_BYTES,
            headers: HEADERS_MAX,
        };
        self.exchange.head.clear();
        let mut begun = false;
        loop {
            if !self.link.received().is_empty() {
                let parsed = parse_request(self.link.received(), &limits, &mut self.exchange.head);
                if let Some(bytes) = parsed.map_err(|error| Stop::Refused(error.into()))? {
                    return Ok(bytes);
                }
            }
            let now = self.worker.clock.millis();
            if self.link.received().is_empty() {
                if self.worker.is_draining() {
                    return Err(Stop::Ended);
                }
                self.link.watch().idle_until(now + bounds.idle_timeout_ms);
            } else if !begun {
                begun = true;
                self.link.watch().wake_at(now + bounds.head_timeout_ms);
            }
            match self.link.more().await {
                Ok(_) => {}
                Err(LinkError::Expired) if begun => {
                    return Err(Stop::Refused(Refusal::new(
                        Reason::RequestTimeout,
                        "the request head did not come in time",
                    )));
                }
                Err(_) => return Err(Stop::Ended),
            }
        }
    }

    /// The ids of a request with these headers.
    pub fn trace(
        &self,
        plan: &WorkerPlan,
        request_id: Option<&[u8]>,
        traceparent: Option<&[u8]>,
    ) -> Trace {
        Trace::of(&plan.plan, &mut self.worker.ids.borrow_mut(), request_id, traceparent)
    }

    /// Refuses a request that was not decided on: answered, counted by source, not recorded.
    pub async fn refuse(&mut self, trace: &Trace, refusal: &Refusal) -> Next {
        self.worker.count_refusal(self.peer, refusal.reason);
        let reply = Reply::refusal(trace, refusal, None);
        self.reply(&reply, refusal.closes).await
    }

    /// Sends a reply whose body is at hand.
    pub async fn reply(&mut self, reply: &Reply<'_>, closes: bool) -> Next {
        let head = &self.exchange.head;
        let closes = closes || !head.keep_alive || self.worker.is_draining();
        let (minor_version, is_head) = (head.minor_version, head.method == Method::Head);
        let mut message = self.link.outgoing();
        let manner = answer::Manner { closes, minor_version, is_head };
        answer::write(&mut message, reply, manner);
        self.worker.counters.status(reply.status);
        match self.send(message).await {
            Ok(()) if closes => Next::Close,
            Ok(()) => Next::KeepAlive,
            Err(_) => Next::Drop,
        }
    }

    /// Sends `message` to the client; each slice of it has the whole time to get through.
    pub async fn send(&mut self, message: Vec<u8>) -> Result<(), LinkError> {
        let limit_ms =
            self.worker.plan().map_or(0, |plan| plan.plan.snapshot.limits.send_timeout_ms);
        if message.len() <= SEND_SLICE_BYTES {
            self.link.watch().kill_at(self.worker.clock.millis() + limit_ms);
            let sent = self.link.send(message).await;
            self.link.watch().rest();
            return sent;
        }
        let mut message = message;
        let mut from = 0;
        while from < message.len() {
            let to = (from + SEND_SLICE_BYTES).min(message.len());
            self.link.watch().kill_at(self.worker.clock.millis() + limit_ms);
            let (sent, back) = self.link.send_part(message, from, to).await;
            self.link.watch().rest();
            message = back;
            sent?;
            from = to;
        }
        Ok(())
    }

    /// An outcome with nothing in it.
    pub fn no_outcome() -> OutcomeFixed {
        bytemuck::Zeroable::zeroed()
    }
}

/// A request between its head and the end of its answer, as the gauge counts it.
struct InProgress(Rc<Worker>);

impl InProgress {
    fn new(worker: &Rc<Worker>) -> InProgress {
        worker.counters.add(Counter::RequestsInFlight, 1);
        InProgress(Rc::clone(worker))
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.counters.sub(Counter::RequestsInFlight, 1);
    }
}

/// Why no head came.
enum Stop {
    /// The connection is over, and nobody waits for an answer.
    Ended,
    /// What came is no request.
    Refused(Refusal),
}
