//! One client connection of the mock: read a request, carry out its plan, again.
//!
//! While a plan pauses, the socket is watched, so that a client that leaves ends the plan at once
//! and is counted. The read that watches is stopped by its canceller and its result taken, never
//! dropped: bytes of a next request that it may have read are kept.

use std::{cell::RefCell, io, mem, pin::pin, sync::Arc, time::Duration};

use monoio::{
    buf::IoBufMut,
    io::{AsyncReadRent, AsyncWriteRentExt, CancelableAsyncReadRent, Canceller},
    net::TcpStream,
    time::Instant,
};

use super::{
    answer::{self, Answers, Request},
    openai,
    plan::{Plan, Step},
    response::Head,
    stats::{OpenConnection, Stats},
};
use crate::http::{ChunkedDecoder, Framing, HEAD_BYTES_MAX, HttpError, RequestHead, head_end};

/// Space that is offered to a read.
const READ_BYTES: usize = 64 * 1024;

/// What the connections of one thread share.
pub struct Shared {
    pub answers: RefCell<Answers>,
    pub stats: Arc<Stats>,
}

/// Why a connection ends before the next request.
enum End {
    /// The client closed between requests, or the plan said to close.
    Orderly,
    /// The client left before its answer was complete.
    Cancelled,
    /// The client broke HTTP's framing, or left within a request.
    Bad,
}

