//! Request bodies: read whole, within their bound and their time, before anything is inspected.

use super::Connection;
use crate::link::LinkError;
use crate::refusal::Refusal;
use crate::worker::Worker;
use sluice_contract::metrics::Counter;
use sluice_contract::reason::Reason;
use sluice_contract::snapshot::Limits;
use sluice_wire::http1::{BodyDecoder, Framing};
use std::rc::Rc;

/// A body held in memory counts this often: the body, its scratch copy, its texts and views.
const COPIES: u64 = 3;

/// Bytes that a request holds, given back when it is dropped.
pub struct InFlight {
    worker: Rc<Worker>,
    bytes: u64,
}

impl InFlight {
    /// Holds nothing yet.
    pub fn new(worker: &Rc<Worker>) -> InFlight {
        InFlight { worker: Rc::clone(worker), bytes: 0 }
    }

    /// Takes what a body of `body_bytes` needs, as far as it is not taken.
    pub fn grow(&mut self, body_bytes: u64, bound: u64) -> Result<(), Refusal> {
        let wanted = body_bytes.saturating_mul(COPIES);
        let more = wanted.saturating_sub(self.bytes);
        let total = self.worker.in_flight.get() + more;
        if total > bound && self.worker.in_flight.get() > 0 {
            return Err(Refusal::new(
                Reason::Overloaded,
                "too many bytes are in flight; try again shortly",
            )
            .closing());
        }
        self.worker.in_flight.set(total);
        self.worker.counters.set(Counter::InFlightBytes, total);
        self.bytes += more;
        Ok(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let total = self.worker.in_flight.get().saturating_sub(self.bytes);
        self.worker.in_flight.set(total);
        self.worker.counters.set(Counter::InFlightBytes, total);
    }
}

/// Why there is no body.
pub enum NoBody {
    /// The client is gone.
    Gone,
    /// It is refused.
    Refused(Refusal),
}

impl From<Refusal> for NoBody {
    fn from(refusal: Refusal) -> NoBody {
        NoBody::Refused(refusal)
    }
}

fn lost(error: LinkError) -> NoBody {
    match error {
        LinkError::Expired => NoBody::Refused(
            Refusal::new(Reason::RequestTimeout, "the request body did not come in time").closing(),
        ),
        LinkError::Closed | LinkError::Broken | LinkError::Tls => NoBody::Gone,
    }
}

impl Connection {
    /// Reads the body behind the head of `head_bytes` bytes. Gives the buffer that starts with the
    /// head and ends with the body.
    pub async fn read_body(
        &mut self,
        limits: &Limits,
        head_bytes: usize,
        held: &mut InFlight,
    ) -> Result<Vec<u8>, NoBody> {
        self.link.watch().wake_at(self.worker.clock.millis() + limits.body_timeout_ms);
        let buffer = match self.exchange.head.framing {
            Framing::None => self.take_message(head_bytes),
            Framing::Length(length) => {
                let too_large = || {
                    Refusal::new(
                        Reason::BodyTooLarge,
                        format!(
                            "the body has {length} bytes, at most {} are taken; \
                             `limits.body_bytes` moves this",
                            limits.body_bytes
                        ),
                    )
                    .closing()
                };
                if length > limits.body_bytes {
                    return Err(too_large().into());
                }
                let length = usize::try_from(length).map_err(|_error| too_large())?;
                held.grow(length as u64, limits.in_flight_bytes)?;
                self.continue_if_awaited(head_bytes).await.map_err(lost)?;
                self.link.expect(head_bytes + length);
                while self.link.received().len() < head_bytes + length {
                    self.link.more().await.map_err(lost)?;
                }
                self.take_message(head_bytes + length)
            }
            Framing::Chunked => self.read_chunked(limits, head_bytes, held).await?,
        };
        self.link.watch().rest();
        let body = (buffer.len() - head_bytes) as u64;
        self.worker.counters.add(Counter::ReceivedBytes, body);
        Ok(buffer)
    }

    async fn read_chunked(
        &mut self,
        limits: &Limits,
        head_bytes: usize,
        held: &mut InFlight,
    ) -> Result<Vec<u8>, NoBody> {
        self.continue_if_awaited(head_bytes).await.map_err(lost)?;
        let head = self.link.received().get(..head_bytes).unwrap_or_default().to_vec();
        self.link.consume(head_bytes);
        let mut buffer = head;
        let mut decoder = BodyDecoder::new(Framing::Chunked, limits.body_bytes);
        loop {
            let decoded = decoder
                .decode(self.link.received(), &mut buffer)
                .map_err(|error| NoBody::Refused(error.into()))?;
            self.link.consume(decoded.consumed);
            held.grow((buffer.len() - head_bytes) as u64, limits.in_flight_bytes)?;
            if decoded.done {
                return Ok(buffer);
            }
            self.link.more().await.map_err(lost)?;
        }
    }

    /// Takes the first `length` bytes received; what came behind stays.
    fn take_message(&mut self, length: usize) -> Vec<u8> {
        let mut buffer = self.link.take();
        if buffer.len() > length {
            let rest = buffer.split_off(length);
            self.link.put_back(&rest);
        }
        buffer
    }

    /// Says `100 Continue` to a client that waits for it and has not sent its body anyway.
    async fn continue_if_awaited(&mut self, head_bytes: usize) -> Result<(), LinkError> {
        if self.exchange.head.expect_continue && self.link.received().len() <= head_bytes {
            let mut message = self.link.outgoing();
            message.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.link.send(message).await?;
        }
        Ok(())
    }
}
