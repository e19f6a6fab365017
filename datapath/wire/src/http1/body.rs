//! Message bodies: by length, in chunks, or until the connection closes.
//!
//! The decoder is a small state machine that takes its input in any cuts and gives the same bytes
//! and the same error for all of them. Chunk extensions are refused: nobody sends them, and their
//! parsing differs between servers. Trailers are read, held to a bound, and dropped.
//!
//! INVARIANT: `taken <= limit`, and bytes behind the end of the body are never consumed.

use super::request::Framing;
use super::response::ResponseFraming;

/// Hex digits of a chunk size; more could only be leading zeros or an overflow.
const SIZE_DIGITS_MAX: u8 = 15;
/// Bytes of all trailer lines together.
const TRAILER_BYTES_MAX: u32 = 8 * 1024;

/// How far one call of a decoder got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that belong to this body; the rest is the next message.
    pub consumed: usize,
    /// The body is complete.
    pub done: bool,
}

/// Why a body is refused. The connection is closed after any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body is longer than allowed.
    #[error("the body is larger than `{limit}` bytes")]
    TooLarge {
        /// The bound, in bytes.
        limit: u64,
    },
    /// A chunk size is not a hexadecimal number, or too long.
    #[error("a chunk size is malformed")]
    BadChunkSize,
    /// A chunk size is followed by an extension.
    #[error("chunk extensions are not supported")]
    ChunkExtension,
    /// A line end within the chunked coding is missing or no CRLF.
    #[error("a chunk does not end where it should")]
    BadChunkEnd,
    /// A trailer line is malformed.
    #[error("a trailer line is malformed")]
    BadTrailer,
    /// The trailers are longer than allowed.
    #[error("the trailers are too large")]
    TrailersTooLarge,
    /// The connection ended within the body.
    #[error("the body ended early")]
    Truncated,
}

impl BodyError {
    /// The status to answer a request with.
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::TrailersTooLarge => 431,
            Self::BadChunkSize
            | Self::ChunkExtension
            | Self::BadChunkEnd
            | Self::BadTrailer
            | Self::Truncated => 400,
        }
    }
}

/// Where the decoder stands.
///
/// ```text
/// Size ─CR─► SizeLf ─LF─► Data ─► DataCr ─► DataLf ─► Size
///                    └(0)► TrailerStart ─CR─► LastLf ─► Done
///                                └─► TrailerLine ─CR─► TrailerLf ─► TrailerStart
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// This many bytes are left of a body with a length.
    Length(u64),
    UntilClose,
    /// Within a chunk size: its value and its digits so far.
    Size {
        value: u64,
        digits: u8,
    },
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    TrailerStart,
    /// Within a trailer line; true once its colon came.
    TrailerLine(bool),
    TrailerLf,
    LastLf,
    Done,
}

/// Decodes one body.
#[derive(Debug, Clone, Copy)]
pub struct BodyDecoder {
    state: State,
    limit: u64,
    taken: u64,
    trailer_bytes: u32,
}

impl BodyDecoder {
    /// A decoder for the body of a request of at most `limit` bytes.
    pub fn new(framing: Framing, limit: u64) -> Self {
        let state = match framing {
            Framing::None => State::Done,
            Framing::Length(length) => Self::length_state(length),
            Framing::Chunked => State::Size { value: 0, digits: 0 },
        };
        Self { state, limit, taken: 0, trailer_bytes: 0 }
    }

    /// A decoder for the body of a response of at most `limit` bytes.
    pub fn for_response(framing: ResponseFraming, limit: u64) -> Self {
        let state = match framing {
            ResponseFraming::None => State::Done,
            ResponseFraming::Length(length) => Self::length_state(length),
            ResponseFraming::Chunked => State::Size { value: 0, digits: 0 },
            ResponseFraming::UntilClose => State::UntilClose,
        };
        Self { state, limit, taken: 0, trailer_bytes: 0 }
    }

    fn length_state(length: u64) -> State {
        if length == 0 { State::Done } else { State::Length(length) }
    }

    /// True where the body is complete, or there is none.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes of body handed out so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes known to be left, for bodies with a length.
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// Refuses at once a body whose declared length is over the limit.
    pub fn check_declared(&self) -> Result<(), BodyError> {
        match self.state {
            State::Length(left) if left > self.limit.saturating_sub(self.taken) => {
                Err(BodyError::TooLarge { limit: self.limit })
            }
            _ => Ok(()),
        }
    }