pub async fn serve(stream: TcpStream, shared: &Shared) {
    let _open = OpenConnection::new(&shared.stats);
    // Without this, answers wait for the proxy's delayed acknowledgements. A socket that refuses it
    // is already closed, which the first read tells.
    stream.set_nodelay(true).ok();
    let mut connection = Connection { stream, read: Vec::new(), written: Vec::new() };
    loop {
        match connection.exchange(shared).await {
            Ok(()) => {}
            Err(End::Orderly) => return,
            Err(End::Cancelled) => return Stats::count(&shared.stats.cancelled),
            Err(End::Bad) => {
                Stats::count(&shared.stats.bad_requests);
                return connection.refuse().await;
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// Bytes received and not yet taken by a request.
    read: Vec<u8>,
    /// Kept for its capacity.
    written: Vec<u8>,
}

impl Connection {
    async fn exchange(&mut self, shared: &Shared) -> Result<(), End> {
        let head_length = self.read_head().await?;
        Stats::count(&shared.stats.requests);
        let (framing, expect, close) = {
            let raw = self.read.get(..head_length).unwrap_or_default();
            let head = RequestHead::parse(raw).map_err(End::from)?;
            (head.framing, head.expect_continue, head.close)
        };
        let body = match self.read_body(head_length, framing, expect).await? {
            Received::Whole(body) => body,
            Received::AnswerFirst(plan) => return self.carry_out(plan, shared).await,
        };
        let mut out = mem::take(&mut self.written);
        let plan = {
            let raw_head = self.read.get(..head_length).unwrap_or_default();
            let head = RequestHead::parse(raw_head).map_err(End::from)?;
            let body = match &body {
                Body::Inline(length) => {
                    self.read.get(head_length..head_length + length).unwrap_or_default()
                }
                Body::Decoded { data, .. } => data,
            };
            shared.answers.borrow_mut().answer(Request { head: &head, raw_head, body }, &mut out)
        };
        let taken = head_length
            + match body {
                Body::Inline(length) => length,
                Body::Decoded { wire_length, .. } => wire_length,
            };
        if taken == self.read.len() {
            self.read.clear();
        } else {
            self.read.drain(..taken);
        }
        if plan == Plan::Whole {
            self.write(out).await?;
        } else {
            self.written = out;
            self.carry_out(plan, shared).await?;
        }
        if close { Err(End::Orderly) } else { Ok(()) }
    }

    async fn read_head(&mut self) -> Result<usize, End> {
        loop {
            if let Some(length) = head_end(&self.read) {
                return Ok(length);
            }
            if self.read.len() > HEAD_BYTES_MAX {
                return Err(End::Bad);
            }
            match self.fill().await {
                Ok(1..) => {}
                _ if self.read.is_empty() => return Err(End::Orderly),
                _ => return Err(End::Bad),
            }
        }
    }

    async fn read_body(
        &mut self,
        head_length: usize,
        framing: Framing,
        expect: bool,
    ) -> Result<Received, End> {
        let mut decoder = ChunkedDecoder::default();
        let mut data = Vec::new();
        let mut decoded = head_length;
        let mut asked = !expect;
        let mut looked = false;
        loop {
            match framing {
                Framing::Unspecified => return Ok(Received::Whole(Body::Inline(0))),
                Framing::Length(length) => {
                    let length = usize::try_from(length).map_err(|_too_long| End::Bad)?;
                    if self.read.len() - head_length >= length {
                        return Ok(Received::Whole(Body::Inline(length)));
                    }
                }
                Framing::Chunked => {
                    let new = self.read.get(decoded..).unwrap_or_default();
                    let sink = |run: &[u8]| data.extend_from_slice(run);
                    decoded += decoder.decode(new, sink).map_err(End::from)?;
                    if decoder.is_done() {
                        let wire_length = decoded - head_length;
                        return Ok(Received::Whole(Body::Decoded { data, wire_length }));
                    }
                }
            }
            if !asked {
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()).await?;
                asked = true;
            }
            if !looked {
                let raw = self.read.get(..head_length).unwrap_or_default();
                let target = RequestHead::parse(raw).map_err(End::from)?.target;
                let partial = match framing {
                    Framing::Chunked => &data,
                    _ => self.read.get(head_length..).unwrap_or_default(),
                };
                // PERF: one look at the first bytes that came, not at each read of a large body.
                looked = !partial.is_empty();
                if let Some(plan) = answer::before_body(target, partial) {
                    return Ok(Received::AnswerFirst(plan));
                }
            }
            if !matches!(self.fill().await, Ok(1..)) {
                return Err(End::Bad);
            }
        }
    }

    async fn carry_out(&mut self, plan: Plan, shared: &Shared) -> Result<(), End> {
        let (steps, close) = match plan {
            Plan::Whole => return Ok(()),
            Plan::Steps { steps, close } => (steps, close),
            Plan::Stats => {
                let body = shared.stats.to_json().to_string();
                let wire = Head::default().with_body(body.as_bytes(), usize::MAX);
                (vec![Step::Write(wire)], false)
            }
            Plan::Redirected => {
                Stats::count(&shared.stats.redirects_followed);
                (vec![Step::Write(Head::default().with_body(b"{}", 1))], false)
            }
        };
        for step in steps {
            match step {
                Step::Write(bytes) => self.write(bytes).await?,
                Step::Repeat { mut piece, times } => {
                    for _ in 0..times {
                        let result;
                        (result, piece) = self.stream.write_all(piece).await;
                        result.map_err(|_gone| End::Cancelled)?;
                    }
                }
                Step::Pause(duration) => self.pause(duration).await?,
                Step::Stall => monoio::time::sleep(Duration::from_mins(10)).await,
            }
        }
        if close { Err(End::Orderly) } else { Ok(()) }
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), End> {
        let (result, mut bytes) = self.stream.write_all(bytes).await;
        bytes.clear();
        self.written = bytes;
        result.map(drop).map_err(|_gone| End::Cancelled)
    }

    /// Appends what the socket has; 0 at its end.
    async fn fill(&mut self) -> io::Result<usize> {
        let buffer = self.offer();
        let (start, end) = (buffer.len(), buffer.capacity());
        let (result, buffer) = self.stream.read(buffer.slice_mut(start..end)).await;
        self.read = buffer.into_inner();
        result
    }

    fn offer(&mut self) -> Vec<u8> {
        let mut buffer = mem::take(&mut self.read);
        if buffer.capacity() - buffer.len() < READ_BYTES / 4 {
            buffer.reserve(READ_BYTES);
        }
        buffer
    }

    /// Waits, and fails as soon as the client closes.
    async fn pause(&mut self, duration: Duration) -> Result<(), End> {
        let until = Instant::now() + duration;
        loop {
            let buffer = self.offer();
            let (start, end) = (buffer.len(), buffer.capacity());
            let canceller = Canceller::new();
            let (result, buffer) = {
                let handle = canceller.handle();
                let mut read =
                    pin!(self.stream.cancelable_read(buffer.slice_mut(start..end), handle));
                let mut timer = pin!(monoio::time::sleep_until(until));
                monoio::select! {
                    biased;
                    read = &mut read => read,
                    () = &mut timer => {
                        canceller.cancel();
                        read.await
                    }
                }
            };
            self.read = buffer.into_inner();
            match result {
                Ok(0) => return Err(End::Cancelled),
                Ok(_) if self.read.len() > HEAD_BYTES_MAX => return Err(End::Bad),
                Ok(_) => {}
                Err(_) if Instant::now() >= until => return Ok(()),
                Err(_) => return Err(End::Cancelled),
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }

    async fn refuse(&mut self) {
        let body = openai::error(400, "the request's framing is broken, or it was cut");
        let wire = Head { status: 400, ..Head::default() }.with_body(&body, usize::MAX);
        // The connection closes either way.
        self.stream.write_all(wire).await.0.ok();
    }
}

enum Received {
    Whole(Body),
    /// The plan wants no more of the body; the connection closes after it.
    AnswerFirst(Plan),
}

enum Body {
    /// So many bytes after the head.
    Inline(usize),
    Decoded {
        data: Vec<u8>,
        wire_length: usize,
    },
}

impl From<HttpError> for End {
    fn from(_: HttpError) -> Self {
        Self::Bad
    }
}
