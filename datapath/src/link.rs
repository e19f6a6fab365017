//! A connection to a client or an upstream: bytes in a buffer, TLS or not, deadlines.
//!
//! What arrives collects in one buffer that starts with the message under way; [`Link::take`] hands
//! the whole buffer out, so that a request is parsed, inspected and forwarded where it was read.
//! While a request is worked on, the read stays armed into a small buffer of its own
//! ([`Link::poll_left`]), so that a peer that leaves is noticed at once and a peer that sends ahead
//! is held back by TCP.

use crate::deadline::{Deadlines, Watch};
use crate::io::Socket;
use crate::tls::Tls;
use monoio::net::TcpStream;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Bytes that an armed read can take where nothing is expected.
const READ_AHEAD_BYTES: usize = 8 << 10;

/// A buffer that grew beyond this is let go after the message that needed it.
const KEEP_BYTES: usize = 128 << 10;

/// Plaintext that is given to TLS at once.
const TLS_SLICE_BYTES: usize = 256 << 10;

/// Asks a client that closed its side whether it is still there: whoever reads takes an interim
/// answer (RFC 9110 15.2), and the system of whoever left answers with a reset.
const ARE_YOU_THERE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How often a reset is looked for after that.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why nothing more comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkError {
    /// The peer closed its side in order.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
    /// The deadline was reached.
    #[error("the deadline was reached")]
    Expired,
    /// TLS failed.
    #[error("tls failed")]
    Tls,
}

/// One connection.
pub struct Link {
    socket: Socket,
    watch: Rc<Watch>,
    tls: Option<Box<Tls>>,
    /// Plaintext received and not yet taken.
    received: Vec<u8>,
    /// A buffer for armed reads.
    spare: Vec<u8>,
    /// A buffer for writes.
    outgoing: Vec<u8>,
    ended: bool,
    /// The peer may be asked whether it is there: it waits for the head of an answer.
    may_ask: bool,
    /// The peer was asked.
    asked: bool,
}

impl Link {
    /// A plain connection over `stream`.
    pub fn plain(stream: TcpStream, deadlines: &Deadlines) -> std::io::Result<Link> {
        let socket = Socket::new(stream)?;
        let watch = deadlines.register(socket.kill_handle());
        Ok(Link {
            socket,
            watch,
            tls: None,
            received: Vec::new(),
            spare: Vec::new(),
            outgoing: Vec::new(),
            ended: false,
            may_ask: false,
            asked: false,
        })
    }

    /// Speaks TLS from now on, and makes the handshake. Resumption is reported by [`Link::tls`].
    pub async fn secure(&mut self, tls: Tls) -> Result<(), LinkError> {
        self.tls = Some(Box::new(tls));
        loop {
            self.flush_tls().await?;
            let Some(tls) = self.tls.as_ref() else { return Err(LinkError::Tls) };
            if !tls.is_handshaking() {
                return Ok(());
            }
            poll_fn(|context| self.poll_more(context)).await?;
        }
    }

    /// The TLS state.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    /// The deadline.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// What was received and not taken.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Drops the first `count` bytes received.
    pub fn consume(&mut self, count: usize) {
        if count >= self.received.len() {
            self.received.clear();
        } else {
            self.received.drain(..count);
        }
    }

    /// Takes everything received; the link goes on with an empty buffer.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Puts bytes back that came behind a message.
    pub fn put_back(&mut self, bytes: &[u8]) {
        // What arrived meanwhile comes behind them.
        self.received.splice(..0, bytes.iter().copied());
    }