    /// The peer closed its side: fine for a body that ends so or is complete.
    pub fn finish(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(BodyError::Truncated),
        }
    }

    /// Decodes `input` and appends the bytes of the body to `out`.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Decoded, BodyError> {
        self.decode_slices(input, &mut |slice: &[u8]| out.extend_from_slice(slice))
    }

    /// Decodes `input` and hands each run of body bytes to `emit`, as slices of `input`. After an
    /// error the decoder must not be used again.
    pub fn decode_slices(
        &mut self,
        input: &[u8],
        emit: &mut impl FnMut(&[u8]),
    ) -> Result<Decoded, BodyError> {
        self.check_declared()?;
        let mut rest = input;
        loop {
            match self.state {
                State::Done => break,
                State::Length(left) => {
                    rest = self.take(rest, left, emit)?;
                    self.state = Self::length_state(left - (input.len() - rest.len()) as u64);
                    break;
                }
                State::UntilClose => {
                    rest = self.take(rest, u64::MAX, emit)?;
                    break;
                }
                State::Data(left) => {
                    if rest.is_empty() {
                        break;
                    }
                    let before = rest.len();
                    rest = self.take(rest, left, emit)?;
                    let left = left - (before - rest.len()) as u64;
                    self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                }
                _ => {
                    let Some((&byte, after)) = rest.split_first() else { break };
                    self.state = self.step(byte)?;
                    rest = after;
                }
            }
        }
        Ok(Decoded { consumed: input.len() - rest.len(), done: self.is_done() })
    }

    /// Hands out up to `left` bytes of `input`; what is behind them.
    fn take<'i>(
        &mut self,
        input: &'i [u8],
        left: u64,
        emit: &mut impl FnMut(&[u8]),
    ) -> Result<&'i [u8], BodyError> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        if count as u64 > self.limit - self.taken {
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        let (body, rest) = input.split_at(count);
        if !body.is_empty() {
            self.taken += count as u64;
            emit(body);
        }
        Ok(rest)
    }

    /// One byte of the chunked coding that is no data.
    fn step(&mut self, byte: u8) -> Result<State, BodyError> {
        Ok(match (self.state, byte) {
            (State::Size { digits: 1.., value }, b'\r') => State::SizeLf(value),
            (State::Size { digits: 1.., .. }, b';' | b' ' | b'\t') => {
                return Err(BodyError::ChunkExtension);
            }
            (State::Size { value, digits }, byte) => {
                let digit = hex_digit(byte).ok_or(BodyError::BadChunkSize)?;
                if digits == SIZE_DIGITS_MAX {
                    return Err(BodyError::BadChunkSize);
                }
                State::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
            }
            (State::SizeLf(0) | State::TrailerLf, b'\n') => State::TrailerStart,
            (State::SizeLf(size), b'\n') => {
                // The whole chunk is refused at its size: the same answer for every cut.
                if size > self.limit - self.taken {
                    return Err(BodyError::TooLarge { limit: self.limit });
                }
                State::Data(size)
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { value: 0, digits: 0 },
            (State::SizeLf(_) | State::DataCr | State::DataLf, _) => {
                return Err(BodyError::BadChunkEnd);
            }
            (State::TrailerStart, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => State::Done,
            (State::TrailerStart | State::TrailerLine(_), byte) => self.trailer(byte)?,
            (State::TrailerLf | State::LastLf, _) => return Err(BodyError::BadTrailer),
            (State::Length(_) | State::UntilClose | State::Data(_) | State::Done, _) => self.state,
        })
    }

    fn trailer(&mut self, byte: u8) -> Result<State, BodyError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(BodyError::TrailersTooLarge);
        }
        let in_value = self.state == State::TrailerLine(true);
        match byte {
            b'\r' if in_value => Ok(State::TrailerLf),
            b':' if self.state == State::TrailerLine(false) => Ok(State::TrailerLine(true)),
            _ if in_value && (byte == b'\t' || (byte >= b' ' && byte != 0x7f)) => {
                Ok(State::TrailerLine(true))
            }
            _ if !in_value && super::class::is_token_byte(byte) => Ok(State::TrailerLine(false)),
            _ => Err(BodyError::BadTrailer),
        }
    }
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
