//! Reading one answer, as it comes, and judging it.
//!
//! Sans-I/O. An answer counts when its status is 200, its framing holds and, for a stream, the end
//! mark came last: a proxy that cuts or refuses must not look fast. Interim (1xx) answers are read
//! over.

use thiserror::Error;

use crate::http::{ChunkedDecoder, Framing, HEAD_BYTES_MAX, HttpError, ResponseHead, head_end};

const END_MARK: &[u8; 14] = b"data: [DONE]\n\n";

#[derive(Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("status {0}")]
    Status(u16),
    #[error("bytes after the end of the answer")]
    Surplus,
    #[error("stream ended without its end mark")]
    NoEndMark,
    #[error("connection closed within the answer")]
    Cut,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    More,
    /// The answer is complete; `close` says that the connection is not to be used again.
    Done {
        close: bool,
    },
}

#[derive(Debug)]
enum State {
    /// The bytes of a head that came in pieces.
    Head(Vec<u8>),
    Length {
        left: u64,
        close: bool,
    },
    Chunked {
        decoder: ChunkedDecoder,
        close: bool,
    },
    UntilClose,
}

#[derive(Debug)]
pub struct Answer {
    state: State,
    stream: bool,
    status: u16,
    body_bytes: u64,
    /// The last bytes of the body, where a stream's end mark must be.
    tail: [u8; END_MARK.len()],
}

impl Answer {
    pub fn new(stream: bool) -> Self {
        Self {
            state: State::Head(Vec::new()),
            stream,
            status: 0,
            body_bytes: 0,
            tail: [0; END_MARK.len()],
        }
    }

    /// Bytes of the body so far; the first event is here once it is above 0.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, AnswerError> {
        let State::Head(seen) = &mut self.state else { return self.feed_body(bytes) };
        if seen.is_empty()
            && let Some(end) = head_end(bytes)
        {
            // PERF: nearly every head comes whole and is not copied.
            let (head, rest) = bytes.split_at(end);
            return self.head(head, rest);
        }
        seen.extend_from_slice(bytes);
        let Some(end) = head_end(seen) else {
            if seen.len() > HEAD_BYTES_MAX {
                return Err(HttpError::HeadTooLong.into());
            }
            return Ok(Progress::More);
        };
        let seen = std::mem::take(seen);
        let (head, rest) = seen.split_at(end);
        self.head(head, rest)
    }

    /// The connection's end, which ends an answer without framing.
    pub fn end(&self) -> Result<Progress, AnswerError> {
        match self.state {
            State::UntilClose => self.done(true),
            _ => Err(AnswerError::Cut),
        }
    }

    fn head(&mut self, head: &[u8], rest: &[u8]) -> Result<Progress, AnswerError> {
        let head = ResponseHead::parse(head)?;
        if (100..200).contains(&head.status) {
            self.state = State::Head(Vec::new());
            return if rest.is_empty() { Ok(Progress::More) } else { self.feed(rest) };
        }
        self.status = head.status;
        let close = head.close;
        self.state = match head.framing {
            Framing::Length(left) => State::Length { left, close },
            Framing::Chunked => State::Chunked { decoder: ChunkedDecoder::default(), close },
            Framing::Unspecified => State::UntilClose,
        };
        self.feed_body(rest)
    }

    fn feed_body(&mut self, bytes: &[u8]) -> Result<Progress, AnswerError> {
        let (tail, body_bytes) = (&mut self.tail, &mut self.body_bytes);
        let mut take = |run: &[u8]| {
            *body_bytes += run.len() as u64;
            keep_tail(tail, run);
        };
        let close = match &mut self.state {
            State::Head(_) => return Ok(Progress::More),
            State::UntilClose => {
                take(bytes);
                return Ok(Progress::More);
            }
            State::Length { left, close } => {
                take(bytes);
                *left = left.checked_sub(bytes.len() as u64).ok_or(AnswerError::Surplus)?;
                if *left > 0 {
                    return Ok(Progress::More);
                }
                *close
            }
            State::Chunked { decoder, close } => {
                if decoder.decode(bytes, take)? < bytes.len() {
                    return Err(AnswerError::Surplus);
                }
                if !decoder.is_done() {
                    return Ok(Progress::More);
                }
                *close
            }
        };
        self.done(close)
    }

    fn done(&self, close: bool) -> Result<Progress, AnswerError> {
        if self.status != 200 {
            return Err(AnswerError::Status(self.status));
        }
        if self.stream && self.tail != *END_MARK {
            return Err(AnswerError::NoEndMark);
        }
        Ok(Progress::Done { close })
    }
}

fn keep_tail(tail: &mut [u8; END_MARK.len()], run: &[u8]) {
    if let Some(last) = run.last_chunk() {
        *tail = *last;
    } else {
        tail.rotate_left(run.len());
        let kept = tail.len() - run.len();
        if let Some(end) = tail.get_mut(kept..) {
            end.copy_from_slice(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::push_chunk;

    fn stream_answer() -> Vec<u8> {
        let mut wire = b"HTTP/1.1 103 Early Hints\r\n\r\n\
            HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
        for event in ["data: {}\n\n", "data: [DONE]\n\n", ""] {
            push_chunk(&mut wire, event.as_bytes());
        }
        wire
    }

    #[test]
    fn only_a_whole_good_answer_counts() {
        let judge = |stream, wire: &[u8]| Answer::new(stream).feed(wire);
        let done = Ok(Progress::Done { close: false });
        assert_eq!(judge(false, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), done);
        assert_eq!(judge(true, &stream_answer()), done);
        assert_eq!(
            judge(false, b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n"),
            Err(AnswerError::Status(503))
        );
        assert_eq!(
            judge(true, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
            Err(AnswerError::NoEndMark)
        );
        assert_eq!(
            judge(false, b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}"),
            Err(AnswerError::Surplus)
        );
    }

    #[test]
    fn a_connection_may_end_only_an_answer_without_framing() {
        let mut answer = Answer::new(false);
        assert_eq!(answer.feed(b"HTTP/1.1 200 OK\r\n\r\n{"), Ok(Progress::More));
        assert_eq!(answer.end(), Ok(Progress::Done { close: true }));
        let mut answer = Answer::new(false);
        answer.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{").unwrap();
        assert_eq!(answer.end(), Err(AnswerError::Cut));
    }

    proptest! {
        #[test]
        fn an_answer_cut_anywhere_reads_the_same(cuts in proptest::collection::vec(0_usize..30, 0..20)) {
            let wire = stream_answer();
            let mut rest = wire.as_slice();
            let mut answer = Answer::new(true);
            let mut progress = Progress::More;
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                if !piece.is_empty() {
                    progress = answer.feed(piece).unwrap();
                }
                rest = after;
            }
            prop_assert_eq!(progress, Progress::Done { close: false });
            prop_assert_eq!(answer.body_bytes(), 24);
        }
    }
}