    /// Gives a buffer back for reuse.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.received.capacity() == 0 && buffer.capacity() <= KEEP_BYTES {
            buffer.clear();
            self.received = buffer;
        }
    }

    /// Makes room for a message of `length` bytes in all, so that it is read in one place.
    pub fn expect(&mut self, length: usize) {
        self.received.reserve(length.saturating_sub(self.received.len()));
    }

    /// Whether the peer has closed, as far as an armed read knows.
    pub fn has_ended(&self) -> bool {
        self.ended || self.socket.inbox().has_ended()
    }

    /// Whether an idle connection may carry another request: its peer is there and has said nothing
    /// that nobody asked for. Bytes that came since the last answer would be taken for the next one.
    pub fn is_quiet(&mut self) -> bool {
        loop {
            match self.poll_delivery(Waker::noop()) {
                // Only TLS moved: tickets, mostly.
                Poll::Ready(Ok(0)) => self.arm(),
                Poll::Ready(Ok(_) | Err(_)) => return false,
                Poll::Pending => return !self.has_ended() && self.received.is_empty(),
            }
        }
    }

    /// Orders a read, unless one is under way.
    pub fn arm(&mut self) {
        if self.ended || self.socket.inbox().is_armed() {
            return;
        }
        // A plain message that is being collected is read where it belongs.
        let room = self.received.capacity() - self.received.len();
        let direct = self.tls.is_none() && !self.received.is_empty() && room > 0;
        if direct {
            let buffer = std::mem::take(&mut self.received);
            self.socket.inbox().order(buffer);
            return;
        }
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        buffer.reserve(READ_AHEAD_BYTES);
        self.socket.inbox().order(buffer);
    }

    /// Takes what a read delivered into `received`. Ready with the number of bytes of plaintext.
    fn poll_delivery(&mut self, waker: &Waker) -> Poll<Result<usize, LinkError>> {
        let Poll::Ready((buffer, added)) = self.socket.inbox().poll_take(waker) else {
            return Poll::Pending;
        };
        if added == 0 {
            self.ended = true;
            // What a direct read had collected is still there.
            if self.received.is_empty() && self.tls.is_none() {
                self.received = buffer;
            }
            let failed = self.socket.inbox().has_failed();
            return Poll::Ready(Err(if failed { LinkError::Broken } else { LinkError::Closed }));
        }
        let Some(tls) = self.tls.as_mut() else {
            // Where nothing is kept, the buffer becomes the received one; no copy.
            if self.received.is_empty() {
                self.spare = std::mem::replace(&mut self.received, buffer);
            } else {
                self.received.extend_from_slice(&buffer);
                self.spare = buffer;
            }
            return Poll::Ready(Ok(added));
        };
        let before = self.received.len();
        let read = tls.receive(&buffer, &mut self.received);
        self.spare = buffer;
        match read {
            Ok(()) => Poll::Ready(Ok(self.received.len() - before)),
            Err(_) => {
                self.ended = true;
                Poll::Ready(Err(LinkError::Tls))
            }
        }
    }

    /// Waits for more plaintext, the deadline, or the end. Ready with 0 where only TLS moved.
    pub fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, LinkError>> {
        if self.ended {
            return Poll::Ready(Err(LinkError::Closed));
        }
        self.arm();
        if let Poll::Ready(result) = self.poll_delivery(context.waker()) {
            return Poll::Ready(result);
        }
        if self.watch.has_expired() {
            return Poll::Ready(Err(LinkError::Expired));
        }
        self.watch.watch(context.waker());
        Poll::Pending
    }

    /// Waits for at least one more byte of plaintext.
    pub async fn more(&mut self) -> Result<usize, LinkError> {
        loop {
            let added = poll_fn(|context| self.poll_more(context)).await?;
            if added > 0 {
                return Ok(added);
            }
            self.flush_tls().await?;
        }
    }

    /// Ready when the peer has left; bytes that it sends ahead are kept, up to a bound, and then
    /// held back.
    pub fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.ended {
                return Poll::Ready(());
            }
            if self.received.len() < READ_AHEAD_BYTES {
                self.arm();
            }
            match self.poll_delivery(context.waker()) {
                Poll::Ready(Ok(_)) if self.received.len() < READ_AHEAD_BYTES => {}
                Poll::Ready(Ok(_)) | Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
    }

    /// Says whether an interim answer may be sent now: between a request and its answer's head, to
    /// a client of HTTP/1.1.
    pub fn may_ask(&mut self, may: bool) {
        self.may_ask = may;
    }

    /// Whether the peer, which has closed its side in order, may still be there to read: a client
    /// that said all that it has to say and waits (a half-closed connection) looks just like one
    /// that left. Asks it, once.
    fn may_still_read(&mut self) -> bool {
        if self.tls.is_some() || self.socket.inbox().has_failed() || self.socket.is_reset() {
            return false;
        }
        if self.may_ask && !self.asked {
            self.asked = true;
            self.socket.send_now(ARE_YOU_THERE);
        }
        self.asked
    }

    /// An empty buffer to build a message in; [`Link::send`] takes it.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.outgoing);
        buffer.clear();
        if buffer.capacity() > KEEP_BYTES {
            buffer = Vec::new();
        }
        buffer
    }

    /// Sends `message` whole.
    pub async fn send(&mut self, message: Vec<u8>) -> Result<(), LinkError> {
        if self.tls.is_some() {
            let sent = self.send_tls(&message).await;
            self.outgoing = message;
            return sent;
        }
        let (result, buffer) = self.socket.write(message).await;
        self.outgoing = buffer;
        self.written(&result)
    }

    /// Sends `message[from..to]` and gives it back, for bodies that stay where they are.
    pub async fn send_part(
        &mut self,
        message: Vec<u8>,
        from: usize,
        to: usize,
    ) -> (Result<(), LinkError>, Vec<u8>) {
        if self.tls.is_some() {
            let sent = self.send_tls(message.get(from..to).unwrap_or_default()).await;
            return (sent, message);
        }
        let (result, buffer) = self.socket.write_part(message, from, to).await;
        (self.written(&result), buffer)
    }

    async fn send_tls(&mut self, message: &[u8]) -> Result<(), LinkError> {
        for slice in message.chunks(TLS_SLICE_BYTES) {
            let Some(tls) = self.tls.as_mut() else { return Err(LinkError::Tls) };
            tls.send(slice).map_err(|_error| LinkError::Tls)?;
            self.flush_tls().await?;
        }
        Ok(())
    }

    /// Writes what TLS has to say.
    async fn flush_tls(&mut self) -> Result<(), LinkError> {
        let Some(tls) = self.tls.as_mut() else { return Ok(()) };
        let mut records = tls.records_buffer();
        tls.take_records(&mut records);
        let (result, records) = self.socket.write(records).await;
        if let Some(tls) = self.tls.as_mut() {
            tls.give_records_buffer(records);
        }
        self.written(&result)
    }

    fn written(&self, result: &std::io::Result<()>) -> Result<(), LinkError> {
        match result {
            Ok(()) => Ok(()),
            Err(_) if self.watch.has_expired() => Err(LinkError::Expired),
            Err(_) => Err(LinkError::Broken),
        }
    }

    /// Reads and drops what still comes, until the end or the deadline: closing a socket with
    /// unread bytes would reset it and could cost the peer our last answer.
    pub async fn linger(&mut self) {
        loop {
            self.received.clear();
            if self.more().await.is_err() {
                return;
            }
        }
    }

    /// Ends the connection in order: TLS says goodbye, then the peer reads an end.
    pub async fn finish(&mut self) {
        if let Some(tls) = self.tls.as_mut() {
            tls.close();
            // Nobody is left to tell if this fails.
            self.flush_tls().await.ok();
        }
        self.socket.finish();
    }
}

/// Waits for `work` unless the client leaves first; `None` where it left. `work` must be safe to
/// drop: a wait for memory, or for a socket that closes with it.
pub async fn unless_left<T>(client: &mut Link, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let done = poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        client.poll_left(context).map(|()| None)
    })
    .await;
    if done.is_some() {
        return done;
    }
    while client.may_still_read() {
        let mut pause = std::pin::pin!(monoio::time::sleep(LOOK_AGAIN));
        let done = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => pause.as_mut().poll(context).map(|()| None),
        })
        .await;
        if done.is_some() {
            return done;
        }
    }
    None
}
