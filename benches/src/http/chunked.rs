//! The chunked transfer coding, both ways.
//!
//! The decoder takes the bytes as they come, cut anywhere, and reports data as slices of its input,
//! so nothing is copied unless the caller does. Trailers are read and dropped; chunk extensions are
//! read over, as upstreams may send them.

use memchr::memchr;

use super::HttpError;

/// Longest size line or trailer that is read over before giving up.
const LINE_BYTES_MAX: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { value: u64, digits: u8 },
    SizeRest { length: u64, read: usize },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    Trailer { read: usize },
    TrailerEnd,
    Done,
}

/// Decodes one chunked body; make a new one for the next.
#[derive(Debug)]
pub struct ChunkedDecoder {
    state: State,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self { state: State::Size { value: 0, digits: 0 } }
    }
}

impl ChunkedDecoder {
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what it can of `input`, gives each run of data to `data`, and returns how many bytes it
    /// took: all of them, unless the body ended before.
    pub fn decode(
        &mut self,
        input: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<usize, HttpError> {
        let mut rest = input;
        while let Some((&byte, after)) = rest.split_first() {
            match self.state {
                State::Done => break,
                State::Data { left } => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let (run, after) = rest.split_at(take);
                    data(run);
                    rest = after;
                    let left = left - take as u64;
                    self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                    continue;
                }
                State::SizeRest { length, read } => {
                    let line_end = memchr(b'\n', rest);
                    let take = line_end.map_or(rest.len(), |at| at + 1);
                    if read + take > LINE_BYTES_MAX {
                        return Err(HttpError::ChunkSize);
                    }
                    rest = rest.get(take..).unwrap_or_default();
                    self.state = match (line_end, length) {
                        (None, _) => State::SizeRest { length, read: read + take },
                        (Some(_), 0) => State::TrailerStart,
                        (Some(_), left) => State::Data { left },
                    };
                    continue;
                }
                state => self.state = step(state, byte)?,
            }
            rest = after;
        }
        Ok(input.len() - rest.len())
    }
}

/// The states that go byte by byte.
fn step(state: State, byte: u8) -> Result<State, HttpError> {
    Ok(match (state, byte) {
        (State::Size { digits: 0, .. }, b'\r' | b';') => return Err(HttpError::ChunkSize),
        (State::Size { value, .. }, b'\r' | b';' | b' ' | b'\t') => {
            State::SizeRest { length: value, read: 0 }
        }
        (State::Size { value, digits }, _) => {
            let digit = char::from(byte).to_digit(16).ok_or(HttpError::ChunkSize)?;
            if digits == 15 {
                return Err(HttpError::ChunkSize);
            }
            State::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
        }
        (State::DataCr, b'\r') => State::DataLf,
        (State::DataLf, b'\n') => State::Size { value: 0, digits: 0 },
        (State::DataCr | State::DataLf, _) => return Err(HttpError::ChunkEnd),
        (State::TrailerStart, b'\r') => State::TrailerEnd,
        (State::TrailerEnd, b'\n') => State::Done,
        (State::Trailer { .. }, b'\n') => State::TrailerStart,
        (State::TrailerStart, _) => State::Trailer { read: 1 },
        (State::Trailer { read }, _) if read < LINE_BYTES_MAX => State::Trailer { read: read + 1 },
        (State::TrailerEnd | State::Trailer { .. }, _) => return Err(HttpError::HeaderLine),
        (state @ (State::SizeRest { .. } | State::Data { .. } | State::Done), _) => state,
    })
}

/// Appends `data` as one chunk; an empty one ends the body.
pub fn push_chunk(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_in_pieces(mut wire: &[u8], cuts: &[usize]) -> (Vec<u8>, bool, usize) {
        let mut decoder = ChunkedDecoder::default();
        let mut body = Vec::new();
        let mut taken = 0;
        let mut feed = |piece: &[u8]| {
            taken += decoder.decode(piece, |run| body.extend_from_slice(run)).unwrap();
        };
        for &cut in cuts {
            let (piece, rest) = wire.split_at(cut.min(wire.len()));
            feed(piece);
            wire = rest;
        }
        feed(wire);
        (body, decoder.is_done(), taken)
    }

    #[test]
    fn extensions_and_trailers_are_read_over() {
        let wire = b"3;a=b\r\nabc\r\n2 \r\nde\r\n0\r\nx: y\r\n\r\nNEXT";
        let (body, done, taken) = decode_in_pieces(wire, &[]);
        assert_eq!((body.as_slice(), done, taken), (b"abcde".as_slice(), true, wire.len() - 4));
    }

    #[test]
    fn bad_sizes_and_ends_are_refused() {
        for wire in [
            b"\r\n".as_slice(),
            b"x\r\n",
            b"-1\r\n",
            b"1111111111111111\r\n",
            b"1\r\nab\r\n",
            b"0\r\n\rx",
        ] {
            assert!(ChunkedDecoder::default().decode(wire, |_| {}).is_err(), "{wire:?}");
        }
    }

    proptest! {
        #[test]
        fn a_body_cut_anywhere_decodes_to_itself(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..80), 0..8),
            cuts in proptest::collection::vec(0_usize..40, 0..30),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                push_chunk(&mut wire, chunk);
            }
            push_chunk(&mut wire, b"");
            let (body, done, taken) = decode_in_pieces(&wire, &cuts);
            prop_assert_eq!(body, chunks.concat());
            prop_assert!(done);
            prop_assert_eq!(taken, wire.len());
        }
    }
}
